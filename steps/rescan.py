"""Scan a release again with today's database, and put the fresh report beside the old ones: what is newly known?

Nothing is replaced and no state is touched: the release stays what it is, only more is known about it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.artifact import ImageReference
from steps.attest import Signer, check_written
from steps.predicates import VULNERABILITIES, vulnerability_report
from steps.registry import platforms_of, referrers_of
from steps.scan import Finding, ScanRequest, findings_in, scan_platforms
from steps.statements import predicates

_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Rescan:
    """What a release looks like today."""

    reference: ImageReference
    """What was scanned."""
    database: str
    """When the database was made."""
    findings: list[Finding]
    """Everything that is known today."""
    new: list[Finding]
    """What no report before has, on the platforms where it is new."""
    reports_before: int
    """Reports about its platforms that there were; with none, everything is new."""
    reports: Mapping[str, Mapping[str, Any]]
    """What is to be attested, by manifest."""


def rescan(request: ScanRequest, database: Mapping[str, Any], signer: Signer, keys: Sequence[str]) -> Rescan:
    """Scan all platforms of a release, and compare the reports with those that were there before.

    What is attested counts as known from then on, so that this is left to `attest`, once the news has been told.

    Args:
        request: what to scan; its platforms are those of the index, whatever it says.
        database: what the database says of itself.
        signer: who will attest the new reports.
        keys: public keys whose reports count as known.

    Raises:
        StepError: the scanner failed, or the registry does not answer.
    """
    platforms = platforms_of(request.reference, signer.environment, request.authority)
    manifests = {it: request.reference.repository.at(digest) for it, digest in platforms.items()}
    with ThreadPoolExecutor() as pool:
        before = dict(
            zip(platforms, pool.map(lambda it: _reports(manifests[it], signer, keys), platforms), strict=True)
        )
    wanted = replace(request, platforms=list(platforms))
    reports, record = scan_platforms(wanted, database, signer.environment)
    fresh = {str(it): _without(reports[str(it)], _known(before[it])) for it in platforms}
    return Rescan(
        reference=request.reference,
        database=database["UpdatedAt"],
        findings=findings_in(reports),
        new=findings_in(fresh),
        reports_before=sum(map(len, before.values())),
        reports={str(manifests[it]): vulnerability_report(reports[str(it)], record, it) for it in platforms},
    )


def _reports(manifest: ImageReference, signer: Signer, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The reports that these keys have attested before."""
    return [
        predicate["scanner"]["result"]
        for key in dict.fromkeys(keys)
        for predicate in predicates(manifest, VULNERABILITIES, key, signer.environment, signer.authority)
    ]


def _known(reports: Sequence[Mapping[str, Any]]) -> set[_Key]:
    """The findings of reports, also those that were accepted and so left out of the judgement."""
    return {
        _key(entry)
        for report in reports
        for result in report.get("Results") or ()
        for entry in (
            *(result.get("Vulnerabilities") or ()),
            *(it["Finding"] for it in result.get("ExperimentalModifiedFindings") or () if "Finding" in it),
        )
    }


def _without(report: Mapping[str, Any], known: set[_Key]) -> dict[str, Any]:
    """The report with what is new alone."""
    results = [
        {"Vulnerabilities": [entry for entry in result.get("Vulnerabilities") or () if _key(entry) not in known]}
        for result in report.get("Results") or ()
    ]
    return {"Results": results}


def _key(entry: Mapping[str, Any]) -> _Key:
    return entry.get("VulnerabilityID", ""), entry.get("PkgName", ""), entry.get("InstalledVersion", "")


def attest(found: Rescan, signer: Signer) -> None:
    """Put the new reports beside the old ones.

    Raises:
        StepError: the key cannot be opened, or the registry does not take the attestation.
    """
    reports = found.reports
    before = referrers_of(list(reports), signer.environment, signer.authority)
    with TemporaryDirectory(prefix="slipway-") as folder, ThreadPoolExecutor() as pool:
        scratch = Path(folder)
        list(pool.map(lambda it: signer.attest(it, VULNERABILITIES, reports[it], scratch), reports))
    check_written(dict.fromkeys(reports, (VULNERABILITIES,)), before, signer)
