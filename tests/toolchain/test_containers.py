"""A container of the stack that does not run is told after `make up`: `pulumi up` looks at the state alone."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.toolchain.docker_engine import FakeEngine
from toolchain import verbs
from toolchain.__main__ import main
from toolchain.containers import refuse_standstill
from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.stack import Stack

PROVIDER = "urn:pulumi:dev::slipway::slipway:index:Host$pulumi:providers:docker::host-docker"
IDENTITY = "c0ffee" * 10
URL = "http://127.0.0.1:8080"


@pytest.fixture(name="engine")
def an_engine(tmp_path: Path) -> Iterator[FakeEngine]:
    with FakeEngine(str(tmp_path / "docker.sock"), []) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def state(engine: str, identity: str = IDENTITY, **more: Any) -> dict[str, Any]:
    """A deployment with one container on this engine."""
    resources = [
        {"type": "pulumi:pulumi:Stack", "urn": "urn:s", "outputs": {"web": {"url": URL}}},
        {"type": "pulumi:providers:docker", "urn": PROVIDER, "id": "p1", "inputs": {"host": f"unix://{engine}"}},
        {
            "type": "docker:index/container:Container",
            "urn": "urn:c",
            "id": identity,
            "provider": f"{PROVIDER}::p1",
            "inputs": {"name": "driftwood-web"},
            **more,
        },
    ]
    return {"resources": resources}


def at(engine: FakeEngine) -> str:
    """The path of its socket."""
    return str(engine.server_address)


def holds(engine: FakeEngine, state: str, status: str = "") -> None:
    """Let the engine have the container in this state."""
    engine.containers = [{"Id": IDENTITY, "State": state, "Status": status, "Labels": {}}]


def test_a_container_that_runs_is_no_news(engine: FakeEngine) -> None:
    holds(engine, "running")
    refuse_standstill(state(at(engine)))


def test_a_container_that_ends_over_and_over_is_told_where_its_log_is(engine: FakeEngine) -> None:
    holds(engine, "restarting", "Restarting (1) 5 seconds ago")
    with pytest.raises(ToolchainError) as caught:
        refuse_standstill(state(at(engine)))
    assert str(caught.value) == (
        "container driftwood-web ends and is started again, over and over (Restarting (1) 5 seconds ago): "
        "see `docker logs driftwood-web`"
    )


@pytest.mark.parametrize(
    ("how", "status", "remedy"),
    [
        ("exited", "Exited (0) 3 minutes ago", "docker start driftwood-web"),
        ("created", "Created", "docker start driftwood-web"),
        ("paused", "Up 5 minutes (Paused)", "docker unpause driftwood-web"),
    ],
)
def test_one_that_does_not_run_is_told_with_what_starts_it(
    engine: FakeEngine, how: str, status: str, remedy: str
) -> None:
    holds(engine, how, status)
    with pytest.raises(ToolchainError) as caught:
        refuse_standstill(state(at(engine)))
    assert str(caught.value).startswith(f"container driftwood-web does not run ({status}): `{remedy}` makes it go on; ")
    assert "make up ARGS=--refresh" in str(caught.value)


def test_one_that_is_gone_is_told_with_what_makes_it_anew(engine: FakeEngine) -> None:
    with pytest.raises(ToolchainError, match=r"driftwood-web is in the stack's state, and gone .*ARGS=--refresh"):
        refuse_standstill(state(at(engine)))


def test_an_engine_that_does_not_tell_is_no_good_news(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"none\.sock: GET /containers/json is not answered"):
        refuse_standstill(state(str(tmp_path / "none.sock")))


def test_what_is_being_replaced_and_a_state_without_containers_ask_nobody(tmp_path: Path) -> None:
    refuse_standstill(state(str(tmp_path / "none.sock"), delete=True))
    refuse_standstill({})


@pytest.mark.parametrize(("how", "code"), [("running", 0), ("exited", 1)])
def test_make_up_is_no_success_while_a_container_stands_still(
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
    code: int,
) -> None:
    holds(engine, how, "Exited (137) 2 hours ago")
    (tmp_path / "Pulumi.yaml").write_text("name: slipway\n")
    stack = Stack(Project(tmp_path), "dev")
    folder = stack.project.backend / ".pulumi" / "stacks" / "slipway"
    folder.mkdir(parents=True)
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": state(at(engine))}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verbs, "_prepared", lambda *_, **__: (SimpleNamespace(report=lambda _: None), stack))
    monkeypatch.setattr(verbs, "_pulumi", lambda *_: 0)
    assert main(["up"]) == code
    said = capsys.readouterr()
    assert said.out == ("" if code else f"{URL}\n")
    assert ("error: container driftwood-web does not run (Exited (137) 2 hours ago)" in said.err) == bool(code)
