"""The services of a stack before and after, from the resources of a preview: what is known without asking anybody."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from commands.previews.change import UNKNOWN, Resource, State, ancestors, known
from commands.previews.report import Artifact, ResourceChange
from components.artifact import Digest, ImageReference, Version

RELEASE = "slipway:index:Release"
PROMOTION = "slipway:index:Promotion"
WORKLOAD = "slipway:index:HardenedContainer"
CONTAINER = "docker:index/container:Container"
BUILD = "docker-build:index:Image"
PUBLICATION = "slipway:index:Publication"
PROOF = "slipway:index:Proof"
_SERVICE = (RELEASE, PROMOTION, WORKLOAD, PROOF)
"""The components that a service is made of, which have its name."""
_DIRTY = "-dirty"


@dataclass(frozen=True)
class Access:
    """How a stack reaches a registry: by reference, as its file says it."""

    registry: str
    """Address."""
    username: str = ""
    """User name; empty where it asks for none or the Docker credential store knows."""
    password: Mapping[str, str] = field(default_factory=dict)
    """Where the password comes from: `{"file": PATH}` or `{"config": KEY}`."""
    authority: str | None = None
    """PEM file of its certificate authority; None trusts the system's."""


@dataclass(frozen=True)
class Side:
    """A service at one moment."""

    artifact: Artifact
    """Its release, as far as it is known."""
    places: tuple[str, ...] = ()
    """Every `REPOSITORY@sha256:…` where it may lie, the likeliest first."""
    key: str = ""
    """The public key that its evidence verifies with."""
    context: str | None = None
    """The folder that it is built from; None for what is not built here."""
    builder: str | None = None
    """The buildx builder that makes it."""
    quarantine: str | None = None
    """The repository of candidates."""
    repository: str | None = None
    """The repository of releases."""
    channel: str | None = None
    """What the tag of a release is made with."""
    build_arguments: Mapping[str, str] = field(default_factory=dict)
    """What a build at preview gets, where the stack asks for one; empty otherwise."""
    run: Mapping[str, Any] | None = None
    """The settings of its workload; None where it is published only."""
    container: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the Docker container made of it."""
    gates: Mapping[str, Any] = field(default_factory=dict)
    """What a release has to pass: `scan`, and `promote` where it is another stack's."""


@dataclass(frozen=True)
class Draft:
    """One service of the stack."""

    name: str
    before: Side | None
    after: Side | None
    resources: tuple[ResourceChange, ...] = ()
    """What `up` would touch of it."""
    ships: bool = False
    """Whether another artifact would be released, or the workload touched; a proof alone ships nothing."""
    accesses: tuple[Access, ...] = ()
    """The registries that it lies in, the latest settings first."""


def resource_change(resource: Resource) -> ResourceChange:
    """A resource that `up` would touch, for the report."""
    return ResourceChange(operation=resource.operation, type=resource.type, name=resource.name)


def drafts_of(resources: Sequence[Resource]) -> tuple[list[Draft], list[ResourceChange]]:
    """The services among the resources of a preview, and the changed resources that belong to none."""
    by_urn = {it.urn: it for it in resources}
    members: dict[str, list[tuple[Resource, bool]]] = {}
    others = []
    for resource in resources:
        service = next((it for it in ancestors(resource, by_urn) if it.type in _SERVICE), None)
        if service:
            members.setdefault(service.name, []).append((resource, service.type != PROOF))
        elif resource.changes and not resource.type.startswith("pulumi:"):
            others.append(resource_change(resource))
    return [_draft(name, own) for name, own in members.items()], others


def _draft(name: str, members: Sequence[tuple[Resource, bool]]) -> Draft:
    """A service from its resources, each with whether it is part of what ships."""
    # A component is but the name of what it is made of.
    touched = [(it, ships) for it, ships in members if it.changes and not it.type.startswith("slipway:")]
    own = [it for it, _ in members]
    states = [state for it in own if it.type in _SERVICE for state in (it.after, it.before) if state]
    accesses = {access.registry: access for state in reversed(states) for access in _accesses(state.inputs)}
    return Draft(
        name,
        _side([(it, it.before) for it in own if it.before], today=True),
        _side([(it, it.after) for it in own if it.after], today=False),
        tuple(resource_change(it) for it, _ in touched),
        any(ships for _, ships in touched),
        tuple(accesses.values()),
    )


def _side(members: Sequence[tuple[Resource, State]], *, today: bool) -> Side | None:
    """What a service is on one side; None where it has no resource there."""

    def of(*types: str) -> tuple[Resource, State] | None:
        return next((member for member in members if member[0].type in types), None)

    release, workload = of(RELEASE, PROMOTION), of(WORKLOAD)
    if not release and not workload:
        return None
    built, container = of(BUILD), of(CONTAINER)
    artifact = Artifact()
    if release:
        artifact = _released(release[1], built, of(PUBLICATION), today=today)
    elif workload:
        artifact = _named(workload[1].inputs.get("reference"))
    inputs = release[1].inputs if release else {}
    image, policy = _mapping(inputs.get("image")), _mapping(inputs.get("policy"))
    published = of(PUBLICATION)
    # Before a promotion is published, it lies where it comes from.
    source = _named(published[1].inputs.get("reference")).reference if published else None
    places = [artifact.reference, *_places(inputs, image, artifact.digest)]
    places += [source] if source and artifact.digest and source.endswith(artifact.digest) else []
    return Side(
        artifact,
        tuple(dict.fromkeys(place for place in places if place)),
        _first(_mapping(inputs.get("key")).get("public_key"), policy.get("public_key")) or "",
        _first(image.get("context")),
        _first(image.get("builder")),
        _first(image.get("quarantine")),
        _first(inputs.get("repository")),
        _first(inputs.get("channel")),
        _arguments(built[1]) if built else {},
        _mapping(workload[1].inputs.get("run")) if workload else None,
        container[1].inputs if container else {},
        {"scan": _mapping(inputs.get("scan")), "promote": policy},
    )


