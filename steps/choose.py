"""Which artifact a promotion is about: what the first stack runs, or the version or digest that is pinned.

A record or a digest names an artifact. A version is what this stack's own tag names; then what a record calls so; then
what tags elsewhere name. Whatever a tag names is verified like everything else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.proofs import StackName
from steps.registry import ABSENT, digest_of_tag, tags_of, transport_flags
from steps.tool import StepError, ToolError, run_tool

_CANDIDATE = re.compile(r"(?P<version>.+)[-.][a-z][a-z0-9]{0,15}\.[0-9a-f]{12,64}")
"""The tag of a stack that makes no releases, see components.artifact.Version.candidate_tag."""
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-.].+)?")
_SHOWN = 8
"""How many versions a person is told of."""


@dataclass(frozen=True)
class Registries:
    """How to reach each registry."""

    credentials: Path
    """Docker configuration folder with their logins."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """PEM file of the certificate authority by registry; the system's where there is none."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables for tools that ask registries."""
        return {"DOCKER_CONFIG": str(self.credentials)}

    def authority(self, repository: Repository) -> str | None:
        """PEM file of the certificate authority of a repository's registry."""
        return self.authorities.get(repository.registry)

    def oras(self, verb: Sequence[str], repository: Repository, *arguments: str) -> str:
        """Run oras on a repository.

        Raises:
            ToolError: the registry does not answer or refuses.
        """
        flags = transport_flags(repository, self.authority(repository))
        return run_tool(["oras", *verb, *flags, *arguments], environment=self.environment)


@dataclass(frozen=True)
class Upstream:
    """A stack that releases are taken from, and what it says that it runs."""

    stack: StackName
    public_key: str
    """What its proofs verify with."""
    reference: ImageReference | None = None
    """What it runs; None where `problem` says why that is not known."""
    version: str = ""
    platforms: Sequence[Platform] = ()
    revision: str = ""
    problem: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Upstream":
        """Read one from JSON: `project`, `stack`, `key`, and either `problem` or what its record says."""
        return cls(
            stack=StackName(entry["project"], entry["stack"]),
            public_key=entry["key"],
            reference=ImageReference.parse(entry["reference"]) if entry.get("reference") else None,
            version=entry.get("version", ""),
            platforms=tuple(Platform(text) for text in entry.get("platforms", ())),
            revision=entry.get("revision", ""),
            problem=entry.get("problem", ""),
        )


@dataclass(frozen=True)
class Wanted:
    """Where a release goes, and which one it is to be."""

    repository: Repository
    """Where this stack keeps its releases of the service."""
    version: str | None = None
    """The version that is pinned."""
    digest: Digest | None = None
    """The artifact that is pinned."""


@dataclass(frozen=True)
class Candidate:
    """The artifact that a promotion is about, before anything about it is verified."""

    reference: ImageReference
    """Where it lies."""
    version: str | None = None
    """What its signature has to say; None where any version will do, as the digest is pinned."""
    platforms: Sequence[Platform] = ()
    """The platforms that its record names."""
    revision: str = ""
    """Commit of its source, where its record names one."""
    known_from: str = ""
    """Who says so."""


def choose(wanted: Wanted, upstreams: Sequence[Upstream], registries: Registries) -> Candidate:
    """Find the artifact.

    Args:
        wanted: what is asked for.
        upstreams: the stacks to take from; the first one's release is taken where nothing is pinned.
        registries: how to reach the registries.

    Raises:
        StepError: there is no such release.
        ToolError: a registry does not answer or refuses.
    """
    if wanted.digest:
        return _by_digest(wanted, wanted.digest, upstreams, registries)
    if wanted.version:
        return _by_version(wanted, wanted.version, upstreams, registries)
    first = upstreams[0]
    if first.reference is None:
        raise StepError(first.problem)
    return _recorded(first, first.reference)


def is_there(reference: ImageReference, registries: Registries) -> bool:
    """Whether a registry holds this manifest.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    try:
        registries.oras(["manifest", "fetch", "--descriptor"], reference.repository, str(reference))
    except ToolError as error:
        if ABSENT.search(error.output):
            return False
        raise
    return True


def _recorded(upstream: Upstream, reference: ImageReference) -> Candidate:
    said = f"the record of {upstream.stack} names it"
    return Candidate(reference, upstream.version, upstream.platforms, upstream.revision, said)


def _by_digest(wanted: Wanted, digest: Digest, upstreams: Sequence[Upstream], registries: Registries) -> Candidate:
    for upstream in upstreams:
        if upstream.reference and upstream.reference.digest == digest and wanted.version in (None, upstream.version):
            return _recorded(upstream, upstream.reference)
    places = [wanted.repository, *repositories_of(upstreams)]
    for repository in places:
        if is_there(repository.at(digest), registries):
            return Candidate(repository.at(digest), wanted.version)
    raise StepError(f"{digest} is neither in {' nor in '.join(map(str, places))}: pin a digest that is there")


def _by_version(wanted: Wanted, version: str, upstreams: Sequence[Upstream], registries: Registries) -> Candidate:
    own = _builds(wanted.repository, version, registries)
    if len(own) == 1:  # what this stack calls by that name stays what it is, whatever others have built since
        return Candidate(wanted.repository.at(own[0]), version)
    for upstream in upstreams:
        if upstream.reference and upstream.version == version:
            return _recorded(upstream, upstream.reference)
    for repository in (wanted.repository, *repositories_of(upstreams)):
        found = own if repository == wanted.repository else _builds(repository, version, registries)
        if len(found) > 1:
            listed = ", ".join(map(str, found))
            raise StepError(f"there are several builds of {version} in {repository} ({listed}): pin one with `digest`")
        if found:
            return Candidate(repository.at(found[0]), version)
    raise StepError(_unknown(wanted, version, upstreams, registries))


def repositories_of(upstreams: Sequence[Upstream]) -> list[Repository]:
    """Where these stacks keep their releases of the service, each once."""
    return list(dict.fromkeys(it.reference.repository for it in upstreams if it.reference))


def _builds(repository: Repository, version: str, registries: Registries) -> list[Digest]:
    """The artifacts that a repository's tags call by this version: the release, or else every candidate."""
    access = registries.credentials, registries.authority(repository)
    released = digest_of_tag(repository, version, *access)
    if released:
        return [released]
    tags = [it for it in tags_of(repository, *access) if (found := _CANDIDATE.fullmatch(it)) and found[1] == version]
    named = (digest_of_tag(repository, it, *access) for it in tags)
    return sorted({digest for digest in named if digest}, key=str)


def _unknown(wanted: Wanted, version: str, upstreams: Sequence[Upstream], registries: Registries) -> str:
    places = [wanted.repository, *repositories_of(upstreams)]
    listed = (tags_of(place, registries.credentials, registries.authority(place)) for place in places)
    known = {tag for tags in listed for tag in tags if _VERSION.fullmatch(tag)}
    told = [f"there is no {version} in {' or '.join(map(str, places))}"]
    if known:
        told.append(f"they hold {', '.join(sorted(known)[-_SHOWN:])}")
    told += [it.problem for it in upstreams if it.problem]
    return f"{'; '.join(told)}: pin a version that is there, or leave `version` out"
