"""`slipway rescan`: what counts as newly known, what is written, and which exit code says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands.__main__ import application
from components.artifact import Digest, ImageReference, Repository
from steps.predicates import SIGNATURE, VULNERABILITIES
from tests.conftest import ToolMaker
from tests.toolbox import PASSWORD, Toolbox

REPOSITORY = Repository.parse("localhost:5443/driftwood/web")
REFERENCE = str(ImageReference(REPOSITORY, Digest("sha256:" + "1f" * 32)))
OTHER = str(ImageReference(REPOSITORY, Digest("sha256:" + "2e" * 32)))
AMD64 = str(REPOSITORY.at(Digest("sha256:" + "a" * 64)))
INDEX = {"manifests": [{"digest": "sha256:" + "a" * 64, "platform": {"os": "linux", "architecture": "amd64"}}]}
NOW = datetime.now(UTC)
STACK = "organization/slipway/dev"
CONTAINER, STRANGER = "c0" * 32, "5a" * 32
"""A container of the stack, and one of another checkout's stack of the same name, with the same labels."""
STATE = [
    {"type": "pulumi:pulumi:Stack", "urn": "urn:pulumi:dev::slipway::pulumi:pulumi:Stack::slipway-dev"},
    {"type": "docker:index/container:Container", "id": CONTAINER, "urn": "urn:pulumi:dev::slipway::web-container"},
]


def finding(vulnerability: str, severity: str = "HIGH", package: str = "Jinja2") -> dict[str, str]:
    """One entry of a report."""
    entry = {"VulnerabilityID": vulnerability, "PkgName": package, "InstalledVersion": "2.10", "Severity": severity}
    return entry | {"FixedVersion": "2.10.1"}


def predicate(*entries: dict[str, str], **result: Any) -> dict[str, Any]:
    """A report that was attested before."""
    return {"scanner": {"result": {"Results": [{"Vulnerabilities": list(entries), **result}]}}}


