"""What the name of a setting says about its value: it is a secret, it is about a secret, it identifies something.

A name is read as words, whatever joins them: DB_PASSWORD, dbPassword, db.password and --db-password are one. The last
words decide, since they say what the value is: PASSWORD_MIN_LENGTH is a length, SECRET_NAME a name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from detection.vocabulary import (
    ABOUT,
    COMMON_KEYS,
    IDENTIFYING,
    JOINED,
    NO_SECRETS,
    NOUNS,
    PLACES,
    QUALIFIERS,
    SECRET_KEYS,
    STAGES,
)


class Bearing(Enum):
    """How a name bears on its value."""

    SECRET = auto()
    """The value is a secret, whatever it looks like."""
    KEY = auto()
    """The value is a secret if it looks like a key: many things are called a key."""
    SCHEME = auto()
    """The value is either credentials or the name of a way to authenticate."""
    ABOUT = auto()
    """The value says something about a secret: its length, its name, its age."""
    PLACE = auto()
    """The value says in which file a secret lies."""
    IDENTIFIER = auto()
    """The value names or measures something, and may look random for that reason."""
    PLAIN = auto()
    """The name says nothing of the kind."""


@dataclass(frozen=True)
class Meaning:
    """What a name says."""

    bearing: Bearing
    looks: str = ""
    """What the value is by its name, with an article."""
    counts: bool = False
    """Whether the name may as well count something: tokens of a language model, a seed."""


PLAIN = Meaning(Bearing.PLAIN)
IDENTIFIER = Meaning(Bearing.IDENTIFIER)
_NEEDED = {
    "cookie": frozenset(("erlang", "release")),
    "code": frozenset(("auth", "access", "pass", "secret", "unlock", "invite", "registration", "security")),
    "phrase": frozenset(("seed", "pass", "recovery", "mnemonic", "wallet", "secret")),
}
"""Nouns that are secrets only after one of these words."""
_LONGEST_NAME = 512
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SEGMENT = re.compile(r"[./:]+")
_HASHES = frozenset(("hash", "sha", "md"))
_CLUSTER_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)+/")
"""The prefix of a Kubernetes label or annotation: there, `secret` is the kind of an object."""


@lru_cache(maxsize=4096)
def meaning(name: str) -> Meaning:
    """What a name says about its value; the beginning of an endless name is left out, for the last words decide."""
    segments = [words for part in _SEGMENT.split(name[-_LONGEST_NAME:]) if (words := _words(part))]
    while len(segments) > 1 and all(word in STAGES or word.isdigit() for word in segments[-1]):
        stage = segments.pop()
        segments[-1] = [*segments[-1], *stage]
    if not segments:
        return PLAIN
    found = _of_words(segments[-1])
    if found.looks == "a secret" and found.bearing is Bearing.SECRET and _CLUSTER_NAME.match(name):
        return Meaning(Bearing.ABOUT, found.looks)
    return found


def _words(text: str) -> list[str]:
    """The words of a part of a name, in small letters; those that are commonly joined are taken apart."""
    words: list[str] = []
    for found in _WORD.finditer(text):
        word = found[0].lower()
        words += _apart(word)
    return words


def _apart(word: str) -> Sequence[str]:
    if word in NOUNS or word in NO_SECRETS or word.endswith(tuple(NO_SECRETS)):
        return [word]
    for ending, words in JOINED:
        if word.endswith(ending) and len(word) > len(ending):
            return [word.removesuffix(ending), *words]
        if word == ending:
            return words
    return [word]


def _of_words(words: Sequence[str]) -> Meaning:
    words = list(words)
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in STAGES):
        words.pop()
    place = next((index for index in reversed(range(len(words))) if words[index] in NOUNS), None)
    if place is None:
        return IDENTIFIER if words[-1] in IDENTIFYING or "public" in words else PLAIN
    noun, before, after = words[place], words[:place], words[place + 1 :]
    said = _of_noun(noun, before)
    if said.bearing in (Bearing.PLAIN, Bearing.IDENTIFIER):
        return said if not after else IDENTIFIER if after[-1] in IDENTIFYING else said
    if not after:
        return said
    if after == ["id"] and before[-1:] == ["root"] and noun == "token":  # Vault's own name for a token
        return said
    if after[-1] in PLACES and said.bearing is not Bearing.SCHEME:
        return Meaning(Bearing.PLACE, said.looks)
    if (after == ["id"] and noun == "secret") or (after[-1] in _HASHES and said.looks == "a password"):
        return Meaning(Bearing.KEY, said.looks)  # Vault calls a password a secret's id, AWS a name
    if after[-1] in IDENTIFYING:
        return IDENTIFIER
    if said.bearing is not Bearing.SECRET or noun in ("pass", "cookie", "seed", "salt") or not ABOUT.isdisjoint(after):
        return Meaning(Bearing.ABOUT, said.looks)
    return said


def _of_noun(noun: str, before: Sequence[str]) -> Meaning:
    """What a noun at the end says, after these words."""
    bearing, looks = NOUNS[noun]
    if noun in ("key", "keys"):
        return _of_key(before)
    if noun in _NEEDED and _NEEDED[noun].isdisjoint(before):
        return PLAIN
    if not QUALIFIERS.isdisjoint(before) or (noun in ("secret", "secrets") and before[-1:] == ["tls"]):
        return Meaning(Bearing.ABOUT, looks)
    return Meaning(Bearing[bearing], looks, counts=noun in ("tokens", "seed"))


def _of_key(before: Sequence[str]) -> Meaning:
    """What is called a key: a secret one, one of a table, or one that says neither."""
    if not COMMON_KEYS.isdisjoint(before) and {"private", "secret"}.isdisjoint(before):
        return IDENTIFIER
    if before[-1:] == ["secret"] and any(NOUNS.get(word, ("", ""))[1] == "a password" for word in before):
        return Meaning(Bearing.KEY, "a key")  # under which key of a Secret a password is kept
    if not SECRET_KEYS.isdisjoint(before):
        return Meaning(Bearing.SECRET, "a key")
    return Meaning(Bearing.KEY, "a key")
