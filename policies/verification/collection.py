"""Collects what is proven about one image, from its registry alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from verification.envelope import EnvelopeError
from verification.images import Contents, read_contents, read_manifest
from verification.predicates import Content, Proof, Provenance, Report, Sbom, Signature
from verification.referrers import Referrers, Source
from verification.registry import RegistryError

_REPORTS = 2
_MOST_PROOFS = 400
"""A stack that proves again and again what it runs must not hide the proof of another one."""
_OF_IMAGE: Mapping[type[Content], int] = {Signature: 1, Provenance: 1, Proof: _MOST_PROOFS}
_OF_PLATFORM: Mapping[type[Content], int] = {Report: _REPORTS, Sbom: 1}


@dataclass(frozen=True)
class PlatformEvidence:
    """What is proven about the manifest of one platform."""

    digest: str
    reports: tuple[Report, ...] = ()
    """The newest first, with those that were the newest when a stack first proved the image."""
    sboms: tuple[Sbom, ...] = ()
    provenances: tuple[Provenance, ...] = ()
    """Where there is none of the whole image."""


@dataclass(frozen=True)
class Evidence:
    """What is proven about an image."""

    reference: str
    problem: str = ""
    """Why nothing could be read; all else is empty then."""
    signers: tuple[str, ...] = ()
    """Fingerprints of the keys, and the identities, that have signed it."""
    platforms: Mapping[str, PlatformEvidence] = field(default_factory=dict)
    provenances: tuple[Provenance, ...] = ()
    """Of the whole image."""
    proofs: tuple[Proof, ...] = ()
    rejected: tuple[str, ...] = ()
    """What is there and proves nothing, each with the reason."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing that a rule may ask for is missing."""
        parts = self.platforms.values()
        built = self.provenances or (parts and all(part.provenances for part in parts))
        return bool(self.signers and built and parts and all(part.reports and part.sboms for part in parts))


def collect(source: Source, reference: str, digest: str) -> Evidence:
    """Collect what is proven about the index or manifest with this digest.

    Args:
        source: where to look, and whom to trust.
        reference: what the evidence is called by.
        digest: of the index or manifest.

    Raises:
        RegistryError: the registry does not give what is asked for.
    """
    manifest = read_manifest(source.registry, source.path, digest, source.deadline)
    contents = read_contents(source.registry, source.path, manifest, source.deadline)
    whole = Referrers(source, digest)
    parts = {
        platform: whole if part == digest else Referrers(source, part) for platform, part in contents.platforms.items()
    }
    everything = list(dict.fromkeys([whole, *parts.values()]))
    list(source.pool.map(Referrers.look, everything))
    _fetch_ahead(source, whole, list(parts.values()))
    signatures = whole.newest(Signature, max(1, len(source.keys)))
    if signatures:
        _take_from_index(contents, parts, signatures[0].signer)
    provenances = tuple(whole.newest(Provenance, _OF_IMAGE[Provenance]))
    proofs = tuple(whole.newest(Proof, _MOST_PROOFS))
    platforms = {
        platform: _platform(part, contents.platforms[platform], proofs, is_built=bool(provenances))
        for platform, part in parts.items()
    }
    return Evidence(
        reference,
        signers=tuple(dict.fromkeys(it.signer for it in signatures)),
        platforms=platforms,
        provenances=provenances,
        proofs=proofs,
        rejected=tuple(dict.fromkeys(text for it in everything for text in it.rejected)),
    )


def _fetch_ahead(source: Source, whole: Referrers, parts: Sequence[Referrers]) -> None:
    """Fetch side by side what is very likely asked for."""
    tasks = [*whole.likely(_OF_IMAGE), *(task for part in parts for task in part.likely(_OF_PLATFORM))]
    list(source.pool.map(lambda task: task(), tasks))


def _take_from_index(contents: Contents, parts: Mapping[str, Referrers], signer: str) -> None:
    for platform, part in parts.items():
        attestation = contents.built_in.get(contents.platforms[platform])
        if attestation:
            try:
                part.take_from_index(attestation, signer)
            except (RegistryError, EnvelopeError) as error:
                part.rejected[f"attestations in the index: {error}"] = None


def _first_proofs(proofs: Sequence[Proof]) -> set[datetime]:
    """When each stack has proved the image for the first time."""
    first: dict[tuple[str, str], datetime] = {}
    for proof in proofs:
        stack = (proof.project, proof.stack)
        first[stack] = min(proof.time, first.get(stack, proof.time))
    return set(first.values())


def _platform(part: Referrers, digest: str, proofs: Sequence[Proof], is_built: bool) -> PlatformEvidence:
    reports = part.newest(Report, _REPORTS, _first_proofs(proofs))
    reports.sort(key=lambda it: it.finished.timestamp() if it.finished else 0, reverse=True)
    return PlatformEvidence(
        digest,
        tuple(reports),
        tuple(part.newest(Sbom, 1)),
        () if is_built else tuple(part.newest(Provenance, 1)),
    )
