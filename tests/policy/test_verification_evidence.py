"""The evidence of an image: collected from its registry, complete or with what is missing."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.policy.attested import (
    CYCLONEDX,
    FOREIGN,
    PLATFORMS,
    PROVED,
    PROVENANCE,
    SIGNED,
    TRUSTED,
    VULNERABILITIES,
    Image,
    bundle,
    days_ago,
    envelope,
    finding,
    proof,
    provenance,
    refer,
    report,
    sbom,
    statement,
)
from tests.policy.registry_server import INDEX, MANIFEST, RegistryServer
from tests.policy.trusting import BY, found, registry_server, registry_without_api
from verification import evidence

__all__ = ["registry_server", "registry_without_api"]  # fixtures


def test_the_evidence_of_a_complete_image_is_complete(registry: RegistryServer) -> None:
    reference = Image(reports=[report(finding())], proofs=[proof(1)]).push(registry)
    answer = found(reference)
    assert answer.problem == ""
    assert answer.is_complete
    assert answer.reference == reference
    assert answer.signers == BY
    assert tuple(answer.platforms) == PLATFORMS
    for part in answer.platforms.values():
        assert [it.findings[0].vulnerability for it in part.reports] == ["CVE-2026-1000"]
        assert [it.format for it in part.sboms] == ["CycloneDX"]
    assert [it.source for it in answer.provenances] == ["git+https://git.example/shop/web"]
    assert [it.stack for it in answer.proofs] == ["dev"]
    assert answer.rejected == ()


def test_a_tag_beside_the_digest_changes_nothing(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    repository, _, digest = reference.partition("@")
    assert found(f"{repository}:1.4.0@{digest}") == found(reference)


def test_nothing_by_another_key_counts(registry: RegistryServer) -> None:
    answer = found(Image(signer=FOREIGN, attester=FOREIGN, proofs=[proof(1)]).push(registry))
    assert answer.problem == ""
    assert not answer.signers
    assert not answer.provenances
    assert not answer.proofs
    assert not any(part.reports or part.sboms for part in answer.platforms.values())
    assert set(answer.rejected) == {
        f"{what}: no trusted key has signed it"
        for what in ("signature", "vulnerability report", "SBOM", "provenance", "proof")
    }


@pytest.mark.parametrize(
    ("predicate_type", "what"),
    [
        (SIGNED, "signature"),
        (PROVENANCE, "provenance"),
        (PROVED, "proof"),
        (VULNERABILITIES, "vulnerability report"),
        (CYCLONEDX, "SBOM"),
    ],
)
def test_what_is_about_another_digest_does_not_count(plain: RegistryServer, predicate_type: str, what: str) -> None:
    other = "sha256:" + "2e" * 32
    answer = found(Image(about={predicate_type: other}, proofs=[proof(1)]).push(plain))
    assert answer.rejected == (f"{what}: it is about another digest ({other})",)
    assert answer.is_complete == (predicate_type == PROVED)


def test_a_report_that_was_edited_in_the_registry_does_not_count(plain: RegistryServer) -> None:
    image = Image(reports=[])
    reference = image.push(plain)
    digest = found(reference).platforms["linux/amd64"].digest
    evidence.forget()
    content = json.loads(bundle(statement(digest, VULNERABILITIES, report(finding())), TRUSTED))
    payload = json.loads(base64.b64decode(content["dsseEnvelope"]["payload"]))
    payload["predicate"]["scanner"]["result"]["Results"] = []
    content["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    refer(plain, "shop/web", digest, json.dumps(content).encode(), VULNERABILITIES, days_ago(1))
    answer = found(reference)
    assert not answer.platforms["linux/amd64"].reports
    assert answer.rejected == ("vulnerability report: no trusted key has signed it",)


def test_a_bundle_with_other_bytes_than_its_digest_does_not_count(plain: RegistryServer) -> None:
    reference = Image(provenances=[]).push(plain)
    digest = reference.partition("@")[2]
    path = refer(plain, "shop/web", digest, bundle(statement(digest, PROVENANCE, provenance()), TRUSTED), PROVENANCE)
    plain.replace(path, bundle(statement(digest, PROVENANCE, provenance(source="https://evil.example")), TRUSTED))
    answer = found(reference)
    assert not answer.provenances
    assert "provenance: 127.0.0.1:" in answer.rejected[0]
    assert "with other bytes" in answer.rejected[0]


def test_a_referrer_that_is_listed_but_gone_hides_nothing_else(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    digest = reference.partition("@")[2]
    notes = {"dev.sigstore.bundle.predicateType": SIGNED, "org.opencontainers.image.created": days_ago(0)}
    kind = {"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json", "annotations": notes}
    plain.refer("shop/web", digest, {"digest": "sha256:" + "3d" * 32, "mediaType": MANIFEST, **kind})
    answer = found(reference)
    assert answer.is_complete
    assert answer.rejected == ("signature: it is listed, but not there",)


def test_the_newest_report_comes_first_whatever_the_registry_says(plain: RegistryServer) -> None:
    reference = Image(reports=[report(finding("CVE-OLD"), age=3), report(finding("CVE-NEW"), age=1)]).push(plain)
    for part in found(reference).platforms.values():
        assert [it.findings[0].vulnerability for it in part.reports] == ["CVE-NEW", "CVE-OLD"]


def test_the_report_of_the_time_of_the_first_proof_is_read_too(plain: RegistryServer) -> None:
    ages = (0.1, 1, 2, 3, 4, 5, 6)
    reports = [report(finding(f"CVE-{age}"), age=age) for age in ages]
    reference = Image(reports=reports, proofs=[proof(3.5), proof(2.5), proof(5.5, stack="staging")]).push(plain)
    for part in found(reference).platforms.values():
        names = [it.findings[0].vulnerability for it in part.reports]
        assert names == ["CVE-0.1", "CVE-1", "CVE-4", "CVE-6"]


@pytest.mark.parametrize("hours", [-10, 10])
def test_the_time_of_a_proof_counts_by_its_offset(plain: RegistryServer, hours: int) -> None:
    reports = [report(finding(f"CVE-{age}"), age=age) for age in (0.1, 1, 2.25, 2.75, 3)]
    proved = proof(2.5)
    proved["time"] = datetime.fromisoformat(proved["time"]).astimezone(timezone(timedelta(hours=hours))).isoformat()
    for part in found(Image(reports=reports, proofs=[proved]).push(plain)).platforms.values():
        assert [it.findings[0].vulnerability for it in part.reports] == ["CVE-0.1", "CVE-1", "CVE-2.75"]


def test_rubbish_before_a_trusted_statement_is_read_past(plain: RegistryServer) -> None:
    reference = Image(platforms=["linux/amd64"], provenances=[]).push(plain)
    digest = reference.partition("@")[2]
    for number in range(12):
        content = bundle(statement(digest, PROVENANCE, provenance(source=f"https://evil.example/{number}")), FOREIGN)
        refer(plain, "shop/web", digest, content, PROVENANCE, days_ago(0))
    content = bundle(statement(digest, PROVENANCE, provenance()), TRUSTED)
    refer(plain, "shop/web", digest, content, PROVENANCE, days_ago(9))
    assert [it.source for it in found(reference).provenances] == ["git+https://git.example/shop/web"]


def test_a_bundle_whose_type_the_registry_does_not_say_is_read(plain: RegistryServer) -> None:
    reference = Image(signer=None).push(plain)
    digest = reference.partition("@")[2]
    refer(plain, "shop/web", digest, bundle(statement(digest, SIGNED, {}), TRUSTED), SIGNED)
    listed = json.loads(plain.held(f"/v2/shop/web/manifests/{digest.replace(':', '-')}"))
    for entry in listed["manifests"]:
        del entry["annotations"]
    plain.manifest("shop/web", listed, digest.replace(":", "-"))
    answer = found(reference)
    assert answer.signers == BY
    assert len(answer.provenances) == 1


def test_a_statement_counts_as_what_it_is_not_as_what_the_registry_calls_it(plain: RegistryServer) -> None:
    reference = Image(signer=None).push(plain)
    digest = reference.partition("@")[2]
    refer(plain, "shop/web", digest, bundle(statement(digest, PROVENANCE, provenance()), TRUSTED), SIGNED)
    assert not found(reference).signers


def test_cosign_s_older_formats_are_read(plain: RegistryServer) -> None:
    reference = Image(signer=None, provenances=[]).push(plain)
    digest = reference.partition("@")[2]
    payload = {
        "critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": digest}},
    }
    content = json.dumps(payload).encode()
    signature = base64.b64encode(TRUSTED.sign(content)).decode()
    tagged(
        plain,
        f"{digest.replace(':', '-')}.sig",
        content,
        "application/vnd.dev.cosign.simplesigning.v1+json",
        {"dev.cosignproject.cosign/signature": signature},
    )
    attestation = json.dumps(envelope(statement(digest, PROVENANCE, provenance()), TRUSTED)).encode()
    tagged(
        plain,
        f"{digest.replace(':', '-')}.att",
        attestation,
        "application/vnd.dsse.envelope.v1+json",
        {"predicateType": PROVENANCE},
    )
    answer = found(reference)
    assert answer.signers == BY
    assert len(answer.provenances) == 1


def tagged(registry: RegistryServer, tag: str, content: bytes, media_type: str, notes: dict[str, str]) -> None:
    """Put a layer under a tag, as cosign's older versions do."""
    layer = {"mediaType": media_type, "annotations": notes, **registry.blob("shop/web", content)}
    config = registry.blob("shop/web", b"{}")
    registry.manifest("shop/web", {"mediaType": MANIFEST, "config": config, "layers": [layer]}, tag)


