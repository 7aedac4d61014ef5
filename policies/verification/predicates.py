"""What signed statements say, in the shapes in which the usual tools write it: reports, SBOMs, provenance, proofs.

Read tolerantly: what a shape does not say is None or empty, and the rules decide what that means. A predicate whose
shape is not known is refused: an empty report of an unknown shape would look like a clean one. Sources:
sigstore/cosign, `specs/COSIGN_VULN_ATTESTATION_SPEC.md`; slsa.dev, "Provenance" v1 and v0.2; moby/buildkit,
`docs/attestations/slsa-definitions.md`; actions/attest-build-provenance; CycloneDX 1.x; SPDX 2.x and 3.0.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from verification.envelope import SIGNED, EnvelopeError, Statement

VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
PROVED = "https://slipway.dev/proved/v1"


@dataclass(frozen=True)
class Signature:
    """That somebody stands for a digest."""

    signer: str
    """The key's fingerprint, or the identity of a keyless signature."""


@dataclass(frozen=True)
class Finding:
    """One vulnerability of one package."""

    vulnerability: str
    severity: str
    """In capitals; `UNKNOWN` where the scanner gives none."""
    package: str
    installed: str
    fixed: str
    """Version with the fix; empty where there is none."""


@dataclass(frozen=True)
class Report:
    """What a scanner found in one manifest."""

    signer: str
    scanner: str
    database: datetime | None
    """When the scanner's database was made."""
    finished: datetime | None
    """When the scan was done."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Sbom:
    """A list of what is in one manifest."""

    signer: str
    format: str
    components: int


@dataclass(frozen=True)
class Base:
    """An image that a build took, as the builder names it."""

    uri: str
    digest: str
    """`sha256:…`; empty where none is named."""


@dataclass(frozen=True)
class Provenance:
    """From what something was built."""

    signer: str
    builder: str
    source: str
    """URI of the source repository; empty where none is named."""
    commit: str
    dirty: bool
    """Whether the builder says that the tree had changes which are in no commit."""
    bases: tuple[Base, ...]


@dataclass(frozen=True)
class Proof:
    """That a stack has run a digest, and how it went."""

    signer: str
    project: str
    stack: str
    time: datetime


Content = Signature | Report | Sbom | Provenance | Proof
Kind = TypeVar("Kind", Signature, Report, Sbom, Provenance, Proof)
NAMES: Mapping[type[Content], str] = {
    Signature: "signature",
    Report: "vulnerability report",
    Sbom: "SBOM",
    Provenance: "provenance",
    Proof: "proof",
}
"""How a message calls each kind."""
TYPES: Mapping[type[Content], tuple[str, ...]] = {
    Signature: (SIGNED,),
    Report: (VULNERABILITIES,),
    Sbom: ("https://cyclonedx.org/bom", "https://spdx.dev/Document", "https://spdx.dev/Document/v2.3"),
    Provenance: ("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"),
    Proof: (PROVED,),
}
"""The predicate types of each kind."""


def kind_of(predicate_type: str) -> type[Content] | None:
    """What a statement of this type is read as; SBOM types may have a version at their end."""
    for kind, known in TYPES.items():
        if any(predicate_type == it or (kind is Sbom and predicate_type.startswith(f"{it}/")) for it in known):
            return kind
    return None


def read(statement: Statement) -> Content | None:
    """What a statement says; None where its type is of no interest.

    Raises:
        EnvelopeError: the predicate has none of the shapes that its type has.
    """
    kind, signer = kind_of(statement.predicate_type), statement.signer
    if kind is Signature:
        return Signature(signer)
    if kind is Sbom:
        return _sbom(statement.predicate, signer)
    readers: Mapping[type[Content], Callable[[Mapping[str, Any], str], Content]] = {
        Report: _report,
        Provenance: _provenance,
        Proof: _proof,
    }
    reader = readers.get(kind) if kind else None
    return reader(_mapping(statement.predicate), signer) if reader else None


def time_of(text: object) -> datetime | None:
    """An RFC 3339 time, in UTC; None for anything else, such as Go's zero time."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        if time is None or time.year < 2000:
            return None
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the last hours of the year 9999 may be in no year of UTC
        return None


def _report(predicate: Mapping[str, Any], signer: str) -> Report:
    scanner, metadata = _mapping(predicate.get("scanner")), _mapping(predicate.get("metadata"))
    result, database = _mapping(scanner.get("result")), _mapping(scanner.get("db"))
    if isinstance(result.get("matches"), list):
        name, findings = "grype", tuple(_grype_findings(result))
        described = _mapping(_mapping(result.get("descriptor")).get("db"))
        built = described.get("built") or _mapping(described.get("status")).get("built")
    elif result.get("SchemaVersion") == 2:
        name, findings, built = "trivy", tuple(_trivy_findings(result)), None
    else:
        raise EnvelopeError("its report is neither trivy's nor grype's JSON")
    made = (time_of(text) for text in (database.get("lastUpdate"), built, database.get("version")))
    version = str(scanner.get("version") or "")
    return Report(
        signer,
        f"{name} {version}".strip(),
        next((time for time in made if time), None),
        time_of(metadata.get("scanFinishedOn")) or time_of(result.get("CreatedAt")),
        findings,
    )


