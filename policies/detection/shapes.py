"""Secrets that are recognised by their own shape, under whatever name: vendors' tokens, private keys, password hashes.

Every pattern has hints, short texts one of which a match contains: searching for them first costs next to nothing, so
a value of a megabyte is judged at once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from detection.shape_table import TABLE

_MASKED = re.compile(r"([xX*.#])\1{7}")
"""In the place of a token that somebody took out."""


@dataclass(frozen=True)
class Shape:
    """One kind of secret with a shape of its own."""

    looks: str
    hints: tuple[str, ...]
    expression: str
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.expression))

    def stands_in(self, text: str) -> bool:
        """Whether the text contains a secret of this shape."""
        return any(not _MASKED.search(found[0]) for found in self.pattern.finditer(text))


def _shapes() -> Iterator[Shape]:
    for looks, hints, expression in TABLE:
        yield Shape(looks, tuple(hints.split()), expression)


_HINTED = tuple((hint, shape) for shape in _shapes() for hint in shape.hints)
_HASHES = tuple((hint, shape) for hint, shape in _HINTED if shape.looks == "a password hash")
_SHORTEST = 8
_SHORT = 500
"""Up to here one pattern that knows every hint is quicker than a search for each."""


def _any_of(words: Iterable[str]) -> str:
    """A pattern for any of these words that looks at no character twice."""
    endings: dict[str, list[str]] = {}
    for word in words:
        endings.setdefault(word[:1], []).append(word[1:])
    if "" in endings:  # one of the words ends here: what is longer is found with it
        return ""
    branches = [re.escape(first) + _any_of(rest) for first, rest in sorted(endings.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


_COMMON = tuple((hint, shape) for hint, shape in _HINTED if len(hint) < 3)
"""Hints that every second value has."""
_RARE = tuple((hint, shape) for hint, shape in _HINTED if len(hint) >= 3)
_ANY_RARE = re.compile(_any_of(hint for hint, _ in _RARE))


def shape_in(text: str) -> str | None:
    """What a text contains by its shape; None when nothing has one."""
    if len(text) < _SHORTEST:
        return None
    if len(text) <= _SHORT and not _ANY_RARE.search(text):
        return _first(_COMMON, text)
    return _first(_HINTED, text)


def password_hash_in(text: str) -> str | None:
    """Whether a text contains the hash of a password; asked before a shell's `$` variables are taken out of it."""
    return _first(_HASHES, text)


def _first(hinted: Sequence[tuple[str, Shape]], text: str) -> str | None:
    likely = [shape for hint, shape in hinted if hint in text]
    return next((shape.looks for shape in likely if shape.stands_in(text)), None)