def test_a_single_manifest_is_its_own_platform(plain: RegistryServer) -> None:
    index = Image(platforms=["linux/arm64"]).push(plain)
    (part,) = found(index).platforms.values()
    reference = f"{index.partition('@')[0]}@{part.digest}"
    refer(plain, "shop/web", part.digest, bundle(statement(part.digest, SIGNED, {}), TRUSTED), SIGNED)
    content = bundle(statement(part.digest, PROVENANCE, provenance()), TRUSTED)
    refer(plain, "shop/web", part.digest, content, PROVENANCE)
    answer = found(reference)
    assert answer.is_complete
    assert tuple(answer.platforms) == ("linux/arm64",)


def built_by_buildkit(registry: RegistryServer, signer: Any) -> str:
    """An image whose index holds BuildKit's own attestations, signed as a whole."""
    plain = Image(platforms=["linux/amd64"], signer=None, reports=[], sboms=[], provenances=[])
    index = json.loads(registry.held(f"/v2/shop/web/manifests/{plain.push(registry).partition('@')[2]}"))
    platform = index["manifests"][0]["digest"]
    layers = []
    for predicate_type, predicate in (
        (PROVENANCE, provenance()),
        ("https://spdx.dev/Document", {"spdxVersion": "SPDX-2.3"}),
    ):
        blob = registry.blob("shop/web", statement(platform, predicate_type, predicate))
        notes = {"in-toto.io/predicate-type": predicate_type}
        layers.append({"mediaType": "application/vnd.in-toto+json", "annotations": notes, **blob})
    config = registry.blob("shop/web", b"{}")
    attested = registry.manifest("shop/web", {"mediaType": MANIFEST, "config": config, "layers": layers})
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": platform}
    index["manifests"].append(
        {**attested, "annotations": notes, "platform": {"os": "unknown", "architecture": "unknown"}}
    )
    digest: str = registry.manifest("shop/web", index)["digest"]
    refer(registry, "shop/web", digest, bundle(statement(digest, SIGNED, {}), signer), SIGNED)
    refer(
        registry, "shop/web", platform, bundle(statement(platform, VULNERABILITIES, report()), signer), VULNERABILITIES
    )
    return f"{registry.address}/shop/web@{digest}"


