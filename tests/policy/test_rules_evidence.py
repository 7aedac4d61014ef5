"""What is proven of an image decides: signatures, reports, their age, and components."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from judging import configuration
from judging.configuration import Settings
from judging.rule import Rule
from rules import evidence as rules
from rules import provenance as provenance_rules
from tests.policy.answers import answer, unknown
from tests.policy.attested import (
    FOREIGN,
    SIGNED,
    TRUSTED,
    VULNERABILITIES,
    Document,
    Image,
    Key,
    finding,
    proof,
    report,
)
from tests.policy.kubernetes_pods import UNKNOWN, changed, compliant
from tests.policy.proven import ATTEST, advised, judged, registry_server, settings
from tests.policy.registry_server import RegistryServer, serving
from verification.keys import read_keys

__all__ = ["registry_server"]

SIGNATURE, REPORT, SEVERE, FRESH, SBOM = rules.RULES
SOURCE_KNOWN, SOURCE_ALLOWED, CLEAN, BASES = provenance_rules.RULES
ALL = (*rules.RULES, *provenance_rules.RULES)
CIS = "[CIS Docker Benchmark 1.6, {}]"


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_good_artifact_passes(rule: Rule, registry: RegistryServer) -> None:
    assert judged(rule, Image(reports=[report(finding(severity="MEDIUM"))]).push(registry)).nothing
    assert not advised()


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_an_unknown_image_is_said_to_be_unknown(rule: Rule) -> None:
    said = judged(rule, UNKNOWN)
    assert not said.violations
    assert said.advice == [unknown(rule, "image")]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_registry_that_is_stopped_stops_every_rule(rule: Rule) -> None:
    with serving() as stopped:
        image = Image().push(stopped)
    (said,) = judged(rule, image).violations
    assert f"nothing is proven of {image}: registry {stopped.address} does not answer (Connection refused)" in said


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_pack_that_trusts_nobody_lets_nothing_pass(rule: Rule, registry: RegistryServer) -> None:
    configuration.keep(Settings(timeout=5.0))
    (said,) = judged(rule, Image().push(registry)).violations
    assert "the pack's configuration names no publicKeys and no identities, so nobody's signature counts" in said


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_of_an_image_without_a_digest_nothing_is_proven(rule: Rule) -> None:
    said = judged(rule, "registry.example/shop/web:1.4.0")
    if rule is SIGNATURE:
        assert said.violations == [
            "web (docker:Container): image is registry.example/shop/web:1.4.0: nothing is proven of it; "
            f"name it by a digest in a registry {CIS.format('4.12')}"
        ]
    else:
        assert said.not_applicable == ["image-is-signed judges images without a digest"]


def test_an_image_that_a_pod_mounts_is_judged_like_one_that_it_runs(registry: RegistryServer) -> None:
    unsigned, signed = Image(signer=None, salt="mounted").push(registry), Image().push(registry)
    for mounted, count in ((unsigned, 1), (signed, 0)):
        volume = {"name": "data", "image": {"reference": mounted}}
        changes = {"spec.volumes": [volume], "spec.containers[0].image": signed, "spec.initContainers": ...}
        said = answer(SIGNATURE, "kubernetes:core/v1:Pod", changed(compliant(), changes))
        assert len(said.violations) == count
        assert all("spec.volumes[0].image.reference" in it or unsigned in it for it in said.violations)


def test_an_image_that_another_key_signed_is_a_violation(registry: RegistryServer) -> None:
    image = Image(signer=FOREIGN).push(registry)
    assert judged(SIGNATURE, image).violations == [
        f"web (docker:Container): {image} is signed by nobody whom this pack trusts (found: signature: no trusted key "
        f"has signed it); sign the digest with a trusted key, or run what is signed {CIS.format('4.12')}"
    ]


def test_a_label_that_claims_a_signature_proves_nothing(registry: RegistryServer) -> None:
    labels = {"Labels": {"io.slipway.signed": "true", "dev.cosignproject.cosign/signature": "MEUC"}}
    image = Image(signer=None, config=labels).push(registry)
    (said,) = judged(SIGNATURE, image).violations
    assert "is signed by nobody whom this pack trusts;" in said


def test_a_signature_about_another_digest_is_none(registry: RegistryServer) -> None:
    other = "sha256:" + "2e" * 32
    (said,) = judged(SIGNATURE, Image(about={SIGNED: other}).push(registry)).violations
    assert f"(found: signature: it is about another digest ({other}))" in said


def test_what_replaced_a_signed_image_under_its_tag_is_not_signed(registry: RegistryServer) -> None:
    Image().push(registry, tag="1.4.0")
    pushed_again = Image(signer=None, salt="evil").push(registry, tag="1.4.0")
    assert judged(SIGNATURE, pushed_again).violations


@pytest.mark.parametrize(
    ("rule", "part", "what"), [(REPORT, "reports", "vulnerability report"), (SBOM, "sboms", "SBOM")]
)
def test_what_is_missing_is_a_violation_that_names_the_platforms(
    registry: RegistryServer, rule: Rule, part: str, what: str
) -> None:
    image = replace(Image(), **{part: []}).push(registry)  # type: ignore[arg-type]
    (said,) = judged(rule, image).violations
    assert said.startswith(f"web (docker:Container): {image} has no {what} for linux/amd64, linux/arm64; {ATTEST} [")


def test_a_report_of_another_digest_is_none(registry: RegistryServer) -> None:
    other = "sha256:" + "2e" * 32
    (said,) = judged(REPORT, Image(about={VULNERABILITIES: other}).push(registry)).violations
    assert f"(found: vulnerability report: it is about another digest ({other}))" in said


def test_a_report_that_nobody_trusted_signed_is_none(registry: RegistryServer) -> None:
    (said,) = judged(REPORT, Image(attester=FOREIGN).push(registry)).violations
    assert "(found: vulnerability report: no trusted key has signed it)" in said


@pytest.mark.parametrize("rule", [SEVERE, FRESH])
def test_without_a_report_another_rule_judges(registry: RegistryServer, rule: Rule) -> None:
    said = judged(rule, Image(reports=[]).push(registry))
    assert not said.violations
    assert said.not_applicable == ["image-has-a-vulnerability-report judges images without a report"]


@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
def test_a_severe_vulnerability_is_a_violation(registry: RegistryServer, severity: str) -> None:
    image = Image(reports=[report(finding(severity=severity), finding("CVE-2", "MEDIUM"))]).push(registry)
    assert judged(SEVERE, image).violations == [
        f"web (docker:Container): {image} has {severity} CVE-2026-1000 in openssl 3.0.1 (fixed in 3.0.2); raise the "
        "packages and release again, or have it accepted for a time with reason, owner and expiry "
        f"{CIS.format('4.4')}"
    ]


def test_one_without_a_fix_counts_too(registry: RegistryServer) -> None:
    (said,) = judged(SEVERE, Image(reports=[report(finding(FixedVersion=""))]).push(registry)).violations
    assert "HIGH CVE-2026-1000 in openssl 3.0.1 (no fix yet)" in said


def suppressed() -> Document:
    """A report from which a program's ignore list took a finding out."""
    document = report()
    modified = {"Type": "vulnerability", "Status": "ignored", "Source": ".trivyignore", "Finding": finding()}
    document["scanner"]["result"]["Results"][0]["ExperimentalModifiedFindings"] = [modified]
    return document


