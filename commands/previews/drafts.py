"""The services of a stack before and after, from the resources of a preview: what is known without asking anybody."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commands.previews.change import UNKNOWN, Resource, State, ancestors, known
from commands.previews.report import Artifact, ResourceChange
from components.artifact import ImageReference, Version

RELEASE = "slipway:index:Release"
PROMOTION = "slipway:index:Promotion"
WORKLOAD = "slipway:index:HardenedContainer"
CONTAINER = "docker:index/container:Container"
BUILD = "docker-build:index:Image"
_SHIPPING = (RELEASE, PROMOTION, WORKLOAD)
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
    """The buildx builder that made it."""
    run: Mapping[str, Any] | None = None
    """The settings of its workload; None where it is published only."""
    container: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the Docker container made of it."""
    scan: Mapping[str, Any] = field(default_factory=dict)
    """What may not ship, and the database that says so."""


@dataclass(frozen=True)
class Draft:
    """One service of the stack."""

    name: str
    before: Side | None
    after: Side | None
    resources: tuple[ResourceChange, ...] = ()
    """What `up` would touch of it."""
    accesses: tuple[Access, ...] = ()
    """The registries that it lies in, the latest settings first."""


def resource_change(resource: Resource) -> ResourceChange:
    """A resource that `up` would touch, for the report."""
    return ResourceChange(operation=resource.operation, type=resource.type, name=resource.name)


def drafts_of(resources: Sequence[Resource]) -> tuple[list[Draft], list[ResourceChange]]:
    """The services among the resources of a preview, and the changed resources that belong to none."""
    by_urn = {it.urn: it for it in resources}
    members: dict[str, list[Resource]] = {}
    others = []
    for resource in resources:
        service = next((it for it in ancestors(resource, by_urn) if it.type in _SHIPPING), None)
        if service:
            members.setdefault(service.name, []).append(resource)
        elif resource.changes and not resource.type.startswith("pulumi:"):
            others.append(resource_change(resource))
    return [_draft(name, own) for name, own in members.items()], others


def _draft(name: str, members: Sequence[Resource]) -> Draft:
    # A component is but the name of what it is made of.
    touched = [it for it in members if it.changes and not it.type.startswith("slipway:")]
    states = [state for it in members if it.type in _SHIPPING for state in (it.after, it.before) if state]
    accesses = {access.registry: access for state in reversed(states) for access in _accesses(state.inputs)}
    return Draft(
        name,
        _side([(it, it.before) for it in members if it.before], today=True),
        _side([(it, it.after) for it in members if it.after], today=False),
        tuple(map(resource_change, touched)),
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
        artifact = _released(release[1], built, today=today)
    elif workload:
        artifact = _named(workload[1].inputs.get("reference"))
    inputs = release[1].inputs if release else {}
    image = _mapping(inputs.get("image"))
    places = [artifact.reference, *_places(inputs, image, artifact.digest)]
    return Side(
        artifact,
        tuple(dict.fromkeys(place for place in places if place)),
        _first(_mapping(inputs.get("key")).get("public_key"), inputs.get("public_key")) or "",
        _first(image.get("context")),
        _first(image.get("builder")),
        _mapping(workload[1].inputs.get("run")) if workload else None,
        container[1].inputs if container else {},
        _mapping(inputs.get("scan")),
    )


def _released(release: State, built: tuple[Resource, State] | None, *, today: bool) -> Artifact:
    record = release.outputs.get("record")
    revision = _first(_mapping(built[1].inputs.get("buildArgs")).get("REVISION")) if built else None
    if isinstance(record, Mapping) and known(record.get("digest")) and known(record.get("reference")):
        return Artifact(
            digest=_first(record["digest"]),
            reference=_first(record["reference"]),
            version=_first(record.get("version")),
            tag=_first(record.get("tag")),
            revision=revision,
            origin=_origin(release.inputs),
        )
    image = _mapping(release.inputs.get("image"))
    version = _first(image.get("version"), release.inputs.get("version"))
    if not built:
        named = _named(_first(release.outputs.get("reference"), release.inputs.get("reference")))
        return named.model_copy(update={"version": version, "origin": _origin(release.inputs)})
    digest = _built_digest(*built, today=today)
    channel = _first(release.inputs.get("channel"))
    return Artifact(digest=digest, version=version, tag=_tag(version, channel, image, digest), revision=revision)


def _origin(inputs: Mapping[str, Any]) -> str | None:
    """The stack that a promotion takes from."""
    stacks = inputs.get("from") or inputs.get("from_") or inputs.get("stacks") or ()
    return ", ".join(map(str, [stacks] if isinstance(stacks, str) else stacks)) or None


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


def _tag(version: str | None, channel: str | None, image: Mapping[str, Any], digest: str | None) -> str | None:
    if not version or channel == "release":
        return version
    quarantine = _first(image.get("quarantine"))
    if not digest or not channel or not quarantine:
        return None
    return Version(version).candidate_tag(channel, ImageReference.parse(f"{quarantine}@{digest}").digest)


def _places(inputs: Mapping[str, Any], image: Mapping[str, Any], digest: str | None) -> Iterator[str]:
    """Where an artifact with this digest may lie."""
    for repository in (inputs.get("repository"), image.get("quarantine")) if digest else ():
        if _first(repository):
            yield f"{repository}@{digest}"
    source = _first(inputs.get("reference"), inputs.get("source"))
    if digest and source and source.endswith(digest):
        yield source


def _accesses(inputs: Mapping[str, Any]) -> Iterator[Access]:
    image, host = _mapping(inputs.get("image")), _mapping(inputs.get("host"))
    for repository, access, authority in (
        (host.get("registry"), host.get("access"), None),
        (image.get("quarantine"), image.get("registry"), None),
        (inputs.get("source_repository"), inputs.get("source_access"), inputs.get("source_certificate_authority")),
        (inputs.get("repository"), inputs.get("access"), inputs.get("certificate_authority")),
    ):
        if _first(repository):
            login = _mapping(access)
            password = {key: str(value) for key, value in _mapping(login.get("password")).items() if value}
            registry = str(repository).partition("/")[0]
            yield Access(registry, _first(login.get("username")) or "", password, _first(authority))


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
