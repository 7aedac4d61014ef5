"""The same source gives the same bytes: on another builder, cold, and from the layer cache."""

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout

BUILDERS = ("cold-one", "cold-two", "cold-three")
"""Names of the builders and of the stacks that build with them."""
PLATFORMS = ("linux/amd64", "linux/arm64")
_CONFIGURATION = """root = {root}
[grpc]
  address = [{address}]
[worker.oci]
  enabled = true
  binary = "runc"
[worker.containerd]
  enabled = false
[registry.{quarantine}]
  http = true
"""


@contextmanager
def fresh_builder(checkout: Checkout, name: str, folder: Path) -> Iterator[str]:
    """A BuildKit daemon that has never built anything, and its buildx instance; yields its address."""
    socket = folder / "buildkitd.sock"
    address = f"unix://{socket}"
    values = {"root": folder / "root", "address": address, "quarantine": checkout.quarantine.address}
    text = _CONFIGURATION.format(**{key: json.dumps(str(value)) for key, value in values.items()})
    (folder / "buildkitd.toml").write_text(text)
    node: dict[str, object] = {
        "Name": f"{name}0",
        "Endpoint": address,
        "Platforms": None,
        "DriverOpts": {},
        "Flags": None,
        "Files": None,
    }
    instance = {"Name": name, "Driver": "remote", "Nodes": [node], "Dynamic": False}
    (Path(checkout.environment["BUILDX_CONFIG"]) / "instances" / name).write_text(json.dumps(instance))
    command = ["buildkitd", "--config", str(folder / "buildkitd.toml")]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, env=checkout.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        checkout.wait_for(socket.exists, seconds=60)
        yield address
    finally:
        daemon.terminate()
        daemon.wait(60)


@dataclass
class Build:
    """One build: the release that it became, and each step of it that BuildKit reported."""

    record: ReleaseRecord
    log: str

    def cached(self, instruction: str) -> dict[str, bool]:
        """Whether a step came from the cache, by the step's name, of all steps with this instruction."""
        steps = re.findall(rf"#(\d+) (\[.*\] {instruction} .*)", self.log)
        return {name: bool(re.search(rf"#{number} CACHED", self.log)) for number, name in steps}


def build(checkout: Checkout, name: str, **options: Any) -> Build:
    """Bring up a stack that publishes the sample, built by the builder of its name."""

    def change(settings: dict[str, Any]) -> None:
        settings["builder"] = name
        web = settings["services"]["web"]
        del web["run"]
        web["repository"] = options.get("repository", web["repository"])
        web["build"]["cache"] = options.get("cache", True)

    checkout.stack(name, change)
    log = checkout.up(name).stdout
    return Build(ReleaseRecord.model_validate(checkout.outputs(name)["web"]["release"]), log)


@pytest.fixture(scope="module", name="builds")
def three_builds(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Build]]:
    """Two cold builds side by side, one of which writes the layer cache, and one that reads it."""
    one, two, three = BUILDERS
    with ExitStack() as daemons, ThreadPoolExecutor() as pool:
        for name in BUILDERS:
            daemons.enter_context(fresh_builder(checkout, name, tmp_path_factory.mktemp(name)))
        first = pool.submit(build, checkout, one)
        second = pool.submit(build, checkout, two, cache=False)
        found = {one: first.result(), two: second.result()}
        yield found | {three: build(checkout, three, repository=f"{one}/web")}


def test_two_cold_builds_on_two_builders_give_the_same_digest(builds: dict[str, Build]) -> None:
    one, two, _ = BUILDERS
    assert builds[one].record.digest == builds[two].record.digest
    for name in (one, two):
        steps = builds[name].cached("RUN")
        assert len(steps) >= 2 and not any(steps.values()), steps


def test_a_fresh_builder_takes_every_step_of_both_platforms_from_the_layer_cache(builds: dict[str, Build]) -> None:
    one, _, three = BUILDERS
    assert builds[three].record.digest == builds[one].record.digest
    steps = builds[three].cached("RUN")
    assert steps and all(steps.values()), steps
    for platform in PLATFORMS:
        assert any(platform in name for name in steps), steps
