"""What `slipway clean-registry` looks at, what it finds, and what it removes, as plain data with a schema version."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.operations.access import Member, NoSettingsError, member, reach
from commands.part import Part
from components.artifact import Repository
from components.bases import locked_bases
from components.secret import redacted
from steps.choose import Registries
from steps.cleanup import HELD, References, Rule, Verdict, delete, judge
from steps.inventory import take_inventory
from steps.references import built, references
from steps.stacks import Stack, backend, stacks
from steps.tool import StepError

CLEANING_VERSION = 1


class Item(Part):
    """One artifact and what becomes of it."""

    digest: str
    """Digest of the index."""
    tags: tuple[str, ...]
    """What it is called."""
    age: int | None
    """Seconds since it was last built, signed or attested; null where nothing says it."""
    bytes: int
    """What nothing else in the repository uses; 0 for what stays."""
    manifests: int
    """How many manifests it is made of that would be deleted, with what refers to it; 0 for what stays."""
    reason: str
    """Why it goes or stays."""


class Place(Part):
    """One repository."""

    repository: str
    """`REGISTRY/PATH`."""
    goes: tuple[Item, ...]
    """What may go, the newest first."""
    stays: tuple[Item, ...]
    """What stays, the newest first."""
    deleted: int | None = None
    """How many manifests were deleted; null in a dry run."""
    problem: str = ""
    """Why not all of it was deleted."""


class Cleaning(Part):
    """The whole run."""

    schema_version: int = CLEANING_VERSION
    """Version of this report's schema."""
    dry_run: bool
    """Whether nothing was to be deleted."""
    older_than: int
    """Seconds."""
    keep: int
    """How many of the newest stay in each repository."""
    backend: str
    """Address of the backend whose stacks say what is in use."""
    stacks: tuple[str, ...]
    """All stacks of that backend, of other projects too: what another backend's stacks run counts as unused."""
    places: tuple[Place, ...]
    """The repositories of all services, by name."""


@dataclass(frozen=True)
class Considered:
    """Whose word it is that something is in use."""

    backend: str
    """Address of the backend."""
    own: Sequence[Stack]
    """The stacks of the project in this folder."""
    everywhere: Sequence[Stack]
    """All stacks of the backend."""

    def __str__(self) -> str:
        count = f"{len(self.everywhere)} stack{'' if len(self.everywhere) == 1 else 's'}"
        return f"{count} of {self.backend}: {', '.join(map(str, self.everywhere))}"


def consider() -> Considered:
    """Find out which stacks there are to say what is in use.

    Raises:
        StepError: this project has none, or Pulumi cannot say it.
    """
    own, address = stacks(), redacted(backend())
    if not own:
        raise StepError(
            f"this project has no stack in {address}: nothing says what is in use, so nothing is removed; "
            "log in to the backend that has them (`pulumi login`)"
        )
    return Considered(address, own, stacks(everywhere=True))


@dataclass(frozen=True)
class _Found:
    repository: Repository
    verdicts: Sequence[Verdict]


def clean(considered: Considered, rule: Rule, remove: bool, only: Collection[str] = ()) -> Cleaning:
    """Find out what may go, and delete it where that is asked for.

    Args:
        considered: the stacks that say what is in use.
        rule: age and count.
        remove: whether to delete.
        only: paths of the repositories to look at; all of the project if left out.

    Raises:
        StepError: a stack or a registry cannot be read, or no stack uses anything: nothing was deleted.
    """
    members, project = list(_members(considered.own)), considered.own[0].project
    places = _chosen(repositories(members), only)
    with reach(members) as registries:
        held = references(considered.everywhere, project)
        found = _found(places, members, held, rule, registries)
        if remove:
            _refuse_where_nothing_is_used(found, considered)
            # What was brought up meanwhile counts too.
            again = references(stacks(everywhere=True), project)
            found = _found(places, members, _both(held, again), rule, registries)
        seen = tuple(_place(it, registries, remove) for it in found)
    return Cleaning(
        dry_run=not remove,
        older_than=int(rule.older_than.total_seconds()),
        keep=rule.keep,
        backend=considered.backend,
        stacks=tuple(map(str, considered.everywhere)),
        places=seen,
    )


