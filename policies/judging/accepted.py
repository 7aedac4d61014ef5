"""Vulnerabilities that are accepted for a time, one by one: narrower than an exception from a whole rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from judging.exceptions import today

KEYS = ("id", "reason", "owner", "expires")
SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "default": [],
    "description": "vulnerabilities that are accepted for a time; each use is printed as an advisory",
    "items": {
        "type": "object",
        "required": list(KEYS),
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "description": "as the scanner calls it, such as CVE-2024-12345"},
            "package": {"type": "string", "description": "the only package in which it is accepted"},
            "reason": {"type": "string", "description": "why it does no harm"},
            "owner": {"type": "string", "description": "who answers for it"},
            "expires": {"type": "string", "description": "YYYY-MM-DD: the first day on which it counts again"},
        },
    },
}


@dataclass(frozen=True)
class Accepted:
    """One entry."""

    id: str
    package: str
    reason: str
    owner: str
    expires: date

    def covers(self, vulnerability: str, package: str) -> bool:
        """Whether the entry is about a finding, expired or not."""
        return self.id == vulnerability and self.package in ("", package)

    @property
    def expired(self) -> bool:
        """Whether the vulnerability counts again."""
        return today() >= self.expires

    def __str__(self) -> str:
        return f"{self.id}, reason {self.reason!r}, owner {self.owner!r}, expires {self.expires}"


def read_accepted(entries: Any) -> tuple[list[Accepted], list[str]]:
    """Read the entries and say all that is wrong with them; a wrong entry accepts nothing."""
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return [], [f"accepted: is no list ({entries!r}): write a list of entries with {', '.join(KEYS)}"]
    read: list[Accepted] = []
    mistakes: list[str] = []
    for position, entry in enumerate(entries):
        wrong = _mistakes(entry, f"accepted[{position}]")
        mistakes += wrong
        if not wrong:
            texts = {key: entry.get(key, "").strip() for key in ("id", "package", "reason", "owner")}
            read.append(Accepted(**texts, expires=date.fromisoformat(entry["expires"])))
    return read, mistakes


def _mistakes(entry: Any, where: str) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{where}: is no entry ({entry!r}): write {', '.join(KEYS)}"]
    known = (*KEYS, "package")
    found = [f"{where}.{key}: unknown key: write {', '.join(known)}" for key in entry if key not in known]
    for key in known:
        value = entry.get(key, None if key in KEYS else "-")
        if not isinstance(value, str) or not value.strip():
            found.append(f"{where}.{key}: is missing or empty ({value!r}): write a text")
        elif key == "expires" and not _is_day(value):
            found.append(f"{where}.{key}: is no day ({value!r}): write YYYY-MM-DD, the first day without it")
    return found


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
