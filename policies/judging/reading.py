"""One reading of a resource's properties for all rules, and of what several of them look for in it."""

import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from pulumi_policy import ReportViolation, ResourceValidationArgs, ResourceValidationPolicy, policy
from pulumi_policy.deserialize import deserialize_properties
from pulumi_policy.proxy import unknown_checking_proxy

_shared: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("shared", default=None)
"""URN and properties of the resource that is judged."""


def read(properties: object) -> Mapping[str, Any]:
    """The properties of a request as the SDK reads them for each policy: an unknown one raises when it is asked for."""
    message = policy.json_format.MessageToDict(properties)  # type: ignore[attr-defined]  # the SDK's own way
    return unknown_checking_proxy(deserialize_properties(message))


@contextmanager
def shared(urn: str, properties: Mapping[str, Any]) -> Iterator[None]:
    """While this lasts, all that policies of this thread are told of a resource is what was read of it once."""
    token = _shared.set((urn, properties))
    try:
        yield
    finally:
        _shared.reset(token)


class SharingPolicy(ResourceValidationPolicy):
    """A policy that judges what was read once for all policies; asked by itself, it judges what it is given."""

    def validate(self, args: ResourceValidationArgs, report_violation: ReportViolation) -> Awaitable[None] | None:
        """Judge a resource."""
        urn, properties = _shared.get() or ("", None)
        if properties is not None and urn == args.urn:
            args.props = properties
        return super().validate(args, report_violation)


class HasProperties(Protocol):
    """The resource that a rule judges."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its properties."""


Found = TypeVar("Found")


def once_a_resource(look: Callable[[HasProperties], Found]) -> Callable[[HasProperties], Found]:
    """Remember what was found in the resource that was looked at last: the rules about it come one after the other.

    Args:
        look: looks at the type and the properties alone; what it returns is not changed by anyone. What it raises is
            not remembered.
    """
    last = threading.local()

    def found(subject: HasProperties) -> Found:
        if getattr(last, "properties", None) is not subject.properties or last.type != subject.type:
            last.found = look(subject)
            last.type, last.properties = subject.type, subject.properties
        answer: Found = last.found
        return answer

    return found
