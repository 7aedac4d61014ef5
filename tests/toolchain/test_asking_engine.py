"""A Docker Engine that refuses, or speaks no HTTP, is told in one message by whatever asks it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toolchain.containers import CONTAINER, refuse_standstill
from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.recovery import remove_untracked
from toolchain.services import engine
from toolchain.services.probe import ask_engine
from toolchain.stack import Stack

REFUSAL = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"message": "shutting down"}'
PROVIDER = "pulumi:providers:docker"


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[str]:
    """A socket that gives this answer, once, to whatever it is asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield str(path)
        thread.join(timeout=10)


def look_at_containers(project: Project, host: str) -> None:
    """Asks as the end of `make up` does."""
    provider = {"type": PROVIDER, "urn": "urn:p", "id": "1", "inputs": {"host": host}}
    refuse_standstill({"resources": [provider, {"type": CONTAINER, "urn": "urn:c", "id": "c", "provider": "urn:p::1"}]})


def recover(project: Project, host: str) -> None:
    """Asks as the recovery of a killed run does."""
    (project.root / "Pulumi.yaml").write_text("name: slipway\n")
    folder = project.backend / ".pulumi" / "stacks" / "slipway"
    folder.mkdir(parents=True)
    state = {"resources": [{"type": PROVIDER, "id": "1", "inputs": {"host": host}}]}
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": state}}))
    remove_untracked(Stack(project, "dev"), {"urn:c": "web"}, 0.0, lambda _: None)


def end_the_engine(project: Project, _host: str) -> None:
    """Asks as `make down` does."""
    engine.foreign_containers(project)


@pytest.mark.parametrize("ask", [look_at_containers, recover, end_the_engine])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (REFUSAL, r'is refused \(503 {"message": "shutting down"}\): see its log'),
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"is not answered \(SSH-2\.0-OpenSSH_9\.2\): see its log"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", r"is not answered \(Expecting value.*\): see its log"),
        (b"HTTP/1.1 200 OK\r\n\r\n", r"is not answered \(Expecting value.*\): see its log"),
    ],
    ids=["refusal", "no HTTP", "no JSON", "nothing"],
)
def test_an_engine_that_does_not_answer_as_one_is_told_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Project, str], None], answer: bytes, told: str
) -> None:
    with answering(tmp_path / "engine.sock", answer) as path:
        monkeypatch.setattr(engine, "SOCKET", Path(path))
        with pytest.raises(ToolchainError, match=rf"the Docker Engine at {path}: GET /containers/json {told}"):
            ask(Project(tmp_path), f"unix://{path}")


def test_what_is_to_be_removed_and_is_gone_already_is_no_error(tmp_path: Path) -> None:
    with answering(tmp_path / "engine.sock", b"HTTP/1.1 404 Not Found\r\n\r\n{}") as path:
        assert ask_engine(path, "/containers/c", "DELETE") is None