def test_the_ignore_list_of_a_program_accepts_nothing(registry: RegistryServer) -> None:
    image = Image(reports=[suppressed()]).push(registry)
    (said,) = judged(SEVERE, image).violations
    assert f"{image} has HIGH CVE-2026-1000 in openssl 3.0.1 (fixed in 3.0.2)" in said
    assert not judged(SEVERE, image, accepted=accepted()).violations


def test_the_lowest_severity_that_is_named_is_a_threshold(registry: RegistryServer) -> None:
    read, mistakes = configuration.read_settings({"severities": ["MEDIUM"]})
    assert not mistakes
    configuration.keep(settings(severities=read.severities))
    severe = [finding(f"CVE-{severity}", severity) for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL")]
    (said,) = judged(SEVERE, Image(reports=[report(*severe)]).push(registry)).violations
    assert [f"CVE-{severity} " in said for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL")] == [False, *[True] * 3]


def test_which_severities_stop_is_configured(registry: RegistryServer) -> None:
    image = Image(reports=[report(finding(severity="MEDIUM"))]).push(registry)
    configuration.keep(settings(severities=("MEDIUM", "HIGH", "CRITICAL")))
    assert judged(SEVERE, image).violations
    image = Image(reports=[report(finding(severity="HIGH"))]).push(registry)
    configuration.keep(settings(severities=("CRITICAL",)))
    assert judged(SEVERE, image).nothing


def test_the_worst_come_first_and_not_all_of_many(registry: RegistryServer) -> None:
    many = [finding(f"CVE-{number:02}") for number in range(20)]
    (said,) = judged(SEVERE, Image(reports=[report(*many, finding("CVE-99", "CRITICAL"))]).push(registry)).violations
    assert "has CRITICAL CVE-99 in openssl 3.0.1 (fixed in 3.0.2); HIGH CVE-00 in" in said
    assert "CVE-08" in said
    assert "CVE-09" not in said
    assert "and 11 more;" in said


def test_the_newest_report_decides(registry: RegistryServer) -> None:
    repaired = Image(reports=[report(finding(), age=3), report(age=1)]).push(registry)
    assert judged(SEVERE, repaired).nothing
    broken = Image(reports=[report(age=3), report(finding(), age=1)]).push(registry)
    assert judged(SEVERE, broken).violations


def accepted(**changes: str) -> list[dict[str, str]]:
    """An entry that accepts the vulnerability of these tests."""
    entry = {"id": "CVE-2026-1000", "reason": "not reachable", "owner": "shop", "expires": "2999-01-01"}
    return [{**entry, **changes}]


def test_an_accepted_vulnerability_is_advice(registry: RegistryServer) -> None:
    image = Image(reports=[report(finding())]).push(registry)
    assert not judged(SEVERE, image, accepted=accepted()).violations
    assert advised() == [
        "image-has-no-severe-vulnerability: web (docker:Container): HIGH CVE-2026-1000 in openssl 3.0.1 (fixed in "
        "3.0.2) is accepted; repair it by then: CVE-2026-1000, reason 'not reachable', owner 'shop', "
        f"expires 2999-01-01 {CIS.format('4.4')}"
    ]
    assert not judged(SEVERE, image, accepted=accepted(package="openssl")).violations
    assert judged(SEVERE, image, accepted=accepted(package="zlib")).violations
    assert judged(SEVERE, image, accepted=accepted(id="CVE-2026-1")).violations


def test_a_vulnerability_without_a_fix_stops_unless_it_is_only_to_be_told(registry: RegistryServer) -> None:
    image = Image(reports=[report(finding(FixedVersion=""))]).push(registry)
    assert judged(SEVERE, image).violations
    assert not judged(SEVERE, image, unfixed="report").violations
    assert advised() == [
        f"image-has-no-severe-vulnerability: web (docker:Container): {image} has HIGH CVE-2026-1000 in openssl 3.0.1 "
        f"(no fix yet); raise the packages once there is a fix {CIS.format('4.4')}"
    ]
    fixed = Image(reports=[report(finding(FixedVersion=""), finding("CVE-2026-2000"))]).push(registry)
    (said,) = judged(SEVERE, fixed, unfixed="report").violations
    assert "CVE-2026-2000" in said and "CVE-2026-1000" not in said


def test_an_entry_that_has_expired_accepts_nothing_and_says_so(registry: RegistryServer) -> None:
    image = Image(reports=[report(finding())]).push(registry)
    assert judged(SEVERE, image, accepted=accepted(expires="2020-01-01")).violations
    assert "was accepted; repair it: CVE-2026-1000" in advised()[0]
    both = accepted(expires="2020-01-01") + accepted()
    assert not judged(SEVERE, image, accepted=both).violations


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("CVE-1", "accepted: is no list ('CVE-1')"),
        ([3], "accepted[0]: is no entry (3.0)"),
        (accepted(expires="soon"), "accepted[0].expires: is no day ('soon')"),
        (accepted(reason=" "), "accepted[0].reason: is missing or empty (' ')"),
        (accepted(until="2999-01-01"), "accepted[0].until: unknown key"),
        ([{"id": "CVE-1"}], "accepted[0].owner: is missing or empty (None)"),
    ],
)
def test_a_wrong_entry_is_a_violation(registry: RegistryServer, entries: Any, said: str) -> None:
    found = judged(SEVERE, Image().push(registry), accepted=entries).violations
    assert any(said in text for text in found), found