@pytest.fixture(name="box")
def a_stack_that_runs(tool: ToolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    """The stack `dev` with one release, whose first report is clean, and a fresh vulnerability database."""
    box = Toolbox(tmp_path / "box")
    box.install(tool, INDEX)
    project = tmp_path / "project"
    database = project / ".slipway" / "trivy" / "official" / "db"
    database.mkdir(parents=True)
    (database / "trivy.db").write_text("db")
    times = {"UpdatedAt": NOW.isoformat(), "NextUpdate": (NOW + timedelta(days=1)).isoformat(), "Version": 2}
    (database / "metadata.json").write_text(json.dumps(times))
    (project / "password").touch(mode=0o600)
    (project / "password").write_text(PASSWORD)
    settings = {
        "quarantine": {"address": "localhost:5380"},
        "registry": {"address": "localhost:5443"},
        "sign": {"key": "cosign.key", "public_key": "cosign.pub", "password": {"file": "password"}},
        "services": {
            "web": {
                "repository": "driftwood/web",
                "version": "1.4.0",
                "build": {"context": "."},
                "run": {"name": "web"},
            }
        },
    }
    config = {f"slipway:{key}": {"value": "", "objectValue": value} for key, value in settings.items()}
    release = {"reference": REFERENCE, "signature": {"public_key": "cosign.pub"}}
    monkeypatch.chdir(project)
    answers = {
        "stack ls": [{"name": STACK}],
        "config --json": config,
        "stack export": {"deployment": {"resources": STATE}},
        "stack output": {"web": {"release": release, "url": "http://127.0.0.1:8080"}},
    }
    cases = "\n".join(f"*'{words}'*) cat <<'END'\n{json.dumps(answer)}\nEND\n;;" for words, answer in answers.items())
    tool("pulumi", f"case $* in *show-name*) echo dev;;\n{cases}\nesac")
    tool("docker", f"echo {CONTAINER} {REFERENCE}")
    box.write(AMD64, SIGNATURE)
    box.write(AMD64, VULNERABILITIES, predicate=predicate())
    scan(box)
    return box


def scan(box: Toolbox, *entries: dict[str, str]) -> None:
    """What the scanner finds today."""
    report = {"Trivy": {"Version": "0.70.0"}, "Results": [{"Target": "Python", "Vulnerabilities": list(entries)}]}
    (box.folder / "linux-amd64.json").write_text(json.dumps(report))


def slipway(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(application(), ["rescan", *arguments])


def data(*arguments: str) -> list[dict[str, Any]]:
    """What it says of each service as data."""
    document = json.loads(slipway("--json", *arguments).stdout)
    assert document["schema_version"] == 1
    assert document["stack"].endswith("/dev")
    found: list[dict[str, Any]] = document["services"]
    return found


def test_where_nothing_is_new_it_adds_a_report_and_ends_well(box: Toolbox) -> None:
    ended = slipway("dev")
    assert ended.exit_code == 0, ended.output
    assert "0 new" in ended.output
    assert box.types(AMD64) == [SIGNATURE, VULNERABILITIES, VULNERABILITIES]


def test_what_is_newly_known_is_said_and_is_the_exit_code(box: Toolbox) -> None:
    scan(box, finding("CVE-2019-10906"))
    ended = slipway("dev")
    assert ended.exit_code == 1
    assert "1 new" in ended.output
    [row] = [line for line in ended.output.splitlines() if "CVE-2019-10906" in line]
    assert row.split() == ["HIGH", "CVE-2019-10906", "Jinja2", "2.10", "2.10.1", "linux/amd64"]


def test_what_a_report_says_is_shown_as_it_is_and_commands_nothing(box: Toolbox) -> None:
    scan(box, finding("CVE-2019-10906", package="[/api]\x1b[2J"))
    ended = slipway("dev")
    assert ended.exit_code == 1, ended.output
    assert "[/api]" in ended.output
    assert "\x1b" not in ended.output


def test_what_was_said_once_is_not_new_again(box: Toolbox) -> None:
    scan(box, finding("CVE-2019-10906"))
    assert slipway().exit_code == 1
    assert slipway().exit_code == 0
    scan(box, finding("CVE-2019-10906"), finding("CVE-2026-0001", "LOW"))
    [one] = data()
    assert [it["vulnerability"] for it in one["new"]] == ["CVE-2026-0001"]
    assert [it["vulnerability"] for it in one["findings"]] == ["CVE-2019-10906", "CVE-2026-0001"]


def test_the_fresh_report_says_what_was_scanned_when_and_with_which_database(box: Toolbox) -> None:
    scan(box, finding("CVE-2019-10906"))
    slipway()
    fresh = box.written()[-1]
    assert fresh["manifest"] == AMD64
    assert fresh["predicate"]["scanner"]["db"]["lastUpdate"] == NOW.isoformat()
    assert fresh["predicate"]["scanner"]["result"]["ArtifactName"] == REFERENCE
    assert fresh["predicate"]["metadata"]["scanFinishedOn"]


def test_an_accepted_finding_of_an_earlier_report_is_known(box: Toolbox) -> None:
    accepted = {"Type": "vulnerability", "Finding": finding("CVE-2019-10906")}
    box.write(AMD64, VULNERABILITIES, predicate=predicate(ExperimentalModifiedFindings=[accepted]))
    scan(box, finding("CVE-2019-10906"))
    assert slipway().exit_code == 0


def test_what_another_key_reported_is_not_known(box: Toolbox) -> None:
    box.write(AMD64, VULNERABILITIES, key="other", predicate=predicate(finding("CVE-2019-10906")))
    scan(box, finding("CVE-2019-10906"))
    assert slipway().exit_code == 1


def test_a_release_without_a_report_is_said_to_have_none(box: Toolbox) -> None:
    box.entries.unlink()
    scan(box, finding("CVE-2019-10906"))
    ended = slipway()
    assert ended.exit_code == 1
    assert "there was no report before, so all of them are new" in ended.output


@pytest.mark.parametrize(("severities", "code"), [("HIGH,CRITICAL", 0), ("low", 1), ("LOW,HIGH", 1)])
def test_severities_that_are_not_asked_for_do_not_count(box: Toolbox, severities: str, code: int) -> None:
    scan(box, finding("CVE-2026-0001", "LOW"))
    assert slipway("--severity", severities).exit_code == code


def test_a_container_that_runs_another_release_than_the_stack_says_is_scanned_too(
    box: Toolbox, tool: ToolMaker
) -> None:
    tool("docker", f"echo {CONTAINER} {OTHER}; echo {CONTAINER} {REFERENCE}; echo {CONTAINER} sha256:1234")
    assert {one["reference"] for one in data()} == {REFERENCE, OTHER}


def test_a_container_of_another_checkouts_stack_of_the_same_name_is_none_of_ours(box: Toolbox, tool: ToolMaker) -> None:
    tool("docker", f"echo {STRANGER} localhost:5543/their/web@sha256:{'7' * 64}; echo {STRANGER} {OTHER}")
    assert [one["reference"] for one in data()] == [REFERENCE]


def broken_scanner(tool: ToolMaker, box: Toolbox) -> None:
    """A scanner that fails."""
    (box.folder / "linux-amd64.json").unlink()


def no_engine(tool: ToolMaker, box: Toolbox) -> None:
    """An engine that is down."""
    tool("docker", "echo 'Cannot connect to the Docker daemon at unix:///x' >&2; exit 1")


def lost(tool: ToolMaker, box: Toolbox) -> None:
    """A registry that loses what is written."""
    (box.folder / "loses").write_text(VULNERABILITIES)


def wrong_password(tool: ToolMaker, box: Toolbox) -> None:
    """A key that the password does not open."""
    Path("password").write_text("wrong horse")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (broken_scanner, "could not be scanned"),
        (no_engine, "does not answer"),
        (lost, "does not list what was written"),
        (wrong_password, "the password does not open it"),
    ],
)
def test_its_own_failure_is_another_exit_code_than_news(
    box: Toolbox, tool: ToolMaker, fault: Callable[[ToolMaker, Toolbox], None], words: str
) -> None:
    scan(box, finding("CVE-2019-10906"))
    fault(tool, box)
    ended = slipway()
    assert ended.exit_code == 2, ended.output
    assert ended.output.startswith("error: ") or "\nerror: " in ended.output
    assert words in ended.output
    assert "wrong horse" not in ended.output


