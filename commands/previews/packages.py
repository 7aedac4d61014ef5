"""The packages of two images, SBOM against SBOM: what is added, removed, upgraded, downgraded.

Source: CycloneDX 1.6, "components"; package-url/purl-spec. A package is its ecosystem, namespace and name; a platform's
qualifiers (`?arch=…`) do not make another package of it, so that one change on two platforms is one line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

from commands.previews.report import PackageChange

_PARTS = re.compile(r"[0-9]+|[A-Za-z]+|~|[^0-9A-Za-z~]+")
_BEFORE_THE_RELEASE = frozenset({"a", "alpha", "b", "beta", "c", "rc", "pre", "preview", "dev", "snapshot", "m"})
_DISTRIBUTIONS = frozenset({"deb", "rpm", "apk"})
"""Ecosystems whose versions sort letters after the end, and only a tilde before it."""

Change = Literal["added", "removed", "upgraded", "downgraded", "changed"]


class Package(NamedTuple):
    """One package, whatever its version."""

    kind: str
    """Its ecosystem: deb, pypi, npm, …"""
    name: str
    """Its name, with its namespace."""


Packages = Mapping[Package, frozenset[str]]
"""The versions of each package in one image."""


def packages_of(bill: Mapping[str, Any]) -> Packages:
    """The packages that a CycloneDX bill of materials lists.

    What has neither a package URL nor is the operating system, such as a lock file, is no package.
    """
    found: dict[Package, set[str]] = {}
    for component in _components(bill):
        package = _package(component)
        if package:
            found.setdefault(package[0], set()).add(package[1])
    return {package: frozenset(versions) for package, versions in found.items()}


def _components(bill: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for component in bill.get("components") or ():
        yield component
        yield from _components(component)


def _package(component: Mapping[str, Any]) -> tuple[Package, str] | None:
    version = str(component.get("version") or "")
    if component.get("purl"):
        return _parsed(str(component["purl"]), version)
    if component.get("type") == "operating-system":
        return Package("os", str(component.get("name") or "")), version
    return None


def _parsed(purl: str, version: str) -> tuple[Package, str] | None:
    path = purl.removeprefix("pkg:").partition("#")[0].partition("?")[0]
    kind, separator, rest = path.strip("/").partition("/")
    name, _, in_purl = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    if not separator or not name:
        return None
    names = [unquote(part) for part in name.split("/") if part]
    if kind in _DISTRIBUTIONS:
        names = names[-1:]  # the namespace is the distribution's name, which every package of the image has
    return Package(kind, "/".join(names)), version or unquote(in_purl)


def packages_between(before: Packages, after: Packages) -> list[PackageChange]:
    """The packages that change from one image to another, without a platform."""
    changes = []
    for package in sorted({*before, *after}):
        old, new = before.get(package, frozenset()), after.get(package, frozenset())
        if old != new:
            change = _change(package.kind, old, new)
            gone, come = _sorted(package.kind, old), _sorted(package.kind, new)
            changes.append(PackageChange(name=package.name, kind=package.kind, change=change, before=gone, after=come))
    return changes


def _change(kind: str, old: frozenset[str], new: frozenset[str]) -> Change:
    if not old or not new:
        return "removed" if old else "added"
    gone, come = old - new, new - old
    if len(gone) != 1 or len(come) != 1:
        return "changed"
    way = compare(kind, next(iter(gone)), next(iter(come)))
    return "upgraded" if way < 0 else "downgraded" if way > 0 else "changed"


def _sorted(kind: str, versions: frozenset[str]) -> tuple[str, ...]:
    ordered: list[str] = []
    for version in sorted(versions):
        at = next((index for index, other in enumerate(ordered) if compare(kind, version, other) < 0), len(ordered))
        ordered.insert(at, version)
    return tuple(ordered)


def compare(kind: str, one: str, other: str) -> int:
    """Which of two versions comes first: below zero where `one` does, zero where both are equal.

    The order is dpkg's; outside of distributions, letters such as `rc` come before the release that they lead to.
    """
    for a, b in zip_longest(_tokens(kind, one), _tokens(kind, other), fillvalue=(1, 0, "")):
        if a != b:
            return -1 if a < b else 1
    return 0


def _tokens(kind: str, version: str) -> list[tuple[int, int, str]]:
    """What is compared part by part: before the end (0), the end (1), letters (2), numbers (3)."""
    epoch, separator, _ = version.partition(":")
    text = version if separator and epoch.isdigit() else f"0:{version}"
    tokens: list[tuple[int, int, str]] = []
    for part in _PARTS.findall(text):
        if part.isdigit():
            tokens.append((3, int(part), ""))
        elif part == "~" or (kind not in _DISTRIBUTIONS and part.lower() in _BEFORE_THE_RELEASE):
            tokens = [*_trimmed(tokens), (0, 0, part)]
        elif part.isalpha():
            tokens.append((2, 0, part))
    return _trimmed(tokens)


def _trimmed(tokens: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Without the zeros at the end, which say nothing: 1.0 is 1.0.0, and 2.0.0rc1 leads to 2.0."""
    while len(tokens) > 1 and tokens[-1] == (3, 0, ""):
        tokens = tokens[:-1]
    return tokens


def over_platforms(changes: Mapping[str, Sequence[PackageChange]]) -> tuple[PackageChange, ...]:
    """The changes of all platforms, each change once with the platforms that it concerns.

    Args:
        changes: changes by platform.
    """
    found: dict[PackageChange, list[str]] = {}
    for platform, own in changes.items():
        for change in own:
            found.setdefault(change, []).append(platform)
    order: tuple[Change, ...] = ("added", "downgraded", "changed", "upgraded", "removed")
    merged = [change.model_copy(update={"platforms": tuple(where)}) for change, where in found.items()]
    return tuple(sorted(merged, key=lambda it: (order.index(it.change), it.kind, it.name, it.platforms)))
