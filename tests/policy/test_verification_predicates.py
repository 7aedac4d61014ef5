"""What statements say, in the shapes in which the usual tools write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.attested import CYCLONEDX, PROVED, PROVENANCE, VULNERABILITIES, Document, finding, proof, report
from tests.policy.attested import provenance as slipway_provenance
from verification.envelope import SIGNED, EnvelopeError, Statement
from verification.predicates import (
    NAMES,
    Base,
    Content,
    Finding,
    Proof,
    Provenance,
    Report,
    Sbom,
    Signature,
    kind_of,
    read,
    time_of,
)

COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
PYTHON = "5f" * 32
SPDX = "https://spdx.dev/Document"
OLD_PROVENANCE = "https://slsa.dev/provenance/v0.2"


def said(predicate_type: str, predicate: object) -> Content | None:
    """What a statement with this predicate says."""
    return read(Statement(predicate_type, predicate, "key"))


def refused(predicate_type: str, predicate: object) -> str:
    """Why a predicate is refused."""
    with pytest.raises(EnvelopeError) as error:
        said(predicate_type, predicate)
    return str(error.value)


def test_a_report_by_trivy_is_read() -> None:
    predicate = report(finding(), finding("CVE-2026-2000", "CRITICAL", FixedVersion=""), age=2, database_age=3)
    assert said(VULNERABILITIES, predicate) == Report(
        "key",
        "trivy 0.70.0",
        datetime(2026, 11, 22, 12, tzinfo=UTC),
        datetime(2026, 11, 23, 12, tzinfo=UTC),
        (
            Finding("CVE-2026-1000", "HIGH", "openssl", "3.0.1", "3.0.2"),
            Finding("CVE-2026-2000", "CRITICAL", "openssl", "3.0.1", ""),
        ),
    )


@pytest.mark.parametrize("status", ["ignored", "not_affected", "fixed", "under_investigation", ""])
def test_what_an_ignore_list_of_trivy_took_out_counts(status: str) -> None:
    predicate = report(finding())
    (result,) = predicate["scanner"]["result"]["Results"]
    about = {"Status": status, "Statement": "accepted", "Source": ".trivyignore.yaml"}
    result["ExperimentalModifiedFindings"] = [
        {"Type": "vulnerability", **about, "Finding": finding("CVE-2026-2000", "CRITICAL")},
        {"Type": "secret", **about, "Finding": {"RuleID": "aws-access-key-id", "Severity": "CRITICAL"}},
    ]
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert found.findings == (
        Finding("CVE-2026-1000", "HIGH", "openssl", "3.0.1", "3.0.2"),
        Finding("CVE-2026-2000", "CRITICAL", "openssl", "3.0.1", "3.0.2"),
    )


def test_a_result_of_trivy_with_nothing_but_what_was_taken_out_is_read() -> None:
    predicate = report()
    modified = {"Type": "vulnerability", "Status": "ignored", "Finding": finding()}
    predicate["scanner"]["result"]["Results"] = [{"Target": "debian", "ExperimentalModifiedFindings": [modified]}]
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert [it.vulnerability for it in found.findings] == ["CVE-2026-1000"]


def grype() -> Document:
    """A report by grype, whose own JSON carries the database's date."""
    match = {
        "vulnerability": {"id": "CVE-2026-1000", "severity": "High", "fix": {"versions": ["3.0.2", "3.1"]}},
        "artifact": {"name": "openssl", "version": "3.0.1"},
    }
    database = {"status": {"built": "2026-11-22T12:00:00Z"}}
    result = {"matches": [match], "descriptor": {"name": "grype", "db": database}}
    return {
        "scanner": {"uri": "", "version": "0.90.0", "db": {"uri": "", "version": "6"}, "result": result},
        "metadata": {"scanFinishedOn": "2026-11-23T12:00:00Z"},
    }


def test_a_report_by_grype_is_read() -> None:
    assert said(VULNERABILITIES, grype()) == Report(
        "key",
        "grype 0.90.0",
        datetime(2026, 11, 22, 12, tzinfo=UTC),
        datetime(2026, 11, 23, 12, tzinfo=UTC),
        (Finding("CVE-2026-1000", "HIGH", "openssl", "3.0.1", "3.0.2, 3.1"),),
    )


def test_what_an_ignore_rule_of_grype_took_out_counts() -> None:
    predicate = grype()
    result = predicate["scanner"]["result"]
    result["ignoredMatches"] = [{**it, "appliedIgnoreRules": [{"vulnerability": ""}]} for it in result["matches"]]
    result["matches"] = []
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert found.findings == (Finding("CVE-2026-1000", "HIGH", "openssl", "3.0.1", "3.0.2, 3.1"),)


