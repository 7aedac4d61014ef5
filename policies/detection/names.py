"""What the name of a setting says about its value: it is a secret, it is about a secret, it identifies something.

A name is read as words, whatever joins them: DB_PASSWORD, dbPassword, db.password and --db-password are one. The last
words decide, since they say what the value is: PASSWORD_MIN_LENGTH is a length, SECRET_NAME a name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache

from detection.vocabulary import (
    ABOUT,
    COMMON_KEYS,
    COUNTING,
    IDENTIFYING,
    JOINED,
    LIMITS,
    MILD_KEYS,
    NO_SECRETS,
    NOT_SECRET,
    NOUNS,
    OWNERS,
    PARTED,
    PLACES,
    PUBLIC_KEYS,
    SECRET_KEYS,
    STAGES,
    SWITCHING,
    TENANTS,
)


class Bearing(Enum):
    """How a name bears on its value."""

    SECRET = auto()
    """The value is a secret, whatever it looks like."""
    KEY = auto()
    """The value is a secret if it looks like a key: many things are called a key."""
    SCHEME = auto()
    """The value is either credentials or the name of a way to authenticate."""
    PIN = auto()
    """The value is a secret if it is a longer number: boards have pins, too."""
    EITHER = auto()
    """The value is a secret unless it reads as the name of something: DB_PASSWORD_SERVICE, PASSWORD_STORE=vault."""
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
    joined: bool = False
    """Whether the name of something that may stand there instead has several words."""
    staged: bool = False
    """Whether the name may as well say in which stage the secret is used: SECRETS_ENVIRONMENT."""


PLAIN = Meaning(Bearing.PLAIN)
IDENTIFIER = Meaning(Bearing.IDENTIFIER)
_NEEDED = {
    "cookie": frozenset(("erlang", "release")),
    **dict.fromkeys(
        ("code", "codes"),
        frozenset(
            (
                "auth",
                "access",
                "pass",
                "secret",
                "unlock",
                "invite",
                "registration",
                "security",
                "recovery",
                "backup",
                "otp",
                "pin",
            )
        ),
    ),
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
    if _CLUSTER_NAME.match(name):
        return _in_cluster(found)
    return found


def _in_cluster(said: Meaning) -> Meaning:
    """What the name of a label or an annotation says: a secret is the name of one, a signature is there to be read."""
    if said.looks == "a signature":
        return IDENTIFIER
    return Meaning(Bearing.ABOUT, said.looks) if said.looks == "a secret" and said.bearing is Bearing.SECRET else said


def _words(text: str) -> list[str]:
    """The words of a part of a name, in small letters; those that are commonly joined are taken apart."""
    words: list[str] = []
    for found in _WORD.finditer(text):
        word = found[0].lower()
        if words and (whole := PARTED.get((words[-1], word))):
            words[-1] = whole
        else:
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
    kept = list(words)
    while len(kept) > 1 and (kept[-1].isdigit() or kept[-1] in STAGES):
        kept.pop()
    return replace(_of_kept(kept), staged=words[-1] in ("stage", "environment"))


def _of_kept(words: Sequence[str]) -> Meaning:
    """What a name says that ends in no stage and no number."""
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
    if _says_whose(noun, before, after) and said.bearing is Bearing.SECRET:
        return Meaning(Bearing.EITHER, said.looks, joined=noun == "secret" and TENANTS.isdisjoint(after))
    if after[-1] in IDENTIFYING:
        return IDENTIFIER
    if said.bearing is not Bearing.SECRET or noun in ("pass", "cookie", "seed", "salt") or not ABOUT.isdisjoint(after):
        return Meaning(Bearing.ABOUT, said.looks)
    return said


def _says_whose(noun: str, before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the words after a noun may only say whose secret it is."""
    if TENANTS.issuperset(after):
        return True
    if noun == "secret":
        return after == ["refresh"] and not {"jwt", "token"}.isdisjoint(before)
    if not _is_password(noun) or not (OWNERS | TENANTS).issuperset(after):
        return False
    return noun == "pass" or not ABOUT.isdisjoint(after) or after[-1] in IDENTIFYING


def _of_noun(noun: str, before: Sequence[str]) -> Meaning:
    """What a noun at the end says, after these words."""
    bearing, looks = NOUNS[noun]
    if noun in ("key", "keys"):
        return _of_key(before)
    if noun in _NEEDED and _NEEDED[noun].isdisjoint(before):
        return PLAIN
    if _is_about(noun, before):
        return Meaning(Bearing.ABOUT, looks)
    if noun == "secret" and _names_an_object(before):
        return Meaning(Bearing.EITHER, looks, joined=True)
    if _exists(noun, before):
        return Meaning(Bearing.EITHER, looks)
    return Meaning(Bearing[bearing], looks, counts=noun in ("tokens", "seed"))


def _is_about(noun: str, before: Sequence[str]) -> bool:
    """Whether the words before a noun make it something that is no secret."""
    if not SWITCHING.isdisjoint(before) or (noun == "tokens" and not COUNTING.isdisjoint(before)):
        return True
    if noun in ("token", "tokens") and "public" in before:
        return True
    return bool(before) and (before[-1] in LIMITS or before[-1] in NOT_SECRET.get(noun, ()))


def _names_an_object(before: Sequence[str]) -> bool:
    """Whether `secret` can name the object that holds what stands before it: LICENSE_KEY_SECRET."""
    held = before[-1:]
    return held in (["credentials"], ["creds"], ["license"]) or list(before[-2:]) == ["license", "key"]


def _exists(noun: str, before: Sequence[str]) -> bool:
    """Whether the name tells which Secret of a cluster to use: existingErlangSecret, existingSecretAdminPassword."""
    return "existing" in before and not {"secret", "secrets"}.isdisjoint((*before, noun))


def _is_password(word: str) -> bool:
    return NOUNS.get(word, ("", ""))[1] == "a password"


def _of_key(before: Sequence[str]) -> Meaning:
    """What is called a key: a secret one, one of a table, or one that says neither."""
    last = before[-1] if before else ""
    if {"private", "priv", "secret"}.isdisjoint(before) and (not PUBLIC_KEYS.isdisjoint(before) or last in COMMON_KEYS):
        return IDENTIFIER
    if _is_password(last) or (last == "secret" and any(map(_is_password, before))):
        return Meaning(Bearing.KEY, "a key")  # under which key of a Secret a password is kept
    if last in MILD_KEYS and before[-2:-1] and before[-2] in COMMON_KEYS:
        return Meaning(Bearing.EITHER, "a key")
    if not SECRET_KEYS.isdisjoint(before):
        return Meaning(Bearing.SECRET, "a key")
    return Meaning(Bearing.KEY, "a key")
