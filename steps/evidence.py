"""What is known about an artifact, read back from its registry: only what verifies with one public key counts.

Source: sigstore/cosign, `cosign verify --help`, `cosign verify-attestation --help`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from components.artifact import Digest, ImageReference, Platform
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES, evidence_of
from steps.registry import platforms_of, referrers_of
from steps.scan import SEVERITIES, Finding, findings_in
from steps.statements import or_nothing, predicates
from steps.verify import Statement, lacking, proven


@dataclass(frozen=True)
class Key:
    """A public key, and how to reach the registry whose statements it verifies."""

    public_key: str
    """Path of the public key, or the reference of a key management service."""
    environment: Mapping[str, str]
    """Variables for tools that ask the registry."""
    authority: str | None = None
    """PEM file of the registry's certificate authority; None trusts the system's."""

    def said(self, manifest: str) -> list[Statement]:
        """Everything that it says about a manifest; nothing is no error."""
        said = or_nothing(
            lambda: proven([manifest], self.public_key, self.environment, self.authority)[manifest],
            [manifest],
            self.environment,
            self.authority,
        )
        return said or []

    def content(self, manifest: str, type_: str) -> list[dict[str, Any]]:
        """What its attestations of one type say about a manifest."""
        reference = ImageReference.parse(manifest)
        return predicates(reference, type_, self.public_key, self.environment, self.authority)


def dossier(reference: ImageReference, key: Key) -> dict[str, Any]:
    """Everything that a key says about an artifact.

    Args:
        reference: the index, by digest.
        key: whose word counts.

    Returns:
        `signatures` by platform (`index` for the index), `provenance`, `platforms` with their reports (the latest
        first) and SBOMs, `lacking` (what an artifact must have and this one has not), `unverified` (how much else
        refers to it that this key has not made).

    Raises:
        StepError: the registry does not answer or refuses, has no such artifact, or the key cannot be read.
    """
    platforms = platforms_of(reference, key.environment, key.authority)
    wanted = evidence_of(reference, platforms)
    names = dict(zip(wanted, ["index", *map(str, platforms)], strict=True))
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(referrers_of, list(wanted), key.environment, key.authority)
        said = dict(zip(wanted, pool.map(key.said, wanted), strict=True))
        asked = [
            (manifest, type_) for manifest, types in wanted.items() for type_ in types if _has(said, manifest, type_)
        ]
        content = dict(zip(asked, pool.map(lambda it: key.content(*it), asked), strict=True))
    return {
        "reference": str(reference),
        "digest": str(reference.digest),
        "public_key": key.public_key,
        "signatures": {names[it]: _signatures(statements) for it, statements in said.items()},
        "provenance": content.get((str(reference), PROVENANCE), []),
        "platforms": {
            str(platform): _platform(platform, digest, str(reference.repository.at(digest)), content)
            for platform, digest in platforms.items()
        },
        "lacking": lacking(wanted, said, {}),
        "unverified": {names[it]: len(listed.result()[it]) - len(said[it]) for it in wanted},
    }


def _has(said: Mapping[str, Sequence[Statement]], manifest: str, type_: str) -> bool:
    return any(statement.predicate == type_ for statement in said[manifest])


def _signatures(statements: Sequence[Statement]) -> list[dict[str, str]]:
    return [dict(it.annotations) for it in statements if it.predicate == SIGNATURE]


def _platform(
    platform: Platform, digest: Digest, manifest: str, content: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> dict[str, Any]:
    reports = [_report(it, platform) for it in content.get((manifest, VULNERABILITIES), ())]
    return {
        "digest": str(digest),
        "reports": sorted(reports, key=lambda it: str(it["finished"]), reverse=True),
        "sboms": [_sbom(it) for it in content.get((manifest, SBOM), ())],
    }


def _report(predicate: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """One vulnerability report, summed up; whoever wrote it may have left something out."""
    scanner, metadata = predicate.get("scanner") or {}, predicate.get("metadata") or {}
    findings = _findings(scanner.get("result"), platform)
    return {
        "scanner": scanner.get("uri", ""),
        "database": (scanner.get("db") or {}).get("lastUpdate", ""),
        "started": metadata.get("scanStartedOn", ""),
        "finished": metadata.get("scanFinishedOn", ""),
        "counts": _counts(findings),
        "findings": [asdict(it) for it in findings or ()],
    }


def _counts(findings: Sequence[Finding] | None) -> dict[str, int]:
    """Findings by severity; empty for a report that was not read, which is not one without findings."""
    return {} if findings is None else {name: sum(it.severity == name for it in findings) for name in SEVERITIES}


def _findings(result: Any, platform: Platform) -> list[Finding] | None:
    """The findings in trivy's report; None for what another scanner has written in a form of its own."""
    if not isinstance(result, Mapping) or not result.keys() & {"Results", "SchemaVersion"}:
        return None
    try:
        return findings_in({str(platform): result})
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _sbom(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": f"{document.get('bomFormat', '')} {document.get('specVersion', '')}".strip(),
        "components": len(document.get("components") or ()),
        "made": (document.get("metadata") or {}).get("timestamp", ""),
    }
