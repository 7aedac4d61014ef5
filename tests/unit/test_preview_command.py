"""`slipway preview` with a small script in the place of Pulumi: what it runs, what it writes, how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.__main__ import application
from commands.previews.run import exit_code
from tests.conftest import ToolMaker
from tests.running import calls

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
DIGEST = "sha256:" + "1" * 64
URN = "urn:pulumi:dev::slipway"

PULUMI = """
case "$1 $2" in
version*) echo v3.200.0; exit 0 ;;
esac
log=
while [ $# -gt 0 ]; do [ "$1" = --event-log ] && log=$2; shift; done
[ -z "$log" ] || cat "$EVENTS" >> "$log"
[ -z "$SAID" ] || echo "$SAID" >&2
exit "${CODE:-0}"
"""
"""A version before 3.206 writes its events into a file."""


def state(inputs: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None, parent: str = "") -> Any:
    """A resource's state as an event has it."""
    return {"type": "", "urn": "", "id": "", "provider": "", "parent": parent, "inputs": inputs, "outputs": outputs}


def step(type_: str, name: str, op: str, old: Any, new: Any) -> dict[str, Any]:
    """An event about a resource."""
    urn = f"{URN}::{type_}::{name}"
    metadata = {"op": op, "urn": urn, "type": type_, "old": old, "new": new, "keys": [], "diffs": [], "provider": ""}
    return {"resourcePreEvent": {"metadata": metadata, "planning": True}}


def container(memory: int, secret: Any = SECRET) -> dict[str, Any]:
    """The inputs of a workload."""
    run = {"name": "web", "memory": memory, "environment": {"TOKEN": secret}}
    return {"reference": f"localhost:5443/driftwood/web@{DIGEST}", "run": run}


def changing() -> list[dict[str, Any]]:
    """A workload whose memory changes."""
    workload = "slipway:index:HardenedContainer"
    own = state({"name": "web", "envs": SECRET}, {}, f"{URN}::{workload}::web")
    return [
        step("pulumi:pulumi:Stack", "slipway-dev", "same", state(), state()),
        step(workload, "web", "same", state(container(256)), state(container(512))),
        step("docker:index/container:Container", "web-container", "update", own, own),
    ]


def diagnostic(severity: str, message: str) -> dict[str, Any]:
    """What a resource says."""
    return {"diagnosticEvent": {"message": message, "color": "raw", "severity": severity, "urn": f"{URN}::a::web-scan"}}


def policy(level: str, message: str = "it is not signed") -> dict[str, Any]:
    """What a policy says."""
    return {"policyEvent": {"message": message, "color": "raw", "policyName": "signed", "enforcementLevel": level}}


SUMMARY = {"summaryEvent": {"maybeCorrupt": False, "durationSeconds": 1, "resourceChanges": {"same": 1}}}
END: dict[str, Any] = {"cancelEvent": {}}


class Ended:
    """A preview that was run."""

    def __init__(self, code: int, output: str, errors: str, folder: Path) -> None:
        self.code = code
        self.output = output
        self.errors = errors
        self.folder = folder

    @property
    def data(self) -> dict[str, Any]:
        """What preview.json says."""
        found: dict[str, Any] = json.loads((self.folder / "preview.json").read_text())
        return found


class Project:
    """A project folder with a script in the place of Pulumi."""

    def __init__(self, folder: Path, pulumi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.pulumi = pulumi
        self.monkeypatch = monkeypatch
        (folder / "Pulumi.yaml").write_text("name: slipway\nruntime: python\n")

    def preview(
        self, *arguments: str, events: list[dict[str, Any]], code: int = 0, said: str = "", ended: bool = True
    ) -> Ended:
        """Preview, with these events in the place of a program's."""
        log = self.folder / "events.jsonl"
        numbered = [*events, *([SUMMARY] if ended else []), END]
        lines = [json.dumps({"sequence": at, "timestamp": 0, **it}) for at, it in enumerate(numbered)]
        log.write_text("\n".join(lines) + "\n")
        for name, value in {"EVENTS": str(log), "CODE": str(code), "SAID": said, "COLUMNS": "200"}.items():
            self.monkeypatch.setenv(name, value)
        result = CliRunner().invoke(application(), ["preview", "dev", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr, self.folder / ".slipway" / "reports" / "dev")


@pytest.fixture(name="project")
def project_with_a_script(tmp_path: Path, tool: ToolMaker, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder, tool("pulumi", PULUMI), monkeypatch)


def test_the_table_goes_to_standard_output_and_progress_to_standard_error(project: Project) -> None:
    ended = project.preview(events=changing())
    assert ended.code == 0
    assert "loosens memory: 256 → 512: its memory may grow" in ended.output
    assert ended.output.splitlines()[-2] == "dev: 1 service would ship"
    assert ended.errors.splitlines() == [
        "previewing dev …",
        " ~ update     web-container",
        "comparing images …",
        "report: .slipway/reports/dev/preview.md, preview.json",
    ]


def test_the_report_is_written_as_data_and_as_markdown(project: Project) -> None:
    ended = project.preview(events=changing())
    assert (ended.data["schema_version"], ended.data["project"], ended.data["stack"]) == (1, "slipway", "dev")
    assert (ended.data["would_ship"], ended.data["passed"], ended.data["exit_code"]) == (True, True, 0)
    assert ended.data["changes"] == {"same": 2, "update": 1}
    assert (ended.folder / "preview.md").read_text().startswith("<!-- slipway preview: dev -->")
    assert sorted(it.name for it in ended.folder.iterdir()) == ["preview.json", "preview.md"]


def test_data_alone_goes_to_standard_output_where_it_is_asked_for(project: Project) -> None:
    ended = project.preview("--json", events=changing())
    assert json.loads(ended.output) == ended.data


def test_a_preview_without_a_change_would_ship_nothing(project: Project) -> None:
    ended = project.preview(events=[step("pulumi:pulumi:Stack", "slipway-dev", "same", state(), state())])
    assert (ended.code, ended.data["would_ship"], ended.data["services"]) == (0, False, [])
    assert "dev: nothing would change" in ended.output


def test_a_secret_never_shows(project: Project) -> None:
    events = changing()
    events[1] = step(
        "slipway:index:HardenedContainer", "web", "same", state(container(256)), state(container(512, "hunter2"))
    )
    ended = project.preview(events=events)
    written = "".join(path.read_text() for path in ended.folder.iterdir())
    assert "hunter2" not in written + ended.output + ended.errors
    assert "environment.TOKEN" not in written  # [secret] before and after


@pytest.mark.parametrize("code", [1, 2, 4, 5, 8, 255])
def test_the_exit_code_is_pulumis_own(project: Project, code: int) -> None:
    ended = project.preview(events=[*changing(), diagnostic("error", "no such image")], code=code, ended=False)
    assert (ended.code, ended.data["exit_code"]) == (code, code)
    assert (ended.data["passed"], ended.data["would_ship"]) == (False, False)
    assert "error web-scan: no such image" in ended.errors
    assert "dev: `up` would stop: 1 problem" in ended.output


def test_a_violated_policy_stops_and_advice_does_not(project: Project) -> None:
    advised = project.preview(events=[*changing(), policy("advisory")])
    assert (advised.data["passed"], advised.data["problems"][0]["kind"]) == (True, "advice")
    stopped = project.preview(events=[*changing(), policy("mandatory")], code=5)
    assert (stopped.code, stopped.data["would_ship"], stopped.data["problems"][0]["kind"]) == (5, False, "policy")


def test_a_policy_that_cannot_be_judged_yet_neither_stops_nor_is_silent(project: Project) -> None:
    waits = policy(
        "advisory", "can't run policy 'signed' during preview: string value at .image can't be known during preview"
    )
    ended = project.preview(events=[*changing(), waits])
    assert (ended.data["passed"], ended.data["problems"][0]["kind"]) == (True, "later")
    assert "can't run policy" not in ended.errors + ended.output
    assert "1 policy reads what only `up` will know, and will be judged there" in ended.output


def test_that_it_failed_is_no_second_problem(project: Project) -> None:
    failed = {"diagnosticEvent": {"message": "preview failed\n", "color": "raw", "severity": "error", "urn": ""}}
    ended = project.preview(events=[*changing(), policy("mandatory"), failed], code=1)
    assert [it["kind"] for it in ended.data["problems"]] == ["policy"]
    alone = project.preview(events=[*changing(), failed], code=1)
    assert (alone.data["passed"], alone.data["would_ship"]) == (False, False)
    assert alone.data["problems"][0]["message"] == "pulumi ended with exit code 1"


def test_what_pulumi_says_to_nobody_else_is_told(project: Project) -> None:
    ended = project.preview(events=[], code=6, said="error: no stack named 'dev' found", ended=False)
    assert ended.code == 6
    assert ended.data["problems"] == [
        {
            "kind": "error",
            "resource": "",
            "policy": "",
            "message": "error: no stack named 'dev' found: make it with `pulumi stack init dev`",
        }
    ]
    assert "no stack named 'dev' found: make it with `pulumi stack init dev`" in ended.output


def test_changes_that_were_not_expected_are_an_error_of_pulumi_and_would_ship_all_the_same(project: Project) -> None:
    ended = project.preview("--expect-no-changes", events=changing(), code=1, said="error: no changes were expected")
    assert (ended.code, ended.data["would_ship"], ended.data["passed"]) == (1, True, True)
    assert ended.data["problems"][0]["kind"] == "warning"


def previewed_with(project: Project) -> list[str]:
    """The words of the command line of the last preview."""
    return next(line for line in reversed(calls(project.pulumi)) if "preview" in line.split()).split()


def test_it_runs_the_preview_of_the_same_project_without_selecting_the_stack(project: Project) -> None:
    project.preview(events=[])
    words = previewed_with(project)
    assert words[words.index("--stack") + 1] == "dev"
    assert "--policy-pack" not in words
    assert not [line for line in calls(project.pulumi) if "select" in line]


def test_it_judges_by_the_projects_own_policy_pack_with_what_the_pack_is_told_for_the_stack(project: Project) -> None:
    (project.folder / "policies").mkdir()
    (project.folder / "policies" / "PulumiPolicy.yaml").touch()
    (project.folder / "stacks").mkdir()
    told = project.folder / "stacks" / "policy.dev.json"
    told.write_text("{}")
    project.preview(events=[])
    words = previewed_with(project)
    assert words[words.index("--policy-pack") + 1] == str(project.folder / "policies")
    assert words[words.index("--policy-pack-config") + 1] == str(told)
    project.preview("--no-policy-pack", events=[])
    assert "--policy-pack" not in previewed_with(project)


def test_what_is_asked_for_is_handed_on(project: Project) -> None:
    project.preview("--refresh", "--config-file", "other.yaml", "--policy-pack", "theirs", events=[])
    words = previewed_with(project)
    assert "--refresh" in words
    assert words[words.index("--config-file") + 1] == "other.yaml"
    assert words[words.index("--policy-pack") + 1] == "theirs"


def test_it_is_run_from_a_folder_below_as_pulumi_is(project: Project) -> None:
    below = project.folder / "examples" / "web"
    below.mkdir(parents=True)
    project.monkeypatch.chdir(below)
    ended = project.preview("--policy-pack", "theirs", events=changing())
    assert (ended.code, ended.data["project"]) == (0, "slipway")
    words = previewed_with(project)
    assert words[words.index("--policy-pack") + 1] == str(below / "theirs")


def test_outside_of_a_project_it_says_where_to_run_it(project: Project) -> None:
    (project.folder / "Pulumi.yaml").unlink()
    result = CliRunner().invoke(application(), ["preview", "dev"])
    assert result.exit_code == 1
    assert f"there is no Pulumi.yaml in {project.folder}, nor above it" in result.stderr


@pytest.mark.parametrize("runtime", ["yaml", "{name: nodejs}", "rust"])
def test_a_program_in_any_language_is_previewed(project: Project, runtime: str) -> None:
    (project.folder / "Pulumi.yaml").write_text(f"name: consumer\nruntime: {runtime}\n")
    assert project.preview(events=changing()).data["project"] == "consumer"


@pytest.mark.parametrize(("code", "expected"), [(0, 1), (5, 5)])
def test_a_report_that_cannot_be_written_is_told(project: Project, code: int, expected: int) -> None:
    (project.folder / ".slipway").write_text("in the way")
    ended = project.preview(events=changing(), code=code)
    assert ended.code == expected
    assert "the report cannot be written to" in ended.errors


def test_without_pulumi_it_says_what_to_do(project: Project) -> None:
    project.pulumi.unlink()
    result = CliRunner().invoke(application(), ["preview", "dev"])
    assert result.exit_code == 127
    assert "pulumi is not on PATH" in result.stderr


def test_a_pulumi_that_is_too_old_is_told_with_what_to_do(project: Project) -> None:
    project.pulumi.write_text("#!/bin/sh\necho v2.9.0\n")
    result = CliRunner().invoke(application(), ["preview", "dev"])
    assert result.exit_code == 127
    assert re.search(r"error: .*version.*2\.9\.0.*: install another one, or run `make shell`", result.stderr)


@pytest.mark.parametrize("content", ["name: [", "- a list", "nothing: here", "\x00"])
def test_a_project_file_that_nobody_can_read_is_pulumis_to_tell(project: Project, content: str) -> None:
    (project.folder / "Pulumi.yaml").write_text(content)
    ended = project.preview(events=[], code=255)
    assert ended.code == 255
    assert ended.data["project"] == ""


@pytest.mark.parametrize(
    ("said", "code"), [("\n code: 5\n stdout: ", 5), ("\n code: -15\n stdout: code: 3", 143), ("something else", 1)]
)
def test_the_exit_code_is_read_from_what_the_automation_api_says(said: str, code: int) -> None:
    assert exit_code(said) == code
