"""Vulnerabilities that are accepted for a time, one by one: narrower than an exception from a whole rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judging import grants

SCHEMA: Mapping[str, Any] = grants.schema(
    "vulnerabilities that are accepted for a time; each use is printed as an advisory",
    {
        "id": "as the scanner calls it, such as CVE-2024-12345",
        "package": "the only package in which it is accepted",
    },
    {"reason": "why it does no harm", "expires": "YYYY-MM-DD: the first day on which it counts again"},
    optional="package",
)


@dataclass(frozen=True)
class Accepted(grants.Grant):
    """One entry; without a package it is about all of them."""

    id: str
    package: str

    def covers(self, vulnerability: str, package: str) -> bool:
        """Whether the entry is about a finding, expired or not."""
        return self.id == vulnerability and self.package in ("", package)

    def __str__(self) -> str:
        return f"{self.id}, {super().__str__()}"


def read_accepted(entries: Any) -> tuple[list[Accepted], list[str]]:
    """Read the entries and say all that is wrong with them; a wrong entry accepts nothing."""
    read, mistakes = grants.read_entries(entries, "accepted", ("id",), optional="package")
    return [Accepted(**values) for values in read], mistakes
