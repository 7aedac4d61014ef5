"""A value inside a resource's properties together with its path, read only when it is asked for."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pulumi_policy.proxy import UnknownValueError

_SHOWN = 80
"""Letters of a list in a message: one of its values may be a whole profile."""


@dataclass(frozen=True)
class Node:
    """A value and the path that a message names for it; a value that is not there is None.

    Values are read through the policy SDK's proxies, so reading one that is unknown during a preview raises
    `UnknownValueError`: a rule reads the nodes that it judges, and no other.
    """

    value: Any
    path: str = ""

    def at(self, *keys: str) -> "Node":
        """The node under these keys; its value is None as soon as one of them is missing, null or no mapping."""
        value = self.value
        path = self.path
        for key in keys:
            value = value[key] if isinstance(value, Mapping) and key in value else None
            path = join(path, key)
        return Node(value, path)

    def mapping(self) -> Mapping[str, Any]:
        """The value if it is a mapping, else an empty one."""
        return self.value if isinstance(self.value, Mapping) else {}

    def items(self) -> Iterator["Node"]:
        """The elements of a list; those that are known come first, then the signal that one is not."""
        signal: UnknownValueError | None = None
        for position in range(len(self.value) if is_list(self.value) else 0):
            try:
                value = self.value[position]
            except UnknownValueError as unknown:
                signal = signal or unknown  # kept for the end: what is known already decides during a preview
                continue
            yield Node(value, f"{self.path}[{position}]")
        if signal:
            raise signal

    def known(self) -> Iterator["Node"]:
        """What is known of a list's elements or a mapping's values, for messages alone, as `label`."""
        with suppress(UnknownValueError):
            yield from self.items()
        for key in self.mapping():
            with suppress(UnknownValueError):
                yield self.at(key)

    def label(self, *keys: str) -> str | None:
        """The text under these keys, for messages alone; None where it is left out or unknown.

        A name is never what is judged, so an unknown one must not keep a rule from judging the rest.
        """
        try:
            text = self.at(*keys).value
        except UnknownValueError:
            return None
        return text if isinstance(text, str) and text else None


def join(path: str, key: str) -> str:
    """The path of a key below a path; keys with punctuation of their own are quoted."""
    if key.replace("_", "").replace("-", "").isalnum():
        return f"{path}.{key}" if path and not path.endswith(": ") else f"{path}{key}"
    return f'{path}["{key}"]'


def is_list(value: Any) -> bool:
    """Whether a value is a list, plain or wrapped by the SDK."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def listed(values: Iterable[Any]) -> str:
    """Values of a property as a message lists them: on one line, and of many the first letters."""
    text = ", ".join(value if isinstance(value, str) else shown(value) for value in values)
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def shown(value: Any) -> str:
    """A value as a message shows it; the SDK hands every number over as a float."""
    if value is None:
        return "not set"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int | float) else "an object"
