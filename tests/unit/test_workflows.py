"""The workflows in docs/workflows: linted, least privileges, nothing pinned by a name that moves, steps that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

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
STACKS = ("staging", "production")
"""What the runners with keys are labelled with: one for each stack."""
PREVIEWS = "slipway-preview"
"""The label of the runner for the code of pull requests."""
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


def pipeline_jobs() -> dict[str, dict[str, Any]]:
    """The jobs of the pipeline on GitLab."""
    return {name: job for name, job in content(GITLAB).items() if isinstance(job, dict) and "script" in job}


def stack(job: dict[str, Any]) -> str:
    """The stack that a job of the pipeline is about."""
    [line] = [line for line in job["script"] if line.startswith("docs/workflows/steps/")]
    return str(line.split()[1])


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
    ours = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"
    for name in ("preview", "comment"):
        assert ours in content(GITLAB)[name]["rules"][0]["if"]


def test_a_workflow_begins_with_what_was_merged_or_with_a_request_in_its_own_right() -> None:
    events = {path.stem: set(content(path)["on"]) for path in GITHUB}
    assert events == {
        "preview": {"pull_request"},
        "staging": {"push"},
        "production": {"workflow_run", "workflow_dispatch"},
    }
    assert content(GITHUB[1])["on"]["push"] == {"branches": ["main"]}
    # A fork can have a branch `main` and a workflow `staging`, whose run ends well.
    asked = " ".join(jobs(GITHUB[2])["preview"]["if"].split())
    assert asked.startswith("github.ref == 'refs/heads/main' && (")
    assert "github.event.workflow_run.event == 'push' && " in asked
    assert "github.event.workflow_run.head_repository.full_name == github.repository" in asked


def test_the_code_of_a_pull_request_never_runs_where_the_keys_are() -> None:
    for path in GITHUB:
        for name, job in jobs(path).items():
            labels = {job["runs-on"]} if isinstance(job["runs-on"], str) else set(job["runs-on"])
            if path.stem == "preview":
                wanted = {"ubuntu-24.04"} if name == "comment" else {"self-hosted", PREVIEWS}
            else:
                wanted = {"self-hosted", path.stem}
                assert job["environment"] in (path.stem, f"{path.stem}-preview"), name
            assert labels == wanted, f"{path.stem}: {name}"
    lint = yaml.safe_load((WORKFLOWS / "github" / "actionlint.yaml").read_text(encoding="utf-8"))
    assert set(lint["self-hosted-runner"]["labels"]) == {*STACKS, PREVIEWS}


def test_the_code_of_a_merge_request_never_runs_where_the_keys_are() -> None:
    for name, job in pipeline_jobs().items():
        of_requests = "merge_request_event" in json.dumps(job["rules"])
        assert set(job.get("tags", ())) == ({PREVIEWS} if name == "preview" else set() if of_requests else {stack(job)})
        if not of_requests:
            assert [rule["if"] for rule in job["rules"]] == ["$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"], name
            assert job["environment"]["name"] in (stack(job), f"{stack(job)}-preview")


def test_what_one_request_left_on_its_runner_is_gone_before_the_next() -> None:
    for job in jobs(GITHUB[0]).values():
        checkout = next(step for step in job["steps"] if "actions/checkout@" in step.get("uses", ""))
        assert checkout["with"].get("clean", True) is True
    assert "GIT_CLEAN_FLAGS" not in content(GITLAB)["variables"]
    for name, job in pipeline_jobs().items():
        if "merge_request_event" in json.dumps(job["rules"]):
            assert "GIT_CLEAN_FLAGS" not in job.get("variables", {}), name
    assert content(GITLAB)["preview"]["variables"] == {"GIT_STRATEGY": "clone"}


def test_what_writes_a_comment_is_the_code_of_the_branch_that_is_merged_into() -> None:
    checkout = jobs(GITHUB[0])["comment"]["steps"][0]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    fetched, shown, run = content(GITLAB)["comment"]["script"]
    assert "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" in fetched
    assert shown == "git show FETCH_HEAD:docs/workflows/steps/comment.py >comment.py"
    assert run.startswith("python3 -I comment.py ")  # or a json.py of the checkout would be its json


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