def _refuse_where_nothing_is_used(found: Sequence[_Found], considered: Considered) -> None:
    """Stacks that use nothing of these are likelier those of the wrong backend than a reason to delete everything."""
    verdicts = [verdict for it in found for verdict in it.verdicts]
    if any(it.goes for it in verdicts) and all(it.reason != HELD for it in verdicts):
        names = ", ".join(str(it.repository) for it in found)
        raise StepError(
            f"no stack of {considered.backend} has any artifact of {names} in its state or settings, so all would "
            "count as unused: nothing was deleted. Log in to the backend whose stacks run what is in the registry "
            "(`pulumi login`); where nothing runs any more, delete the repositories in the registry itself"
        )


def _chosen(known: Mapping[Repository, str], only: Collection[str]) -> list[Repository]:
    paths = set(known.values())
    if unknown := sorted(set(only) - paths):
        raise StepError(f"no service has the repository {unknown[0]}: write one of: {', '.join(sorted(paths))}")
    return [it for it, path in known.items() if not only or path in only]


def _both(one: References, other: References) -> References:
    named = {*one.named, *other.named}
    return References({*one.digests, *other.digests}, {*one.versions, *other.versions}, named)


def _members(own: Sequence[Stack]) -> Iterator[Member]:
    for stack in own:
        try:
            yield member(stack)
        except NoSettingsError:
            continue  # it has no repository of its own; what it runs is held all the same


def _found(
    places: Sequence[Repository], members: Sequence[Member], held: References, rule: Rule, registries: Registries
) -> list[_Found]:
    made = built({it.settings.builder for it in members if it.settings.builder})
    named = {*held.named, *made}
    return [
        _Found(repository, judge(take_inventory(repository, registries, named), held, rule, made))
        for repository in places
    ]


def repositories(members: Sequence[Member]) -> dict[Repository, str]:
    """Where candidates and releases of all services are, with the path that the service has in its settings.

    Nowhere with base images or the scanner's databases.
    """
    found: dict[Repository, str] = {}
    others = set()
    for it in members:
        settings = it.settings
        homes = [settings.registry, *([settings.quarantine] if settings.quarantine else [])]
        for service in settings.services.values():
            found |= {home.repository(service.repository): service.repository for home in homes}
            policy = service.scan or settings.scan
            others |= {_database(it) for it in (policy.database, policy.java_database) if it}
            if service.build and service.build.base_images:
                others |= {str(base) for base in _bases(service.build.base_images)}
    return {it: found[it] for it in sorted(found, key=str) if str(it) not in others}


def _database(reference: str) -> str:
    name = reference.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name


def _bases(lock: str) -> Iterator[Repository]:
    try:
        yield from (base.repository for base in locked_bases(Path(lock)).values())
    except FileNotFoundError:
        return  # it was never built here


def _place(found: _Found, registries: Registries, remove: bool) -> Place:
    goes = [it for it in found.verdicts if it.goes]
    deleted, problem = 0, ""
    if remove:
        try:
            for _ in delete(found.repository, registries, goes):
                deleted += 1
        except StepError as error:
            problem = str(error)
    return Place(
        repository=str(found.repository),
        goes=tuple(map(_item, goes)),
        stays=tuple(_item(it) for it in found.verdicts if not it.goes),
        deleted=deleted if remove else None,
        problem=problem,
    )


def _item(it: Verdict) -> Item:
    age = int(it.age.total_seconds()) if it.age is not None else None
    manifests = len(it.delete)
    return Item(digest=str(it.root), tags=it.tags, age=age, bytes=it.bytes, manifests=manifests, reason=it.reason)
