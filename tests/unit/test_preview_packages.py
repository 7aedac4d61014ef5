"""The packages of two images, SBOM against SBOM."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.previews.packages import Package, Packages, compare, over_platforms, packages_between, packages_of
from commands.previews.report import PackageChange

VERSIONS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}((rc|~|-|\+|a)[0-9]{1,2})?", fullmatch=True)
PACKAGES = st.dictionaries(
    st.builds(Package, st.sampled_from(("deb", "pypi", "npm")), st.sampled_from(("a", "b", "c", "ns/d"))),
    st.frozensets(VERSIONS, min_size=1, max_size=3),
)
OPPOSITE = {
    "added": "removed",
    "removed": "added",
    "upgraded": "downgraded",
    "downgraded": "upgraded",
    "changed": "changed",
}


def bill(*components: dict[str, Any]) -> dict[str, Any]:
    """A CycloneDX bill of materials."""
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components)}


def library(purl: str, version: str = "") -> dict[str, Any]:
    """A component with a package URL."""
    return {"type": "library", "name": purl.partition("@")[0], "version": version, "purl": purl}


@given(PACKAGES)
def test_an_image_compared_with_itself_has_no_change(packages: Packages) -> None:
    assert packages_between(packages, packages) == []


@given(PACKAGES, PACKAGES)
def test_the_way_back_is_the_opposite(before: Packages, after: Packages) -> None:
    there, back = packages_between(before, after), packages_between(after, before)
    mirrored = [
        PackageChange(name=it.name, kind=it.kind, change=OPPOSITE[it.change], before=it.after, after=it.before)
        for it in back
    ]
    assert there == mirrored


@given(PACKAGES, PACKAGES)
def test_the_changes_lead_from_one_image_to_the_other(before: Packages, after: Packages) -> None:
    packages = dict(before)
    for change in packages_between(before, after):
        package = Package(change.kind, change.name)
        assert packages.pop(package, frozenset()) == frozenset(change.before)
        if change.after:
            packages[package] = frozenset(change.after)
    assert packages == dict(after)


@given(VERSIONS, VERSIONS, VERSIONS, st.sampled_from(("deb", "pypi")))
def test_versions_have_one_order(one: str, two: str, three: str, kind: str) -> None:
    assert compare(kind, one, one) == 0
    assert compare(kind, one, two) == -compare(kind, two, one)
    if compare(kind, one, two) <= 0 and compare(kind, two, three) <= 0:
        assert compare(kind, one, three) <= 0


@pytest.mark.parametrize(
    ("kind", "older", "newer"),
    [
        ("pypi", "1.9.0", "1.10.0"),
        ("pypi", "2.0.0rc1", "2.0.0"),
        ("npm", "1.0.0-beta.2", "1.0.0-beta.11"),
        ("npm", "1.0.0-beta.2", "1.0.0"),
        ("deb", "1.2.3-1", "1.2.3-1+deb12u1"),
        ("deb", "2.4~rc1-1", "2.4-1"),
        ("deb", "9.9-1", "1:1.0-1"),
        ("deb", "5.36.0-7+deb12u1", "5.36.0-7+deb12u2"),
    ],
)
def test_a_newer_version_is_an_upgrade(kind: str, older: str, newer: str) -> None:
    package = Package(kind, "it")
    [change] = packages_between({package: frozenset({older})}, {package: frozenset({newer})})
    assert change.change == "upgraded"


def test_only_what_has_a_package_url_or_is_the_system_is_a_package() -> None:
    found = packages_of(
        bill(
            {"type": "application", "name": "requirements.txt"},
            {"type": "operating-system", "name": "debian", "version": "12.8"},
            library("pkg:pypi/starlette@1.10.0", "1.10.0"),
            library("pkg:npm/%40angular/core@17.0.1", "17.0.1"),
            library("pkg:deb/debian/openssl@3.0.15-1?arch=amd64&distro=debian-12", "3.0.15-1"),
        )
    )
    assert found == {
        Package("os", "debian"): {"12.8"},
        Package("pypi", "starlette"): {"1.10.0"},
        Package("npm", "@angular/core"): {"17.0.1"},
        Package("deb", "openssl"): {"3.0.15-1"},
    }


def test_components_inside_of_components_count() -> None:
    outer = {"type": "application", "name": "app", "components": [library("pkg:golang/example.org/mod@v1.2.3")]}
    assert packages_of(bill(outer)) == {Package("golang", "example.org/mod"): {"v1.2.3"}}


@pytest.mark.parametrize("content", [{}, {"components": None}, bill({"type": "library"}), bill(library("pkg:nothing"))])
def test_a_bill_without_packages_has_none(content: dict[str, Any]) -> None:
    assert packages_of(content) == {}


def test_the_processor_makes_no_other_package() -> None:
    one, two = (packages_of(bill(library(f"pkg:deb/debian/libc6@2.36-9?arch={it}"))) for it in ("amd64", "arm64"))
    assert packages_between(one, two) == []


def test_one_change_on_two_platforms_is_one_line() -> None:
    change = PackageChange(name="starlette", kind="pypi", change="upgraded", before=("1.9.0",), after=("1.10.0",))
    other = PackageChange(name="curl", kind="deb", change="added", after=("8.1-1",))
    assert over_platforms({"linux/amd64": [change, other], "linux/arm64": [change]}) == (
        other.model_copy(update={"platforms": ("linux/amd64",)}),
        change.model_copy(update={"platforms": ("linux/amd64", "linux/arm64")}),
    )


def test_several_versions_of_one_package_change_as_a_whole() -> None:
    package = Package("npm", "left-pad")
    [change] = packages_between({package: frozenset({"1.0.0", "2.0.0"})}, {package: frozenset({"1.1.0", "2.1.0"})})
    assert (change.change, change.before, change.after) == ("changed", ("1.0.0", "2.0.0"), ("1.1.0", "2.1.0"))
