"""What is granted until a day: why, and by whose word. There is no form of it without a reason, an owner and an end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

TERMS = ("reason", "owner", "expires")
"""The keys of every grant, beside what it is about."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The terms of one grant."""

    reason: str
    owner: str
    expires: date

    @property
    def expired(self) -> bool:
        """Whether it has ended; days are those of UTC, so that everybody sees the same."""
        return today() >= self.expires

    def __str__(self) -> str:
        return f"reason {self.reason!r}, owner {self.owner!r}, expires {self.expires}"


def today() -> date:
    """The day by which grants expire."""
    return datetime.now(UTC).date()


def schema(
    description: str, subject: Mapping[str, str], terms: Mapping[str, str], optional: str = ""
) -> dict[str, Any]:
    """The JSON Schema of a list of grants.

    Args:
        description: what the list is for.
        subject: what each key says that names what an entry is about.
        terms: what `reason` and `expires` say.
        optional: the one key of `subject` that may be left out.
    """
    described = {**subject, "owner": "who answers for it", **terms}
    return {
        "type": "array",
        "default": [],
        "description": description,
        "items": {
            "type": "object",
            "required": [key for key in (*subject, *TERMS) if key != optional],
            "additionalProperties": False,
            "properties": {key: {"type": "string", "description": described[key]} for key in (*subject, *TERMS)},
        },
    }


def read_entries(
    entries: Any, where: str, subject: Sequence[str], optional: str = ""
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read entries, texts without blanks around them, and say all that is wrong; a wrong entry is left out.

    Args:
        entries: the list as it was written.
        where: what a mistake is named by.
        subject: the keys that name what an entry is about.
        optional: one more such key, which may be left out and is empty then.
    """
    required = (*subject, *TERMS)
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return [], [f"{where}: is no list ({entries!r}): write a list of entries with {', '.join(required)}"]
    read: list[dict[str, Any]] = []
    mistakes: list[str] = []
    for position, entry in enumerate(entries):
        wrong = _mistakes(entry, f"{where}[{position}]", required, optional)
        mistakes += wrong
        if not wrong:
            texts = {key: str(entry.get(key, "")).strip() for key in filter(None, (*subject, optional, *TERMS))}
            read.append({**texts, "expires": _day(entry["expires"])})
    return read, mistakes


def _mistakes(entry: Any, where: str, required: Sequence[str], optional: str) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{where}: is no entry ({entry!r}): write {', '.join(required)}"]
    known = [*required, *filter(None, [optional])]
    found = [
        f"{where}.{key}: unknown key ({entry[key]!r}): write {', '.join(known)}" for key in entry if key not in known
    ]
    for key in (key for key in known if key in entry or key != optional):
        value = entry.get(key)
        if key == "expires":
            if _day(value) is None:
                found.append(f"{where}.{key}: is no day ({value!r}): write YYYY-MM-DD, the first day without it")
        elif not isinstance(value, str) or not value.strip():
            found.append(f"{where}.{key}: is missing or empty ({value!r}): write a text")
    return found


def _day(value: Any) -> date | None:
    """The day that was written; YAML reads an unquoted one as a date already."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        # Only this one form: fromisoformat also takes 20270131 and 2027-W04.
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date() if isinstance(value, str) else None
    except ValueError:
        return None