def test_the_date_of_older_databases_of_grype_is_read() -> None:
    predicate = grype()
    predicate["scanner"]["result"]["descriptor"]["db"] = {"built": "2026-11-21T00:00:00Z"}
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert found.database == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_database_that_is_dated_by_its_version_is_read() -> None:
    predicate = report()
    predicate["scanner"]["db"] = {"uri": "", "version": "2026-11-20T06:00:00Z"}
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert found.database == datetime(2026, 11, 20, 6, tzinfo=UTC)


def test_a_report_without_dates_has_none() -> None:
    predicate = report()
    predicate["scanner"]["db"] = {"uri": "", "version": "2"}
    predicate["metadata"] = {"scanFinishedOn": "0001-01-01T00:00:00Z"}
    found = said(VULNERABILITIES, predicate)
    assert isinstance(found, Report)
    assert (found.database, found.finished) == (None, None)


def test_a_finding_without_a_severity_is_unknown() -> None:
    entry = finding()
    del entry["Severity"]
    found = said(VULNERABILITIES, report(entry))
    assert isinstance(found, Report)
    assert found.findings[0].severity == "UNKNOWN"


@pytest.mark.parametrize(
    "result", [None, {}, [], {"SchemaVersion": 3}, {"Results": []}, {"matches": {}}, {"vulnerabilities": []}]
)
def test_a_report_of_an_unknown_shape_is_no_clean_one(result: object) -> None:
    predicate = report()
    predicate["scanner"]["result"] = result
    assert refused(VULNERABILITIES, predicate) == "its report is neither trivy's nor grype's JSON"


@pytest.mark.parametrize("predicate_type", [CYCLONEDX, f"{CYCLONEDX}/v1.6", SPDX, f"{SPDX}/v2.3"])
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"bomFormat": "CycloneDX", "components": [{}, {}]}, Sbom("key", "CycloneDX", 2)),
        ({"bomFormat": "CycloneDX"}, Sbom("key", "CycloneDX", 0)),
        ({"spdxVersion": "SPDX-2.3", "packages": [{}]}, Sbom("key", "SPDX", 1)),
        ({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [{}]}, Sbom("key", "SPDX", 1)),
        ("SPDXVersion: SPDX-2.3\n\nPackageName: openssl\n", Sbom("key", "SPDX", 1)),
    ],
)
def test_an_sbom_of_either_kind_is_read(predicate_type: str, document: object, expected: Sbom) -> None:
    assert said(predicate_type, document) == expected


@pytest.mark.parametrize("document", [{}, [], None, "nothing", {"bomFormat": "other"}, {"spdxVersion": "2.3"}])
def test_what_is_no_sbom_is_refused(document: object) -> None:
    assert refused(CYCLONEDX, document) == "its SBOM is neither CycloneDX nor SPDX"


def slipway() -> Document:
    """Provenance as our own pipeline writes it."""
    return slipway_provenance()


def buildkit_v1() -> Document:
    """Provenance as BuildKit writes it for a build from a folder, SLSA v1."""
    return {
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {"configSource": {"path": "Dockerfile"}, "request": {"frontend": "dockerfile.v0"}},
            "resolvedDependencies": [
                {"uri": "pkg:docker/python@3.12-slim?platform=linux%2Famd64", "digest": {"sha256": PYTHON}}
            ],
        },
        "runDetails": {
            "builder": {"id": "https://ci.example/1"},
            "metadata": {
                "buildkit_metadata": {"vcs": {"source": "https://git.example/shop/web.git", "revision": COMMIT}}
            },
        },
    }


def buildkit_v02() -> Document:
    """Provenance as BuildKit writes it for a build from a git repository, SLSA v0.2."""
    return {
        "builder": {"id": "https://ci.example/1"},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [
            {"uri": "pkg:docker/python@3.12-slim?platform=linux%2Famd64", "digest": {"sha256": PYTHON}},
            {"uri": "https://git.example/shop/web.git#main", "digest": {"sha1": COMMIT}},
        ],
        "invocation": {
            "configSource": {"uri": "https://git.example/shop/web.git#main", "digest": {"sha1": COMMIT}},
        },
        "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {}},
    }


def github() -> Document:
    """Provenance as GitHub's actions/attest-build-provenance writes it."""
    uri = "git+https://git.example/shop/web@refs/heads/main"
    return {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {
                "workflow": {"ref": "refs/heads/main", "repository": "https://git.example/shop/web"}
            },
            "resolvedDependencies": [{"uri": uri, "digest": {"gitCommit": COMMIT}}],
        },
        "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}},
    }


