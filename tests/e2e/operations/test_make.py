"""A newcomer's day: a fresh clone, `make up`, a look around, and everything gone again."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import SOURCE, clone, commit, free_port, run_command
from tests.e2e.names import PREFIX
from tests.e2e.shipped import get

CONTAINER = f"{PREFIX}-make"
SERVICES = ("quarantine", "registry", "buildkit")
QUICK = 30.0
"""Seconds that a `make up` without a change may take, on a machine that is busy with other things as well."""


@dataclass
class Clone:
    """A clone of the project, and nothing but HOME, PATH and the ports of its own in the environment."""

    root: Path
    environment: dict[str, str]
    port: int

    def make(self, *arguments: str, check: bool = True, **options: str) -> subprocess.CompletedProcess[str]:
        """Run make; what it prints to standard error is part of the output."""
        return self.run("make", "--no-print-directory", *arguments, check=check, **options)

    def run(self, *command: str, check: bool = True, **options: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone."""
        return run_command(command, self.root, self.environment, check=check, input=options.get("input", ""))

    def changes(self) -> str:
        """What git would commit."""
        return self.run("git", "status", "--porcelain").stdout

    def listening(self) -> list[str]:
        """Those of the clone's ports on which somebody listens."""
        ports = [self.environment["SLIPWAY_QUARANTINE_PORT"], self.environment["SLIPWAY_REGISTRY_PORT"], str(self.port)]
        return [port for port in ports if _answers(int(port))]


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def cleared_environment() -> dict[str, str]:
    """HOME, and PATH without the tools that the toolchain has installed."""
    ours = ("/slipway/tools/", str(SOURCE))
    path = [it for it in os.environ["PATH"].split(os.pathsep) if not any(part in f"{it}/" for part in ours)]
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    ports = {name: str(free_port()) for name in ("SLIPWAY_QUARANTINE_PORT", "SLIPWAY_REGISTRY_PORT")}
    return kept | ports | {"PATH": os.pathsep.join(path)}


