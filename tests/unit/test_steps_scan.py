"""The scan and its database, with a shell script in trivy's place."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.database import Databases, cache_of
from steps.scan import ScanRequest, scan
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.running import calls, fails, run_step_program
from tests.trivy_database import NOW, database

REFERENCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), Digest("sha256:" + "1f" * 32))
PLATFORMS = [Platform("linux/amd64"), Platform("linux/arm64")]
DATABASE = {"UpdatedAt": NOW.isoformat(), "Version": 2}


def finding(severity: str, package: str = "Jinja2", fixed: str | None = "2.10.1", **more: str) -> dict[str, Any]:
    """One entry of a trivy report."""
    entry = {"VulnerabilityID": "CVE-2019-10906", "PkgName": package, "InstalledVersion": "2.10", "Severity": severity}
    return entry | ({"FixedVersion": fixed} if fixed else {}) | more


def trivy(tool: ToolMaker, *findings: dict[str, Any], arm: list[dict[str, Any]] | None = None) -> Path:
    """A trivy that reports these findings for each platform; others for arm64 where they are given."""
    reports = {"amd64": list(findings), "arm64": list(findings) if arm is None else arm}
    texts = {
        at: json.dumps(
            {"Trivy": {"Version": "0.70.0"}, "Results": [{"Target": "app", "Vulnerabilities": found or None}]}
        )
        for at, found in reports.items()
    }
    platforms = [
        {"digest": str(REFERENCE.digest), "platform": {"os": "linux", "architecture": platform.architecture}}
        for platform in PLATFORMS
    ]
    tool("oras", f"echo '{json.dumps({'manifests': platforms})}'")
    return tool(
        "trivy",
        f"""shift 2; verb=$1; text='{texts["amd64"]}'
        while [ $# -gt 1 ]; do
        case $1 in --output) output=$2;; --platform) case $2 in */arm64) text='{texts["arm64"]}';; esac;;
        --ignorefile) [ $verb != image ] || cp "$2" "$0.ignored";; esac; shift; done
        case $verb in image) echo "$text" >"$output";; convert) echo '{{"version": "2.1.0"}}' >"$output";; esac""",
    )


def scanned(tmp_path: Path, fail_on: tuple[str, ...] = ("HIGH", "CRITICAL"), ignore: Any = ()) -> dict[str, Any]:
    """Scan the candidate."""
    databases = Databases(tmp_path / "cache", "localhost:5380/trivy-db:2")
    request = ScanRequest(REFERENCE, PLATFORMS, fail_on, ignore, tmp_path / "reports", False, databases)
    return scan(request, DATABASE, {})


def test_a_clean_candidate_passes_and_is_summed_up(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, finding("LOW"), finding("MEDIUM", "idna"))
    summary = scanned(tmp_path)
    assert summary["reference"] == str(REFERENCE)
    assert summary["counts"] == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 1, "LOW": 1, "UNKNOWN": 0}
    assert summary["scanner"] == "trivy 0.70.0"
    assert summary["database"] == DATABASE["UpdatedAt"]


def test_every_platform_is_scanned_by_digest_and_its_reports_are_kept(tool: ToolMaker, tmp_path: Path) -> None:
    path = trivy(tool)
    scanned(tmp_path)
    images = [call.split() for call in calls(path) if call.split()[2] == "image"]
    assert sorted(call[call.index("--platform") + 1] for call in images) == ["linux/amd64", "linux/arm64"]
    assert {call[-1] for call in images} == {str(REFERENCE)}
    assert all("--skip-db-update" in call for call in images)  # the step has made sure of it, once
    names = {path.name for path in (tmp_path / "reports").iterdir()}
    assert names == {"linux-amd64.json", "linux-amd64.sarif", "linux-arm64.json", "linux-arm64.sarif", "scan.json"}
    assert all({"--list-all-pkgs", "--show-suppressed"} <= set(call) for call in images)


def test_what_somebody_else_writes_into_the_folder_meanwhile_is_not_judged(tool: ToolMaker, tmp_path: Path) -> None:
    path = trivy(tool, finding("CRITICAL"), arm=[])
    clean = tmp_path / "reports" / "linux-amd64.json"
    with path.open("a") as program:
        program.write(f"\nmkdir -p '{clean.parent}'; echo '{{\"Results\": []}}' >'{clean}'\n")
    with pytest.raises(StepError, match="has 1 finding"):
        scanned(tmp_path)


def test_what_the_scan_says_of_itself_is_kept_beside_the_reports(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool)
    scanned(tmp_path)
    kept = json.loads((tmp_path / "reports" / "scan.json").read_text())
    assert kept["reference"] == str(REFERENCE)
    assert kept["database"] == {"uri": "localhost:5380/trivy-db:2", "version": "2", "lastUpdate": DATABASE["UpdatedAt"]}
    assert (
        NOW.replace(microsecond=0)
        <= datetime.fromisoformat(kept["started"])
        <= datetime.fromisoformat(kept["finished"])
    )


@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
def test_a_finding_that_must_not_ship_is_shown_as_a_table_with_the_version_that_fixes_it(
    tool: ToolMaker, tmp_path: Path, severity: str
) -> None:
    trivy(tool, finding(severity), finding("LOW", "idna"), finding(severity, "starlette", fixed=None))
    with pytest.raises(StepError) as caught:
        scanned(tmp_path)
    first, header, *rows = str(caught.value).splitlines()
    assert first == f"{REFERENCE} has 2 finding(s) of severity HIGH or CRITICAL:"
    assert header.split() == ["SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED", "IN", "PLATFORMS"]
    jinja = [severity, "CVE-2019-10906", "Jinja2", "2.10", "2.10.1", "linux/amd64,", "linux/arm64"]
    assert rows[0].split() == jinja
    assert "no fix yet" in rows[1]
    assert "idna" not in str(caught.value)
    assert "Nothing was signed or published" in str(caught.value)
    assert "scan.ignore" in str(caught.value)
    assert (tmp_path / "reports" / "linux-amd64.json").is_file()
    assert (tmp_path / "reports" / "linux-amd64.sarif").is_file()


def test_a_finding_of_one_platform_stops_the_whole_index(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, arm=[finding("CRITICAL")])
    with pytest.raises(StepError) as caught:
        scanned(tmp_path)
    row = str(caught.value).splitlines()[2]
    assert row.endswith("linux/arm64")
    assert "linux/amd64" not in row


def test_findings_are_sorted_with_the_worst_first(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, finding("HIGH", "b"), finding("CRITICAL", "z"), finding("HIGH", "a"))
    with pytest.raises(StepError) as caught:
        scanned(tmp_path)
    rows = [line.split()[:3] for line in str(caught.value).splitlines()[2:5]]
    assert [(row[0], row[2]) for row in rows] == [("CRITICAL", "z"), ("HIGH", "a"), ("HIGH", "b")]


@pytest.mark.parametrize(("severity", "fails_on"), [("MEDIUM", ("MEDIUM",)), ("UNKNOWN", ("HIGH", "UNKNOWN"))])
def test_the_severities_that_fail_are_those_of_the_settings(
    tool: ToolMaker, tmp_path: Path, severity: str, fails_on: tuple[str, ...]
) -> None:
    trivy(tool, finding(severity))
    with pytest.raises(StepError, match=severity):
        scanned(tmp_path, fails_on)
    assert scanned(tmp_path, ("CRITICAL",))["counts"][severity] == 1


def test_a_finding_without_a_severity_counts_as_unknown(tool: ToolMaker, tmp_path: Path) -> None:
    entry = finding("LOW")
    entry.pop("Severity")
    trivy(tool, entry)
    assert scanned(tmp_path)["counts"]["UNKNOWN"] == 1


def test_exceptions_reach_the_scanner_with_reason_and_end(tool: ToolMaker, tmp_path: Path) -> None:
    path = trivy(tool)
    scanned(tmp_path, ignore=[{"id": "CVE-2019-10906", "reason": "no sandbox here", "expires": "2099-01-31"}])
    entry = {"id": "CVE-2019-10906", "statement": "no sandbox here", "expired_at": "2099-01-31T00:00:00Z"}
    assert json.loads(Path(f"{path}.ignored").read_text()) == {"vulnerabilities": [entry]}


def test_an_exception_that_is_over_is_said(tool: ToolMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trivy(tool)
    scanned(tmp_path, ignore=[{"id": "CVE-2019-10906", "reason": "no sandbox here", "expires": "2020-01-31"}])
    assert "CVE-2019-10906 expired on 2020-01-31" in capsys.readouterr().err


def test_an_index_with_a_platform_that_nobody_scans_is_refused(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool)
    request = ScanRequest(REFERENCE, PLATFORMS[:1], ("HIGH",), (), tmp_path / "reports", False, Databases(tmp_path))
    with pytest.raises(StepError, match="also holds linux/arm64, which would ship without a scan"):
        scan(request, DATABASE, {})


def test_findings_without_a_fix_pass_only_where_the_policy_says_so(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, finding("HIGH", fixed=None))
    with pytest.raises(StepError, match="no fix yet"):
        scanned(tmp_path)
    request = ScanRequest(REFERENCE, PLATFORMS, ("HIGH",), (), tmp_path / "reports", True, Databases(tmp_path))
    assert scan(request, DATABASE, {})["counts"]["HIGH"] == 1


def test_the_users_own_settings_of_the_scanner_cannot_open_the_gate(
    tool: ToolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVY_SEVERITY", "LOW")
    path = trivy(tool)
    path.write_text(path.read_text().replace("shift 2;", 'env >>"$0.env"; cat "$2" >>"$0.settings"; shift 2;'))
    scanned(tmp_path)
    assert "TRIVY_" not in Path(f"{path}.env").read_text()
    assert set(Path(f"{path}.settings").read_text().split()) == {"{}"}
    images = [call for call in calls(path) if call.split()[2] == "image"]
    assert all("--severity CRITICAL,HIGH,MEDIUM,LOW,UNKNOWN" in call for call in images)


def test_a_scanner_that_fails_stops_the_graph_and_is_told_with_its_words(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool)
    tool("trivy", fails("FATAL unable to find the specified image"))
    with pytest.raises(StepError) as caught:
        scanned(tmp_path)
    assert f"{REFERENCE} for linux/amd64 could not be scanned" in str(caught.value)
    assert "unable to find the specified image" in str(caught.value)


def test_a_scanner_that_writes_no_report_stops_the_graph(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool)
    tool("trivy", "exit 0")
    with pytest.raises(StepError, match="could not be scanned"):
        scanned(tmp_path)


def test_a_report_of_an_earlier_run_is_never_taken_for_this_one(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool)
    scanned(tmp_path)
    tool("trivy", "exit 0")
    with pytest.raises(StepError, match="could not be scanned"):
        scanned(tmp_path)


def test_as_a_program_a_failed_scan_hands_nothing_on(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, finding("HIGH"))
    database(cache_of(tmp_path / "cache", None), 1, -1)
    given = [
        "--reference",
        str(REFERENCE),
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/arm64",
        "--fail-on",
        "HIGH,CRITICAL",
    ]
    ended = run_step_program("scan", [*given, "--reports", tmp_path / "reports", "--cache", tmp_path / "cache"])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("Full reports: ")
    assert "Jinja2" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_credentials_of_quarantine_reach_the_scanner_in_a_file_alone(tool: ToolMaker, tmp_path: Path) -> None:
    path = trivy(tool)
    script = path.read_text().replace(
        "verb=$1", 'env >>"$0.env"; cat "$DOCKER_CONFIG/config.json" >>"$0.auth"; verb=$1'
    )
    path.write_text(script)
    database(cache_of(tmp_path / "cache", None), 1, -1)
    given = [
        "--reference",
        str(REFERENCE),
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/arm64",
        "--fail-on",
        "HIGH",
        "--username",
        "builder",
    ]
    given += ["--reports", str(tmp_path / "reports"), "--cache", str(tmp_path / "cache")]
    ended = run_step_program("scan", given, json.dumps({"password": "hunter2"}))
    assert ended.returncode == 0, ended.stderr
    assert "localhost:5380" in Path(f"{path}.auth").read_text()
    seen = Path(f"{path}.env").read_text() + "\n".join(calls(path)) + ended.stdout + ended.stderr
    assert "hunter2" not in seen