def test_news_is_told_before_it_counts_as_known_though_it_cannot_be_attested(box: Toolbox) -> None:
    scan(box, finding("CVE-2026-1"))
    loses = box.folder / "loses"
    loses.write_text(VULNERABILITIES)
    for _ in range(2):
        ended = slipway("dev")
        assert ended.exit_code == 2, ended.output
        assert "CVE-2026-1" in ended.stdout
    loses.unlink()
    assert slipway("dev").exit_code == 1
    assert slipway("dev").exit_code == 0


def test_news_of_one_artifact_is_told_though_another_cannot_be_scanned(box: Toolbox, tool: ToolMaker) -> None:
    tool("docker", f"echo {CONTAINER} {OTHER}")
    (box.folder / "fails").write_text(OTHER)
    scan(box, finding("CVE-2026-1"))
    ended = slipway("dev", "--json")
    assert ended.exit_code == 2, ended.output
    [service] = json.loads(ended.stdout)["services"]
    assert [it["vulnerability"] for it in service["new"]] == ["CVE-2026-1"]
    assert "unable to find the specified image" in ended.stderr
    assert box.types(AMD64).count(VULNERABILITIES) == 2


def test_a_severity_that_nobody_knows_is_refused(box: Toolbox) -> None:
    ended = slipway("--severity", "SEVERE")
    assert ended.exit_code == 2
    assert "no such severity (SEVERE)" in ended.output


def test_a_stack_that_runs_nothing_is_told(box: Toolbox, tool: ToolMaker) -> None:
    tool("docker", "true")
    pulumi = box.folder.parent / "tools" / "pulumi"
    pulumi.write_text(pulumi.read_text().replace('"release"', '"nothing"'))
    ended = slipway()
    assert ended.exit_code == 2
    assert "runs nothing yet" in ended.output
