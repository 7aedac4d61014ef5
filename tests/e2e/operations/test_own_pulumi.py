"""Somebody who has Pulumi already: their own home, backend and passphrase, and no command of ours but `pulumi`.

Where the vendor's site cannot be reached, `pulumi plugin install --file` puts the plugins where it would have put them.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Checkout, clone, commit, free_port, run_command
from tests.e2e.names import PREFIX
from tests.e2e.shipped import get

STACK = "own"
CONTAINER = f"{PREFIX}-{STACK}"
USERS = ("HOME", "PATH", "BUILDX_CONFIG")
"""What a prepared shell and theirs have in common: their tools, and their builder."""


@dataclass
class Own:
    """A clone, and the environment of somebody who knows nothing of ours."""

    root: Path
    environment: dict[str, str]
    port: int

    def pulumi(self, *arguments: str) -> str:
        """Run pulumi and return what it printed."""
        return run_command(["pulumi", *arguments], self.root, self.environment, check=True).stdout


@pytest.fixture(scope="module", name="own")
def own_pulumi(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Their clone with a stack of its own, brought up; nothing of it is left afterwards."""
    folder = tmp_path_factory.mktemp("own")
    clone(folder / "slipway")
    (folder / "backend").mkdir()
    environment = {name: checkout.environment[name] for name in USERS if name in checkout.environment}
    environment |= {"PULUMI_HOME": str(folder / "pulumi"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment |= {"PULUMI_BACKEND_URL": f"file://{folder}/backend", "PULUMI_CONFIG_PASSPHRASE": "their own"}
    # How they reach their package index is theirs, too.
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    environment |= {"UV_SYSTEM_CERTS": "1"}
    made = Own(folder / "slipway", environment, free_port())
    write_stack(checkout, made)
    for program in (checkout.root / ".slipway" / "pulumi-home" / "plugins").glob("resource-*/pulumi-resource-*"):
        name, _, version = program.parent.name.removeprefix("resource-").rpartition("-v")
        made.pulumi("plugin", "install", "resource", name, version, "--file", str(program))
    made.pulumi("install")
    made.pulumi("stack", "init", STACK)
    try:
        yield made
    finally:
        made.pulumi("destroy", "--yes", "--stack", STACK)
        shutil.rmtree(folder / "pulumi")


def write_stack(checkout: Checkout, own: Own) -> None:
    """The sample's settings, with registries, keys and bases that are theirs by address and path."""
    text = checkout.checked_in("Pulumi.dev.yaml").replace(".slipway/", f"{checkout.root}/.slipway/")
    document: dict[str, Any] = yaml.safe_load(text)
    web = document["config"]["slipway:services"]["web"]
    web["repository"] = f"{STACK}/web"
    web["run"]["name"] = CONTAINER
    web["run"]["ports"][0]["host"] = own.port
    (own.root / "stacks" / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    commit(own.root, "write a stack of our own")


@pytest.fixture(scope="module", name="up")
def first_up(own: Own) -> str:
    """What their first `pulumi up` printed."""
    return own.pulumi("up", "--yes", "--stack", STACK)


def test_plain_pulumi_brings_the_stack_up_and_then_has_nothing_to_do(own: Own, up: str) -> None:
    assert f"http://127.0.0.1:{own.port}" in up
    assert get(f"http://127.0.0.1:{own.port}/healthz")[0] == 200
    own.pulumi("preview", "--expect-no-changes", "--stack", STACK)


def test_the_state_is_in_their_backend_and_no_home_of_ours_is_made(own: Own, up: str) -> None:
    assert up
    state = own.root.parent / "backend" / ".pulumi" / "stacks" / "slipway" / f"{STACK}.json"
    assert json.loads(state.read_text())["checkpoint"]["latest"]["resources"]
    assert not {"pulumi-home", "backend", "services", "keys"} & {path.name for path in own.root.glob(".slipway/*")}
