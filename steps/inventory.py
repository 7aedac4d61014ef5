"""What a repository holds, as far as it can be named: tags, artifacts with their platforms, and what refers to them.

A registry lists tags and nothing else. A candidate has none; it is found by the tag under which its referrers are kept,
where the registry has no referrers API, or because somebody names its digest: a stack's state, the builder's records.
Source: OCI distribution-spec 1.1, "Content Discovery", "Referrers Tag Schema".
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from components.artifact import Digest, Repository
from steps.choose import Registries
from steps.proofs import moment
from steps.registry import PREDICATE_TYPE
from steps.tool import StepError, ToolError

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CREATED = "org.opencontainers.image.created"
# `sha256-HEX` names the list of a manifest's referrers; older cosign kept one tag each for signature and attestations.
_FALLBACK = re.compile(r"sha256-([0-9a-f]{64})(\.(?:sig|att|sbom))?")
_ABSENT = re.compile(r": not found\s*$|\b(manifest|name) unknown\b|\bNAME_UNKNOWN\b|\bdoes not exist\b", re.IGNORECASE)
_AT_ONCE = 8
"""Requests to a registry at a time."""


@dataclass(frozen=True)
class Manifest:
    """One manifest or index."""

    digest: Digest
    size: int
    children: tuple[Digest, ...] = ()
    """The manifests that an index lists."""
    blobs: tuple[tuple[Digest, int], ...] = ()
    """Configuration and layers, each with its size."""


@dataclass(frozen=True)
class Referrer:
    """Something that refers to a manifest: a signature, an attestation."""

    digest: Digest
    type: str = ""
    """Predicate type; empty where it is no attestation."""
    created: datetime | None = None
    manifest: Manifest | None = None
    """None where the list names what is not there."""


@dataclass(frozen=True)
class Inventory:
    """What a repository holds."""

    repository: Repository
    tags: Mapping[str, Digest]
    """What each tag names, without those that keep referrers."""
    manifests: Mapping[Digest, Manifest]
    """Every manifest that could be named, without those that only list referrers or are referrers."""
    referrers: Mapping[Digest, tuple[Referrer, ...]]
    """What refers to a manifest; the manifest itself may be gone."""
    lists: Mapping[Digest, tuple[Digest, ...]]
    """The manifests under fallback tags, by the manifest that their entries refer to."""

    def members(self, root: Digest) -> tuple[Digest, ...]:
        """A manifest and everything below it that is there, what is below first."""
        listed = self.manifests[root].children if root in self.manifests else ()
        below = [it for child in listed if child in self.manifests for it in self.members(child)]
        return tuple(dict.fromkeys([*below, root]))

    @property
    def roots(self) -> list[Digest]:
        """What no index lists: whole artifacts, and those of which only the referrers are left."""
        listed = {child for manifest in self.manifests.values() for child in manifest.children}
        return sorted((self.manifests.keys() | self.referrers.keys() | self.lists.keys()) - listed, key=str)


def take_inventory(repository: Repository, registries: Registries, named: Iterable[Digest]) -> Inventory:
    """Read everything that a repository's tags name, and these digests where it has them.

    Args:
        repository: the repository.
        registries: how to reach it.
        named: digests that may be there without a tag.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reader = _Reader(repository, registries, pool)
        tags, lists = reader.tags()
        under_lists = {it for of in lists.values() for it in of}
        found = reader.closure({*tags.values(), *named, *lists} - under_lists)
        referrers = reader.referrers({*found, *lists})
    attached = {it.digest for of in referrers.values() for it in of} | under_lists
    return Inventory(
        repository=repository,
        tags=tags,
        manifests={digest: it for digest, it in found.items() if digest not in attached},
        referrers={subject: of for subject, of in referrers.items() if of and subject not in attached},
        lists=lists,
    )