def generator() -> Document:
    """Provenance as the slsa-github-generator for containers writes it, SLSA v0.2."""
    source = {"uri": "git+https://git.example/shop/web@refs/tags/v1", "digest": {"sha1": COMMIT}}
    return {
        "builder": {"id": "https://github.com/slsa-framework/slsa-github-generator"},
        "invocation": {"configSource": {**source, "entryPoint": ".github/workflows/release.yml"}},
        "materials": [source],
    }


@pytest.mark.parametrize(
    ("predicate_type", "make", "source", "bases"),
    [
        (
            PROVENANCE,
            slipway,
            "git+https://git.example/shop/web",
            (Base("docker-image://registry.example/base/python", f"sha256:{PYTHON}"),),
        ),
        (
            PROVENANCE,
            buildkit_v1,
            "https://git.example/shop/web.git",
            (Base("pkg:docker/python@3.12-slim?platform=linux%2Famd64", f"sha256:{PYTHON}"),),
        ),
        (
            OLD_PROVENANCE,
            buildkit_v02,
            "https://git.example/shop/web.git#main",
            (Base("pkg:docker/python@3.12-slim?platform=linux%2Famd64", f"sha256:{PYTHON}"),),
        ),
        (PROVENANCE, github, "git+https://git.example/shop/web@refs/heads/main", ()),
        (OLD_PROVENANCE, generator, "git+https://git.example/shop/web@refs/tags/v1", ()),
    ],
)
def test_provenance_of_every_usual_builder_is_read(
    predicate_type: str, make: Callable[[], Document], source: str, bases: tuple[Base, ...]
) -> None:
    found = said(predicate_type, make())
    assert isinstance(found, Provenance)
    assert (found.source, found.commit, found.dirty, found.bases) == (source, COMMIT, False, bases)
    assert found.builder


def test_changes_that_are_in_no_commit_are_seen() -> None:
    from_a_folder = buildkit_v1()
    from_a_folder["runDetails"]["metadata"]["buildkit_metadata"]["vcs"]["revision"] = f"{COMMIT}-dirty"
    for predicate in (slipway_provenance(dirty=True), slipway_provenance(commit=f"{COMMIT}-dirty"), from_a_folder):
        found = said(PROVENANCE, predicate)
        assert isinstance(found, Provenance)
        assert (found.dirty, found.commit) == (True, COMMIT)


def test_provenance_that_names_no_source_has_none() -> None:
    predicate = slipway_provenance()
    predicate["buildDefinition"]["resolvedDependencies"] = []
    found = said(PROVENANCE, predicate)
    assert isinstance(found, Provenance)
    assert (found.source, found.commit) == ("", "")


@pytest.mark.parametrize("predicate", [{}, {"buildDefinition": {}}, {"runDetails": {}}, [], None, "x"])
def test_what_is_no_provenance_is_refused(predicate: object) -> None:
    assert refused(PROVENANCE, predicate) == "its provenance is neither SLSA v1 nor v0.2"


def test_a_proof_is_read() -> None:
    assert said(PROVED, proof(3)) == Proof("key", "shop", "dev", datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "change", [{"schemaVersion": 2}, {"time": "yesterday"}, {"time": None}, {"stack": ""}, {"project": None}]
)
def test_a_proof_that_does_not_say_enough_is_refused(change: Document) -> None:
    assert (
        refused(PROVED, {**proof(3), **change}) == "its proof is not of schema version 1, with project, stack and time"
    )


def test_a_signature_says_nothing_more() -> None:
    assert said(SIGNED, {}) == Signature("key")


def test_statements_of_other_types_are_of_no_interest() -> None:
    assert said("https://openvex.dev/ns", {}) is None
    assert kind_of("https://slsa.dev/provenance/v9") is None
    assert kind_of("https://cyclonedx.org/bomb") is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T12:00:00Z", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("2026-11-22T12:00:00.123456789Z", datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T14:00:00+02:00", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("2026-11-22T12:00:00", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        (None, None),
        (3, None),
    ],
)
def test_times_of_all_tools_are_read(text: object, time: datetime | None) -> None:
    assert time_of(text) == time


NAMES_OF_FIELDS = (
    "scanner db result Results matches ignoredMatches ExperimentalModifiedFindings Type Finding SchemaVersion "
    "metadata buildDefinition runDetails builder materials "
    "resolvedDependencies invocation uri digest vulnerability artifact fix time"
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES_OF_FIELDS.split()),
            children,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([VULNERABILITIES, CYCLONEDX, PROVENANCE, OLD_PROVENANCE, PROVED, SIGNED]))
def test_any_predicate_is_read_or_refused_in_words(predicate: Any, predicate_type: str) -> None:
    try:
        found = said(predicate_type, predicate)
    except EnvelopeError:
        return
    assert type(found) in NAMES
