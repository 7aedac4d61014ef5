"""Exceptions: who may break which rule, why, by whose word, and until when.

They come from two places that a review sees: the file that the pack's configuration names, whose entries name a rule,
and a rule's own configuration. Neither has a form without a reason, an owner and an end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from judging import grants

CONFIGURED = "pack-is-configured"
"""The rule without exceptions: the file that has them could excuse its own mistakes."""
EXEMPTIONS_SCHEMA: Mapping[str, Any] = grants.schema(
    "resources that may break this rule for a time; each use is printed as an advisory",
    {"resource": "glob that the resource's name or its URN matches"},
    {"reason": "why the rule may be broken", "expires": "YYYY-MM-DD: the first day on which the rule holds again"},
)


@dataclass(frozen=True)
class Exemption(grants.Grant):
    """One entry: until the day `expires`, a problem that `rule` finds with `resource` is an advisory."""

    rule: str
    resource: str

    def covers(self, rule: str, name: str, urn: str) -> bool:
        """Whether this is about that rule and that resource, expired or not."""
        return self.rule == rule and any(fnmatchcase(text, self.resource) for text in (name, urn))

    def __str__(self) -> str:
        return f"resource {self.resource!r}, {super().__str__()}"


def find(exemptions: Sequence[Exemption], rule: str, name: str, urn: str) -> Exemption | None:
    """The entry that covers a rule and a resource: one that holds if there is one, else one that has expired."""
    covering = [it for it in exemptions if rule != CONFIGURED and it.covers(rule, name, urn)]
    return max(covering, key=lambda it: (not it.expired, it.expires), default=None)


def read_exemptions(entries: Any, where: str, rule: str | None = None) -> tuple[list[Exemption], list[str]]:
    """Read entries and say all that is wrong with them; a wrong entry excepts nothing.

    Args:
        entries: the list as it was written.
        where: what a mistake is named by.
        rule: the rule that all of them are about; None where each entry names its own.
    """
    subject = ("resource",) if rule else ("rule", "resource")
    read, mistakes = grants.read_entries(entries, where, subject)
    return [Exemption(**{"rule": rule, **values}) for values in read], mistakes


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
