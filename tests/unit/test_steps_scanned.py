"""What today's database knows of a release that was scanned before, with a shell script in trivy's place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.choose import Registries
from steps.database import Databases
from steps.scanned import Policy, todays_findings
from tests.conftest import ToolMaker
from tests.running import calls

REFERENCE = ImageReference(Repository.parse("registry.example/driftwood/web"), Digest("sha256:" + "1f" * 32))
ENTRY = {"VulnerabilityID": "CVE-2019-10906", "PkgName": "Jinja2", "InstalledVersion": "2.10", "Severity": "HIGH"}
NOW = datetime.now(UTC)


class Clock(datetime):
    """A day later than it is."""

    @classmethod
    def now(cls, tz: object = None) -> Clock:
        """The time."""
        return cls.fromtimestamp((NOW + timedelta(days=1)).timestamp(), UTC)


def trivy(tool: ToolMaker, *entries: dict[str, str]) -> Path:
    """A trivy that reports these findings."""
    report = {"ArtifactName": str(REFERENCE), "Results": [{"Vulnerabilities": list(entries)}]}
    return tool(
        "trivy",
        f"""while [ $# -gt 1 ]; do case $1 in --output) echo '{json.dumps(report)}' >"$2";; esac; shift; done""",
    )


def images(path: Path) -> int:
    """How often an image was scanned."""
    return len([call for call in calls(path) if " image " in call])


def test_an_exception_that_has_ended_since_the_scan_holds_no_longer(
    tool: ToolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.scanned.ensure_database", lambda *_: {"UpdatedAt": NOW.isoformat(), "Version": 2})
    monkeypatch.setattr("steps.scanned.found_by", lambda *_: "the same trivy")
    expires = (NOW + timedelta(days=1)).date().isoformat()
    ignore = [{"id": ENTRY["VulnerabilityID"], "reason": "no template of others", "expires": expires}]
    databases = Databases(tmp_path / "cache", "registry.example/trivy-db:2")
    policy = Policy(["HIGH"], ignore, False, tmp_path / "reports", databases, 7.0)
    path = trivy(tool)
    for _ in range(2):
        assert todays_findings(REFERENCE, [Platform("linux/amd64")], policy, Registries(tmp_path)) == []
    assert images(path) == 1
    trivy(tool, ENTRY)
    monkeypatch.setattr("steps.scan.datetime", Clock)
    [found] = todays_findings(REFERENCE, [Platform("linux/amd64")], policy, Registries(tmp_path))
    assert found.vulnerability == ENTRY["VulnerabilityID"]
