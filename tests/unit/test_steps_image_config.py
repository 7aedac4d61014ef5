"""What an image's own configuration has to say, told before anything is signed: trivy's report has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifact import Digest, ImageReference, Platform, Repository
from components.run import Run
from steps.database import Databases, cache_of
from steps.image_config import Needs, shortcomings, unfit
from steps.scan import ScanRequest, scan
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.programs import SECRETS, a_container, a_release, run_args, source
from tests.recording import Engine
from tests.running import run_step_program

REFERENCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), Digest("sha256:" + "1f" * 32))
PLATFORMS = [Platform("linux/amd64"), Platform("linux/arm64")]
CHECK = {"Test": ["CMD", "python", "check.py"], "Interval": 2_000_000_000}
GOOD = {"User": "10001", "Healthcheck": CHECK}
DATABASE = {"UpdatedAt": "2026-11-29T00:00:00Z", "Version": 2}
FINDING = {"VulnerabilityID": "CVE-2026-1", "PkgName": "tides", "InstalledVersion": "1.0", "Severity": "CRITICAL"}


def report(config: dict[str, Any], *findings: dict[str, str]) -> dict[str, Any]:
    """A report of trivy's, with the image's configuration where trivy has it."""
    return {"Metadata": {"ImageConfig": {"config": config}}, "Results": [{"Vulnerabilities": list(findings)}]}


def trivy(tool: ToolMaker, amd64: dict[str, Any], arm64: dict[str, Any] | None = None) -> None:
    """A trivy that writes these reports, and a registry with both platforms."""
    manifests = [
        {"digest": str(REFERENCE.digest), "platform": {"os": "linux", "architecture": at.architecture}}
        for at in PLATFORMS
    ]
    tool("oras", f"echo '{json.dumps({'manifests': manifests})}'")
    texts = [json.dumps(it) for it in (amd64, arm64 or amd64)]
    tool(
        "trivy",
        f"""shift 2; text='{texts[0]}'
        while [ $# -gt 1 ]; do
        case $1 in --output) output=$2;; --platform) case $2 in */arm64) text='{texts[1]}';; esac;; esac; shift; done
        echo "$text" >"$output" """,
    )


def told(tmp_path: Path, needs: Needs | None) -> str:
    """Why the scan stops."""
    databases = Databases(tmp_path / "cache", "localhost:5380/trivy-db:2")
    request = ScanRequest(REFERENCE, PLATFORMS, ("CRITICAL",), (), tmp_path / "reports", False, databases, needs=needs)
    with pytest.raises(StepError) as caught:
        scan(request, DATABASE, {})
    return str(caught.value)


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "root:app", "00", "+0", "-0"])
def test_a_root_image_is_stopped_before_it_is_signed(tool: ToolMaker, tmp_path: Path, user: str) -> None:
    trivy(tool, report(GOOD | {"User": user}))
    first, last = told(tmp_path, Needs()).splitlines()
    assert first.startswith(f"{REFERENCE} runs as root (its user is ")
    assert first.endswith("): set USER in the Dockerfile")
    assert last == "Nothing was signed or published."


@pytest.mark.parametrize("health", [None, {}, {"Test": []}, {"Test": ["NONE"]}])
def test_an_image_without_a_health_check_is_stopped_before_it_is_signed(
    tool: ToolMaker, tmp_path: Path, health: Any
) -> None:
    trivy(tool, report({"User": "app", "Healthcheck": health}))
    first, _ = told(tmp_path, Needs()).splitlines()
    assert first.endswith("has no health check: add HEALTHCHECK to the Dockerfile, or write run.health.test")


def test_what_is_wrong_with_one_platform_names_it(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, report(GOOD), report(GOOD | {"User": "root"}))
    assert told(tmp_path, Needs()).startswith(f"{REFERENCE} for linux/arm64 runs as root")


def test_findings_and_what_cannot_run_are_told_together(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, report({"User": "root"}, FINDING))
    message = told(tmp_path, Needs())
    assert "runs as root" in message
    assert "has no health check" in message
    assert "has 1 finding(s) of severity CRITICAL:" in message


def test_an_image_that_nothing_runs_may_be_anything() -> None:
    databases = Databases(Path("cache"))
    assert ScanRequest(REFERENCE, PLATFORMS, (), (), Path("reports"), False, databases).needs is None
    assert Engine().good(a_release(), secrets=SECRETS).step("scan").values("--files-owner") == []
    assert "--to-run" not in Engine().good(a_release(), secrets=SECRETS).step("scan").command


def test_as_a_program_the_scan_refuses_what_the_flags_name(tool: ToolMaker, tmp_path: Path) -> None:
    trivy(tool, report({"User": "1000"}))
    folder = cache_of(tmp_path / "cache", None) / "db"
    folder.mkdir(parents=True)
    (folder / "trivy.db").write_text("content")
    made, next_one = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    due = {"UpdatedAt": f"{made:%Y-%m-%dT%H:%M:%SZ}", "NextUpdate": f"{next_one:%Y-%m-%dT%H:%M:%SZ}", "Version": 2}
    (folder / "metadata.json").write_text(json.dumps(due))
    given_ = ["--reference", str(REFERENCE), "--platform", "linux/amd64", "--platform", "linux/arm64"]
    given_ += ["--fail-on", "HIGH", "--reports", str(tmp_path / "reports"), "--cache", str(tmp_path / "cache")]
    assert run_step_program("scan", given_).returncode == 0
    ended = run_step_program("scan", [*given_, "--to-run", "--own-health-check", "--files-owner", "10001"])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "runs as user 1000, who cannot read the secret files of user 10001" in ended.stderr
    assert "health check" not in ended.stderr


def test_a_report_without_the_configuration_lets_nothing_through() -> None:
    with pytest.raises(StepError, match=r"does not have the image's configuration.*toolchain/pins\.toml"):
        unfit("it", {"linux/amd64": {"Results": []}}, Needs())


@pytest.mark.parametrize("user", ["1000", "1000:10001", "+1000"])
def test_a_number_that_is_not_the_owner_of_the_secret_files_is_told_with_the_line_to_write(user: str) -> None:
    [problem] = shortcomings(GOOD | {"User": user}, Needs(secrets_owner=10001))
    assert problem == (
        "runs as user 1000, who cannot read the secret files of user 10001: write run.secrets_owner: 1000"
    )


@pytest.mark.parametrize("user", ["10001", "10001:0", "app", "app:app"])
def test_the_owner_of_the_secret_files_and_a_name_whose_number_is_unknown_may_run(user: str) -> None:
    assert list(shortcomings(GOOD | {"User": user}, Needs(secrets_owner=10001))) == []


@given(st.from_regex(r"[+-]?0{1,9}(:[a-z0-9]*)?|root(:[a-z0-9]*)?|(:[a-z0-9]+)?", fullmatch=True), st.booleans())
def test_root_is_known_in_every_spelling(user: str, health_check: bool) -> None:
    assert any("runs as root" in it for it in shortcomings({"User": user}, Needs(health_check, 10001)))


@given(st.text(), st.integers(1, 2**31))
def test_any_user_is_judged_without_an_error(user: str, owner: int) -> None:
    problems = list(shortcomings(GOOD | {"User": user}, Needs(secrets_owner=owner)))
    assert len(problems) <= 1
    assert list(shortcomings(GOOD | {"User": str(owner)}, Needs(secrets_owner=owner))) == []


def test_the_settings_of_a_container_say_what_it_asks_of_its_image() -> None:
    assert run_args(secrets_owner=1000).needs.flags() == ["--to-run", "--files-owner", "1000"]
    run = Run.model_validate({"name": "web", "health": {"test": ["CMD", "check"]}})
    assert run.needs.flags() == ["--to-run", "--own-health-check"]


def test_a_release_asks_it_before_it_publishes() -> None:
    needs = run_args(secrets={"key": source("db")}, secrets_owner=1000).needs
    scanning = Engine().good(a_release(needs=needs), secrets=SECRETS).step("scan")
    assert scanning.values("--files-owner") == ["1000"]
    assert "--to-run" in scanning.command


def test_the_container_asks_once_more_for_a_digest_of_another_origin() -> None:
    preflight = Engine().good(a_container(secrets_owner=1000), secrets=SECRETS).step("preflight")
    assert preflight.values("--files-owner") == ["1000"]
    without = Engine().good(a_container(secrets={}), secrets=SECRETS).step("preflight")
    assert without.values("--files-owner") == []
