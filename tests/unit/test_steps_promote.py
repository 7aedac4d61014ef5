"""Promoting as a step: what is verified where, and everything that is missing in one answer. Tools are played."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from steps.predicates import PROVENANCE, VULNERABILITIES, provenance_mark
from steps.proofs import spelled
from tests.conftest import ToolMaker
from tests.registries import AMD64, ARM64, DIGEST, FINDING, NOW, OTHER, PRODUCTION, STAGING, TAKEN, World
from tests.running import calls


@pytest.fixture(name="world")
def two_registries(tmp_path: Path, tool: ToolMaker) -> World:
    """Staging's registry with a release that staging has proved; production's is empty."""
    world = World(tmp_path, tool)
    world.proved()
    return world


def lines(problem: str) -> list[str]:
    """What is missing, line by line, without what is indented below."""
    return [line.removeprefix("  - ") for line in problem.splitlines() if line.startswith("  - ")]


def scans(world: World) -> int:
    """How often the scanner was asked."""
    return len([call for call in calls(world.folder / "tools" / "trivy") if " image " in f" {call} "])


def test_what_staging_has_proved_may_be_taken_from_where_it_is(world: World) -> None:
    answer = world.ask()
    told = answer.pop("told")
    assert answer == {
        "problem": "",
        "warnings": [],
        "reference": str(TAKEN),
        "version": "1.4.0",
        "repository": str(STAGING),
        "platforms": ["linux/amd64", "linux/arm64"],
        "revision": "5" * 40,
        "here": False,
        "provenance": provenance_mark({}),
    }
    [line] = told
    assert line.startswith(
        f"web 1.4.0 ({DIGEST}): signature, platforms and evidence verified; proved by slipway/staging"
    )
    assert re.search(r", 3 h( [0-9]+ (min|s))? ago", line)  # the clock has gone on since the tests were loaded
    assert scans(world) == 2


def test_everything_that_is_missing_is_told_at_once(world: World) -> None:
    world.statements.clear()
    world.findings = [FINDING | {"Severity": "HIGH"}]
    world.manifests.remove(str(STAGING.at(ARM64)))
    told = world.problem("--approvers", '{"maria": "maria.pub"}', "--approval", "besides")
    assert told.startswith(f"web 1.4.0 ({DIGEST}) cannot be promoted to production; nothing was changed:")
    assert [line.partition(":")[0] for line in lines(told)] == [
        f"{STAGING} has lost the manifest of linux/arm64",
        "slipway/staging has not proved it",
        "an approval by maria is missing",
        "1 finding(s) of severity HIGH or CRITICAL are known today",
    ]
    assert "CVE-2026-1" in told and "1.1" in told


def test_a_digest_that_somebody_deleted_is_told_with_the_record_that_names_it(world: World) -> None:
    world.manifests.clear()
    told = world.problem()
    assert f"web 1.4.0 ({DIGEST}) cannot be promoted: {STAGING} does not hold it" in told
    assert "the record of slipway/staging names it" in told


def test_a_platform_that_the_record_names_must_be_in_the_index(world: World) -> None:
    told = world.problem(platforms=["linux/amd64", "linux/arm64", "linux/s390x"])
    assert lines(told) == ["its index lacks linux/s390x, which the release's record names"]


def test_a_signature_by_another_key_stops_it(world: World) -> None:
    world.signed_by = "somebody.pub"
    [told] = lines(world.problem())
    assert told.startswith("it is not signed with staging.pub (Error: no matching attestations")


@pytest.mark.parametrize(
    ("says", "seen"),
    [
        ({"version": "1.3.0"}, f"{STAGING} 1.3.0"),
        ({"repository": "staging.example/driftwood/tide"}, "staging.example/driftwood/tide 1.4.0"),
    ],
)
def test_a_signature_that_speaks_of_another_release_stops_it(world: World, says: dict[str, str], seen: str) -> None:
    world.says |= says
    assert lines(world.problem()) == [f"its signature says {seen}, not driftwood/web 1.4.0: it is another release"]


@pytest.mark.parametrize(
    "change",
    [{"stack": "qa"}, {"project": "tides"}, {"schemaVersion": 9}, {"kind": "dreamed"}, {"time": "soon"}],
)
def test_a_proof_that_is_not_stagings_own_counts_for_nothing(world: World, change: dict[str, Any]) -> None:
    world.statements.clear()
    world.proved(**change)
    [told] = lines(world.problem())
    assert told.startswith("slipway/staging has not proved it")


def test_a_proof_by_another_key_counts_for_nothing(world: World) -> None:
    world.statements.clear()
    world.proved(key="somebody.pub")
    assert lines(world.problem())[0].startswith("slipway/staging has not proved it")


def test_a_proof_of_a_sibling_counts_for_nothing(world: World) -> None:
    world.statements.clear()
    world.proved(STAGING.at(OTHER))
    world.proved(STAGING.at(AMD64))
    assert lines(world.problem())[0].startswith("slipway/staging has not proved it")


def test_a_soak_that_is_not_over_says_how_long_is_left(world: World) -> None:
    [told] = lines(world.problem("--soak", "24"))
    assert told.startswith("the soak in slipway/staging is not over: it was proved there at")
    assert "of 1 d are left" in told
    assert world.ask("--soak", "2")["problem"] == ""


def test_a_clock_that_is_wrong_is_told(world: World) -> None:
    world.statements.clear()
    world.proved(time=spelled(NOW + timedelta(hours=2)))
    assert "which is in the future: check the clocks" in world.problem()


def test_an_approval_is_read_with_the_approvers_own_key(world: World) -> None:
    flags = ("--approvers", '{"maria": "maria.pub"}', "--approval", "besides")
    world.approved(key="staging.pub")
    assert lines(world.problem(*flags)) == [
        "an approval by maria is missing: `slipway approve production DIGEST --key KEY --reason TEXT`"
    ]
    world.approved()
    answer = world.ask(*flags)
    assert answer["problem"] == ""
    assert "approved by maria" in answer["told"][0]


def test_a_cve_of_today_stops_what_this_stack_has_never_run(world: World) -> None:
    world.findings = [FINDING | {"Severity": "CRITICAL"}]
    told = world.problem()
    assert lines(told) == ["1 finding(s) of severity HIGH or CRITICAL are known today:"]
    assert "accept a finding for a time under scan.ignore" in told


def test_an_image_that_this_stack_would_refuse_to_run_is_not_taken(world: World) -> None:
    world.config |= {"User": "1000"}
    needs = ("--to-run", "--files-owner", "10001")
    assert lines(world.problem(*needs)) == [
        "it runs as user 1000, who cannot read the secret files of user 10001: write run.secrets_owner: 1000"
    ]
    assert world.ask()["problem"] == ""
    world.copied()  # what this stack has run is there already; the host tells
    assert world.ask(*needs)["problem"] == ""


def test_a_database_that_is_stale_stops_what_this_stack_has_never_run(world: World) -> None:
    world.age = timedelta(days=30)
    assert "the vulnerability database is stale" in world.problem()


def test_a_report_that_is_too_old_for_a_first_time_is_told_with_what_adds_one(world: World) -> None:
    """The policies would stop it too, but only once it is in this stack's registry, where no rescan looks for it."""
    world.reported(timedelta(days=9, hours=7))
    world.reported(timedelta(hours=1), key="somebody.pub")
    assert lines(world.problem()) == [
        "its newest vulnerability report for linux/amd64, linux/arm64 is 9 d 7 h old, more than 7 d "
        "(promote.report_age): `slipway rescan staging` attests today's"
    ]
    assert lines(world.problem("--project", "tides"))[-1].endswith(
        "`slipway rescan staging` in project slipway attests today's"
    )
    assert not world.ask("--report-age", "9.5")["problem"]
    world.reported(timedelta(days=6))
    assert not world.ask()["problem"]


