"""Attesting: what is written about which manifest, once, in which order, and what happens where it gets lost."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.attest import Request, attest
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES
from steps.tool import StepError, ToolError
from tests.conftest import ToolMaker
from tests.running import run_step_program
from tests.toolbox import PASSWORD, Toolbox

REPOSITORY = Repository.parse("localhost:5380/driftwood/web")
REFERENCE = ImageReference(REPOSITORY, Digest("sha256:" + "1f" * 32))
PLATFORMS = {Platform("linux/amd64"): "a", Platform("linux/arm64"): "b"}
AMD64, ARM64 = (str(REPOSITORY.at(Digest("sha256:" + digit * 64))) for digit in PLATFORMS.values())
INDEX = {
    "manifests": [
        {"digest": "sha256:" + digit * 64, "platform": {"os": "linux", "architecture": platform.architecture}}
        for platform, digit in PLATFORMS.items()
    ]
}
BUILD = {"buildType": "urn:x", "externalParameters": {"context": "."}, "resolvedDependencies": []}
RECORD = {
    "reference": str(REFERENCE),
    "database": {"uri": "localhost:5380/trivy-db:2", "version": "2", "lastUpdate": "2026-11-23T00:00:00Z"},
    "started": "2026-11-24T08:00:00Z",
    "finished": "2026-11-24T08:00:02Z",
}


def report(package: str, **changes: Any) -> dict[str, Any]:
    """What the scan kept of one platform."""
    results = [{"Target": "Python", "Packages": [{"Name": package}]}]
    given = {"ArtifactName": str(REFERENCE), "Trivy": {"Version": "0.70.0"}, "Results": results}
    return given | changes


def reported(finished: Any) -> dict[str, Any]:
    """As much of an attested report as tells its age."""
    return {"metadata": {"scanFinishedOn": finished}}


@pytest.fixture(name="reports")
def kept_reports(tmp_path: Path) -> Path:
    """The folder with what the scan kept."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "scan.json").write_text(json.dumps(RECORD))
    for platform in PLATFORMS:
        (folder / f"{platform.slug}.json").write_text(json.dumps(report(f"package of {platform}")))
    return folder


@pytest.fixture(name="box")
def signed_candidate(tool: ToolMaker, tmp_path: Path) -> Toolbox:
    """A registry with the signed candidate."""
    box = Toolbox(tmp_path / "box")
    box.install(tool, INDEX)
    for manifest in (str(REFERENCE), AMD64, ARM64):
        box.write(manifest, SIGNATURE)
    return box


def attested(reports: Path, key: str = "cosign") -> dict[str, Any]:
    """Attest the candidate."""
    return attest(Request(REFERENCE, reports, BUILD), f"{key}.key", f"{key}.pub", PASSWORD, {})


def test_each_manifest_gets_the_evidence_that_belongs_to_it(box: Toolbox, reports: Path) -> None:
    result = attested(reports)
    platform = [VULNERABILITIES, SBOM]
    assert result == {
        "reference": str(REFERENCE),
        "evidence": {str(REFERENCE): [PROVENANCE], AMD64: platform, ARM64: platform},
        "provenance": result["provenance"],
    }
    assert box.types(str(REFERENCE)) == [SIGNATURE, PROVENANCE]
    assert box.types(AMD64) == box.types(ARM64) == [SIGNATURE, *platform]


def test_the_vulnerability_report_is_the_one_that_the_scan_kept(box: Toolbox, reports: Path) -> None:
    attested(reports)
    predicate = box.predicate(ARM64, VULNERABILITIES)
    assert predicate == {
        "invocation": {"parameters": {"reference": str(REFERENCE), "platform": "linux/arm64"}},
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@0.70.0",
            "version": "0.70.0",
            "db": RECORD["database"],
            "result": report("package of linux/arm64"),
        },
        "metadata": {"scanStartedOn": "2026-11-24T08:00:00Z", "scanFinishedOn": "2026-11-24T08:00:02Z"},
    }


def test_the_vulnerability_report_is_attested_by_its_uri_so_that_cosign_keeps_the_age_of_the_database(
    box: Toolbox, reports: Path
) -> None:
    attested(reports)
    types = {call[call.index("--type") + 1] for call in box.ran("cosign", "attest")}
    assert types == {"slsaprovenance1", "cyclonedx", VULNERABILITIES}


def test_the_sbom_lists_the_packages_of_its_platform_and_no_finding_that_gets_old(box: Toolbox, reports: Path) -> None:
    attested(reports)
    assert box.predicate(AMD64, SBOM) == {"bomFormat": "CycloneDX", "components": [{"name": "package of linux/amd64"}]}
    assert not box.ran("trivy", "image")
    verbs = [call[3] for call in box.ran("trivy")]
    assert verbs == ["convert"] * 2, "nothing is scanned twice"