def deployed(days: float, *reports: Document, stack: str = "dev", project: str = "shop") -> Image:
    """An image that a stack has proved some days ago."""
    return Image(reports=reports, proofs=[proof(days, stack, project)])


def test_what_became_known_after_the_stack_had_deployed_it_is_advice(registry: RegistryServer) -> None:
    image = deployed(5, report(age=6), report(finding(), age=1)).push(registry)
    assert not judged(SEVERE, image).violations
    (said,) = advised()
    assert f"{image}, which this stack has deployed, has by now HIGH CVE-2026-1000 in openssl" in said


def test_what_was_known_when_the_stack_deployed_it_still_stops(registry: RegistryServer) -> None:
    image = deployed(5, report(finding(), age=6), report(finding(), age=1)).push(registry)
    assert judged(SEVERE, image).violations


@pytest.mark.parametrize(("stack", "project"), [("staging", "shop"), ("dev", "other")])
def test_the_proof_of_another_stack_or_project_changes_nothing(
    registry: RegistryServer, stack: str, project: str
) -> None:
    image = deployed(5, report(age=6), report(finding(), age=1), stack=stack, project=project).push(registry)
    assert judged(SEVERE, image).violations
    stale = deployed(50, report(age=60), stack=stack, project=project).push(registry)
    assert judged(FRESH, stale).violations