def test_a_scan_is_made_once_a_digest_and_database(world: World) -> None:
    world.ask()
    world.ask()
    assert scans(world) == 2
    world.age = timedelta(hours=1)
    world.ask()
    assert scans(world) == 4


def test_a_report_that_is_not_there_or_does_not_tell_its_age_is_no_fresh_one(world: World) -> None:
    world.reported(timedelta(hours=1), key="somebody.pub")
    told = (
        "it has no vulnerability report for linux/amd64, linux/arm64 that says when it was made "
        "(promote.report_age): `slipway rescan staging` attests today's"
    )
    assert lines(world.problem()) == [told]
    world.statements += [(str(STAGING.at(it)), "staging.pub", VULNERABILITIES, {}) for it in (AMD64, ARM64)]
    assert lines(world.problem()) == [told]


def test_a_report_that_was_changed_into_another_is_not_believed(world: World) -> None:
    world.ask()
    for path in (world.folder / "reports").glob("linux-*.json"):
        path.write_text(json.dumps({"ArtifactName": f"{STAGING}@{OTHER}"}))
    world.findings = [FINDING | {"Severity": "HIGH"}]
    assert "CVE-2026-1" in world.problem()


def test_which_provenance_it_has_is_told_from_where_it_was_verified(world: World) -> None:
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    world.provenance = {str(TAKEN): [first, second]}
    assert world.ask()["provenance"] == provenance_mark(dict.fromkeys([second, first], PROVENANCE))
    # What this stack has proved stays with the provenance that it was proved with.
    world.copied()
    world.provenance[str(PRODUCTION.at(DIGEST))] = [first]
    assert world.ask()["provenance"] == provenance_mark({first: PROVENANCE})


