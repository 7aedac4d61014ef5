"""The vulnerabilities and the layers of two images."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.previews.layers import Layer, layers_between, layers_of
from commands.previews.packages import Package
from commands.previews.report import VulnerabilityChange
from commands.previews.vulnerabilities import (
    Scanned,
    latest,
    over_platforms,
    scanned,
    stopping,
    vulnerabilities_between,
)

SPELLINGS = [("maven", "org.x/core", "org.x:core"), ("npm", "@a/b", "@a/b"), ("pypi", "jinja2", "Jinja2")]
"""A package's ecosystem and name, and how a scanner says it."""
AMD, ARM = "linux/amd64", "linux/arm64"


def entry(id_: str, package: str = "jinja2", version: str = "2.4.1", severity: str = "HIGH") -> dict[str, Any]:
    """A finding as trivy reports it."""
    return {
        "VulnerabilityID": id_,
        "PkgName": package,
        "InstalledVersion": version,
        "FixedVersion": "2.10.1",
        "Severity": severity,
        "Title": f"{id_} in words",
    }


def predicate(*entries: dict[str, Any], at: str = "2026-11-24T00:00:00Z", finished: str = "") -> dict[str, Any]:
    """A vulnerability attestation."""
    result = {"Results": [{"Target": "here", "Vulnerabilities": list(entries)}, {"Target": "nothing"}]}
    return {"scanner": {"result": result, "db": {"lastUpdate": at}}, "metadata": {"scanFinishedOn": finished}}


FINDINGS = st.builds(
    VulnerabilityChange,
    id=st.sampled_from(("CVE-1", "CVE-2", "CVE-3")),
    package=st.sampled_from(("a", "b")),
    version=st.just("1.0"),
    severity=st.sampled_from(("HIGH", "LOW")),
)
SCANS = st.builds(lambda it: Scanned(tuple(it)), st.lists(FINDINGS, unique_by=lambda it: (it.id, it.package)))


@given(SCANS)
def test_a_report_compared_with_itself_brings_nothing(scan: Scanned) -> None:
    found = vulnerabilities_between(scan, scan)
    assert (found.introduced, found.newly_known, found.fixed) == ((), (), ())
    assert found.remaining == len(scan.findings)


@given(SCANS, SCANS)
def test_without_packages_the_way_back_is_the_opposite(one: Scanned, other: Scanned) -> None:
    there, back = vulnerabilities_between(one, other), vulnerabilities_between(other, one)
    assert (there.introduced, there.fixed) == (back.fixed, back.introduced)


@given(SCANS, SCANS)
def test_every_finding_of_what_would_ship_is_told_once(one: Scanned, other: Scanned) -> None:
    found = vulnerabilities_between(one, other)
    assert len(found.introduced) + found.remaining == len(other.findings)


def test_a_finding_of_a_new_package_is_introduced_and_one_of_an_old_package_is_fixed() -> None:
    before, after = scanned(predicate(entry("CVE-1", "old"))), scanned(predicate(entry("CVE-2", "new")))
    found = vulnerabilities_between(before, after)
    assert [it.id for it in found.introduced] == ["CVE-2"]
    assert [it.id for it in found.fixed] == ["CVE-1"]
    [change] = found.introduced
    assert (change.package, change.version, change.severity) == ("new", "2.4.1", "HIGH")
    assert (change.fixed_in, change.title) == ("2.10.1", "CVE-2 in words")


def test_what_the_older_report_did_not_know_yet_is_not_introduced() -> None:
    packages = {Package("pypi", "jinja2"): frozenset({"2.4.1"})}
    before, after = scanned(predicate()), scanned(predicate(entry("CVE-1"), at="2026-11-25T00:00:00Z"))
    found = vulnerabilities_between(before, after, packages, packages)
    assert [it.id for it in found.newly_known] == ["CVE-1"]
    assert (found.introduced, found.remaining) == ((), 1)
    assert (found.database_before, found.database_after) == ("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z")


def test_what_the_younger_database_takes_back_is_not_fixed_by_the_change() -> None:
    packages = {Package("pypi", "jinja2"): frozenset({"2.4.1"})}
    found = vulnerabilities_between(scanned(predicate(entry("CVE-1"))), scanned(predicate()), packages, packages)
    assert found.fixed == ()


@pytest.mark.parametrize(("kind", "name", "said"), SPELLINGS)
def test_a_package_is_known_however_the_scanner_spells_it(kind: str, name: str, said: str) -> None:
    packages = {Package(kind, name): frozenset({"1.0"})}
    after = scanned(predicate(entry("CVE-1", said, "1.0")))
    assert vulnerabilities_between(Scanned(()), after, packages, packages).newly_known


def test_the_worst_comes_first() -> None:
    after = scanned(predicate(entry("CVE-3", severity="LOW"), entry("CVE-2", "b", severity="odd"), entry("CVE-1", "c")))
    found = vulnerabilities_between(Scanned(()), after)
    assert [(it.id, it.severity) for it in found.introduced] == [
        ("CVE-1", "HIGH"),
        ("CVE-3", "LOW"),
        ("CVE-2", "UNKNOWN"),
    ]


