"""What a preview's events say, as plain data: each resource once, with its state before and after.

Pulumi has taken the secrets out of the events already; their place is marked. So is what is not known yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

SECRET = "[secret]"
UNKNOWN = "[not known at preview]"

_KIND = "4dabf18193072939515e22adb298388d"
"""Marks a property of a kind of its own in Pulumi's JSON."""
_SECRET_KIND = "1b47061264138c4ac30d75fd1eb44270"
_NOT_KNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for a value that is not known yet. Source: pulumi/pulumi, pkg/resource/stack/deployment.go."""


@dataclass(frozen=True)
class State:
    """A resource at one moment."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What the program gives it."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What it has become."""
    parent: str = ""
    """URN of its parent."""


@dataclass(frozen=True)
class Resource:
    """One resource in a preview."""

    urn: str
    type: str
    operation: str
    """same, create, update, replace, delete, read, refresh, import."""
    before: State | None = None
    """As the stack's state has it; None where it is new."""
    after: State | None = None
    """As it would be; None where it goes."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.urn.rpartition("::")[2]

    @property
    def changes(self) -> bool:
        """Whether `up` would touch it."""
        return self.operation not in ("same", "read", "refresh")

    @property
    def parent(self) -> str:
        """URN of its parent."""
        return (self.after or self.before or State()).parent


def plain(value: Any) -> Any:
    """A property of an event without Pulumi's marks: secrets and unknown values become words that say so."""
    if value == _NOT_KNOWN:
        return UNKNOWN
    if isinstance(value, Mapping):
        if value.get(_KIND) == _SECRET_KIND:
            return SECRET
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def known(value: Any) -> bool:
    """Whether a property is known, and everything in it."""
    if isinstance(value, Mapping):
        return all(map(known, value.values()))
    if isinstance(value, list):
        return all(map(known, value))
    return value is not None and value != UNKNOWN


_OPERATIONS = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "read-replacement": "replace",
    "discard-replaced": "replace",
    "remove-pending-replace": "replace",
}


def step_operation(operation: str) -> str:
    """One word for what happens to a resource; a replacement is three steps in Pulumi."""
    return _OPERATIONS.get(operation, operation)


def merged(steps: Sequence[Resource]) -> list[Resource]:
    """Each resource once, from all the events about it, in the order in which they came.

    A replacement has three: the state before may come with any of them, and the state after with the last that has one.
    """
    found: dict[str, Resource] = {}
    for step in steps:
        earlier = found.get(step.urn)
        found[step.urn] = _joined(earlier, step) if earlier else step
    return list(found.values())


def _joined(earlier: Resource, later: Resource) -> Resource:
    replaced = "replace" in (earlier.operation, later.operation)
    after = later.after or earlier.after
    if after and earlier.after and not after.outputs:
        after = replace(after, outputs=earlier.after.outputs)
    return Resource(
        earlier.urn,
        earlier.type,
        "replace" if replaced else later.operation,
        earlier.before or later.before,
        after,
    )


def ancestors(resource: Resource, by_urn: Mapping[str, Resource]) -> Iterator[Resource]:
    """A resource, its parent, and so on up to the stack."""
    here: Resource | None = resource
    seen: set[str] = set()
    while here and here.urn not in seen:
        seen.add(here.urn)
        yield here
        here = by_urn.get(here.parent)