# What this stack has proved itself.


def test_what_this_stack_runs_is_verified_in_its_own_registry_and_scanned_no_more(world: World) -> None:
    world.copied()
    world.down = {"staging.example": "dial tcp: connection refused"}
    answer = world.ask("--running", str(DIGEST))
    assert answer["problem"] == "" and answer["told"] == [] and answer["warnings"] == []
    assert answer["here"] is True
    assert answer["reference"] == str(TAKEN), "the same as the first time: nothing changes"
    assert scans(world) == 0


def test_a_rollback_is_told_what_is_known_today_and_goes_through(world: World) -> None:
    world.copied()
    world.reported(timedelta(days=80), repository=PRODUCTION)
    world.findings = [FINDING | {"Severity": "CRITICAL"}]
    answer = world.ask("--running", str(OTHER))
    assert answer["problem"] == ""
    [warning] = answer["warnings"]
    assert "1 finding(s) of severity HIGH or CRITICAL are known today" in warning and "CVE-2026-1" in warning
    assert "linux/amd64, linux/arm64" in warning
    assert f"This stack has proved {DIGEST} before, so it goes through" in warning
    assert scans(world) == 0, "nothing is pulled for that"
    assert "this stack has proved it before" in answer["told"][0]


def test_a_rollback_goes_through_without_a_database_and_says_so(world: World) -> None:
    world.copied()
    world.age = timedelta(days=30)
    answer = world.ask("--running", str(OTHER))
    assert answer["problem"] == ""
    assert "today's database could not be asked about it: the vulnerability database is stale" in answer["warnings"][0]


def test_a_rollback_is_verified_like_everything_else(world: World) -> None:
    world.copied()
    world.signed_by = "somebody.pub"
    assert "it is not signed with staging.pub" in world.problem("--running", str(OTHER))


def test_a_proof_of_this_stack_in_another_registry_is_none_here(world: World) -> None:
    world.proved(TAKEN, "production.pub", stack="production")
    world.findings = [FINDING | {"Severity": "HIGH"}]
    assert "known today" in world.problem()


def test_what_was_not_said_here_yet_is_asked_for_where_it_was_made(world: World) -> None:
    world.copied()
    world.approved(TAKEN)
    flags = ("--approvers", '{"maria": "maria.pub"}', "--approval", "besides", "--running", str(DIGEST))
    assert world.ask(*flags)["problem"] == ""
    world.down = {"staging.example": "dial tcp: connection refused"}
    told = lines(world.problem(*flags))
    assert told == [
        f"what is said about it in {STAGING} cannot be read: Error: dial tcp: connection refused",
        "an approval by maria is missing: `slipway approve production DIGEST --key KEY --reason TEXT`",
    ]


# Which release.


def test_a_stack_without_a_release_is_told_in_its_own_words(world: World) -> None:
    assert world.problem(problem="stack staging has no release of web to take") == (
        "stack staging has no release of web to take"
    )


def test_a_pinned_version_is_what_this_stack_calls_by_that_name(world: World) -> None:
    world.copied()
    world.tags = {f"{PRODUCTION}:1.4.0": DIGEST, f"{STAGING}:1.4.0": OTHER}
    answer = world.ask("--version", "1.4.0", version="1.5.0", reference=str(STAGING.at(OTHER)))
    assert answer["reference"] == str(TAKEN)
    assert answer["version"] == "1.4.0"