def test_what_buildkit_put_into_a_signed_index_is_signed_with_it(plain: RegistryServer) -> None:
    answer = found(built_by_buildkit(plain, TRUSTED))
    assert answer.is_complete
    assert tuple(answer.platforms) == ("linux/amd64",)
    (part,) = answer.platforms.values()
    assert [it.source for it in part.provenances] == ["git+https://git.example/shop/web"]
    assert [(it.format, it.signer) for it in part.sboms] == [("SPDX", BY[0])]


def test_a_note_hides_no_manifest_that_an_engine_may_run(plain: RegistryServer) -> None:
    reference = Image(platforms=["linux/amd64"]).push(plain)
    index = json.loads(plain.held(f"/v2/shop/web/manifests/{reference.partition('@')[2]}"))
    other = Image(platforms=["linux/arm64"]).push(plain)
    hidden = json.loads(plain.held(f"/v2/shop/web/manifests/{other.partition('@')[2]}"))["manifests"][0]
    index["manifests"].insert(0, {**hidden, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    digest = plain.manifest("shop/web", index)["digest"]
    assert set(found(f"{plain.address}/shop/web@{digest}").platforms) == {"linux/amd64", "linux/arm64"}
    index["manifests"][0]["platform"] = {"os": "linux", "architecture": "amd64"}
    digest = plain.manifest("shop/web", index)["digest"]
    assert "two manifests for one platform" in found(f"{plain.address}/shop/web@{digest}").problem


def test_what_buildkit_put_into_an_unsigned_index_is_signed_by_nobody(plain: RegistryServer) -> None:
    (part,) = found(built_by_buildkit(plain, FOREIGN)).platforms.values()
    assert not part.provenances
    assert not part.sboms


def test_two_manifests_for_one_platform_are_refused(plain: RegistryServer) -> None:
    reference = Image(platforms=["linux/amd64"]).push(plain)
    index = json.loads(plain.held(f"/v2/shop/web/manifests/{reference.partition('@')[2]}"))
    index["manifests"] *= 2
    digest = plain.manifest("shop/web", index)["digest"]
    assert "has two manifests for one platform" in found(f"{plain.address}/shop/web@{digest}").problem


def test_an_index_without_platforms_is_never_complete(plain: RegistryServer) -> None:
    digest = plain.manifest("shop/web", {"mediaType": INDEX, "manifests": []})["digest"]
    refer(plain, "shop/web", digest, bundle(statement(digest, SIGNED, {}), TRUSTED), SIGNED)
    answer = found(f"{plain.address}/shop/web@{digest}")
    assert answer.signers == BY
    assert not answer.is_complete


def test_unsigned_content_of_the_wrong_shape_is_rejected_and_named(plain: RegistryServer) -> None:
    reference = Image(sboms=[{"bomFormat": "none"}]).push(plain)
    answer = found(reference)
    assert answer.rejected == ("SBOM: its SBOM is neither CycloneDX nor SPDX",)
    assert sbom()["bomFormat"] == "CycloneDX"
