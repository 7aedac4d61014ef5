"""What ran where and when, as plain data with a schema version: `slipway releases --json`."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from commands.operations.access import Member, member, reach
from commands.part import Part
from steps.known import known_of
from steps.proofs import Approval, Proof, spelled
from steps.stacks import Stack, Update, exported, history, outputs
from steps.timeline import Known, Ran, Running, changes, running, timeline
from steps.tool import StepError

RELEASES_VERSION = 2
_AT_ONCE = 4
"""Stacks that are read at a time."""


class ProofPart(Part):
    """The stack's own word that a digest ran there in good health."""

    kind: str
    """`deployed` or `held`."""
    time: str
    """When, RFC 3339."""


class ApprovalPart(Part):
    """A person's word that the stack may take a digest."""

    approver: str
    """The name that the settings have for the key that verified."""
    time: str
    """When, RFC 3339."""
    reason: str
    """Why."""


class Standing(Part):
    """One service of a stack, as it stands today."""

    service: str
    """Name of the service."""
    version: str
    """Semantic version."""
    tag: str
    """The tag that names it in the stack's registry."""
    digest: str
    """Digest of the index."""
    reference: str
    """Where it lies, `REPOSITORY@sha256:…`."""
    revision: str
    """Commit of its source."""
    container: str | None
    """Id of the container; null where the stack publishes only."""
    since: str | None
    """Since when the stack has this digest without a break, RFC 3339; null where its state does not say."""
    project_commit: str | None
    """Commit of the project with which it came."""
    author: str | None
    """Author of that commit."""
    proofs: tuple[ProofPart, ...] | None
    """What the stack has proved of it; null where the registry could not be asked."""
    approvals: tuple[ApprovalPart, ...] | None
    """What was approved of it for this stack; null where the registry could not be asked."""


class Deployment(Part):
    """What one update deployed of one service, or that a stack was destroyed."""

    time: str
    """When the update began, RFC 3339."""
    kind: str
    """`update` or `destroy`."""
    service: str | None
    """Name of the service; null where all of them were destroyed."""
    version: str | None
    """Semantic version; null where neither settings nor registry say it."""
    digest: str | None
    """Digest of the index; null where nothing says it."""
    known_from: str | None
    """Who says the digest: `outputs`, `proof` (of that time), `tag` (what the version's tag names today)."""
    project_commit: str
    """Commit of the project, with `-dirty` where the tree had changes; empty where Pulumi saw none."""
    author: str
    """Author of that commit."""
    message: str
    """First line of the update's message."""


class StackPart(Part):
    """One stack."""

    stack: str
    """Its name."""
    takes_from: tuple[str, ...]
    """The stacks that it promotes from."""
    services: tuple[Standing, ...]
    """What stands there today, by name."""
    history: tuple[Deployment, ...]
    """What it deployed, the latest first; an update that brought no other release is left out."""
    problems: tuple[str, ...]
    """What could not be read, in words; what it would have said is null."""
    read: bool = True
    """Whether its history and its outputs could be read; where not, nothing is known of what it runs."""


class Releases(Part):
    """The whole project."""

    schema_version: int = RELEASES_VERSION
    """Version of this report's schema."""
    project: str
    """Name of the Pulumi project."""
    time: str
    """When this was asked, RFC 3339."""
    stacks: tuple[StackPart, ...]
    """The stacks, in the order in which releases travel."""


def releases(stacks: Sequence[Stack], last: int) -> Releases:
    """Read what these stacks of one project have and had.

    Args:
        stacks: the stacks; at least one.
        last: how many deployments of each stack to tell; an update that brought no other release is left out.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = list(pool.map(lambda stack: _stack(stack, last), stacks))
    now = spelled(datetime.now(UTC))
    return Releases(project=stacks[0].project, time=now, stacks=tuple(travelling(parts)))


def travelling(parts: Sequence[StackPart]) -> list[StackPart]:
    """The stacks in the order in which releases travel: one comes after those that it takes from."""
    named = {part.stack: part for part in parts}

    def depth(part: StackPart, seen: frozenset[str] = frozenset()) -> int:
        before = [named[it] for it in part.takes_from if it in named and it not in seen]
        return 1 + max((depth(it, seen | {part.stack}) for it in before), default=0)

    return sorted(parts, key=lambda part: (depth(part), part.stack))


def _stack(stack: Stack, last: int) -> StackPart:
    problems: list[str] = []
    try:
        updates = history(stack)
        today = running(outputs(stack), exported(stack), updates)
    except (StepError, LookupError, ValueError, TypeError) as error:
        return StackPart(stack=stack.name, takes_from=(), services=(), history=(), problems=(str(error),), read=False)
    takes_from: tuple[str, ...] = ()
    known: dict[str, Known] = {}
    try:
        it = member(stack)
        policy = it.settings.promote
        takes_from = tuple(name.rpartition("/")[2] for name in policy.stacks) if policy else ()
        known = _known(it, today)
    except (StepError, OSError, ValueError) as error:
        problems.append(f"what the registry knows of {stack.name}: {error}")
    return StackPart(
        stack=stack.name,
        takes_from=takes_from,
        services=tuple(_standing(it, known.get(it.service)) for it in today),
        history=tuple(_deployment(it) for it in changes(timeline(updates, today, known), updates)[:last]),
        problems=tuple(problems),
    )


def _known(it: Member, today: Sequence[Running]) -> dict[str, Known]:
    """What the registry knows of each service that the settings name."""
    found = {}
    with reach([it]) as registries:
        for name in it.settings.services:
            running_here = [now.reference.digest for now in today if now.service == name]
            keys = it.settings.sign.public_key, it.approvers
            found[name] = known_of(it.repository(name), registries, it.name, keys, running_here)
    return found


def _standing(it: Running, known: Known | None) -> Standing:
    digest = it.reference.digest
    return Standing(
        service=it.service,
        version=it.version,
        tag=it.tag,
        digest=str(digest),
        reference=str(it.reference),
        revision=it.revision,
        container=it.container,
        since=spelled(it.since) if it.since else None,
        project_commit=_commit(it.update) if it.update else None,
        author=it.update.author if it.update else None,
        proofs=tuple(map(_proof, known.proofs.get(digest, ()))) if known else None,
        approvals=tuple(map(_approval, known.approvals.get(digest, ()))) if known else None,
    )


def _proof(it: Proof) -> ProofPart:
    return ProofPart(kind=it.kind, time=spelled(it.time))


def _approval(it: Approval) -> ApprovalPart:
    return ApprovalPart(approver=it.approver, time=spelled(it.time), reason=it.reason)


def _deployment(it: Ran) -> Deployment:
    return Deployment(
        time=spelled(it.update.start),
        kind=it.update.kind,
        service=it.service or None,
        version=it.version,
        digest=str(it.digest) if it.digest else None,
        known_from=it.known_from,
        project_commit=_commit(it.update),
        author=it.update.author,
        message=it.update.message.partition("\n")[0],
    )


def _commit(update: Update) -> str:
    return f"{update.commit}-dirty" if update.commit and update.dirty else update.commit


def cells(report: Releases) -> Mapping[tuple[str, str], Standing]:
    """What stands where, by service and stack."""
    return {(it.service, part.stack): it for part in report.stacks for it in part.services}
