"""What stacks and people have said about a digest, and what is missing before another stack may take it.

A stack proves a digest when it runs it in good health; a person may approve one for a stack. Nothing here asks a tool.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

SCHEMA_VERSION = 1
DEPLOYED, HELD = "deployed", "held"
NONE, BESIDES, INSTEAD = "none", "besides", "instead"
_SKEW = timedelta(minutes=1)
"""How far the clocks of two machines may be apart."""


@dataclass(frozen=True)
class StackName:
    """A stack by its project and its own name."""

    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


@dataclass(frozen=True)
class Proof:
    """A stack's word that it runs a digest in good health."""

    stack: StackName
    commit: str
    """Commit of the artifact's source."""
    time: datetime
    kind: str
    """`deployed` when it came up, `held` when it was looked at again."""

    @classmethod
    def parse(cls, predicate: Mapping[str, Any]) -> "Proof":
        """Read a predicate.

        Raises:
            ValueError: it is none of this schema.
        """
        _check_schema(predicate)
        kind = str(predicate.get("kind"))
        if kind not in (DEPLOYED, HELD):
            raise ValueError(f"a proof of an unknown kind ({kind})")
        return cls(_stack(predicate), str(predicate.get("commit", "unknown")), moment(predicate.get("time")), kind)


@dataclass(frozen=True)
class Approval:
    """A person's word that a stack may take a digest."""

    stack: StackName
    """The stack that may take it."""
    approver: str
    """The name that the settings have for the key that verified."""
    time: datetime
    reason: str

    @classmethod
    def parse(cls, predicate: Mapping[str, Any], approver: str) -> "Approval":
        """Read a predicate that verified with this approver's key.

        Raises:
            ValueError: it is none of this schema.
        """
        _check_schema(predicate)
        return cls(_stack(predicate), approver, moment(predicate.get("time")), str(predicate.get("reason", "")))


@dataclass(frozen=True)
class Rule:
    """What a digest needs before a stack takes it."""

    stacks: Sequence[StackName]
    """The stacks whose proof counts."""
    every: bool = True
    """Whether all of them have to prove it; one is enough otherwise."""
    soak: timedelta = timedelta()
    """How long ago a stack has to have proved it first."""
    held: bool = False
    """Whether it has to say, once the soak is over, that the digest held."""
    approvers: Sequence[str] = ()
    """Who may approve."""
    approval: str = NONE
    """Whether an approval is needed `besides` the proofs, or may stand `instead` of them."""


Said = TypeVar("Said", Proof, Approval)


def readable(parse: Callable[[Mapping[str, Any]], Said], predicates: Sequence[Mapping[str, Any]]) -> list[Said]:
    """What can be read of these predicates: a statement of another schema counts for nothing."""
    found = []
    for predicate in predicates:
        try:
            found.append(parse(predicate))
        except ValueError:
            continue
    return found


def proved_by(stack: StackName, proofs: Sequence[Proof]) -> list[Proof]:
    """The proofs of one stack, the first one first."""
    return sorted((it for it in proofs if it.stack == stack), key=lambda it: it.time)


def past(proofs: Sequence[Proof], now: datetime) -> list[Proof]:
    """The proofs but for those from the future, which a clock that was wrong has dated: they tell no age."""
    return [it for it in proofs if it.time <= now + _SKEW]


def missing(
    rule: Rule, proofs: Sequence[Proof], approvals: Sequence[Approval], target: StackName, now: datetime
) -> list[str]:
    """What is missing before `target` may take the digest, each with what to do; nothing when it may.

    Args:
        rule: what it needs.
        proofs: what stacks have said about it, each verified with its stack's key.
        approvals: what approvers have said about it, each verified with the approver's key.
        target: the stack that wants to take it.
        now: the time.
    """
    approval = _approval_missing(rule, approvals, target, now)
    if rule.approval == INSTEAD and approval is None:
        return []
    lacking = [lack for stack in rule.stacks if (lack := _proof_missing(rule, stack, proofs, now))]
    if not rule.every and len(lacking) < len(rule.stacks):
        lacking = []
    elif not rule.every and len(lacking) > 1:
        lacking = [f"one of these is enough: {'; or '.join(lacking)}"]
    if rule.approval == BESIDES and approval:
        return [*lacking, approval]
    return [*lacking, f"instead of that, {approval}"] if lacking and approval else lacking


def _proof_missing(rule: Rule, stack: StackName, proofs: Sequence[Proof], now: datetime) -> str | None:
    known = proved_by(stack, proofs)
    if not known:
        return f"{stack} has not proved it: bring it up there until it is healthy and its smoke test passes"
    first = known[0].time
    if first > now + _SKEW:
        return f"{stack} proved it at {spelled(first)}, which is in the future: check the clocks of both machines"
    over = min(first, now) + rule.soak
    if over > now:
        return (
            f"the soak in {stack} is not over: it was proved there at {spelled(first)}, "
            f"{duration(over - now)} of {duration(rule.soak)} are left, until {spelled(over)}"
        )
    if rule.held and not any(it.kind == HELD and over <= it.time <= now + _SKEW for it in known):
        return f"{stack} has not said since {spelled(over)} that it held: run `slipway prove {stack.name}`"
    return None


def _approval_missing(rule: Rule, approvals: Sequence[Approval], target: StackName, now: datetime) -> str | None:
    if rule.approval == NONE:
        return None
    given = [it for it in approvals if it.stack == target and it.approver in rule.approvers]
    if any(it.time <= now + _SKEW for it in given):
        return None
    if given:
        seen = f"{given[0].approver} approved it at {spelled(given[0].time)}, which is in the future"
        return f"{seen}: check the clocks of both machines"
    who = f"one of {', '.join(sorted(rule.approvers))}" if len(rule.approvers) > 1 else rule.approvers[0]
    return f"an approval by {who} is missing: `slipway approve {target.name} DIGEST --key KEY --reason TEXT`"


def moment(text: Any) -> datetime:
    """A time as RFC 3339 has it.

    Raises:
        ValueError: it is none.
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"{text!r} is no time") from None
    if time.tzinfo is None:
        raise ValueError(f"{text!r} is a time without a zone")
    return time.astimezone(UTC)


def spelled(time: datetime) -> str:
    """A time as RFC 3339 has it, in UTC to the second."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(span: timedelta) -> str:
    """A length of time for a person, in its two largest units."""
    seconds = max(1, int(span.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2])


def _check_schema(predicate: Mapping[str, Any]) -> None:
    if predicate.get("schemaVersion") != SCHEMA_VERSION:
        raise ValueError(f"a statement of another schema ({predicate.get('schemaVersion')})")


def _stack(predicate: Mapping[str, Any]) -> StackName:
    return StackName(str(predicate.get("project")), str(predicate.get("stack")))
