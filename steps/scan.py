"""Scan every platform of a candidate with trivy, keep the reports, and stop what has findings that must not ship.

An image that the stack's own container would refuse is stopped, too: trivy has read its configuration anyway.

Reports go to a folder: `OS-ARCHITECTURE.json` (trivy's own format, with all packages) and `OS-ARCHITECTURE.sarif`
(SARIF 2.1.0) a platform, and `scan.json` about the scan itself. The user sees a table of what failed with the versions
that fix it. A database that is missing or older than allowed fails the step: unknown is not pass.
Source: trivy.dev, "Vulnerability scanning", "Filtering" (ignore file).
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.artifact import ImageReference, Platform
from steps.credentials import registry_credentials
from steps.database import Databases, ensure_database
from steps.image_config import Needs, add_needs_flags, needs_of, unfit
from steps.predicates import RECORD, scan_record
from steps.proofs import spelled
from steps.registry import platforms_of
from steps.scanner import scan_image
from steps.tool import StepError, elapsed, read_secrets, run_step, say
from steps.trivy import trivy

_NO_FIX = "no fix yet"
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


@dataclass(frozen=True)
class Finding:
    """One vulnerable package on one or more platforms."""

    severity: str
    vulnerability: str
    package: str
    installed: str
    fixed: str
    platforms: tuple[str, ...]


@dataclass(frozen=True)
class ScanRequest:
    """What to scan and what may not ship."""

    reference: ImageReference
    platforms: Sequence[Platform]
    fail_on: Sequence[str]
    """Severities that stop the pipeline."""
    ignore: Sequence[Mapping[str, str]]
    """Vulnerabilities accepted for a time: `id`, `reason`, `expires` (a date, YYYY-MM-DD)."""
    reports: Path
    """Folder for the reports; made when it is missing."""
    unfixed: bool
    """Whether findings that have no fix yet are reported only."""
    databases: Databases
    """What the scanner looks things up in."""
    authority: str | None = None
    """PEM file of the registry's certificate authority; the system's if left out."""
    needs: Needs | None = None
    """What the container asks of the image; None where nothing is to run it."""


def scan(request: ScanRequest, database: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Scan all platforms side by side and judge them together.

    Raises:
        StepError: there are findings that must not ship, or the scanner failed.
    """
    registry = request.reference.repository.registry
    logins = {registry: (secrets["username"], secrets["password"])} if "username" in secrets else {}
    with registry_credentials(logins, [registry]) as credentials:
        environment = {"DOCKER_CONFIG": str(credentials)}
        _cover_all(request, environment)
        reports, record = scan_platforms(request, database, environment)
    findings = findings_in(reports)
    _judge(request, reports, findings)
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in SEVERITIES}
    first = next(iter(reports.values()))
    return {
        "reference": str(request.reference),
        "scanner": f"trivy {first.get('Trivy', {}).get('Version', 'unknown')}",
        "database": database["UpdatedAt"],
        "scanned": record["finished"],
        "counts": counts,
        "reports": str(request.reports),
    }