def _trivy_findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """All that it found. What its ignore list or a VEX document took out counts: this pack alone says what does not."""
    for result in _entries(report.get("Results")):
        for entry in (*_entries(result.get("Vulnerabilities")), *_suppressed(result)):
            yield Finding(
                str(entry.get("VulnerabilityID", "")),
                str(entry.get("Severity") or "UNKNOWN").upper(),
                str(entry.get("PkgName", "")),
                str(entry.get("InstalledVersion", "")),
                str(entry.get("FixedVersion") or ""),
            )


def _suppressed(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for modified in _entries(result.get("ExperimentalModifiedFindings")):
        if modified.get("Type") == "vulnerability":
            yield _mapping(modified.get("Finding"))


def _grype_findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    """All that it found; what its ignore rules took out counts, as for trivy."""
    for match in (*_entries(report.get("matches")), *_entries(report.get("ignoredMatches"))):
        entry, artifact = _mapping(match.get("vulnerability")), _mapping(match.get("artifact"))
        fixed = _mapping(entry.get("fix")).get("versions")
        yield Finding(
            str(entry.get("id", "")),
            str(entry.get("severity") or "UNKNOWN").upper(),
            str(artifact.get("name", "")),
            str(artifact.get("version", "")),
            ", ".join(map(str, fixed)) if isinstance(fixed, list) else "",
        )


def _sbom(predicate: object, signer: str) -> Sbom:
    if isinstance(predicate, str) and predicate.lstrip().startswith("SPDXVersion: "):
        return Sbom(signer, "SPDX", predicate.count("\nPackageName: "))
    document = _mapping(predicate)
    if document.get("bomFormat") == "CycloneDX":
        return Sbom(signer, "CycloneDX", len(_entries(document.get("components"))))
    if str(document.get("spdxVersion", "")).startswith("SPDX-"):
        return Sbom(signer, "SPDX", len(_entries(document.get("packages"))))
    if "spdx.org" in str(document.get("@context", "")):
        return Sbom(signer, "SPDX", len(_entries(document.get("@graph"))))
    raise EnvelopeError("its SBOM is neither CycloneDX nor SPDX")


def _provenance(predicate: Mapping[str, Any], signer: str) -> Provenance:
    definition = _mapping(predicate.get("buildDefinition"))
    details = _mapping(predicate.get("runDetails"))
    if definition:  # SLSA v1
        parameters = _mapping(definition.get("externalParameters"))
        materials = _entries(definition.get("resolvedDependencies"))
        metadata = _mapping(_mapping(details.get("metadata")).get("buildkit_metadata"))
        configured = _mapping(parameters.get("configSource"))
        builder = _mapping(details.get("builder")).get("id")
    elif "builder" in predicate:  # SLSA v0.2
        invocation = _mapping(predicate.get("invocation"))
        materials = _entries(predicate.get("materials"))
        metadata = _mapping(_mapping(predicate.get("metadata")).get("https://mobyproject.org/buildkit@v1#metadata"))
        configured = _mapping(invocation.get("configSource"))
        builder = _mapping(predicate.get("builder")).get("id")
    else:
        raise EnvelopeError("its provenance is neither SLSA v1 nor v0.2")
    source, commit, dirty = _source([configured, *materials], _mapping(metadata.get("vcs")))
    bases = tuple(Base(str(it["uri"]), _sha256(it)) for it in materials if _is_image(it))
    return Provenance(signer, str(builder or ""), source, commit, dirty, bases)


def _source(materials: Sequence[Mapping[str, Any]], observed: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Repository, commit, and whether it had changes: the first material that is a commit, else what BuildKit saw."""
    for material in materials:
        digests = _mapping(material.get("digest"))
        commit = str(digests.get("gitCommit") or digests.get("sha1") or "")
        uri = str(material.get("uri") or "")
        if uri and (commit or uri.startswith("git+")):
            notes = _mapping(material.get("annotations"))
            return (
                uri,
                commit.removesuffix("-dirty"),
                str(notes.get("dirty")).lower() == "true" or commit.endswith("-dirty"),
            )
    revision = str(observed.get("revision") or "")
    return str(observed.get("source") or ""), revision.removesuffix("-dirty"), revision.endswith("-dirty")


def _is_image(material: Mapping[str, Any]) -> bool:
    return str(material.get("uri", "")).startswith(("pkg:docker/", "pkg:oci/", "docker-image://"))


def _sha256(material: Mapping[str, Any]) -> str:
    digest = _mapping(material.get("digest")).get("sha256")
    return f"sha256:{digest}" if isinstance(digest, str) else ""


def _proof(predicate: Mapping[str, Any], signer: str) -> Proof:
    time, project, stack = time_of(predicate.get("time")), predicate.get("project"), predicate.get("stack")
    if predicate.get("schemaVersion") != 1 or time is None or not (project and stack):
        raise EnvelopeError("its proof is not of schema version 1, with project, stack and time")
    return Proof(signer, str(project), str(stack), time)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