@dataclass(frozen=True)
class _Reader:
    """Asks a registry for one repository, several things at a time."""

    repository: Repository
    registries: Registries
    pool: ThreadPoolExecutor

    def tags(self) -> tuple[dict[str, Digest], dict[Digest, tuple[Digest, ...]]]:
        """What each tag names, and the lists of referrers by the manifest that they are about."""
        try:
            names = self.registries.oras(["repo", "tags"], self.repository, str(self.repository)).split()
        except ToolError as error:
            if not _ABSENT.search(error.output):
                raise
            names = []  # no tag yet, or no such repository
        documents = self.pool.map(self._fetch, map(self.repository.tagged, names))
        plain: dict[str, Digest] = {}
        lists: dict[Digest, tuple[Digest, ...]] = {}
        for name, document in zip(names, documents, strict=True):
            if document is None:
                continue  # removed since the tags were listed
            digest = Digest(document["digest"])
            if kept := _FALLBACK.fullmatch(name):
                subject = Digest(f"sha256:{kept[1]}")
                lists[subject] = (*lists.get(subject, ()), digest)
            else:
                plain[name] = digest
        return plain, lists

    def closure(self, wanted: Iterable[Digest]) -> dict[Digest, Manifest]:
        """Those of these manifests that are there, and everything below them."""
        found: dict[Digest, Manifest] = {}
        seen: set[Digest] = set()
        missing = set(wanted)
        while missing:
            seen |= missing
            fresh = [it for it in self.pool.map(self._manifest, sorted(missing, key=str)) if it]
            found |= {manifest.digest: manifest for manifest in fresh}
            missing = {child for manifest in fresh for child in manifest.children} - seen
        return found

    def referrers(self, subjects: Iterable[Digest]) -> dict[Digest, tuple[Referrer, ...]]:
        """What refers to each of these manifests, and what refers to that in turn."""
        asked = sorted(subjects, key=str)
        listed = dict(zip(asked, self.pool.map(self._listed, asked), strict=True))
        entries = [entry for of in listed.values() for entry in of]
        manifests = dict(zip(entries, self.pool.map(lambda it: self._manifest(it.digest), entries), strict=True))
        return {subject: tuple(replace(it, manifest=manifests[it]) for it in of) for subject, of in listed.items()}

    def _listed(self, subject: Digest) -> list[Referrer]:
        reference = str(self.repository.at(subject))
        try:
            printed = self.registries.oras(["discover"], self.repository, "--format", "json", reference)
        except ToolError as error:
            if _ABSENT.search(error.output):
                return []
            raise
        return list(_flat(json.loads(printed).get("referrers") or ()))

    def _manifest(self, digest: Digest) -> Manifest | None:
        document = self._fetch(str(self.repository.at(digest)))
        return _parsed(document) if document else None

    def _fetch(self, reference: str) -> dict[str, Any] | None:
        """A manifest with its digest and size; None where there is none."""
        try:
            printed = self.registries.oras(["manifest", "fetch"], self.repository, "--format", "json", reference)
        except ToolError as error:
            if _ABSENT.search(error.output):
                return None
            raise
        document: dict[str, Any] = json.loads(printed)
        if not isinstance(document.get("content"), dict):
            raise StepError(f"{reference} is no manifest that oras can show: {printed[:120]!r}")
        return document


def _parsed(document: Mapping[str, Any]) -> Manifest:
    content = document["content"]
    listed = content.get("manifests") or ()
    blobs = [it for it in (content.get("config"), *(content.get("layers") or ())) if it]
    blobs += [it for it in listed if it.get("mediaType") not in _MANIFESTS]  # the index of a layer cache
    return Manifest(
        digest=Digest(document["digest"]),
        size=int(document["size"]),
        children=tuple(Digest(it["digest"]) for it in listed if it.get("mediaType") in _MANIFESTS),
        blobs=tuple((Digest(it["digest"]), int(it["size"])) for it in blobs),
    )


def _flat(entries: Sequence[Mapping[str, Any]]) -> Iterator[Referrer]:
    for entry in entries:
        yield from _flat(entry.get("referrers") or ())
        says = entry.get("annotations") or {}
        yield Referrer(Digest(entry["digest"]), str(says.get(PREDICATE_TYPE, "")), _created(says.get(_CREATED)))


def _created(text: Any) -> datetime | None:
    try:
        return moment(text) if text else None
    except ValueError:
        return None
