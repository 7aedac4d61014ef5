"""What today's vulnerability database knows of a release.

One that a stack has never run is scanned itself, once a digest and database: a preview and its `up` ask twice. Of one
that it has run, the SBOM that was signed is looked up: nothing is pulled for that, and a rollback waits for no scan.
Source: trivy.dev, "SBOM scanning".
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifact import ImageReference, Platform
from steps.choose import Registries
from steps.database import Databases, ensure_database, in_use
from steps.image_config import Needs, needs_of, unfit
from steps.scan import Finding, ScanRequest, databases_of, failing, findings_in, holds, scan_platforms, write_accepted
from steps.scanner import found_by
from steps.tool import StepError
from steps.trivy import trivy

_KEPT = "today.json"
"""What was scanned with what, beside the reports."""


@dataclass(frozen=True)
class Policy:
    """What may not ship, and how fresh the knowledge must be."""

    fail_on: Sequence[str]
    ignore: Sequence[Mapping[str, str]]
    unfixed: bool
    reports: Path
    databases: Databases
    database_age: float
    needs: Needs | None = None
    """What the container asks of the image; None where nothing is to run it."""

    @classmethod
    def of(cls, request: argparse.Namespace) -> "Policy":
        """The policy that a step's command line names, see steps.scan and steps.image_config."""
        return cls(
            request.fail_on.split(","),
            json.loads(request.ignore),
            request.unfixed,
            request.reports,
            databases_of(request),
            request.database_age,
            needs_of(request),
        )


def todays_findings(
    reference: ImageReference, platforms: Sequence[Platform], policy: Policy, registries: Registries
) -> list[Finding]:
    """The findings that may not ship, by a database that is young enough.

    Args:
        reference: the release.
        platforms: all platforms of its index.
        policy: what may not ship.
        registries: how to reach its registry.

    Raises:
        StepError: the scanner failed, the database is too old or cannot be had, or the container cannot run the image.
    """
    database = ensure_database(policy.databases, policy.database_age)
    wanted = ScanRequest(
        reference,
        platforms,
        policy.fail_on,
        policy.ignore,
        policy.reports,
        policy.unfixed,
        policy.databases,
        registries.authority(reference.repository),
    )
    fingerprint = {
        "digest": str(reference.digest),
        "database": dict(database),
        "found_by": found_by(policy.databases),
        "ignore": list(policy.ignore),
        # trivy has left out of a report what was accepted on that day, and an exception ends by itself.
        "accepted": [entry["id"] for entry in policy.ignore if holds(entry)],
    }
    reports = _kept(wanted, fingerprint)
    if reports is None:
        reports, _ = scan_platforms(wanted, database, registries.environment)
        (policy.reports / _KEPT).write_text(json.dumps(fingerprint))
    if policy.needs and (problems := unfit("it", reports, policy.needs)):
        raise StepError("\n".join(problems))
    return failing(findings_in(reports), policy.fail_on, policy.unfixed)


def todays_findings_by_sbom(sboms: Mapping[str, Mapping[str, Any]], policy: Policy) -> list[Finding]:
    """The findings that would not ship, by the packages that were found when the release was built.

    Args:
        sboms: what each platform is made of, CycloneDX.
        policy: what may not ship.

    Raises:
        StepError: the scanner failed, or the database is too old or cannot be had.
    """
    ensure_database(policy.databases, policy.database_age)
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder, ThreadPoolExecutor() as pool:
        accepted = write_accepted(Path(folder), policy.ignore)

        def known(entry: tuple[int, Mapping[str, Any]]) -> dict[str, Any]:
            path = Path(folder, f"{entry[0]}.cdx.json")
            path.write_text(json.dumps(entry[1]))
            command: list[str | Path] = ["sbom", "--quiet", "--cache-dir", policy.databases.cache, "--skip-db-update"]
            command += ["--skip-java-db-update", "--skip-version-check", "--scanners", "vuln", "--format", "json"]
            report: dict[str, Any] = json.loads(trivy([*command, "--ignorefile", accepted, path]))
            return report

        with in_use(policy.databases):
            reports = dict(zip(sboms, pool.map(known, enumerate(sboms.values())), strict=True))
    return failing(findings_in(reports), policy.fail_on, policy.unfixed)


def _kept(wanted: ScanRequest, fingerprint: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """The reports of the same scan, if it was made before; None where anything about it differs or is gone."""
    try:
        if json.loads((wanted.reports / _KEPT).read_text()) != fingerprint:
            return None
        reports = {str(it): json.loads((wanted.reports / f"{it.slug}.json").read_text()) for it in wanted.platforms}
    except (OSError, ValueError):
        return None
    return reports if all(_is_of(wanted.reference, report) for report in reports.values()) else None


def _is_of(reference: ImageReference, report: Mapping[str, Any]) -> bool:
    return str(report.get("ArtifactName", "")).endswith(f"@{reference.digest}")
