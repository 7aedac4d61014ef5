"""Whether a text looks as if a machine had drawn its letters: a key or a token, no word, name, path or version.

What tells them apart is not how many different letters a text has, which a class name has too, but how they follow each
other. People write pairs of letters that languages have, and keep capitals, small letters and digits in groups.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

_FOLLOWERS = {
    "a": "bcdfgiklmnprstuvwxy", "b": "aceilorsu", "c": "acdehiklmorstuy", "d": "adefilorsu",
    "e": "abcdefghilmnopqrstvwxy", "f": "aefilorstu", "g": "aeghilmnorsu", "h": "aeiortu",
    "i": "abcdefgklmnoprstvxz", "j": "aeo", "k": "aeios", "l": "acdeilopstuy", "m": "abeilmopsu",
    "n": "acdefgiklnostuvy", "o": "abcdefgiklmnoprstuvw", "p": "acehiloprstuy", "q": "u",
    "r": "abcdefgiklmnoprstuvy", "s": "acefhiklmnopqstuy", "t": "acdefhilmoprstuwy",
    "u": "abcdefgilmnprst", "v": "aeio", "w": "aehinors", "x": "ceipt", "y": "mnps", "z": "ae",
}  # fmt: skip
"""The letters that follow each letter in 95 of 100 pairs of English prose and of programs' identifiers."""
_FAMILIAR = frozenset(
    spelled(first) + spelled(second)
    for first, followers in _FOLLOWERS.items()
    for second in followers
    for spelled in (str.lower, str.upper)
) | frozenset(first.upper() + second for first, followers in _FOLLOWERS.items() for second in followers)
_PIECE = re.compile(r"[A-Za-z0-9]+")
_HEXADECIMAL = re.compile(r"(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_LONGEST_JUDGED = 4096
"""The beginning of a longer text says enough."""
_SHORTEST_DIGEST = 7
"""Of a revision in a name, `main-4f2a9c1`."""
_SHORTEST_RUN = 8
"""Versions and names that a cluster made up have shorter runs of letters and digits than keys have."""


def is_hexadecimal(text: str, shortest: int = 16) -> bool:
    """A digest, a revision or a key: hexadecimal digits alone, and both letters and digits among them."""
    return len(text) >= shortest and bool(_HEXADECIMAL.fullmatch(text)) and not text.isdigit() and not text.isalpha()


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID."""
    return bool(_UUID.fullmatch(text))


def looks_random(text: str, shortest: int = 20) -> bool:
    """Whether the text looks drawn by a machine; False for digests and UUIDs, which name things and open none."""
    if len(text) < shortest or is_hexadecimal(text) or is_uuid(text):
        return False
    judged = text[:_LONGEST_JUDGED]
    if _mixes_symbols(judged):
        return True
    pieces = [piece for piece in _PIECE.findall(judged) if not is_hexadecimal(piece, _SHORTEST_DIGEST)]
    length = sum(map(len, pieces))
    if length < min(shortest, 16) or max(map(len, pieces)) < _SHORTEST_RUN:
        return False
    return _strangeness(pieces) >= _threshold(length)


def strangeness(text: str) -> float:
    """How strange the letters of a text follow each other, from 0 (a word) to about 0.6 (drawn by a machine)."""
    return _strangeness(_PIECE.findall(text[:_LONGEST_JUDGED]))


def _strangeness(pieces: Sequence[str]) -> float:
    return sum(map(_surprise, pieces)) / max(1, sum(map(len, pieces)))


def _threshold(length: int) -> float:
    """A short text must surprise more: chance makes it look stranger than it is."""
    return 0.4 if length < 24 else 0.36


def _surprise(piece: str) -> float:
    """How often the next character is none that a person would have written after this one."""
    return float(sum(map(_unfamiliar, piece, piece[1:])))


def _unfamiliar(first: str, second: str) -> float:
    if ord(second) - ord(first) in (0, 1):  # an alphabet, a count, a filler
        return 0.0
    if first.isalpha() and second.isalpha():
        if first + second in _FAMILIAR:
            return 0.0
        return 0.5 if first.islower() and second.isupper() else 1.0
    if first.isdigit() and second.isdigit():
        return 0.2
    return 0.75


def _mixes_symbols(text: str) -> bool:
    """A generated password: small letters, capitals, digits and symbols, hardly two of a kind in a row."""
    kinds = [_kind(character) for character in text]
    if kinds.count("!") < 3 or len({*text} - {*"-_./:=, "}) < 12 or not {"a", "A", "0", "!"} <= {*kinds}:
        return False
    symbols = {character for character, kind in zip(text, kinds, strict=True) if kind == "!"}
    changes = sum(1 for first, second in pairwise(kinds) if first != second)
    return len(symbols - {*"-_./:="}) >= 2 and changes / len(kinds) >= 0.5


def _kind(character: str) -> str:
    if character.isdigit():
        return "0"
    if character.isalpha():
        return "a" if character.islower() else "A"
    return "!"
