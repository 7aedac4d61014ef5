"""The labelled corpus of secrets and of what only looks like one, and how an entry becomes a name and a value.

Every value is invented. What has the shape of a live credential is stored as a template, `ghp_⟦base62:36⟧`, and filled
in here: push protection of code hosts and secret scanners would otherwise stop the repository itself. The filling is
drawn from a generator that is seeded with the entry, so an entry is the same on every machine.

`development.jsonl` and `held-out.jsonl` are one corpus, split by a hash of the entry before the detector was first run
(see `half_of`). The detector may be tuned on the development half alone.
"""

import base64
import hashlib
import json
import random
import re
import string
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Half = Literal["development", "held-out"]
HALVES: tuple[Half, ...] = ("development", "held-out")

_FOLDER = Path(__file__).parent
_HOLE = re.compile("⟦([a-zA-Z0-9]+)(?::([^⟦⟧]*))?⟧")
_BASE32 = string.ascii_uppercase + "234567"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE62 = string.ascii_letters + string.digits
_ALPHABETS = {
    "base62": _BASE62,
    "base64url": _BASE62 + "-_",
    "base32": _BASE32,
    "base32lower": _BASE32.lower(),
    "bech32": _BECH32,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "upper": string.ascii_uppercase + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "letters": string.ascii_letters,
    "digits": string.digits,
    "password": _BASE62 + "!#%*+-.=?@^_~",
}


@dataclass(frozen=True)
class Entry:
    """One labelled setting or command line."""

    label: Literal["secret", "harmless"]
    kind: Literal["environment", "build-argument", "label", "command", "argument"]
    family: str
    name: str
    """Of a setting; empty for a command line."""
    value: str | tuple[str, ...]
    """Of a setting; the shell text of a `command`; the words of an `argument` list."""

    @property
    def text(self) -> str:
        """The value of a setting or the text of a command line."""
        return self.value if isinstance(self.value, str) else " ".join(self.value)

    def __str__(self) -> str:
        """What a report shows of an entry; all values are invented, so they may be read."""
        shown = repr(self.value)
        return f"{self.label} {self.kind} {self.family}: {self.name}={shown[:160]}"


def load(half: Half) -> list[Entry]:
    """The entries of one half, filled in."""
    return [_entry(line) for line in stored(half)]


def stored(half: Half) -> list[str]:
    """The lines of one half, as they are kept."""
    return (_FOLDER / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()


def half_of(line: str) -> Half:
    """To which half an entry belongs: the lowest bit of the SHA-256 of its line."""
    return HALVES[hashlib.sha256(line.encode()).digest()[-1] & 1]


def _entry(line: str) -> Entry:
    stored = json.loads(line)
    source = random.Random(line)
    value = stored["value"]
    filled = fill(value, source) if isinstance(value, str) else tuple(fill(word, source) for word in value)
    return Entry(stored["label"], stored["kind"], stored["family"], stored["name"], filled)


def fill(template: str, source: random.Random) -> str:
    """The template with every hole filled, the innermost first; `↵` stands for a line's end."""
    text = template.replace("↵", "\n")
    while (filled := _HOLE.sub(lambda hole: _filling(hole[1], hole[2] or "", source), text)) != text:
        text = filled
    return text


def _filling(what: str, argument: str, source: random.Random) -> str:
    if what in _ALPHABETS:
        return "".join(source.choices(_ALPHABETS[what], k=int(argument)))
    return _MAKERS[what](argument, source)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _pem(kind: str, source: random.Random) -> str:
    body = _encoded(source.randbytes(288))
    lines: Sequence[str] = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def _jwt(_: str, source: random.Random) -> str:
    header = _encoded(b'{"alg":"HS256","typ":"JWT"}')
    payload = _encoded(json.dumps({"sub": source.randbytes(4).hex(), "iat": 1738324800}).encode())
    signature = base64.urlsafe_b64encode(source.randbytes(32)).decode()
    return ".".join(part.rstrip("=") for part in (header, payload, signature))


_MAKERS: dict[str, Callable[[str, random.Random], str]] = {
    "uuid": lambda _, source: str(uuid.UUID(bytes=source.randbytes(16), version=4)),
    "base64": lambda size, source: _encoded(source.randbytes(int(size))),
    "base64raw": lambda size, source: _encoded(source.randbytes(int(size))).rstrip("="),
    "b64text": lambda text, _: _encoded(text.encode()),
    "b64pem": lambda kind, source: _encoded(_pem(kind, source).encode()),
    "pem": _pem,
    "jwt": _jwt,
}
