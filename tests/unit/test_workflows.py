"""The workflows in docs/workflows: linted, least privileges, nothing pinned by a name that moves, steps that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml

from toolchain.progress import Progress
from toolchain.tools import ensure_tool

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "docs" / "workflows"
STEPS = WORKFLOWS / "steps"
GITHUB = [WORKFLOWS / "github" / f"{name}.yml" for name in ("preview", "staging", "production")]
GITLAB = WORKFLOWS / "gitlab-ci.yml"
PINNED = re.compile(r"\s*-?\s*uses: (?P<action>[\w-]+/[\w-]+)@(?P<digest>[0-9a-f]{40}) # v\d+\.\d+\.\d+")
REVIEWED = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
}
"""The commits that the tags v7.0.1, v7.0.0 and v8.0.1 of these repositories name."""


def content(path: Path) -> dict[str, Any]:
    """A workflow, with `on` as it is written: YAML 1.1 takes it for true."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else str(key)): value for key, value in found.items()}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow."""
    found: dict[str, dict[str, Any]] = content(path)["jobs"]
    return found


def errors(path: Path, schema: str) -> list[str]:
    """What a forge's own schema says of a file."""
    text = (files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{schema}.json").read_text(encoding="utf-8")
    rules = json.loads(text)
    validator = jsonschema.validators.validator_for(rules)(rules)
    return [f"{list(it.absolute_path)}: {it.message[:200]}" for it in validator.iter_errors(content(path))]


def test_actionlint_finds_nothing() -> None:
    program = ensure_tool(ROOT, "actionlint", report=Progress(sys.stderr))
    command = [str(program), "-config-file", str(WORKFLOWS / "github" / "actionlint.yaml"), *map(str, GITHUB)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_workflow_of_the_folder_is_linted() -> None:
    assert sorted(WORKFLOWS.glob("github/*.yml")) == sorted(GITHUB)


@pytest.mark.parametrize("path", GITHUB, ids=lambda it: it.stem)
def test_a_workflow_is_what_github_takes(path: Path) -> None:
    assert errors(path, "github-workflows") == []


def test_the_pipeline_is_what_gitlab_takes() -> None:
    assert errors(GITLAB, "gitlab-ci") == []


def test_the_schemas_see_a_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("on: push\njobs: {a: {steps: []}}\n")
    assert errors(broken, "github-workflows")
    broken.write_text("a: {script: [true], when: sometimes}\n")
    assert errors(broken, "gitlab-ci")


@pytest.mark.parametrize("path", GITHUB, ids=lambda it: it.stem)
def test_every_action_is_pinned_by_a_commit_that_was_looked_up(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        found = PINNED.fullmatch(line)
        assert found, line
        assert REVIEWED[found["action"]] == found["digest"]


@pytest.mark.parametrize("path", GITHUB, ids=lambda it: it.stem)
def test_nothing_is_permitted_but_what_a_job_needs(path: Path) -> None:
    assert content(path)["permissions"] == {}
    for name, job in jobs(path).items():
        wanted = {"contents": "read"} | ({"pull-requests": "write"} if name == "comment" else {})
        assert job["permissions"] == wanted, name
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_who_may_write_has_no_secret_and_who_has_secrets_may_not_write() -> None:
    for path in GITHUB:
        for name, job in jobs(path).items():
            text = json.dumps(job)
            assert ("secrets." in text) != ("write" in job["permissions"].values()), f"{path.stem}: {name}"


def test_the_code_of_a_fork_meets_no_secret() -> None:
    preview = jobs(GITHUB[0])["preview"]
    assert preview["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert "pull_request_target" not in GITHUB[0].read_text(encoding="utf-8")
    ours = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"
    for name in ("preview", "comment"):
        assert ours in content(GITLAB)[name]["rules"][0]["if"]


def test_production_waits_for_an_approval_of_what_was_seen() -> None:
    promote = jobs(GITHUB[2])["promote"]
    assert (promote["environment"], promote["needs"]) == ("production", "preview")
    assert promote["if"] == "needs.preview.outputs.would_ship == 'true'"
    manual = content(GITLAB)["production"]
    assert (manual["rules"][0]["when"], manual["environment"]["name"]) == ("manual", "production")
    assert manual["needs"] == [{"job": "preview production", "artifacts": True}]


def test_two_runs_of_one_stack_wait_for_each_other() -> None:
    for path in GITHUB[1:]:
        assert content(path)["concurrency"] == {"group": path.stem, "cancel-in-progress": False}
    for name in ("staging", "production"):
        assert content(GITLAB)[name]["resource_group"] == name


def commands() -> list[str]:
    """Every command line of the workflows."""
    found = [step["run"] for path in GITHUB for job in jobs(path).values() for step in job["steps"] if "run" in step]
    return found + [line for job in content(GITLAB).values() if "script" in job for line in job["script"]]


def test_every_step_is_a_script_that_is_there_and_nothing_of_the_event_stands_in_a_command() -> None:
    scripts = {word for line in commands() for word in line.split() if word.startswith("docs/workflows/steps/")}
    assert scripts == {f"docs/workflows/steps/{name}" for name in ("preview.sh", "up.sh", "promote.sh", "comment.py")}
    for name in scripts:
        path = ROOT / name
        assert path.is_file()
        assert path.suffix == ".py" or path.stat().st_mode & 0o111, f"{name} cannot be run"
    assert not [line for line in commands() if "${{" in line]


@pytest.mark.parametrize("path", sorted(STEPS.glob("*.sh")), ids=lambda it: it.name)
def test_a_script_is_one_and_stops_at_the_first_mistake(path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    if path.name != "prepare.sh":
        assert "set -euo pipefail" in path.read_text(encoding="utf-8").splitlines()[:6]


@pytest.mark.parametrize("name", ["", "a b", "$(id)", "x;y"])
@pytest.mark.parametrize("script", ["preview.sh", "up.sh"])
def test_a_script_wants_the_name_of_a_stack(script: str, name: str) -> None:
    ended = subprocess.run([STEPS / script, name], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "write the name of a stack" in ended.stderr


@pytest.mark.parametrize("script", ["preview.sh", "up.sh"])
def test_a_job_without_a_backend_ends_before_it_takes_another_one(script: str) -> None:
    told = {"PATH": os.environ["PATH"], "CI": "true"}
    ended = subprocess.run([STEPS / script, "production"], env=told, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: PULUMI_BACKEND_URL is not set for this job: set it for its environment")


def report(folder: Path, name: str, digest: str | None = "sha256:1", **changes: Any) -> Path:
    """A preview.json with one service that ships."""
    service = {"name": "web", "ships": True, "state": "changed", "after": {"digest": digest}, "settings": []}
    found = {"schema_version": 1, "project": "slipway", "stack": "production", "services": [service | changes]}
    path = folder / name
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({}, ""),
        ({"digest": "sha256:2"}, 'web: approved {"digest": "sha256:1"'),
        ({"ships": False}, "web: approved"),
        ({"settings": [{"setting": "read_only"}]}, "web: approved"),
        ({"state": "removed", "after": None}, "web: approved"),
    ],
    ids=["the same", "another digest", "nothing", "another setting", "removed"],
)
def test_only_what_was_approved_is_promoted(tmp_path: Path, now: dict[str, Any], told: str) -> None:
    paths = [report(tmp_path, "approved.json"), report(tmp_path, "now.json", **now)]
    ended = subprocess.run([sys.executable, STEPS / "same.py", *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == bool(told)
    assert ended.stdout == ("" if told else '{"web": "sha256:1"}\n')
    assert told in ended.stderr
    assert ("nothing was changed" in ended.stderr) == bool(told)


def test_a_digest_that_nobody_knows_cannot_have_been_approved(tmp_path: Path) -> None:
    paths = [report(tmp_path, name, None) for name in ("approved.json", "now.json")]
    ended = subprocess.run([sys.executable, STEPS / "same.py", *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "its digest is not known" in ended.stderr


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
        thread = threading.Thread(target=server.serve_forever)
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
