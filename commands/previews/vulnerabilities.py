"""The vulnerabilities of two images, report against report: introduced, fixed, or only known since.

Two reports differ for two reasons: the images do, or the databases do. A finding in a package that both images have in
the same version is not introduced by the change: the older report did not know of it yet. So the packages decide.
Source: cosign's vulnerability predicate around a report of trivy, see steps/predicates.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from commands.previews.packages import Package, Packages
from commands.previews.report import SEVERITIES, Vulnerabilities, VulnerabilityChange


class Finding(NamedTuple):
    """One vulnerability in one package, whatever the package's version."""

    id: str
    package: str


@dataclass(frozen=True)
class Scanned:
    """What one scan of one platform says."""

    entries: tuple[VulnerabilityChange, ...]
    """What was found, each once; a package may be there in several versions."""
    database: str = ""
    """Date of the database."""

    @property
    def findings(self) -> dict[Finding, VulnerabilityChange]:
        """What was found, to be compared with what another image has."""
        return {Finding(it.id, it.package): it for it in self.entries}


def scanned(predicate: Mapping[str, Any]) -> Scanned:
    """What a vulnerability attestation says."""
    scanner = predicate.get("scanner") or {}
    database = scanner.get("db") or {}
    found = tuple(dict.fromkeys(map(_read, _entries(scanner.get("result") or {}))))
    return Scanned(found, str(database.get("lastUpdate") or database.get("version") or ""))


def latest(predicates: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The youngest of several reports of one image, by the time at which its scan ended."""
    return max(predicates, key=lambda it: str((it.get("metadata") or {}).get("scanFinishedOn") or ""), default=None)


def _entries(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for result in report.get("Results") or ():
        yield from result.get("Vulnerabilities") or ()


def _read(entry: Mapping[str, Any]) -> VulnerabilityChange:
    severity = str(entry.get("Severity") or "UNKNOWN").upper()
    return VulnerabilityChange(
        id=str(entry.get("VulnerabilityID") or ""),
        package=str(entry.get("PkgName") or ""),
        version=str(entry.get("InstalledVersion") or ""),
        severity=severity if severity in SEVERITIES else "UNKNOWN",
        title=str(entry.get("Title") or ""),
        fixed_in=str(entry.get("FixedVersion") or ""),
    )


def vulnerabilities_between(
    before: Scanned, after: Scanned, packages_before: Packages | None = None, packages_after: Packages | None = None
) -> Vulnerabilities:
    """What comes and goes from one image to another, on one platform.

    Args:
        before: the report of today's image.
        after: the report of what would ship.
        packages_before: packages of today's image, where its SBOM is known.
        packages_after: packages of what would ship, likewise.
    """
    own, others = after.findings, before.findings
    come = [it for key, it in own.items() if key not in others]
    gone = [it for key, it in others.items() if key not in own]
    old, new = _names(packages_before), _names(packages_after)
    known = [it for it in come if _name(it) in old]
    return Vulnerabilities(
        introduced=_ordered(it for it in come if _name(it) not in old),
        newly_known=_ordered(known),
        # What the younger database takes back was no vulnerability that the change has fixed.
        fixed=_ordered(it for it in gone if _name(it) not in new),
        remaining=len(own.keys() & others.keys()) + len(known),
        database_before=before.database,
        database_after=after.database,
    )


def stopping(reports: Mapping[str, Scanned], policy: Mapping[str, Any], today: date) -> tuple[VulnerabilityChange, ...]:
    """The findings of what would ship that the scan stops at `up`.

    Args:
        reports: the scans of what would ship, by platform.
        policy: `fail_on`, `unfixed` and `ignore`, as the stack's settings have them under `scan`.
        today: the day.
    """
    excused = {it["id"] for it in policy.get("ignore") or () if str(it["expires"]) > today.isoformat()}
    severities, lenient = policy.get("fail_on") or (), policy.get("unfixed") == "report"
    return _merged(
        {
            platform: [
                it
                for it in report.entries
                if it.severity in severities and it.id not in excused and (it.fixed_in or not lenient)
            ]
            for platform, report in reports.items()
        }
    )


def _name(change: VulnerabilityChange) -> tuple[str, str]:
    return change.package.lower(), change.version  # Jinja2 is jinja2


def _names(packages: Packages | None) -> frozenset[tuple[str, str]]:
    """Each package's name and version as a scanner prints them, with its namespace and without."""
    found = set()
    for package, versions in (packages or {}).items():
        for name in _spellings(package):
            found |= {(name.lower(), version) for version in versions}
    return frozenset(found)


def _spellings(package: Package) -> set[str]:
    return {package.name, package.name.replace("/", ":"), package.name.rpartition("/")[2]}


def _ordered(changes: Iterator[VulnerabilityChange] | Sequence[VulnerabilityChange]) -> tuple[VulnerabilityChange, ...]:
    return tuple(sorted(changes, key=lambda it: (SEVERITIES.index(it.severity), it.id, it.package, it.platforms)))


def over_platforms(changes: Mapping[str, Vulnerabilities]) -> Vulnerabilities:
    """The changes of all platforms, each vulnerability once with the platforms that it was found on.

    Args:
        changes: changes by platform.
    """
    return Vulnerabilities(
        introduced=_merged({platform: it.introduced for platform, it in changes.items()}),
        newly_known=_merged({platform: it.newly_known for platform, it in changes.items()}),
        fixed=_merged({platform: it.fixed for platform, it in changes.items()}),
        remaining=max((it.remaining for it in changes.values()), default=0),
        database_before=min((it.database_before for it in changes.values()), default=""),
        database_after=min((it.database_after for it in changes.values()), default=""),
    )


def _merged(changes: Mapping[str, Sequence[VulnerabilityChange]]) -> tuple[VulnerabilityChange, ...]:
    found: dict[VulnerabilityChange, list[str]] = {}
    for platform, own in changes.items():
        for change in own:
            found.setdefault(change, []).append(platform)
    return _ordered([change.model_copy(update={"platforms": tuple(where)}) for change, where in found.items()])
