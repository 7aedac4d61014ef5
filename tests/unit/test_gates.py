"""Gates are edges: what a gate did not let through reaches nothing after it."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from tests.programs import SECRETS, a_release, both, image_args, release_args
from tests.recording import CANDIDATE, RELEASED, SUMMARY, Engine, component
from tests.repository import Repository, service_in_git

__all__ = ["service_in_git"]

ORDER = ["scan", "sign", "attest", "verify", "publish"]
DOWNSTREAM = {
    "Signature": "web-signature",
    "Evidence": "web-evidence",
    "Verification": "web-verification",
    "Publication": "web-publication",
}


def test_a_release_passes_every_gate_in_order_and_each_sees_the_same_candidate() -> None:
    engine = Engine().good(a_release(), secrets=SECRETS)
    assert engine.ran() == ORDER
    for module in ("scan", "sign", "attest", "verify"):
        assert engine.step(module).values("--reference") == [CANDIDATE]
    assert engine.step("publish").values("--source") == [CANDIDATE]


@pytest.mark.parametrize("at", range(len(ORDER)), ids=ORDER)
def test_what_a_gate_hands_on_is_what_it_printed_and_nothing_else(at: int) -> None:
    other = f"localhost:5380/driftwood/web@sha256:{'e' * 64}"
    published = f"localhost:5443/driftwood/web@sha256:{'e' * 64}"
    answer = {"reference": published if ORDER[at] == "publish" else other, **(SUMMARY if ORDER[at] == "scan" else {})}
    engine = Engine(broken={ORDER[at]: json.dumps(answer)}).good(both, secrets=SECRETS)
    for module in ORDER[:at]:
        assert engine.step(module).values("--reference") == [CANDIDATE]
    for module in ORDER[at + 1 :]:
        flag = "--source" if module == "publish" else "--reference"
        assert engine.step(module).values(flag) == [other]
    assert engine.one("docker:index/container:Container").inputs["image"] == published


@pytest.mark.parametrize("answer", ["{}", "", "null", '{"reference": null}', "not json"])
@pytest.mark.parametrize("at", range(len(ORDER)), ids=ORDER)
def test_a_gate_that_names_no_reference_lets_nothing_through(at: int, answer: str) -> None:
    engine = Engine(broken={ORDER[at]: answer}).run(both, secrets=SECRETS)
    assert engine.errors
    assert [module for module in engine.ran() if module != "secret_file"] == ORDER[: at + 1]
    assert not engine.of("docker:index/remoteImage:RemoteImage")
    assert not engine.of("docker:index/container:Container")


@pytest.mark.parametrize("at", range(len(ORDER)), ids=ORDER)
def test_a_gate_that_fails_stops_the_graph(at: int) -> None:
    engine = Engine(refused=frozenset({ORDER[at]})).run(both, secrets=SECRETS)
    assert engine.errors
    assert [module for module in engine.ran() if module in ORDER] == ORDER[: at + 1]
    assert not engine.of("docker:index/container:Container")
    later = list(DOWNSTREAM.items())[at:]
    assert later or at == len(ORDER) - 1
    for type_, name in later:
        assert not [it for it in engine.of(f"slipway:index:{type_}") if it.name == name]


@pytest.mark.parametrize("module", ["preflight", "settle"])
def test_a_container_that_fails_its_own_gates_is_not_reported_as_running(module: str) -> None:
    engine = Engine(refused=frozenset({module})).run(both, secrets=SECRETS)
    assert engine.errors
    assert not [urn for urn in engine.outputs if urn.endswith("slipway:index:HardenedContainer::web")]
    assert bool(engine.of("docker:index/container:Container")) is (module == "settle")


def test_each_gate_depends_on_the_step_before_it_and_on_no_list_that_can_be_forgotten() -> None:
    engine = Engine().good(both, secrets=SECRETS)
    before = engine.one("docker-build:index:Image").urn
    for module in ORDER:
        step = engine.step(module)
        assert before in step.options["propertyDependencies"]["environment"].urns
        before = step.urn
    pulled = engine.one("docker:index/remoteImage:RemoteImage")
    assert before in pulled.options["propertyDependencies"]["name"].urns
    container = engine.one("docker:index/container:Container")
    assert engine.step("preflight").urn in container.options["propertyDependencies"]["image"].urns


def test_a_preview_without_a_digest_shows_every_resource_of_the_pipeline_and_fails_on_none() -> None:
    engine = Engine(preview=True).good(both, secrets=SECRETS)
    assert len([it for it in engine.steps() if it.parent.endswith("web-scan")]) == 1
    for type_, name in DOWNSTREAM.items():
        assert component(engine, type_, name)
    container = engine.one("docker:index/container:Container")
    assert "image" not in container.inputs  # unknown, never a guess
    assert container.inputs["readOnly"] is True


def test_the_record_of_a_release_says_what_passed() -> None:
    engine = Engine().good(a_release(), secrets=SECRETS)
    outputs = engine.outputs[component(engine, "Release", "web").urn]
    record = outputs["record"]
    assert record["reference"] == outputs["reference"] == RELEASED
    assert record["digest"] == RELEASED.partition("@")[2]
    assert record["schema_version"] == 2
    assert (record["project"], record["stack"]) == ("slipway", "dev")
    assert record["tag"] == "1.4.0-dev.0123456789ab"
    assert record["platforms"] == ["linux/amd64", "linux/arm64"]
    assert record["scan"]["counts"] == {"CRITICAL": 0, "HIGH": 0}
    assert record["scan"]["database"] == "2026-11-23T00:00:00Z"
    assert record["scan"]["scanner"] == "trivy 0.70.0"
    signature = {"public_key": "cosign.pub", "repository": "localhost:5443/driftwood/web", "version": "1.4.0"}
    assert record["signature"] == signature


def test_the_signature_says_repository_and_version_and_verification_expects_the_same() -> None:
    engine = Engine().good(a_release(), secrets=SECRETS)
    says = ["repository=localhost:5443/driftwood/web", "version=1.4.0"]
    assert engine.step("sign").values("--annotation") == says
    assert engine.step("verify").values("--annotation") == says


def test_the_scan_covers_every_platform_of_the_image_with_the_default_policy() -> None:
    scan = Engine().good(a_release(), secrets=SECRETS).step("scan")
    assert scan.values("--platform") == ["linux/amd64", "linux/arm64"]
    assert scan.values("--fail-on") == ["HIGH,CRITICAL"]
    assert scan.values("--database-age") == ["7"]


def test_candidates_and_releases_in_one_repository_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"image\.quarantine and repository are one"):
        release_args(repository="127.0.0.1:5380/driftwood/web")


def test_a_release_of_what_is_in_no_commit_is_refused_before_its_build(repository: Repository) -> None:
    repository.write("web/new.py", "x")
    changes = {"context": str(repository.context)}
    release = a_release(channel="release", image=image_args(**changes))
    engine = Engine().run(release, secrets=SECRETS)
    assert engine.resources == []
    [error] = engine.errors
    assert "service web: " in str(error) and "holds what is in no commit: new.py" in str(error)
    assert Engine().good(a_release(channel="dev", image=image_args(**changes)), secrets=SECRETS).ran() == ORDER
    repository.commit("web/new.py", 1_700_000_100)
    assert Engine().good(release, secrets=SECRETS).ran() == ORDER
