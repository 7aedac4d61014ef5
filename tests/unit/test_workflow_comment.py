"""The step of the workflows that posts a report: one comment a stack, whoever else writes there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

STEPS = Path(__file__).resolve().parents[2] / "docs" / "workflows" / "steps"


class Forge(ThreadingHTTPServer):
    """A server that plays GitHub's or GitLab's comments."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.comments: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.status = 200

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Forge

    def _answer(self, content: Any) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def do_GET(self) -> None:
        """A page of comments, or the account."""
        parts = urlsplit(self.path)
        if parts.path.endswith("/user"):
            return self._answer({"username": "slipway-bot"})
        page, size = (int(parse_qs(parts.query)[key][0]) for key in ("page", "per_page"))
        return self._answer(self.server.comments[(page - 1) * size : page * size])

    def do_POST(self) -> None:
        """A new comment."""
        self._answer(self._written(len(self.server.comments) + 1000))

    def do_PATCH(self) -> None:
        """Another text for a comment."""
        self._answer(self._written(int(self.path.rpartition("/")[2])))

    do_PUT = do_PATCH  # noqa: N815

    def _written(self, number: int) -> dict[str, Any]:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        name = "slipway-bot" if "merge_requests" in self.path else "github-actions[bot]"
        made = {"id": number, "body": body, "user": {"login": name}, "author": {"username": name}}
        self.server.comments = [it for it in self.server.comments if it["id"] != number] + [made]
        return made

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(name="forge")
def forge_with_comments() -> Iterator[Forge]:
    """A forge on which many people have written."""
    with Forge() as server:
        theirs = {"login": "somebody", "username": "somebody"}
        marker = "<!-- slipway preview: staging -->\nmine"
        server.comments = [{"id": 1, "body": marker, "user": theirs, "author": theirs}]
        server.comments += [{"id": it, "body": "hello", "user": theirs, "author": theirs} for it in range(2, 250)]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(forge: Forge, path: Path, kind: str) -> subprocess.CompletedProcess[str]:
    """Run the step."""
    environment = {
        "github": {"GITHUB_TOKEN": "t0ken", "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "driftwood/web"},
        "gitlab": {"GITLAB_TOKEN": "t0ken", "CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "12"},
        "nowhere": {},
    }[kind]
    command = [sys.executable, str(STEPS / "comment.py"), str(path), "7"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_report_is_posted_once_and_replaced_after(forge: Forge, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "preview.md"
    for text, done in (("one", "posted"), ("two", "replaced"), ("three", "replaced")):
        path.write_text(f"<!-- slipway preview: staging -->\n{text}\n")
        ended = post(forge, path, kind)
        assert (ended.returncode, ended.stdout) == (0, f"{done} the report on request 7\n"), ended.stderr
    path.write_text("<!-- slipway preview: production -->\nother\n")
    assert post(forge, path, kind).stdout.startswith("posted")
    mine = [it["body"].splitlines()[1] for it in forge.comments if it["user"]["login"] != "somebody"]
    assert mine == ["three", "other"]
    assert forge.comments[0]["body"].endswith("mine")  # what somebody else wrote under our line stays his
    where = "/repos/driftwood/web/issues/" if kind == "github" else "/projects/12/merge_requests/7/notes"
    name, value = ("Authorization", "Bearer t0ken") if kind == "github" else ("Private-Token", "t0ken")
    assert all(it[1].startswith((where, "/user")) and it[2][name] == value for it in forge.asked)


def test_a_forge_that_refuses_is_told_without_the_token(forge: Forge, tmp_path: Path) -> None:
    forge.status = 403
    path = tmp_path / "preview.md"
    path.write_text("<!-- slipway preview: staging -->\n")
    ended = post(forge, path, "github")
    assert ended.returncode == 1
    assert "answers 403" in ended.stderr and "may the token write comments?" in ended.stderr
    assert "t0ken" not in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [("# something\n", "github", "is no report"), ("<!-- slipway preview: a -->\n", "nowhere", "is not set")],
)
def test_nothing_else_is_posted(forge: Forge, tmp_path: Path, text: str, kind: str, told: str) -> None:
    path = tmp_path / "preview.md"
    path.write_text(text)
    ended = post(forge, path, kind)
    assert (ended.returncode, forge.asked) == (2, [])
    assert told in ended.stderr
