"""Decide what may leave a registry, and remove it: never what a stack references, and nothing whose age is unknown.

Deciding asks nobody: it takes what the registry holds and what the stacks reference. What refers to a manifest belongs
to it, and what an index lists belongs to the index: both stay and go with it.
Source: OCI distribution-spec 1.1, "Content Management".
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.artifact import Digest, Repository, Version
from steps.choose import Registries
from steps.inventory import Inventory
from steps.proofs import duration
from steps.tool import StepError, ToolError

_AGE = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NOT_ALLOWED = re.compile(r"\b405\b|\bunsupported\b|method not allowed", re.IGNORECASE)


def parse_age(text: str) -> timedelta:
    """A length of time: a whole number and one of s, m, h, d, w, such as 30d.

    Raises:
        ValueError: with the text.
    """
    found = _AGE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no age: write a whole number and a unit (s, m, h, d, w), such as 30d")
    return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})


@dataclass(frozen=True)
class References:
    """What the stacks hold on to."""

    digests: Collection[Digest]
    """Every digest in a state or a configuration."""
    versions: Collection[str]
    """Every version in a configuration: a release by that name is held, whatever its digest."""
    named: Collection[Digest] = ()
    """Those of the digests that name an artifact; others are of configurations and layers, and no manifest."""


@dataclass(frozen=True)
class Rule:
    """Which of the unreferenced artifacts may go."""

    older_than: timedelta
    keep: int
    """How many of the newest artifacts of each repository stay, however old."""
    now: datetime


HELD = "a stack's state or settings have its digest"
"""Why nearly everything stays that stays."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of one artifact, and why."""

    root: Digest
    tags: tuple[str, ...]
    age: timedelta | None
    """Since it was last built, signed or attested; None where nothing says it."""
    reason: str
    goes: bool
    delete: tuple[Digest, ...] = ()
    """What is deleted, in this order."""
    bytes: int = 0
    """Size of what nothing else in the repository uses; the registry frees it when it collects its garbage."""


def judge(inventory: Inventory, references: References, rule: Rule, built: Mapping[Digest, datetime]) -> list[Verdict]:
    """Say of every artifact of a repository whether it may go, the newest first.

    Args:
        inventory: what the repository holds.
        references: what the stacks reference.
        rule: age and count.
        built: when a builder last made an artifact, where it remembers.
    """
    tags: dict[Digest, list[str]] = {}
    for tag, digest in inventory.tags.items():
        tags.setdefault(digest, []).append(tag)
    roots = {root: _last_seen(inventory, root, built) for root in inventory.roots}
    newest_first = sorted(roots, key=lambda root: (_timestamp(roots[root]), str(root)), reverse=True)
    known = [root for root in newest_first if roots[root]]
    reasons = {}
    for root in newest_first:
        names = [(tag, digest) for digest in inventory.members(root) for tag in tags.get(digest, ())]
        spared = _spared(roots[root], root in known[: rule.keep], rule)
        reasons[root] = _held(inventory, root, names, references) or spared
    going = [root for root in newest_first if reasons[root] is None]
    deleted = _deletions(inventory, going)
    sizes = _sizes(inventory, deleted)
    return [
        Verdict(
            root=root,
            tags=tuple(sorted(tag for it in inventory.members(root) for tag in tags.get(it, ()))),
            age=rule.now - seen if (seen := roots[root]) else None,
            reason=reasons[root] or _why(tags.get(root, ()), rule),
            goes=reasons[root] is None,
            delete=deleted.get(root, ()),
            bytes=sizes.get(root, 0),
        )
        for root in newest_first
    ]


def _timestamp(seen: datetime | None) -> float:
    return seen.timestamp() if seen else float("inf")


def _why(tags: Collection[str], rule: Rule) -> str:
    what = "release" if tags else "candidate"
    return f"a {what} that no stack references, older than {duration(rule.older_than)}, not of the newest {rule.keep}"


def _held(
    inventory: Inventory, root: Digest, names: Iterable[tuple[str, Digest]], references: References
) -> str | None:
    """What holds an artifact, in words; None where nothing does."""
    members = inventory.members(root)
    attached = [it for member in members for it in inventory.referrers.get(member, ())]
    lists = [it for member in members for it in inventory.lists.get(member, ())]
    if any(it in references.digests for it in (*members, *(it.digest for it in attached), *lists)):
        return HELD
    for tag, digest in names:
        if not _is_version(tag):
            return f"the tag {tag} is no version of ours"
        if tag in references.versions and not digest.is_in_tag(tag):
            return f"a stack's settings have the version {tag}"
    return None


