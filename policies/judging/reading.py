"""One reading of a resource's properties for all rules, and of what several of them look for in it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from pulumi_policy import ResourceValidationArgs, policy
from pulumi_policy.deserialize import deserialize_properties
from pulumi_policy.proxy import unknown_checking_proxy

_shared: ContextVar[Mapping[str, Any] | None] = ContextVar("properties", default=None)


def read_once(properties: object) -> Mapping[str, Any]:
    """The properties of a request as the SDK reads them for each policy: an unknown one raises when it is asked for."""
    message = policy.json_format.MessageToDict(properties)  # type: ignore[attr-defined]  # the SDK's own way
    return unknown_checking_proxy(deserialize_properties(message))


@contextmanager
def shared(properties: Mapping[str, Any]) -> Iterator[None]:
    """While this lasts, every rule of this thread judges these properties."""
    token = _shared.set(properties)
    try:
        yield
    finally:
        _shared.reset(token)


def properties_of(args: ResourceValidationArgs) -> Mapping[str, Any]:
    """The properties of the resource that is judged: those that all rules share, else what the SDK has read."""
    properties = _shared.get()
    return args.props if properties is None else properties


class HasProperties(Protocol):
    """The resource that a rule judges."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties."""


Read = TypeVar("Read")


def once_a_resource(look: Callable[[HasProperties], Read]) -> Callable[[HasProperties], Read]:
    """Remember what was found in the resource that was looked at last: the rules about it come one after the other.

    Args:
        look: looks at the type and the properties alone; what it returns is not changed by anyone. What it raises is
            not remembered.
    """
    last = threading.local()

    def found(subject: HasProperties) -> Read:
        if getattr(last, "properties", None) is not subject.properties or last.type != subject.type:
            last.found = look(subject)
            last.type, last.properties = subject.type, subject.properties
        answer: Read = last.found
        return answer

    return found
