"""Recovery from a killed run: what is provably ours and dead goes, everything else stays."""

import json
import os
import pwd
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.toolchain.docker_engine import FakeEngine
from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.recovery import drop_pending_creates, release_locks, remove_untracked
from toolchain.stack import Stack

URN = "urn:pulumi:dev::slipway::slipway:index:HardenedContainer$docker:index/container:Container::web-container"
STACK = "organization/slipway/dev"
KILLED = 1_700_000_000.0


def container(name: str = "web", *, urn: str | None = URN, stack: str | None = STACK, age: float = 5) -> dict[str, Any]:
    labels = {"io.slipway.stack": stack, "io.slipway.urn": urn}
    return {
        "Id": name * 8,
        "Names": [f"/{name}"],
        "Created": int(KILLED + age),
        "Labels": {key: value for key, value in labels.items() if value is not None},
    }


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / "Pulumi.yaml").write_text("name: slipway\nruntime: python\n")
    project = Project(tmp_path)
    project.run.mkdir(parents=True)
    found = Stack(project, "dev")
    found.lock_folder.mkdir(parents=True)
    return found


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def lock(stack: Stack, pid: int, *, host: str = "", user: str = "", taken: float | None = None) -> Path:
    path = stack.lock_folder / f"{pid}.json"
    moment = datetime.fromtimestamp(time.time() if taken is None else taken, UTC).isoformat()
    content = {
        "pid": pid,
        "username": user or pwd.getpwuid(os.getuid()).pw_name,
        "hostname": host or socket.gethostname(),
        "timestamp": moment.replace("+00:00", "Z"),
    }
    path.write_text(json.dumps(content))
    return path


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def deploy(stack: Stack, *resources: dict[str, Any]) -> None:
    folder = stack.project.backend / ".pulumi" / "stacks" / "slipway"
    folder.mkdir(parents=True)
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": {"resources": list(resources)}}}))


def removals(
    stack: Stack, containers: list[dict[str, Any]], pending: dict[str, str], *held: dict[str, Any]
) -> list[str]:
    """What is removed from the engine that the state's provider speaks to; the state holds something else, too."""
    path = stack.project.run / "engine.sock"
    deploy(stack, {"type": "pulumi:providers:docker", "id": "1", "inputs": {"host": f"unix://{path}"}}, *held)
    with FakeEngine(str(path), containers) as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        remove_untracked(stack, pending, KILLED, lambda _: None)
        engine.shutdown()
        return engine.removed


def test_the_lock_of_a_dead_process_of_ours_is_released(stack: Stack) -> None:
    path = lock(stack, dead_pid())
    attributes = path.with_name(path.name + ".attrs")
    attributes.write_text("{}")
    assert [item.path for item in release_locks(stack, lambda _: None)] == [path]
    assert not path.exists()
    assert not attributes.exists()


def test_the_lock_of_a_running_process_is_kept_and_its_holder_named(
    stack: Stack, sleeper: subprocess.Popen[bytes]
) -> None:
    path = lock(stack, sleeper.pid)
    with pytest.raises(ToolchainError, match=rf"stack dev: locked by .*process {sleeper.pid}, since .*: wait until"):
        release_locks(stack, lambda _: None)
    assert path.exists()


def test_a_process_that_merely_got_the_same_id_holds_no_lock(stack: Stack, sleeper: subprocess.Popen[bytes]) -> None:
    path = lock(stack, sleeper.pid, taken=time.time() - 3600)
    release_locks(stack, lambda _: None)
    assert not path.exists()


@pytest.mark.parametrize(("host", "user"), [("another-machine", ""), ("", "somebody-else")])
def test_the_lock_of_another_machine_or_user_is_kept(stack: Stack, host: str, user: str) -> None:
    path = lock(stack, dead_pid(), host=host, user=user)
    with pytest.raises(ToolchainError, match="pulumi cancel -s dev"):
        release_locks(stack, lambda _: None)
    assert path.exists()


def test_one_held_lock_keeps_the_dead_ones_too(stack: Stack, sleeper: subprocess.Popen[bytes]) -> None:
    dead = lock(stack, dead_pid())
    lock(stack, sleeper.pid)
    with pytest.raises(ToolchainError):
        release_locks(stack, lambda _: None)
    assert dead.exists()


def test_a_broken_lock_is_named_not_removed(stack: Stack) -> None:
    path = stack.lock_folder / "half.json"
    path.write_text('{"pid": 1')
    with pytest.raises(ToolchainError, match=r"half\.json is not a lock"):
        release_locks(stack, lambda _: None)
    assert path.exists()


def test_a_state_without_pending_operations_is_not_touched(stack: Stack) -> None:
    # No pulumi is on this PATH: asking it would fail.
    assert drop_pending_creates(stack, {"PATH": ""}, lambda _: None) == {}


def test_the_container_of_a_pending_create_is_removed(stack: Stack) -> None:
    assert removals(stack, [container()], {URN: "web"}) == ["/containers/" + "web" * 8]


def test_a_container_of_another_checkout_with_the_same_stack_and_urn_is_left_alone(stack: Stack) -> None:
    assert removals(stack, [container("theirs")], {URN: "web"}) == []


@pytest.mark.parametrize(
    "other",
    [
        container(urn=None),
        container(stack=None),
        container(stack="organization/slipway/staging"),
        container(urn=URN.replace("web-", "db-")),
        container(age=-3600),
    ],
    ids=["no urn", "no stack", "other stack", "other urn", "older than the killed run"],
)
def test_a_container_that_is_not_provably_of_the_killed_run_is_left_alone(stack: Stack, other: dict[str, Any]) -> None:
    assert removals(stack, [other], {URN: "web"}) == []


def test_nothing_is_removed_without_a_pending_create_even_with_the_labels(stack: Stack) -> None:
    assert removals(stack, [container()], {}) == []


def test_a_container_that_the_state_holds_is_left_alone(stack: Stack) -> None:
    held = {"type": "docker:index/container:Container", "id": "web" * 8}
    assert removals(stack, [container()], {URN: "web"}, held) == []


def test_an_engine_that_was_replaced_is_not_asked_and_a_far_one_is_named(stack: Stack) -> None:
    provider = {"type": "pulumi:providers:docker", "id": "1"}
    gone = provider | {"inputs": {"host": "unix:///run/gone.sock"}, "delete": True}
    deploy(stack, gone, provider | {"inputs": {"host": "tcp://far.example:2376"}})
    said: list[str] = []
    remove_untracked(stack, {URN: "web"}, KILLED, said.append)
    assert said == ["recovery: tcp://far.example:2376 is not searched for what the killed run left behind"]


def test_no_engine_is_searched_that_the_killed_run_did_not_speak_to(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{stack.project.run}/none.sock")
    remove_untracked(stack, {URN: "web"}, KILLED, lambda _: None)
    assert removals(stack, [container()], {URN: "web"}) == ["/containers/" + "web" * 8]