def _spared(seen: datetime | None, of_the_newest: bool, rule: Rule) -> str | None:
    if seen is None:
        return "nothing says how old it is"
    if rule.now - seen <= rule.older_than:
        return f"not older than {duration(rule.older_than)}"
    if of_the_newest:
        return f"one of the newest {rule.keep}"
    return None


def _is_version(tag: str) -> bool:
    try:
        Version(tag)
    except ValueError:
        return False
    return True


def _last_seen(inventory: Inventory, root: Digest, built: Mapping[Digest, datetime]) -> datetime | None:
    """When somebody last made or signed an artifact; times inside of a reproducible image are those of its source."""
    members = inventory.members(root)
    times = [built[it] for it in members if it in built]
    times += [it.created for member in members for it in inventory.referrers.get(member, ()) if it.created]
    return max(times, default=None)


def _deletions(inventory: Inventory, going: Collection[Digest]) -> dict[Digest, tuple[Digest, ...]]:
    """What to delete for each artifact, what an index lists before the index, nothing that something else needs.

    A manifest goes before the list of its referrers, and that before the referrers: whatever is left by an end in the
    middle is found the next time, and no list names what is not there, which cosign does not forgive.
    """
    staying = {
        digest
        for root in inventory.roots
        if root not in going
        for member in inventory.members(root)
        for digest in _whole(inventory, member)
    }
    done: set[Digest] = set()
    deleted: dict[Digest, tuple[Digest, ...]] = {}
    for root in going:
        members = [it for it in inventory.members(root) if it not in staying]
        wanted = dict.fromkeys(it for member in members for it in _whole(inventory, member))
        deleted[root] = tuple(it for it in wanted if it not in staying and it not in done)
        done |= wanted.keys()
    return deleted


def _whole(inventory: Inventory, member: Digest) -> Iterator[Digest]:
    """A manifest with what belongs to it, in the order in which it is deleted."""
    if member in inventory.manifests:
        yield member
    yield from inventory.lists.get(member, ())
    yield from (it.digest for it in inventory.referrers.get(member, ()))


def _sizes(inventory: Inventory, deleted: Mapping[Digest, tuple[Digest, ...]]) -> dict[Digest, int]:
    attached = {it.digest: it.manifest for of in inventory.referrers.values() for it in of if it.manifest}
    manifests = {**attached, **inventory.manifests}
    gone = {it for of in deleted.values() for it in of}
    used = {blob for digest, it in manifests.items() if digest not in gone for blob, _ in it.blobs}
    sizes = {}
    for root, digests in deleted.items():
        own = [manifests[it] for it in digests if it in manifests]
        blobs = {blob: size for it in own for blob, size in it.blobs if blob not in used}
        used |= blobs.keys()
        sizes[root] = sum(it.size for it in own) + sum(blobs.values())
    return sizes


def delete(repository: Repository, registries: Registries, verdicts: Iterable[Verdict]) -> Iterator[Digest]:
    """Delete what may go, and hand on the digest of each manifest once it is gone.

    Raises:
        StepError: the registry allows no deletion.
        ToolError: it refuses this one, or does not answer.
    """
    # With the other way of the specification oras would write the list of referrers anew each time.
    flags = ("--force", "--distribution-spec", "v1.1-referrers-api")
    going = (digest for verdict in verdicts if verdict.goes for digest in verdict.delete)
    for count, digest in enumerate(going):
        try:
            registries.oras(["manifest", "delete"], repository, *flags, str(repository.at(digest)))
        except ToolError as error:
            if _NOT_ALLOWED.search(error.output):
                raise StepError(_no_deletion(repository, count)) from None
            raise
        yield digest


def _no_deletion(repository: Repository, count: int) -> str:
    before = f"{count} manifests were deleted before. " if count else "Nothing was deleted there. "
    return (
        f"registry {repository.registry} allows no deletion in {repository.path}. {before}"
        "Allow it in the registry's own configuration (distribution: `storage.delete.enabled: true`), or leave it to "
        "the registry's own retention rules"
    )
