"""Signatures without a key: cosign is asked the right question, and without its answer nothing is proven."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ToolMaker
from tests.policy.attested import (
    CYCLONEDX,
    PROVED,
    PROVENANCE,
    TRUSTED,
    VULNERABILITIES,
    Image,
    proof,
    provenance,
    report,
    sbom,
    statement,
)
from tests.policy.registry_server import RegistryServer, serving
from verification import evidence
from verification.evidence import Evidence, evidence_of
from verification.references import Reference
from verification.registry import Access


@dataclass(frozen=True)
class Identity:
    """Who signs without a key."""

    subject: str = "https://ci.example/shop/web/release.yml@refs/heads/main"
    issuer: str = "https://token.ci.example"


@dataclass(frozen=True)
class Trust:
    """The settings that reading evidence needs."""

    public_keys: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = (Identity(),)
    proof_keys: tuple[str, ...] | None = None
    registries: dict[str, Access] = field(default_factory=dict)
    timeout: float = 5.0


@pytest.fixture(name="image")
def unsigned_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[RegistryServer, str]]:
    """An image that no key has signed, in its registry."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    evidence.forget()
    with serving() as registry:
        yield registry, Image(signer=None, reports=[], sboms=[], provenances=[]).push(registry)


def found(reference: str, trust: Trust | None = None) -> Evidence:
    """What is proven about an image."""
    return evidence_of(Reference.parse(reference), trust or Trust())


def envelopes(digests: list[str], predicate_type: str, predicate: Callable[[], object]) -> str:
    """What cosign prints about each of some digests."""
    payloads = [statement(digest, predicate_type, predicate()) for digest in digests]
    return "\n".join(json.dumps({"payload": base64.b64encode(payload).decode()}) for payload in payloads)


def a_cosign_that_verifies(tool: ToolMaker, tmp_path: Path, registry: RegistryServer, reference: str) -> Path:
    """A cosign that has verified everything about an image."""
    digest = reference.partition("@")[2]
    index = json.loads(registry.held(f"/v2/shop/web/manifests/{digest}"))
    script = ["for it; do last=$it; done", "case \"$*\" in verify\\ *) echo '[]' ;;"]
    for name, predicate_type, make in (
        ("provenance", PROVENANCE, provenance),
        ("report", VULNERABILITIES, report),
        ("sbom", CYCLONEDX, sbom),
        ("proof", PROVED, lambda: proof(1)),
    ):
        for about in (digest, *(it["digest"] for it in index["manifests"])):
            path = tmp_path / f"{name}-{about}"
            path.write_text(envelopes([about], predicate_type, make))
            script.append(f"*'--type {predicate_type} '*{about}) cat '{path}' ;;")
    return tool("cosign", "\n".join([*script, "*) echo 'Error: no matching attestations' >&2; exit 1 ;;", "esac"]))


def test_what_cosign_has_verified_by_an_identity_counts(
    tool: ToolMaker, tmp_path: Path, image: tuple[RegistryServer, str]
) -> None:
    registry, reference = image
    cosign = a_cosign_that_verifies(tool, tmp_path, registry, reference)
    answer = found(reference)
    assert answer.is_complete
    assert answer.signers == ("https://ci.example/shop/web/release.yml@refs/heads/main (https://token.ci.example)",)
    first = Path(f"{cosign}.calls").read_text().splitlines()[0]
    assert first == (
        "verify --output=json --certificate-identity=https://ci.example/shop/web/release.yml@refs/heads/main "
        f"--certificate-oidc-issuer=https://token.ci.example --allow-http-registry {reference}"
    )


@pytest.mark.parametrize(("proof_keys", "counts"), [(None, True), ((), False), ((TRUSTED.public,), False)])
def test_a_proof_without_a_key_counts_unless_keys_for_proofs_are_named(
    tool: ToolMaker,
    tmp_path: Path,
    image: tuple[RegistryServer, str],
    proof_keys: tuple[str, ...] | None,
    counts: bool,
) -> None:
    registry, reference = image
    a_cosign_that_verifies(tool, tmp_path, registry, reference)
    answer = found(reference, Trust(proof_keys=proof_keys))
    assert bool(answer.proofs) is counts
    assert answer.is_complete


def test_what_cosign_refuses_is_not_proven_and_says_why(tool: ToolMaker, image: tuple[RegistryServer, str]) -> None:
    tool("cosign", "echo noise >&2; echo 'Error: no signatures found' >&2; exit 1")
    answer = found(image[1])
    assert not answer.signers
    assert answer.problem == ""
    assert answer.rejected[0] == (
        "signature without a key: https://ci.example/shop/web/release.yml@refs/heads/main: "
        "cosign says: Error: no signatures found"
    )


def test_without_cosign_nothing_is_proven(
    image: tuple[RegistryServer, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = found(image[1])
    assert not answer.signers
    assert answer.rejected[0].endswith("cosign, which verifies signatures without a key, is not on PATH")


def test_a_cosign_that_hangs_is_not_waited_for_without_end(tool: ToolMaker, image: tuple[RegistryServer, str]) -> None:
    tool("cosign", "exec sleep 5")
    answer = found(image[1], Trust(timeout=0.5))
    assert not answer.signers
    assert answer.problem == f"registry {image[0].address}: no complete answer within 0.5 s"


@pytest.mark.parametrize("said", ["no JSON", "{}", '{"payload": 3}', '{"payload": "%"}'])
def test_what_is_no_output_of_cosign_proves_nothing(
    tool: ToolMaker, image: tuple[RegistryServer, str], said: str
) -> None:
    tool("cosign", f"case \"$1\" in verify) ;; *) echo '{said}' ;; esac")
    answer = found(image[1])
    assert not answer.provenances
    assert any("provenance without a key" in text for text in answer.rejected)


def test_a_statement_about_another_digest_proves_nothing(
    tool: ToolMaker, tmp_path: Path, image: tuple[RegistryServer, str]
) -> None:
    path = tmp_path / "other"
    path.write_text(envelopes(["sha256:" + "2e" * 32], PROVENANCE, provenance))
    tool("cosign", f"case \"$1\" in verify) ;; *) cat '{path}' ;; esac")
    assert not found(image[1]).provenances


def test_cosign_is_given_the_login_and_authority_of_the_configuration(
    tool: ToolMaker, tmp_path: Path, image: tuple[RegistryServer, str]
) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    cosign = tool("cosign", 'cp "$DOCKER_CONFIG/config.json" "$0.login"')
    registry, reference = image
    access = Access(username="robot", password_file=password)
    assert found(reference, Trust(registries={registry.address: access})).signers
    login = {"auth": base64.b64encode(b"robot:hunter2").decode()}
    assert json.loads(Path(f"{cosign}.login").read_text()) == {"auths": {registry.address: login}}
    assert "hunter2" not in Path(f"{cosign}.calls").read_text()