def scan_platforms(
    request: ScanRequest, database: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Scan all platforms side by side, without a verdict.

    Args:
        request: what to scan; what may not ship is not asked.
        database: what the database says of itself.
        environment: variables beside those of this process.

    Returns:
        trivy's report by platform, and what the scan says of itself; both are kept in the folder of the reports.
    """
    request.reports.mkdir(parents=True, exist_ok=True)
    kept = request.reports / RECORD
    kept.unlink(missing_ok=True)
    record = scan_record(request.reference, database, request.databases.vulnerabilities)
    record["started"] = spelled(datetime.now(UTC))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        ignore_file = write_accepted(Path(scratch), request.ignore)
        with elapsed(f"scanned {request.reference.digest} for {', '.join(map(str, request.platforms))}"):
            found = pool.map(
                lambda at: _scan_platform(request, at, Path(scratch), ignore_file, environment), request.platforms
            )
            reports = dict(zip(map(str, request.platforms), found, strict=True))
    record["finished"] = spelled(datetime.now(UTC))
    kept.write_text(json.dumps(record))
    return reports, record


def _cover_all(request: ScanRequest, environment: Mapping[str, str]) -> None:
    """Refuse to judge an index by some of its platforms: all of them would be signed and published."""
    if left_out := platforms_of(request.reference, environment).keys() - set(request.platforms):
        names = ", ".join(sorted(map(str, left_out)))
        raise StepError(f"{request.reference} also holds {names}, which would ship without a scan: name all platforms")


def write_accepted(folder: Path, ignore: Sequence[Mapping[str, str]]) -> Path:
    """The file that tells trivy which vulnerabilities are accepted for a time.

    Args:
        folder: where it is written.
        ignore: `id`, `reason` and `expires` of each.
    """
    path = folder / "trivyignore.yaml"
    path.write_text(json.dumps({"vulnerabilities": [_ignored(entry) for entry in ignore]}))
    return path


def holds(entry: Mapping[str, str]) -> bool:
    """Whether an exception still holds today, as trivy sees it: a day of UTC, which is over as it begins."""
    return entry["expires"] > datetime.now(UTC).date().isoformat()


def _ignored(entry: Mapping[str, str]) -> dict[str, str]:
    # As text, trivy reads a moment and no day.
    return {"id": entry["id"], "statement": entry["reason"], "expired_at": f"{entry['expires']}T00:00:00Z"}


def _scan_platform(
    request: ScanRequest, platform: Platform, scratch: Path, ignore_file: Path, environment: Mapping[str, str]
) -> dict[str, Any]:
    # Judged is what trivy wrote for this very run, wherever it is kept: others may keep theirs in the same folder.
    report = scratch / f"{platform.slug}.json"
    sarif = report.with_suffix(".sarif")
    command: list[str | Path] = ["--severity", ",".join(SEVERITIES), "--show-suppressed"]
    command += ["--image-src", "remote", "--platform", str(platform), "--ignorefile", ignore_file]
    command += ["--cacert", request.authority] if request.authority else []
    command += ["--format", "json", "--output", report, str(request.reference)]
    try:
        scan_image(request.databases, f"{request.reference.repository.path} {platform}", command, environment)
        content: dict[str, Any] = json.loads(report.read_text())
        trivy(["convert", "--quiet", "--format", "sarif", "--output", sarif, report])
        for file in (report, sarif):
            shutil.move(file, request.reports / file.name)
    except (StepError, OSError, ValueError) as error:
        raise StepError(f"{request.reference} for {platform} could not be scanned:\n{error}") from None
    return content


def findings_in(reports: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """The findings of the reports of all platforms, the worst first, each once with the platforms that have it."""
    found: dict[tuple[str, str, str], tuple[Mapping[str, Any], list[str]]] = {}
    for platform, report in reports.items():
        for result in report.get("Results") or []:
            for entry in result.get("Vulnerabilities") or []:
                key = (entry["VulnerabilityID"], entry["PkgName"], entry.get("InstalledVersion", ""))
                platforms = found.setdefault(key, (entry, []))[1]
                if platform not in platforms:
                    platforms.append(platform)
    findings = [_finding(entry, platforms) for entry, platforms in found.values()]
    return sorted(findings, key=lambda it: (SEVERITIES.index(it.severity), it.package, it.vulnerability))


def _finding(entry: Mapping[str, Any], platforms: Sequence[str]) -> Finding:
    return Finding(
        severity=severity if (severity := entry.get("Severity")) in SEVERITIES else "UNKNOWN",
        vulnerability=entry["VulnerabilityID"],
        package=entry["PkgName"],
        installed=entry.get("InstalledVersion", ""),
        fixed=entry.get("FixedVersion") or _NO_FIX,
        platforms=tuple(platforms),
    )


def failing(findings: Sequence[Finding], fail_on: Sequence[str], unfixed: bool) -> list[Finding]:
    """The findings that may not ship.

    Args:
        findings: everything that was found.
        fail_on: severities that may not ship.
        unfixed: whether findings that have no fix yet are reported only.
    """
    return [it for it in findings if it.severity in fail_on and (it.fixed != _NO_FIX or not unfixed)]


def _judge(request: ScanRequest, reports: Mapping[str, Mapping[str, Any]], findings: Sequence[Finding]) -> None:
    told = unfit(str(request.reference), reports, request.needs) if request.needs else []
    advice = "Nothing was signed or published."
    failed = failing(findings, request.fail_on, request.unfixed)
    for entry in request.ignore:
        if not holds(entry):
            say(f"warning: the exception for {entry['id']} expired on {entry['expires']} and no longer counts")
    if failed:
        severities = " or ".join(request.fail_on)
        told += [f"{request.reference} has {len(failed)} finding(s) of severity {severities}:", table(failed)]
        advice += " Update the packages, or accept a finding for a time under scan.ignore."
        advice += f"\nFull reports: {request.reports}"
    if told:
        raise StepError("\n".join([*told, advice]))


def table(findings: Sequence[Finding]) -> str:
    """The findings in columns, for a person."""
    rows = [("SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED IN", "PLATFORMS")]
    rows += [
        (it.severity, it.vulnerability, it.package, it.installed, it.fixed, ", ".join(it.platforms)) for it in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def add_policy_flags(parser: argparse.ArgumentParser) -> None:
    """What may not ship, how fresh the knowledge must be, and what the container asks."""
    parser.add_argument("--fail-on", required=True, help="severities, separated by commas")
    parser.add_argument("--ignore", default="[]", help='JSON list of {"id", "reason", "expires"}')
    parser.add_argument(
        "--unfixed", action="store_true", help="report findings that have no fix yet, and let them pass"
    )
    parser.add_argument("--reports", required=True, type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder with the databases of each source")
    parser.add_argument("--database", help="OCI artifact of the vulnerability database; trivy's own if left out")
    parser.add_argument("--database-age", type=float, default=7.0, help="days that the database may be old")
    parser.add_argument("--java-database", help="OCI artifact of the index of Java libraries; trivy's own if left out")
    add_needs_flags(parser)


def databases_of(request: argparse.Namespace) -> Databases:
    """The databases that the flags name."""
    return Databases(request.cache, request.database, request.java_database)


def main() -> dict[str, Any]:
    """Scan what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m steps.scan", description=__doc__)
    parser.add_argument("--reference", required=True, type=ImageReference.parse)
    parser.add_argument("--platform", required=True, action="append", type=Platform)
    add_policy_flags(parser)
    parser.add_argument("--username")
    request = parser.parse_args()
    secrets = read_secrets() | ({"username": request.username} if request.username else {})
    databases = databases_of(request)
    database = ensure_database(databases, request.database_age)
    ignore = json.loads(request.ignore)
    platforms, fail_on = request.platform, request.fail_on.split(",")
    wanted = ScanRequest(
        request.reference,
        platforms,
        fail_on,
        ignore,
        request.reports,
        request.unfixed,
        databases,
        needs=needs_of(request),
    )
    return scan(wanted, database, secrets)


if __name__ == "__main__":
    run_step(main)
