"""Judges one value: by its shape, by what its name says, by whether it looks random."""

import re

from detection.encoding import decoded, without_public_blocks
from detection.finding import Finding
from detection.harmless import (
    begins_with_slash,
    holds_nothing,
    is_address,
    is_number,
    is_path,
    is_place,
    is_public_name,
    is_stage,
    names_a_scheme,
    reads_as_name,
    says_when_sent,
    without_store_digests,
)
from detection.names import Bearing, Meaning, meaning
from detection.randomness import is_hexadecimal, is_uuid, looks_random
from detection.references import is_reference
from detection.shapes import shape_in
from detection.urls import address_with_credentials

SHORTEST_TOKEN = 16
TOKEN = re.compile(rf"[^\s\"'`,;|&<>(){{}}\[\]\0]{{{SHORTEST_TOKEN},}}")
"""What may be one key in a longer text."""
_ASSIGNED = re.compile(r"-{0,2}(?P<name>[A-Za-z_][\w.-]{0,100})[=:]")
_PUBLIC_TOKEN = re.compile(
    r"pk_(?:live|test)_|ssh-|ecdsa-|sk-ssh-|AAAA[BCE][23]|age1|sha\d{1,3}[-:/]|SHA\d{1,3}:|h1:|bc1q|bafy|urn:|arn:"
    r"|(?:price|prod|acct|cus|sub|plan|evt|dpl|prj)_[0-9A-Za-z]{10}"
    r"|AC[0-9a-f]{32}$|pub[0-9a-f]{32}$|pk\.eyJ|sb_publishable_"  # an account of Twilio, what browsers send
    r"|data:(?:image|font|audio|video)/|Qm[1-9A-HJ-NP-Za-km-z]{44}$"
)
_PUBLISHED = re.compile(
    r"(?:sk-)?(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3})(?:@openssh\.com)? AAAA[0-9A-Za-z+/]{40,}={0,3}(?: .*)?"
    r"|pk_(?:live|test)_[0-9A-Za-z]{10,}|sb_publishable_[\w-]{20,}|pk\.eyJ[\w-]{8,}\.[\w-]{8,}|pub[0-9a-f]{32}"
    r"|age1[0-9a-z]{58}"
)
_SEED_WORDS = re.compile(r"[a-z]{2,10}(?: [a-z]{2,10}){11,23}")
_SHORTEST_KEY = 16
_SHORTEST_PIN = 4
_MOST_NAMES = 3
"""Before a value, as in `--set auth.token=…`."""


def by_shape(text: str) -> Finding | None:
    """What the text contains by its shape; references are taken out already."""
    if looks := shape_in(text):
        return Finding("shape", looks)
    return Finding("shape", "an address with credentials") if address_with_credentials(text) else None


def by_name(said: Meaning, value: str) -> Finding | None:
    """What the name says of this value, once it is clear that the value can be a secret at all."""
    plain = value.strip("\"' \t\n")
    if said.bearing in (Bearing.PLAIN, Bearing.IDENTIFIER) or holds_nothing(plain) or is_reference(plain):
        return None
    return Finding("name", said.looks) if _is_meant(said, plain) else None


def _is_meant(said: Meaning, value: str) -> bool:
    if said.bearing is Bearing.PLACE:
        return not (_is_place(said, value) or is_address(value) or is_number(value))
    if said.bearing is Bearing.PIN:
        return value.isdigit() and len(value) >= _SHORTEST_PIN
    if said.looks in ("a key", "a token") and _is_published(value):
        return False
    if (said.staged and is_stage(value)) or (said.looks == "credentials" and says_when_sent(value)):
        return False
    if said.bearing is Bearing.SECRET and begins_with_slash(value):
        return True
    if is_path(value) or is_address(value) or is_number(value, counts=said.counts):
        return False
    if said.bearing is Bearing.SECRET:
        return True
    if said.bearing is Bearing.EITHER:
        return not reads_as_name(value, joined=said.joined)
    if said.bearing is Bearing.SCHEME:
        return not names_a_scheme(value)
    if _PUBLIC_TOKEN.match(value) or (said.looks == "a signature" and is_uuid(value)):
        return False
    if said.bearing is Bearing.KEY and (
        is_hexadecimal(value.removeprefix("api-").replace("-", "")) or _SEED_WORDS.fullmatch(value)
    ):
        return True
    return looks_random(value, _SHORTEST_KEY)


def _is_place(said: Meaning, value: str) -> bool:
    """Whether the value is where a secret lies: a path, or a name in a store of secrets."""
    return is_place(value) or (said.looks == "a secret" and reads_as_name(value, joined=True))


def _is_published(value: str) -> bool:
    """Whether a key or a token is the public one of a pair: everybody may have it."""
    return bool(_PUBLISHED.fullmatch(value)) or not without_public_blocks(value).strip()


def by_entropy(said: Meaning, text: str) -> Finding | None:
    """What looks random in a value that neither its name nor its shape explains."""
    if len(text) < SHORTEST_TOKEN or said.bearing is Bearing.IDENTIFIER or is_reference(text):
        return None
    tokens = TOKEN.finditer(without_store_digests(without_public_blocks(text)))
    return Finding("entropy", "a random key") if any(_is_random(token[0]) for token in tokens) else None


def _is_random(token: str) -> bool:
    if "://" in token:
        return False
    for _ in range(_MOST_NAMES):
        assigned = _ASSIGNED.match(token)
        if not assigned or assigned.end() >= len(token.rstrip("=")):
            break
        if meaning(assigned["name"]).bearing is Bearing.IDENTIFIER:
            return False
        token = token[assigned.end() :]
    if is_path(token) or is_public_name(token) or _PUBLIC_TOKEN.match(token):
        return False
    return looks_random(token) and _encodes_randomness(token)


def _encodes_randomness(token: str) -> bool:
    """Whether the token is no base64 of a text, or of one that has a key in it: `id:key`, `{"k":"…"}`."""
    inner = decoded(token)
    return inner is None or any(_is_random(found[0]) for found in TOKEN.finditer(without_public_blocks(inner)))
