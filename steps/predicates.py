"""The evidence of an artifact: which attestation belongs on which manifest, and what a vulnerability report says.

Names are those of the predicate types that other tools read. Source: sigstore/cosign, "Cosign Vulnerability Scan Record
Attestation Specification"; CycloneDX, "Attestation"; slsa.dev, "Provenance" 1.0.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Platform
from steps.proofs import moment
from steps.registry import referrers_of
from steps.tool import StepError

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
SBOM = "https://cyclonedx.org/bom"
PROVED = "https://slipway.dev/proved/v1"
APPROVED = "https://slipway.dev/approved/v1"
NAMES = {
    SIGNATURE: "signature",
    PROVENANCE: "provenance",
    VULNERABILITIES: "vulnerability report",
    SBOM: "SBOM",
    PROVED: "proof",
    APPROVED: "approval",
}
"""What a person calls them."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""When what does not say when it was done was done: older than anything may be."""
RECORD = "scan.json"
"""What the scan says of itself, beside its reports."""


def evidence_of(reference: ImageReference, platforms: Mapping[Platform, Digest]) -> dict[str, tuple[str, ...]]:
    """The predicate types that each manifest of an artifact must have: of the index, and of each platform."""
    wanted: dict[str, tuple[str, ...]] = {str(reference): (PROVENANCE,)}
    return wanted | {str(reference.repository.at(digest)): (VULNERABILITIES, SBOM) for digest in platforms.values()}


def provenance_mark(listed: Mapping[str, str]) -> str:
    """By what one state of an index's provenance differs from another: a digest may be built again from other inputs.

    Args:
        listed: what refers to the index, each with its predicate type.
    """
    said = sorted(digest.partition(":")[2][:12] for digest, type_ in listed.items() if type_ == PROVENANCE)
    return "-".join(said) or "none"


def provenance_at(index: ImageReference, environment: Mapping[str, str], authority: str | None) -> str:
    """The mark of the provenance that an index has in its registry.

    Args:
        index: the index there.
        environment: variables beside those of this process.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    return provenance_mark(referrers_of([str(index)], environment, authority)[str(index)])


def scan_record(reference: ImageReference, database: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """What a scan says of itself before it begins.

    Args:
        reference: what is scanned.
        database: what the database says of itself, see steps.database.
        source: OCI artifact that it was fetched from; None for the scanner's own default.
    """
    known = {"uri": source, "version": database.get("Version"), "lastUpdate": database["UpdatedAt"]}
    return {
        "reference": str(reference),
        "database": {key: str(value) for key, value in known.items() if value is not None},
    }


def kept_report(folder: Path, reference: ImageReference, platform: Platform) -> dict[str, Any]:
    """The predicate of one platform's vulnerability report, from what the scan kept.

    Raises:
        StepError: there is none, or it is another artifact's.
    """
    path = folder / f"{platform.slug}.json"
    try:
        record, report = json.loads((folder / RECORD).read_text()), json.loads(path.read_text())
        seen = {record["reference"], report["ArtifactName"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StepError(f"{path}: the report of the scan cannot be read ({error}): {_ADVICE}") from None
    if seen != {str(reference)}:
        raise StepError(f"{path}: the report is of {', '.join(sorted(map(str, seen)))}, not of {reference}: {_ADVICE}")
    return vulnerability_report(report, record, platform)


def scan_of(folder: Path, reference: ImageReference) -> datetime | None:
    """When the scan was done whose reports are kept there; None without one of this artifact."""
    try:
        record = json.loads((folder / RECORD).read_text())
        return moment(record["finished"]) if record["reference"] == str(reference) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def finished(predicate: Mapping[str, Any]) -> datetime:
    """When the scan of an attested report was done; NEVER where it does not say."""
    try:
        return moment(predicate["metadata"]["scanFinishedOn"])
    except (ValueError, LookupError, TypeError):
        return NEVER


_ADVICE = (
    "it was made on another machine, or removed. "
    "Scan again: `pulumi up --replace URN`, with the URN of the scan's command that `pulumi stack --show-urns` shows"
)


def vulnerability_report(report: Mapping[str, Any], record: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """A report in the form of cosign's vulnerability predicate, with the date of the database beside it."""
    version = report.get("Trivy", {}).get("Version", "unknown")
    return {
        "invocation": {"parameters": {"reference": record["reference"], "platform": str(platform)}},
        "scanner": {
            "uri": f"pkg:github/aquasecurity/trivy@{version}",
            "version": version,
            "db": record["database"],
            "result": report,
        },
        "metadata": {"scanStartedOn": record["started"], "scanFinishedOn": record["finished"]},
    }