def test_a_second_time_adds_nothing_and_needs_no_report(box: Toolbox, reports: Path) -> None:
    first = attested(reports)
    before = box.written()
    for path in reports.iterdir():
        path.unlink()
    assert attested(reports) == first
    assert box.written() == before


def test_other_inputs_of_the_same_digest_are_another_provenance(box: Toolbox, reports: Path) -> None:
    box.write(str(REFERENCE), PROVENANCE, predicate={"buildDefinition": {"buildType": "urn:another"}})
    first = attested(reports)["provenance"]
    assert re.fullmatch("[^-]{1,12}-[^-]{1,12}", first)
    box.write(AMD64, VULNERABILITIES, predicate=reported(RECORD["finished"]))
    assert attested(reports)["provenance"] == first, "a report gets old, and says nothing else of the build"
    box.write(str(REFERENCE), PROVENANCE, predicate={"buildDefinition": {"buildType": "urn:a-third"}})
    assert attested(reports)["provenance"] != first


def test_only_what_is_missing_is_written(box: Toolbox, reports: Path) -> None:
    box.write(AMD64, VULNERABILITIES, predicate=reported(RECORD["finished"]))
    box.write(str(REFERENCE), PROVENANCE, predicate={"buildDefinition": BUILD})
    attested(reports)
    assert box.predicate(AMD64, VULNERABILITIES) == reported(RECORD["finished"])
    assert len(box.ran("cosign", "attest")) == 3


@pytest.mark.parametrize(
    ("before", "count"),
    [
        ("2026-11-24T08:00:02Z", 1),
        ("2026-11-23T09:00:00+01:00", 2),
        ("2026-11-23T09:00:00Z", 1),
        ("2026-11-30T00:00:00Z", 1),
        ("0001-01-01T00:00:00Z", 2),
        (None, 2),
    ],
)
def test_a_report_that_is_a_day_older_than_the_scan_gets_the_scans_own_beside_it(
    box: Toolbox, reports: Path, before: Any, count: int
) -> None:
    """A digest is built again after weeks: what the policies ask for is today's report, and it was just made."""
    for platform in (AMD64, ARM64):
        box.write(platform, SBOM, predicate={})
        box.write(platform, VULNERABILITIES, predicate=reported(before))
    attested(reports)
    assert box.types(AMD64) == box.types(ARM64) == [SIGNATURE, SBOM, *[VULNERABILITIES] * count]


def test_a_second_scan_of_the_same_day_is_not_attested_however_many_reports_are_older(
    box: Toolbox, reports: Path
) -> None:
    for day in ("01", "24", "02"):
        box.write(AMD64, VULNERABILITIES, predicate=reported(f"2026-11-{day}T08:00:00Z"))
    attested(reports)
    assert box.types(AMD64).count(VULNERABILITIES) == 3


def test_the_same_digest_from_other_inputs_gets_a_provenance_of_its_own_beside_the_first(
    box: Toolbox, reports: Path
) -> None:
    """A base image has moved to another registry: policies ask where it is from, and the digest is the same."""
    attested(reports)
    base = {"name": "python:3", "uri": "docker-image://mirror.example/python", "digest": {"sha256": "b" * 64}}
    moved = BUILD | {"resolvedDependencies": [base]}
    for _ in range(2):
        attest(Request(REFERENCE, reports, moved), "cosign.key", "cosign.pub", PASSWORD, {})
        attested(reports)
    stated = [it["predicate"]["buildDefinition"] for it in box.written() if it["type"] == PROVENANCE]
    assert stated == [BUILD, moved]


def test_another_clone_of_the_same_source_adds_no_provenance(box: Toolbox, reports: Path) -> None:
    source = {"name": "source", "digest": {"gitCommit": "5" * 40}}
    ours = BUILD | {"resolvedDependencies": [source]}
    theirs = BUILD | {"resolvedDependencies": [source | {"uri": "git+ssh://git.example/driftwood"}]}
    box.write(str(REFERENCE), PROVENANCE, predicate={"buildDefinition": theirs})
    attest(Request(REFERENCE, reports, ours), "cosign.key", "cosign.pub", PASSWORD, {})
    assert box.types(str(REFERENCE)) == [SIGNATURE, PROVENANCE]
    named = BUILD | {"resolvedDependencies": [source | {"uri": "git+https://git.example/driftwood"}]}
    attest(Request(REFERENCE, reports, named), "cosign.key", "cosign.pub", PASSWORD, {})
    assert box.types(str(REFERENCE)) == [SIGNATURE, PROVENANCE, PROVENANCE]


def test_what_another_key_has_attested_does_not_count(box: Toolbox, reports: Path) -> None:
    for manifest, type_ in ((AMD64, VULNERABILITIES), (AMD64, SBOM), (str(REFERENCE), PROVENANCE)):
        box.write(manifest, type_, key="other", predicate={"forged": True})
    attested(reports)
    assert len(box.ran("cosign", "attest")) == 5
    assert {entry["key"] for entry in box.written() if entry["manifest"] == ARM64} == {"cosign"}


