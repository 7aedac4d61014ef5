"""Credentials in an address: `scheme://user:password@host`, `https://token@host`."""

import re

from detection.randomness import is_hexadecimal, looks_random
from detection.references import HOLE, is_reference

_USER_INFO = re.compile(r"([^\s:/@\"'`<>]{0,500}(?:@[\w.-]{1,253}(?=:))?)(?::([^\s/@\"'`<>]{1,4000}))?@")
_FIRST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/\s:@]{0,500}(?:@[\w.-]{1,253})?:([^/\s@]{1,4000})@")
"""At the very beginning, quotes and brackets belong to the password."""
_DIGITS_PATH = re.compile(r"[^/\s]{1,300}/\d{1,12}(?![\w/])")
_BARE = re.compile(r"[\w.+-]{1,64}:(?P<password>[^\s@/:]{3,200})@(?!sha\d)[\w.-]{1,253}(?::\d{1,5})?(?:/[^\s]{0,500})?")


_ADDRESS = re.compile(r"https?://[^\s/?#\"'`<>]{1,300}(?P<rest>[/?#][^\s\"'`<>]{0,2000})")
_NEXT_HOST = re.compile(r"(@[\w.-]{1,253}:\d{1,5}),(?=[^\s/@,]{1,200}@)")
"""Between the hosts of a cluster, each with its own user: `guest@mq1:5672,guest@mq2:5672`."""
_PARTS = re.compile(r"[/?&=#;,]")
_HOOK = re.compile(r"(?i:hook)")
_COMMIT = 40
_HOOK_KEY = 24
"""Identity providers have ids of 20 letters and digits in their addresses."""


def opens_by_itself(name: str, text: str) -> bool:
    """Whether the text has an address that is itself the key, as that of a web hook is.

    Args:
        name: the name that the text stands under.
        text: the text, without its references.
    """
    for found in _ADDRESS.finditer(text):
        if _HOOK.search(name) or _HOOK.search(found[0]):
            parts = _PARTS.split(found["rest"])
            if any(looks_random(part, _HOOK_KEY) or _is_hexadecimal_key(part) for part in parts):
                return True
    return False


def _is_hexadecimal_key(text: str) -> bool:
    return is_hexadecimal(text, _HOOK_KEY) and len(text) != _COMMIT


def address_with_credentials(text: str) -> bool:
    """Whether the text contains an address with a password, or with a token in the place of the user."""
    start = text.find("://")
    if start >= 0 and "," in text:
        text = _NEXT_HOST.sub(r"\1 ://", text)
    if start >= 0 and (first := _FIRST.match(text)) and _is_password(first[1]):
        return True
    while start >= 0:
        found = _USER_INFO.match(text, start + 3)
        if found and _opens(found[1], found[2], text, found.end()):
            return True
        start = text.find("://", start + 3)
    return bool((bare := _BARE.fullmatch(text)) and _is_password(bare["password"]))


def _opens(user: str, password: str | None, text: str, end: int) -> bool:
    if password is not None:
        return _is_password(password)
    if HOLE in user or not (looks_random(user) or is_hexadecimal(user, 20)):
        return False
    return not _DIGITS_PATH.match(text, end)  # the public key of an address that errors are reported to


def _is_password(text: str) -> bool:
    return HOLE not in text and not is_reference(text)