def test_one_vulnerability_on_two_platforms_is_one_line() -> None:
    both = vulnerabilities_between(Scanned(()), scanned(predicate(entry("CVE-1"))))
    found = over_platforms({AMD: both, ARM: both})
    assert [(it.id, it.platforms) for it in found.introduced] == [("CVE-1", (AMD, ARM))]


def test_of_several_reports_the_youngest_counts() -> None:
    old, young = predicate(finished="2026-11-01T00:00:00Z"), predicate(finished="2026-11-20T00:00:00Z")
    assert latest([young, old]) is young
    assert latest([]) is None


@pytest.mark.parametrize(
    ("policy", "stopped"),
    [
        ({"fail_on": ["HIGH"]}, ["CVE-1", "CVE-2"]),
        ({"fail_on": ["HIGH"], "unfixed": "report"}, ["CVE-1"]),
        ({"fail_on": ["HIGH"], "ignore": [{"id": "CVE-1", "expires": "2026-11-26"}]}, ["CVE-2"]),
        ({"fail_on": ["HIGH"], "ignore": [{"id": "CVE-1", "expires": "2026-11-25"}]}, ["CVE-1", "CVE-2"]),
        ({"fail_on": ["CRITICAL"]}, []),
        ({}, []),
    ],
    ids=["by severity", "only what has a fix", "an exception", "one that has expired today", "none", "no gate"],
)
def test_what_the_scan_would_stop_is_known_as_the_scan_judges_it(policy: dict[str, Any], stopped: list[str]) -> None:
    report = scanned(predicate(entry("CVE-1"), entry("CVE-2") | {"FixedVersion": ""}, entry("CVE-3", severity="LOW")))
    found = stopping({AMD: report, ARM: report}, policy, date(2026, 11, 25))
    assert [(it.id, it.platforms) for it in found] == [(id_, (AMD, ARM)) for id_ in stopped]


def test_a_package_in_two_versions_is_stopped_by_the_one_that_has_a_fix() -> None:
    versions = [entry("CVE-1", version="3.0"), entry("CVE-1", version="4.0") | {"FixedVersion": ""}]
    for entries in (versions, versions[::-1]):
        report = scanned(predicate(*entries, *entries))
        found = stopping({AMD: report}, {"fail_on": ["HIGH"], "unfixed": "report"}, date(2026, 11, 25))
        assert [(it.id, it.version, it.platforms) for it in found] == [("CVE-1", "3.0", (AMD,))]


@pytest.mark.parametrize("content", [{}, {"scanner": {}}, {"scanner": {"result": {"Results": None}}}])
def test_a_report_without_findings_has_none(content: dict[str, Any]) -> None:
    assert scanned(content).findings == {}


LAYERS = st.lists(
    st.tuples(st.sampled_from([f"sha256:{it}" for it in "abcdef"]), st.integers(0, 9_000_000)), max_size=6
)


@given(LAYERS)
def test_the_same_layers_are_nothing_to_fetch(layers: list[Layer]) -> None:
    change = layers_between(AMD, layers, layers)
    assert (change.state, change.pull_layers, change.pull_bytes, change.size_change) == ("unchanged", 0, 0, 0)


@given(LAYERS, LAYERS)
def test_never_more_is_fetched_than_there_is(before: list[Layer], after: list[Layer]) -> None:
    change = layers_between(AMD, before, after)
    assert 0 <= change.pull_bytes <= change.total_bytes
    assert change.pull_layers <= change.total_layers == len(after)


@given(LAYERS, LAYERS)
def test_a_host_that_has_what_lies_below_fetches_what_lies_above(base: list[Layer], top: list[Layer]) -> None:
    change = layers_between(AMD, base, [*base, *top])
    assert change.pull_layers == len(set(top))


def test_everything_above_the_first_new_layer_is_fetched_again() -> None:
    base, old, new, above = ("sha256:a", 100), ("sha256:b", 10), ("sha256:c", 20), ("sha256:d", 5)
    change = layers_between(AMD, [base, old, above], [base, new, above])
    assert (change.state, change.pull_layers, change.pull_bytes) == ("changed", 2, 25)
    assert (change.total_layers, change.total_bytes, change.size_change) == (3, 125, 10)


def test_a_platform_that_comes_or_goes_is_said() -> None:
    layers = [("sha256:a", 100)]
    assert layers_between(ARM, None, layers).state == "added"
    gone = layers_between(ARM, layers, None)
    assert (gone.state, gone.pull_bytes, gone.size_change) == ("removed", 0, -100)


def test_layers_are_read_from_a_manifest() -> None:
    assert layers_of({"layers": [{"digest": "sha256:a", "size": 3, "mediaType": "x"}]}) == [("sha256:a", 3)]
