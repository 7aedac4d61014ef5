"""Values that hold no secret even where the name says so: nothing, a path, an address without credentials, a number."""

import re
from collections.abc import Sequence

from detection.randomness import is_hexadecimal, looks_random, strangeness
from detection.vocabulary import FETCHING, NOTHING, SCHEMES, STAGES

_ABSOLUTE = re.compile(r"(?:%[\w.]{1,60}%)?(?:/|\.{1,2}/|~[\w-]{0,32}/|[A-Za-z]:[\\/]|\\\\)[^\0\n\"'<>|]{0,4096}")
_FILE_NAME = re.compile(
    r"[\w./\\ @+-]{1,255}\.(?:txt|pem|key|crt|cert|cer|der|json|ya?ml|toml|ini|conf|cfg|env|properties|p12|pfx|jks|pub"
    r"|gpg|asc|csv|db|pw|passwd|htpasswd|token|secret|secrets|creds|html?|xml|md|log|lock|keyring|keytab|age|enc)"
)
_RELATIVE = re.compile(r"[\w.@+-]{1,100}(?:[/\\][\w.@+-]{0,100}){1,40}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:(?://)?/?[^\s]{0,4096}")
_DURATION = re.compile(r"\d{1,6}(?:\.\d{1,3})?\s?(?:ms|s|m|h|d|w|y|sec|min|hours?|days?)")
_SEPARATOR = re.compile(r"[/\\.]")
_CHECKSUM = re.compile(r"(?i:checksum)(?![A-Za-z])")
_DIGEST = re.compile(r"[0-9a-f]{32,128}")
_STORE = re.compile(r"/nix/store/[0-9a-z]{32}-")
"""The digest in a path of the Nix store looks drawn, and is in base 32."""
_PUBLIC_NAME = re.compile(
    r"01[0-9A-HJKMNP-TV-Z]{24}|[a-z2-7]{56}\.onion(?::\d{1,5})?"  # a ULID of this century, a Tor address
    r"|[a-z](?:[a-z0-9.-]{0,200}[a-z0-9])?-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}"
)
"""Names that machines drew: the last is that of a pod of a Deployment."""
_BASE64 = re.compile(r"(?=[^\s]*[0-9+])(?=[^\s]*[A-Z])[A-Za-z0-9+/]{24,}={0,2}")
_STRANGE = 0.25
_SLASH_FIRST = re.compile(r"/(?![a-z]{2,20}/)[A-Za-z0-9+/]{7,4096}={0,2}")
_SYMBOLS = re.compile(r"/(?=[^A-Za-z]*[A-Za-z])(?=[^0-9]*[0-9])[^/\\\s.!#$%^&*=?]{0,100}[!#$%^&*=?][^/\\\s.]{0,100}")
_STRANGE_PATH = 0.3
_NAME = re.compile(r"[a-z]{1,60}(?:[-_.:/][a-z0-9]{1,60}){0,20}")
_JOINED_NAME = re.compile(r"[a-z]{1,60}(?:[-_.:/][a-z0-9]{1,60}){1,20}")
_JOINT = re.compile(r"[-_]")
_JOINTS = re.compile(r"[-_.:/]")
_SHORTEST_DRAWN = 16
_SIZES = frozenset(("1", "2", "256", "384", "512", "v2", "v4"))
"""Of the digest in the name of a way to authenticate: `scram-sha-256`."""
_WITH_PASSWORD = frozenset((
    "password", "username", "mysql", "native", "old", "clear", "caching", "sha", "sha1", "sha2", "sha256", "sha512",
    "basic", "ldap", "oauth", "oauth2", "oidc",
))  # fmt: skip
"""The words of ways to authenticate that have a password; `db-password` is one that somebody chose."""
_LIST = re.compile(r"[\s,|;+/]+")
_SHORTEST_NUMBER = 4


def holds_nothing(value: str) -> bool:
    """Whether the value is empty, a switch, or a word for nothing."""
    return value.strip("\"' \t\n").lower() in NOTHING


def is_checksum(name: str, value: str) -> bool:
    """Whether it is the digest of what holds secrets, by which charts start pods anew: `checksum/secret`."""
    return bool(_CHECKSUM.match(name) and _DIGEST.fullmatch(value))


def is_public_name(value: str) -> bool:
    """Whether the value is a name that a machine drew, and that opens nothing."""
    return bool(_PUBLIC_NAME.fullmatch(value))


def without_store_digests(text: str) -> str:
    """The text without the digests in its paths of the Nix store."""
    return _STORE.sub("/nix/store/", text) if "/nix/store/" in text else text


def is_path(value: str) -> bool:
    """Whether the value is a path: absolute, or with a file's ending; a key may have slashes in it, too."""
    value = without_store_digests(value)
    return bool(_ABSOLUTE.fullmatch(value) and not _has_random_part(value)) or bool(_FILE_NAME.fullmatch(value))


def begins_with_slash(value: str) -> bool:
    """Whether the value is no path although it begins as one: one in 64 keys in base64 does, and some passwords.

    A path begins with a folder in small letters, or has none within and is made of words.
    """
    if _SYMBOLS.fullmatch(value):
        return True
    mixed = not (value.islower() or value.isupper())
    return bool(_SLASH_FIRST.fullmatch(value)) and mixed and strangeness(value) >= _STRANGE_PATH


def is_place(value: str) -> bool:
    """Whether the value can be a path where the name promises one: a relative one, too, or one word."""
    return is_path(value) or bool(_RELATIVE.fullmatch(value) and not _has_random_part(value)) or value.isalpha()


def _has_random_part(value: str) -> bool:
    if any(looks_random(part, 16) for part in _SEPARATOR.split(value)):
        return True
    return bool(_BASE64.fullmatch(value)) and strangeness(value) >= _STRANGE


def is_address(value: str) -> bool:
    """Whether the value is a URL or a URN, whose credentials were looked for before."""
    return "://" in value and bool(_ADDRESS.fullmatch(value))


def is_number(value: str, *, counts: bool = False) -> bool:
    """Whether the value is a small number or a duration: no password, even where the name says so.

    Args:
        value: the value.
        counts: whether the name may count something; then every number is harmless.
    """
    if _DURATION.fullmatch(value):
        return True
    if not value.lstrip("-").replace(".", "", 1).isdigit():
        return False
    return counts or len(value) < _SHORTEST_NUMBER


def names_a_scheme(value: str) -> bool:
    """Whether the value names ways to authenticate, one or a list; each is made of words: `caching_sha2_password`."""
    words = _LIST.split(value.strip().lower())
    return all(word in NOTHING or _is_scheme(_JOINT.split(word)) for word in words)


def _is_scheme(words: Sequence[str]) -> bool:
    if "password" in words:
        return _WITH_PASSWORD.issuperset(words)
    return all(word in SCHEMES or word in _SIZES for word in words)


def is_stage(value: str) -> bool:
    """Whether the value is the name of a stage: `production`."""
    return value.lower() in STAGES


def says_when_sent(value: str) -> bool:
    """Whether the value says when a browser sends credentials: `same-origin`."""
    return value.lower() in FETCHING


def reads_as_name(value: str, *, joined: bool) -> bool:
    """Whether the value reads as the name of a host, a service, an object: words in small letters, none of them drawn.

    Args:
        value: the value.
        joined: whether one word alone is none.
    """
    if not (_JOINED_NAME if joined else _NAME).fullmatch(value) or looks_random(value, _SHORTEST_DRAWN):
        return False
    return not any(is_hexadecimal(part, _SHORTEST_DRAWN) for part in _JOINTS.split(value))