def test_a_pinned_version_that_the_stack_runs_needs_no_tag(world: World) -> None:
    assert world.ask("--version", "1.4.0")["reference"] == str(TAKEN)


def test_a_tag_that_was_moved_between_the_stacks_does_not_matter(world: World) -> None:
    world.tags = {f"{STAGING}:1.4.0": OTHER, f"{STAGING}:1.4.0-staging.1f1f1f1f1f1f": OTHER}
    assert world.ask()["reference"] == str(TAKEN)


def test_a_tag_of_ours_that_was_moved_to_another_release_is_found_out(world: World) -> None:
    world.copied()
    world.says["version"] = "1.5.0"
    world.tags = {f"{PRODUCTION}:1.4.0": DIGEST}
    assert "its signature says" in world.problem("--version", "1.4.0")


def test_an_older_build_is_found_by_the_tag_of_its_own(world: World) -> None:
    world.tags = {f"{STAGING}:1.4.0-staging.1f1f1f1f1f1f": DIGEST, f"{STAGING}:1.5.0-staging.2e2e2e2e2e2e": OTHER}
    answer = world.ask("--version", "1.4.0", version="1.5.0", reference=str(STAGING.at(OTHER)))
    assert answer["reference"] == str(TAKEN)


def test_several_builds_of_one_version_have_to_be_told_apart(world: World) -> None:
    world.tags = {f"{STAGING}:1.4.0-staging.1f1f1f1f1f1f": DIGEST, f"{STAGING}:1.4.0-staging.2e2e2e2e2e2e": OTHER}
    told = world.problem("--version", "1.4.0", version="1.5.0")
    assert f"there are several builds of 1.4.0 in {STAGING} ({DIGEST}, {OTHER}): pin one with `digest`" in told
    answer = world.ask("--version", "1.4.0", "--digest", str(DIGEST), version="1.5.0", reference=str(STAGING.at(OTHER)))
    assert answer["reference"] == str(TAKEN)


def test_a_pinned_digest_needs_no_version_its_signature_says_it(world: World) -> None:
    answer = world.ask("--digest", str(DIGEST), version="1.5.0", reference=str(STAGING.at(OTHER)))
    assert (answer["reference"], answer["version"]) == (str(TAKEN), "1.4.0")


def test_a_pinned_digest_of_another_version_is_refused(world: World) -> None:
    told = world.problem("--digest", str(DIGEST), "--version", "1.3.0", version="1.5.0")
    assert lines(told) == [f"its signature says {STAGING} 1.4.0, not driftwood/web 1.3.0: it is another release"]


def test_a_version_that_nobody_has_is_told_with_those_that_there_are(world: World) -> None:
    world.tags = {
        f"{PRODUCTION}:1.3.0": OTHER,
        f"{STAGING}:1.4.0-staging.1f1f1f1f1f1f": DIGEST,
        f"{STAGING}:cache": OTHER,
    }
    told = world.problem("--version", "1.2.0")
    assert told == (
        f"there is no 1.2.0 in {PRODUCTION} or {STAGING}; they hold 1.3.0, 1.4.0-staging.1f1f1f1f1f1f: "
        "pin a version that is there, or leave `version` out"
    )


def test_a_digest_that_nobody_has_is_told(world: World) -> None:
    assert f"{OTHER} is neither in {PRODUCTION} nor in {STAGING}" in world.problem("--digest", str(OTHER))


# Registries.


@pytest.mark.parametrize(
    ("registry", "setting"), [("staging.example", "promote.registries"), ("production.example", "registry")]
)
def test_a_registry_that_is_down_or_refuses_is_told_with_its_setting(world: World, registry: str, setting: str) -> None:
    world.down = {registry: f"Get https://{registry}/v2/: dial tcp 192.0.2.1:443: connect: connection refused"}
    told = world.problem()
    assert f"web: registry {registry} does not answer" in told
    assert f"check {setting}.address" in told
    world.down = {registry: f"GET https://{registry}/v2/: UNAUTHORIZED: authentication required"}
    assert f"registry {registry} refuses the credentials" in world.problem()
