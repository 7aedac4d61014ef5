"""Exceptions: who may break which rule, why, by whose word, and until when.

They come from two places that a review sees: the file that the pack's configuration names, whose entries name a rule,
and a rule's own configuration. Neither has a form without a reason, an owner and an end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

KEYS = ("resource", "reason", "owner", "expires")
EXEMPTIONS_SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "default": [],
    "description": "resources that may break this rule for a time; each use is printed as an advisory",
    "items": {
        "type": "object",
        "required": list(KEYS),
        "additionalProperties": False,
        "properties": {
            "resource": {"type": "string", "description": "glob that the resource's name or its URN matches"},
            "reason": {"type": "string", "description": "why the rule may be broken"},
            "owner": {"type": "string", "description": "who answers for it"},
            "expires": {"type": "string", "description": "YYYY-MM-DD: the first day on which the rule holds again"},
        },
    },
}


@dataclass(frozen=True)
class Exemption:
    """One entry: until the day `expires`, a problem that `rule` finds with `resource` is an advisory."""

    rule: str
    resource: str
    reason: str
    owner: str
    expires: date

    def covers(self, rule: str, name: str, urn: str) -> bool:
        """Whether this is about that rule and that resource, expired or not."""
        return self.rule == rule and any(fnmatchcase(text, self.resource) for text in (name, urn))

    @property
    def expired(self) -> bool:
        """Whether the rule holds again; days are those of UTC, so that everybody sees the same."""
        return today() >= self.expires

    def __str__(self) -> str:
        return f"resource {self.resource!r}, reason {self.reason!r}, owner {self.owner!r}, expires {self.expires}"


def today() -> date:
    """The day by which entries expire."""
    return datetime.now(UTC).date()


def find(exemptions: Sequence[Exemption], rule: str, name: str, urn: str) -> Exemption | None:
    """The entry that covers a rule and a resource: one that holds if there is one, else one that has expired."""
    covering = [it for it in exemptions if it.covers(rule, name, urn)]
    return max(covering, key=lambda it: (not it.expired, it.expires), default=None)


def read_exemptions(entries: Any, where: str, rule: str | None = None) -> tuple[list[Exemption], list[str]]:
    """Read entries and say all that is wrong with them; a wrong entry excepts nothing.

    Args:
        entries: the list as it was written.
        where: what a mistake is named by.
        rule: the rule that all of them are about; None where each entry names its own.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return [], [f"{where}: is no list ({entries!r}): write a list of entries with {', '.join(KEYS)}"]
    read: list[Exemption] = []
    mistakes: list[str] = []
    for position, entry in enumerate(entries):
        wrong = _mistakes(entry, f"{where}[{position}]", KEYS if rule else ("rule", *KEYS))
        mistakes += wrong
        if not wrong:
            name, resource, reason, owner = (str(entry.get(key, rule)).strip() for key in ("rule", *KEYS[:3]))
            read.append(Exemption(name, resource, reason, owner, _day(entry["expires"]) or date.min))
    return read, mistakes


def read_file(path: Path, rules: frozenset[str] = frozenset()) -> tuple[list[Exemption], list[str]]:
    """Read the file of exceptions and say all that is wrong with it.

    Args:
        path: a YAML file: a list of entries.
        rules: the names of all rules, so that an entry about a rule that is not there is found; empty skips that.
    """
    import yaml  # only a pack with exceptions needs it

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return [], [f"exceptions: cannot be read ({path}: {error}): write the path of a YAML file that is there"]
    read, mistakes = read_exemptions([] if entries is None else entries, f"exceptions ({path.name})")
    for entry in read:
        if rules and entry.rule not in rules:
            mistakes.append(f"exceptions ({path.name}): there is no such rule ({entry.rule}): write the name of one")
    return read, mistakes


def _mistakes(entry: Any, where: str, keys: Sequence[str]) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{where}: is no entry ({entry!r}): write {', '.join(keys)}"]
    found = [
        f"{where}.{key}: unknown key ({entry[key]!r}): write {', '.join(keys)}" for key in entry if key not in keys
    ]
    for key in keys:
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