def _arguments(build: State) -> Mapping[str, str]:
    given = _mapping(build.inputs.get("buildArgs"))
    return {key: str(value) for key, value in given.items()} if build.inputs.get("buildOnPreview") is True else {}


def with_digest(draft: Draft, digest: str) -> Draft:
    """A draft whose build is known after all."""
    side = draft.after
    if side is None:
        return draft
    tag = _tag(side.artifact.version, side.channel, digest)
    artifact = side.artifact.model_copy(update={"digest": digest, "tag": tag})
    places = tuple(f"{it}@{digest}" for it in (side.repository, side.quarantine) if it)
    return replace(draft, after=replace(side, artifact=artifact, places=places))


def _released(
    release: State, built: tuple[Resource, State] | None, published: tuple[Resource, State] | None, *, today: bool
) -> Artifact:
    record = release.outputs.get("record")
    revision = _first(_mapping(built[1].inputs.get("buildArgs")).get("REVISION")) if built else None
    origin = _origin(release.inputs)
    if isinstance(record, Mapping) and known(record.get("digest")) and known(record.get("reference")):
        return Artifact(
            digest=_first(record["digest"]),
            reference=_first(record["reference"]),
            version=_first(record.get("version")),
            tag=_first(record.get("tag")),
            revision=_first(record.get("revision"), revision),
            origin=origin,
        )
    image, channel = _mapping(release.inputs.get("image")), _first(release.inputs.get("channel"))
    if built:
        version, digest = _first(image.get("version")), _built_digest(*built, today=today)
        tag = _tag(version, channel, digest)
        return Artifact(digest=digest, version=version, tag=tag, revision=revision)
    # A promotion: what is published is known before it is.
    taken = published[1].inputs if published else {}
    named, version = _named(taken.get("reference")), _first(taken.get("version"), release.inputs.get("version"))
    tag = _tag(version, channel, named.digest)
    return named.model_copy(update={"version": version, "tag": tag, "origin": origin})


def _origin(inputs: Mapping[str, Any]) -> str | None:
    """The stacks that a promotion takes from."""
    stacks = _mapping(inputs.get("policy")).get("stacks") or ()
    return ", ".join(map(str, stacks)) or None


def _named(reference: Any) -> Artifact:
    try:
        parsed = ImageReference.parse(str(reference))
    except ValueError:
        return Artifact()
    return Artifact(digest=str(parsed.digest), reference=str(parsed))


def _built_digest(resource: Resource, state: State, *, today: bool) -> str | None:
    """The digest of a build. Without a build at preview, the provider shows the old one of a changed image, or none."""
    digest = _first(state.outputs.get("digest"))
    sure = today or not resource.changes or state.inputs.get("buildOnPreview") is True
    return digest if sure and digest and digest.startswith("sha256:") else None


def _tag(version: str | None, channel: str | None, digest: str | None) -> str | None:
    if not version or channel == "release":
        return version
    return Version(version).candidate_tag(channel, Digest(digest)) if digest and channel else None


def _places(inputs: Mapping[str, Any], image: Mapping[str, Any], digest: str | None) -> Iterator[str]:
    """Where an artifact with this digest may lie."""
    for repository in (inputs.get("repository"), image.get("quarantine")) if digest else ():
        if _first(repository):
            yield f"{repository}@{digest}"


def _accesses(inputs: Mapping[str, Any]) -> Iterator[Access]:
    image, host = _mapping(inputs.get("image")), _mapping(inputs.get("host"))
    for repository, access, authority in (
        (host.get("registry"), host.get("access"), None),
        (image.get("quarantine"), image.get("registry"), None),
        *((it.get("address"), it, it.get("certificate_authority")) for it in _registries(inputs)),
        (inputs.get("repository"), inputs.get("access"), inputs.get("certificate_authority")),
    ):
        if _first(repository):
            login = _mapping(access)
            password = {key: str(value) for key, value in _mapping(login.get("password")).items() if value}
            registry = str(repository).partition("/")[0]
            yield Access(registry, _first(login.get("username")) or "", password, _first(authority))


def _registries(inputs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The registries of the stacks that a promotion takes from."""
    return [_mapping(it) for it in _mapping(inputs.get("policy")).get("registries") or ()]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(*values: Any) -> str | None:
    """The first of these that is a text, and known."""
    return next((value for value in values if isinstance(value, str) and value not in ("", UNKNOWN)), None)


def revision_of(text: str | None) -> tuple[str | None, bool]:
    """The commit of a revision, and whether it was built from a tree with changes on top; None where it is unknown."""
    if not text or text.removesuffix(_DIRTY) in ("", "unknown"):
        return None, False
    return text.removesuffix(_DIRTY), text.endswith(_DIRTY)
