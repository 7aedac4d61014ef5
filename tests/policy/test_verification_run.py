"""Evidence in a run of the pack: read once, waited for no longer than allowed, and never a traceback."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.policy.attested import FOREIGN, PLATFORMS, SIGNED, TRUSTED, Image, bundle, days_ago, refer, statement
from tests.policy.registry_server import MANIFEST, Answer, Question, RegistryServer, serving
from tests.policy.trusting import BY, Trust, found, registry_without_api
from verification import evidence
from verification.evidence import begin, image_config, tag_digest
from verification.references import Reference
from verification.registry import Access

__all__ = ["registry_without_api"]  # a fixture


def test_a_digest_that_is_not_there_is_a_problem(plain: RegistryServer) -> None:
    missing = f"{plain.address}/shop/web@sha256:{'1f' * 32}"
    assert found(missing).problem == f"registry {plain.address} has no shop/web@sha256:{'1f' * 32}"


def test_a_registry_that_is_stopped_is_a_problem() -> None:
    evidence.forget()
    with serving() as registry:
        reference = Image().push(registry)
    assert found(reference).problem == f"registry {registry.address} does not answer (Connection refused)"


def test_a_registry_that_hangs_is_a_problem_within_the_timeout_and_is_not_asked_again(plain: RegistryServer) -> None:
    one, other = Image().push(plain), Image(salt="other").push(plain)
    released, asked = threading.Event(), []

    def hang(question: Question) -> Answer | None:
        asked.append(question)
        released.wait(10)
        return None

    plain.intercept = hang
    trust = Trust(timeout=0.3)
    start = time.monotonic()
    problem = found(one, trust).problem
    assert "did not answer in time" in problem
    assert time.monotonic() - start < 5, "it waited for the answer"
    before = len(asked)
    assert found(other, trust).problem == problem
    assert len(asked) == before
    released.set()


def test_whatever_breaks_is_a_problem_and_no_traceback(plain: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Image().push(plain)

    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("verification.evidence.collect", broken)
    assert found(reference).problem == "its evidence cannot be read (RuntimeError: a mistake of ours)"


def test_a_key_that_cannot_be_read_is_a_problem(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    assert found(reference, Trust(public_keys=("nothing",))).problem.startswith("publicKeys: it holds no public key")


def test_an_image_is_read_once_a_run(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    first = found(reference)
    asked = len(plain.asked)
    assert found(reference) is first
    assert len(plain.asked) == asked
    found(reference, Trust(public_keys=(FOREIGN.public,)))
    assert len(plain.asked) > asked


def test_what_was_begun_early_is_waited_for_and_not_read_again(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    parsed = Reference.parse(reference)
    for _ in range(3):
        begin(parsed, Trust())
    begin(Reference.parse("registry.example/shop/web:1.4.0"), Trust())
    assert found(reference).is_complete
    evidence._verifier(Trust()).configs.begin(parsed).future.result(5)  # it follows by itself, and reads it as well
    assert plain.paths.count(f"/v2/shop/web/manifests/{parsed.digest}") == 2


def test_what_was_begun_before_it_was_signed_is_read_once_more(plain: RegistryServer) -> None:
    reference = Image(signer=None).push(plain)
    digest = reference.partition("@")[2]
    begin(Reference.parse(reference), Trust())
    evidence._verifier(Trust()).evidence.begin(Reference.parse(reference)).future.result(5)
    refer(plain, "shop/web", digest, bundle(statement(digest, SIGNED, {}), TRUSTED), SIGNED, days_ago(0))
    assert found(reference).signers == BY
    asked = len(plain.asked)
    found(reference)
    assert len(plain.asked) == asked


def test_many_images_are_read_side_by_side(plain: RegistryServer) -> None:
    references = [Image(salt=str(number)).push(plain) for number in range(6)]
    plain.intercept = lambda _: time.sleep(0.01)
    for reference in references:
        begin(Reference.parse(reference), Trust())
    assert all(found(reference).is_complete for reference in references)


def test_the_configuration_of_every_platform_is_read(plain: RegistryServer) -> None:
    settings: dict[str, tuple[dict[str, Any], tuple[str, tuple[str, ...]]]] = {
        "all": ({"User": "10001", "Healthcheck": {"Test": ["CMD", "x"]}}, ("10001", ("CMD", "x"))),
        "none": ({}, ("", ())),
        "off": ({"User": "root", "Healthcheck": {"Test": ["NONE"]}}, ("root", ("NONE",))),
        "odd": ({"User": None, "Healthcheck": "x"}, ("", ())),
    }
    for salt, (config, expected) in settings.items():
        reference = Image(signer=None, reports=[], sboms=[], provenances=[], config=config, salt=salt).push(plain)
        answer = image_config(Reference.parse(reference), Trust())
        assert answer.problem == ""
        assert tuple(answer.platforms) == PLATFORMS
        assert {(it.user, it.health_test) for it in answer.platforms.values()} == {expected}


def test_a_configuration_that_cannot_be_read_is_a_problem(plain: RegistryServer) -> None:
    digest = plain.manifest("shop/web", {"mediaType": MANIFEST, "layers": []})["digest"]
    answer = image_config(Reference.parse(f"{plain.address}/shop/web@{digest}"), Trust())
    assert "names no sha256 digest where it must" in answer.problem


def test_what_a_tag_names_is_read(plain: RegistryServer) -> None:
    reference = Image().push(plain, tag="1.4.0")
    repository, _, digest = reference.partition("@")
    assert tag_digest(Reference.parse(f"{repository}:1.4.0@sha256:{'1f' * 32}"), Trust()).digest == digest
    assert tag_digest(Reference.parse(f"{repository}:1.5.0"), Trust()).digest is None


def test_what_the_image_says_is_read_as_soon_as_its_evidence_is(plain: RegistryServer) -> None:
    reference = Image().push(plain)
    assert found(reference).is_complete
    evidence._verifier(Trust()).configs.begin(Reference.parse(reference)).future.result(5)
    asked = len(plain.asked)
    assert image_config(Reference.parse(reference), Trust()).platforms
    assert len(plain.asked) == asked


def test_getting_ready_asks_no_registry(plain: RegistryServer) -> None:
    trust = Trust(registries={plain.address: Access(), "registry.example": Access(Path("/no/such/file"))})
    for _ in range(2):
        evidence.prepare(trust)
    evidence._verifier(trust)._requests.shutdown()
    assert not plain.asked


def test_a_registry_is_asked_by_the_name_that_the_image_gives_it(plain: RegistryServer) -> None:
    port = plain.address.rpartition(":")[2]
    trust = Trust(
        registries={f"LOCALHOST:{port}": Access(), "registry.example:443": Access(), "index.docker.io": Access()}
    )
    evidence.prepare(trust)
    assert found(Image().push(plain), trust).is_complete
    verifier = evidence._verifier(trust)
    for address in (plain.address, "registry.example", "docker.io"):
        registry = verifier._registry(address)
        assert registry.address == address
        assert (registry._transport in verifier._transports.values()) is (address != plain.address)


def test_of_two_spellings_of_one_registry_the_first_counts(tmp_path: Path) -> None:
    first, second = Access(tmp_path / "first"), Access(tmp_path / "second")
    trust = Trust(registries={"registry.example:443": first, "Registry.example": second})
    registry = evidence._verifier(trust)._registry("registry.example")
    assert registry.authority == registry._transport._authority == first.certificate_authority