@pytest.mark.parametrize("type_", [PROVENANCE, VULNERABILITIES, SBOM])
def test_what_the_registry_lists_and_does_not_hand_out_is_told_and_not_attested_again(
    box: Toolbox, reports: Path, type_: str
) -> None:
    attested(reports)
    before = box.written()
    for unreadable in (type_, f"{SIGNATURE} {type_}", " ".join([SIGNATURE, PROVENANCE, VULNERABILITIES, SBOM])):
        (box.folder / "unreadable").write_text(unreadable)
        with pytest.raises(ToolError, match=r"oras could not read the .* which the registry lists for"):
            attested(reports)
    assert box.written() == before
    (box.folder / "unreadable").unlink()
    attested(reports)
    assert box.written() == before


def test_a_new_key_attests_again_beside_the_old_one(box: Toolbox, reports: Path) -> None:
    attested(reports)
    attested(reports, "new")
    assert box.types(AMD64) == [SIGNATURE, VULNERABILITIES, SBOM, VULNERABILITIES, SBOM]


@pytest.mark.parametrize("lost", [PROVENANCE, VULNERABILITIES, SBOM])
def test_an_attestation_that_the_registry_does_not_list_fails_the_step(box: Toolbox, reports: Path, lost: str) -> None:
    (box.folder / "loses").write_text(lost)
    with pytest.raises(StepError) as caught:
        attested(reports)
    name = {PROVENANCE: "provenance", VULNERABILITIES: "vulnerability report", SBOM: "SBOM"}[lost]
    manifest = str(REFERENCE) if lost == PROVENANCE else AMD64
    assert f"  {manifest}: {name}" in str(caught.value).splitlines()
    assert "Run it again" in str(caught.value)
    (box.folder / "loses").unlink()
    attested(reports)
    assert box.types(AMD64).count(lost) == (lost != PROVENANCE)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("scan.json", None, "scan.json"),
        ("linux-arm64.json", None, "linux-arm64.json"),
        ("linux-amd64.json", "{", "linux-amd64.json"),
        ("linux-amd64.json", json.dumps(report("x", ArtifactName="localhost:5380/driftwood/web@sha256:old")), "old"),
        ("scan.json", json.dumps(RECORD | {"reference": "another"}), "another"),
    ],
)
def test_a_report_that_is_missing_or_of_something_else_is_not_attested(
    box: Toolbox, reports: Path, file: str, content: str | None, words: str
) -> None:
    if content is None:
        (reports / file).unlink()
    else:
        (reports / file).write_text(content)
    with pytest.raises(StepError) as caught:
        attested(reports)
    assert words in str(caught.value)
    assert "--replace" in str(caught.value)
    without = {"linux-amd64.json": [AMD64], "linux-arm64.json": [ARM64]}.get(file, [AMD64, ARM64])
    assert not [it for it in box.written() if it["type"] != SIGNATURE and it["manifest"] in without]


def test_a_password_that_does_not_open_the_key_is_told_with_its_setting(box: Toolbox, reports: Path) -> None:
    with pytest.raises(StepError, match=r"signing key cosign\.key: the password does not open it") as caught:
        attest(Request(REFERENCE, reports, BUILD), "cosign.key", "cosign.pub", "wrong horse", {})
    assert "wrong horse" not in str(caught.value)
    assert {entry["type"] for entry in box.written()} == {SIGNATURE}


def test_as_a_program_it_takes_passwords_on_standard_input_alone_and_names_the_reference(
    box: Toolbox, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--reference", str(REFERENCE), "--key", "cosign.key", "--public-key", "cosign.pub", "--username", "robot"]
    given += ["--reports", str(reports), "--build", json.dumps(BUILD)]
    monkeypatch.setenv("COSIGN_PASSWORD", "a password of the user's shell")
    secrets = json.dumps({"password": PASSWORD, "registry_password": "hunter2"})
    ended = run_step_program("attest", given, secrets)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["reference"] == str(REFERENCE)
    assert "provenance, vulnerability report, SBOM" in ended.stderr
    seen = box.calls.read_text() + ended.stdout + ended.stderr
    assert "hunter2" not in seen
    assert PASSWORD not in seen


def test_nothing_is_left_on_disk(box: Toolbox, reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    attested(reports)
    assert os.listdir(scratch) == []  # noqa: PTH208 - names are enough


def test_cosign_is_never_allowed_to_send_a_login_in_clear(box: Toolbox, reports: Path) -> None:
    """It speaks plain HTTP on loopback by itself; told to, it falls back to that wherever TLS fails."""
    for _ in range(2):
        attested(reports)
    assert {call[1] for call in box.ran("cosign")} == {"attest", "verify", "verify-attestation"}
    assert not [call for call in box.ran("cosign") if "--allow-http-registry" in call]