def test_a_proof_by_another_key_changes_nothing(registry: RegistryServer) -> None:
    image = Image(reports=[report(age=60)], proofs=[proof(50)]).push(registry)
    assert not judged(FRESH, image).violations
    configuration.keep(settings(public_keys=(FOREIGN.public,)))
    mixed = Image(signer=FOREIGN, attester=FOREIGN, reports=[report(age=60)]).push(registry)
    assert judged(FRESH, mixed).violations


@pytest.mark.parametrize(
    ("proof_keys", "prover", "counts"),
    [
        (None, TRUSTED, True),
        (None, FOREIGN, False),
        ((FOREIGN.public,), FOREIGN, True),
        ((FOREIGN.public,), TRUSTED, False),
        ((FOREIGN.public, TRUSTED.public), TRUSTED, True),
        ((), TRUSTED, False),
    ],
)
def test_a_proof_counts_by_the_keys_that_are_named_for_proofs(
    registry: RegistryServer, proof_keys: tuple[str, ...] | None, prover: Key, counts: bool
) -> None:
    reports = [report(age=6), report(finding(), age=1)]
    image = Image(reports=reports, proofs=[proof(5)], prover=prover).push(registry)
    configuration.keep(settings(proof_keys=proof_keys))
    assert bool(judged(SEVERE, image).violations) is not counts


def test_a_key_for_proofs_stands_for_nothing_else(registry: RegistryServer) -> None:
    configuration.keep(settings(proof_keys=(FOREIGN.public,)))
    image = Image(signer=FOREIGN, attester=FOREIGN).push(registry)
    for rule in (SIGNATURE, REPORT, SBOM, SOURCE_KNOWN):
        (said,) = judged(rule, image).violations
        assert "a key of proofKeys alone has signed it" in said
    assert not judged(SIGNATURE, Image().push(registry)).violations


def test_a_key_for_proofs_that_is_none_stops(registry: RegistryServer) -> None:
    configuration.keep(settings(proof_keys=("-----BEGIN no key",)))
    (said,) = judged(SIGNATURE, Image().push(registry)).violations
    assert "proofKeys: it holds no public key" in said


def test_an_old_report_stops_the_first_deployment(registry: RegistryServer) -> None:
    image = Image(platforms=["linux/amd64"], reports=[report(age=8, database_age=9)]).push(registry)
    said = "web (docker:Container): the"
    write = "scan it again with today's database and attest the report, as `slipway rescan` does"
    write += f" {CIS.format('4.4')}"
    assert judged(FRESH, image).violations == [
        f"{said} vulnerability report of {image} for linux/amd64 is 8.0 days old, more than 7; {write}",
        f"{said} report's vulnerability database of {image} for linux/amd64 is 9.0 days old, more than 7; {write}",
    ]


def test_an_old_report_is_advice_for_what_the_stack_has_deployed(registry: RegistryServer) -> None:
    assert not judged(FRESH, deployed(20, report(age=21, database_age=22)).push(registry)).violations
    assert len(advised()) == 4


def test_how_old_a_report_may_be_is_configured(registry: RegistryServer) -> None:
    image = Image(reports=[report(age=8, database_age=9)]).push(registry)
    configuration.keep(settings(report_age=8.5, database_age=9.5))
    assert judged(FRESH, image).nothing


def test_a_fresh_report_beside_an_old_one_is_enough(registry: RegistryServer) -> None:
    assert judged(FRESH, Image(reports=[report(age=80), report()]).push(registry)).nothing


def test_a_report_without_dates_or_from_the_future_is_not_fresh(registry: RegistryServer) -> None:
    undated = report()
    undated["metadata"] = {}
    undated["scanner"]["db"] = {}
    said = judged(FRESH, Image(platforms=["linux/amd64"], reports=[undated]).push(registry)).violations
    assert len(said) == 2
    assert all("names no time at which it was made" in text for text in said)
    future = Image(platforms=["linux/amd64"], reports=[report(age=-30, database_age=-30)]).push(registry)
    said = judged(FRESH, future).violations
    assert "says that it was made in the future, on 2026-12-25" in said[0]


def test_the_key_of_a_program_is_not_the_key_of_the_pack(registry: RegistryServer) -> None:
    image = Image(signer=FOREIGN, attester=FOREIGN).push(registry)
    for rule in (SIGNATURE, REPORT, SBOM, SOURCE_KNOWN):
        assert len(judged(rule, image).violations) == 1
    assert read_keys((FOREIGN.public,)) != read_keys((TRUSTED.public,))
