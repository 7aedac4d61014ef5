"""Versions of tools, read from what a tool prints about itself, and the ranges that are accepted of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(
    r"(?<![0-9.])(?P<numbers>\d+(?:\.\d+){0,3})"
    r"(?:-(?P<pre>[0-9A-Za-z][0-9A-Za-z-]*(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:[+~][0-9A-Za-z.+~-]*)?"
)
_TOLD = re.compile(r"(?<![0-9.])\d+\.\d+(?:\.\d+)*(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?")
_BOUND = re.compile(r"\s*(?P<op>>=|<=|==|>|<)\s*v?(?P<version>\S+)\s*")


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version as in semver 2.0: numbers, then perhaps a pre-release, which comes before the version itself.

    Missing numbers are zeros (``1.2`` is ``1.2.0``); build metadata after ``+`` or ``~`` does not count.

    Attributes:
        numbers: at least three numbers.
        pre: the pre-release's parts; empty for a release.
    """

    numbers: tuple[int, ...]
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Returns the version written in ``text``, with or without a leading v.

        Raises:
            ValueError: ``text`` is not a version.
        """
        match = _VERSION.fullmatch(text.strip().removeprefix("v"))
        if match is None:
            raise ValueError(f"not a version: {text!r}")
        numbers = tuple(int(number) for number in match["numbers"].split("."))
        pre = tuple(match["pre"].split(".")) if match["pre"] else ()
        return cls(numbers + (0,) * (3 - len(numbers)), pre)

    @classmethod
    def told(cls, output: str) -> "Version | None":
        """Returns the first version in ``output``, which a tool printed when asked for it; None when there is none."""
        match = _TOLD.search(output)
        return cls.parse(match.group()) if match else None

    def _key(self) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
        # Trailing zeros count for nothing, a release comes after its pre-releases, a number before a word.
        numbers = self.numbers
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers = numbers[:-1]
        parts = tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in self.pre)
        return numbers, not self.pre, tuple((word, number, text if word else "") for word, number, text in parts)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._key() < other._key() if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers)) + ("-" + ".".join(self.pre) if self.pre else "")


@dataclass(frozen=True)
class Range:
    """A range of versions: bounds joined by commas, all of which hold; without bounds it takes every version.

    A pre-release lies in a range only when a bound names a pre-release of the same numbers, so that ``<4`` never takes
    ``4.0.0-rc.1``, nor ``>=3`` a ``3.1.0-dev``.
    """

    bounds: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Range":
        """Returns the range written in ``text``, such as ``>=3.257.0,<4``.

        Raises:
            ValueError: a bound is not one of >=, >, <=, <, == with a version after it; the message names the bound.
        """
        bounds = []
        for part in text.split(","):
            match = _BOUND.fullmatch(part)
            if match is None:
                raise ValueError(f"not a bound: {part.strip()!r} (in {text!r}): write one such as >=1.2")
            bounds.append((match["op"], Version.parse(match["version"])))
        return cls(tuple(bounds))

    def __contains__(self, version: Version) -> bool:
        if version.pre and not any(bound.pre and bound.numbers == version.numbers for _, bound in self.bounds):
            return not self.bounds
        return all(_HOLDS[op](version, bound) for op, bound in self.bounds)

    def __str__(self) -> str:
        return ",".join(f"{op}{version}" for op, version in self.bounds)


ANY = Range()
"""The range that takes every version."""

_HOLDS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": lambda version, bound: version >= bound,
    "<=": lambda version, bound: version <= bound,
    "==": lambda version, bound: version == bound,
    ">": lambda version, bound: version > bound,
    "<": lambda version, bound: version < bound,
}