@pytest.fixture(scope="module", name="fresh")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone whose stack dev has ports and a container of its own; nothing of it is left afterwards."""
    root = tmp_path_factory.mktemp("make") / "slipway"
    clone(root)
    made = Clone(root, cleared_environment(), free_port())
    stack = root / "stacks" / "Pulumi.dev.yaml"
    text = stack.read_text()
    for old, new in (
        ("localhost:5380", f"localhost:{made.environment['SLIPWAY_QUARANTINE_PORT']}"),
        ("localhost:5443", f"localhost:{made.environment['SLIPWAY_REGISTRY_PORT']}"),
        ("host: 8080", f"host: {made.port}"),
        ("name: driftwood-web", f"name: {CONTAINER}"),
    ):
        assert old in text
        text = text.replace(old, new)
    stack.write_text(text)
    commit(root, "take ports of our own")
    try:
        yield made
    finally:
        if (root / ".slipway").exists():
            made.make("destroy", check=False)
            made.make("down")


@pytest.fixture(scope="module", name="up")
def first_make_up(fresh: Clone) -> str:
    """What `make up` printed."""
    return fresh.make("up").stdout


def container_id(fresh: Clone) -> str:
    """The id of the running container; empty where there is none."""
    return fresh.run("docker", "ps", "--quiet", "--no-trunc", "--filter", f"name=^{CONTAINER}$").stdout.strip()


def test_make_up_ends_with_the_url_and_the_app_answers_there(fresh: Clone, up: str) -> None:
    url = up.strip().splitlines()[-1]
    assert url == f"http://127.0.0.1:{fresh.port}"
    status, page = get(url)
    assert status == 200
    assert "salt-mill" in page


def test_make_up_leaves_the_checkout_clean(fresh: Clone, up: str) -> None:
    assert up
    assert fresh.changes() == ""


def test_make_status_lists_the_services_and_the_stack(fresh: Clone, up: str) -> None:
    assert up
    lines = fresh.make("status").stdout.splitlines()
    for service in SERVICES:
        row = next(line.split() for line in lines if line.startswith(service))
        assert Path("/proc", row[2]).exists(), row
    stack = next(line.split() for line in lines if line.startswith("slipway/dev") or "/dev " in f"{line} ")
    assert int(stack[1]) > len(SERVICES)


@pytest.mark.parametrize(
    "shell",
    [["make", "shell"], ["bash", "-c", 'eval "$(python3 -m toolchain env)" && bash']],
    ids=["make shell", "toolchain env"],
)
def test_plain_pulumi_in_a_prepared_shell_shows_the_same_stack_unchanged(
    fresh: Clone, up: str, shell: list[str]
) -> None:
    assert up
    commands = "pulumi stack --show-name && pulumi stack output --json && pulumi preview --expect-no-changes\n"
    said = fresh.run(*shell, input=commands).stdout
    assert "dev" in said.splitlines()
    assert f"http://127.0.0.1:{fresh.port}" in said
    # Plain pulumi notes the salt of the stack's passphrase in the stack's file, and nothing else.
    changed = fresh.run("git", "diff", "--unified=0").stdout
    lines = [line for line in changed.splitlines() if re.match(r"[+-](?![+-])", line)]
    assert [line.partition(":")[0] for line in lines] in ([], ["+encryptionsalt"]), changed


def test_the_state_passes_the_policy_pack(fresh: Clone, up: str) -> None:
    assert up
    # The pack's configuration with the ports of this clone, as `make up` has used it.
    judged = "--policy-pack policies --policy-pack-config .slipway/run/policy.dev.json"
    fresh.run("make", "shell", input=f"pulumi policy analyze {judged} --stack dev\n")


def test_a_second_make_up_changes_nothing_and_is_quick(fresh: Clone, up: str) -> None:
    assert up
    before, start = container_id(fresh), time.monotonic()
    said = fresh.make("up").stdout
    took = time.monotonic() - start
    assert said.strip().splitlines()[-1] == f"http://127.0.0.1:{fresh.port}"
    assert not re.search(r"^\s*(\+|~|-)\s+\S+:\S+ ", said, re.MULTILINE), said
    assert container_id(fresh) == before != ""
    assert took < QUICK, f"{took:.1f} s"


def test_make_clean_refuses_while_the_stack_has_resources(fresh: Clone, up: str) -> None:
    assert up
    refused = fresh.make("clean", check=False)
    assert refused.returncode != 0
    assert re.search(r"clean: stack slipway/dev still has \d+ resources", refused.stdout)
    assert "make destroy STACK=dev" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert (fresh.root / ".slipway").is_dir() and len(fresh.listening()) == 3
    assert get(f"http://127.0.0.1:{fresh.port}/healthz")[0] == 200


def test_an_unknown_stack_is_refused_with_those_that_exist(fresh: Clone) -> None:
    refused = fresh.make("up", "STACK=nowhere", check=False)
    assert refused.returncode != 0
    assert "stacks/Pulumi.nowhere.yaml does not exist" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_make_up_tells_of_a_container_that_somebody_stopped_and_what_starts_it(fresh: Clone, up: str) -> None:
    assert up
    before = container_id(fresh)
    fresh.run("docker", "stop", CONTAINER)
    told = fresh.make("up", check=False)
    assert told.returncode != 0
    assert f"error: container {CONTAINER} does not run (Exited" in told.stdout
    assert f"docker start {CONTAINER}" in told.stdout
    fresh.run("docker", "start", CONTAINER)
    fresh.make("up")
    assert container_id(fresh) == before != ""


def test_make_destroy_down_and_clean_leave_nothing_behind(fresh: Clone, up: str) -> None:
    assert up
    network = fresh.run("docker", "inspect", "--format", "{{.HostConfig.NetworkMode}}", CONTAINER).stdout.strip()
    fresh.make("destroy")
    assert container_id(fresh) == ""
    # Asked before the engine itself is ended, where this checkout started it.
    networks = fresh.run("docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert network not in networks
    down = fresh.make("down").stdout
    assert all(f"{service}: ended" in down for service in SERVICES)
    assert fresh.listening() == []
    assert "not running" in fresh.make("status").stdout
    fresh.make("clean")
    ignored = fresh.run("git", "ls-files", "--others", "--directory").stdout.splitlines()
    assert not [name for name in ignored if not name.endswith("__pycache__/")]
