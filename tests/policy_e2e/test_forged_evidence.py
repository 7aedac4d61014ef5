"""What real cosign signs into a real registry passes the whole pack, and nothing that only looks like it does."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.policy.attested import PROVED, VULNERABILITIES, Image, finding, proof, refer, report
from tests.policy_e2e.conftest import Pack
from tests.policy_e2e.services import Cosign, DockerRegistry
from verification import evidence

UNPROVEN = {
    "image-is-signed",
    "image-has-a-vulnerability-report",
    "image-has-an-sbom",
    "image-has-provenance",
}


ONE = ("linux/amd64",)
"""The platforms of most images here: cosign takes its time for each."""


def put(registry: DockerRegistry, image: Image, tag: str = "") -> tuple[str, dict[str, str]]:
    """Push an image without evidence; returns its reference and the digests of its platforms' manifests."""
    digest, platforms = image.push_plain(registry, "shop/web", tag)
    return f"{registry.address}/shop/web@{digest}", platforms


def complete(registry: DockerRegistry, key: Cosign, image: Image, *flags: str, tag: str = "") -> str:
    """Push an image with all its evidence by a key."""
    reference, platforms = put(registry, image, tag)
    key.sign(reference, *flags)
    key.attest_all(reference, image, platforms, *flags)
    return reference


def test_a_good_artifact_passes(pack: Pack, good: str) -> None:
    assert pack.judge(good) == {}
    repository, _, digest = good.partition("@")
    assert pack.judge(f"{repository}:1.4.0@{digest}") == {}
    assert pack.advice == []


def test_a_forged_label_proves_nothing(pack: Pack, registry: DockerRegistry) -> None:
    labels = {"org.opencontainers.image.signed-by": "shop", "io.slipway.verified": "true"}
    config = {"User": "10001", "Healthcheck": {"Test": ["CMD", "x"]}, "Labels": labels}
    assert set(pack.judge(put(registry, Image(config=config))[0])) == UNPROVEN


def test_evidence_by_another_key_proves_nothing(pack: Pack, registry: DockerRegistry, foreign: Cosign) -> None:
    said = pack.judge(complete(registry, foreign, Image(platforms=ONE)))
    assert set(said) == {*UNPROVEN, "image-has-every-platform"}
    said.pop("image-has-every-platform")
    assert all("no trusted key has signed it" in text for text in said.values())


def test_attestations_of_another_digest_prove_nothing(pack: Pack, registry: DockerRegistry, good: str) -> None:
    source = good.partition("@")[2]
    image, platforms = put(registry, Image())
    parts = json.loads(registry.fetch("shop/web", f"manifests/{source}"))["manifests"]
    pairs = [(source, image.partition("@")[2]), *zip((it["digest"] for it in parts), platforms.values(), strict=True)]
    for before, after in pairs:
        registry.set_referrers("shop/web", after, registry.referrers("shop/web", before))
    said = pack.judge(image)
    assert set(said) == UNPROVEN
    assert f"it is about another digest ({source})" in said["image-is-signed"]


def test_a_report_that_was_edited_proves_nothing(pack: Pack, registry: DockerRegistry, trusted: Cosign) -> None:
    pack.settings["platforms"] = ONE
    reference = complete(registry, trusted, Image(platforms=ONE, reports=[report(finding())]))
    assert set(pack.judge(reference)) == {"image-has-no-severe-vulnerability"}
    index = json.loads(registry.fetch("shop/web", f"manifests/{reference.partition('@')[2]}"))
    part = index["manifests"][0]["digest"]
    listed = registry.referrers("shop/web", part)
    (found,) = [it for it in listed if it["annotations"]["dev.sigstore.bundle.predicateType"] == VULNERABILITIES]
    (layer,) = json.loads(registry.fetch("shop/web", f"manifests/{found['digest']}"))["layers"]
    bundle = json.loads(registry.fetch("shop/web", f"blobs/{layer['digest']}"))
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    statement["predicate"]["scanner"]["result"]["Results"] = []
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    registry.set_referrers("shop/web", part, [it for it in listed if it is not found])
    refer(registry, "shop/web", part, json.dumps(bundle).encode(), VULNERABILITIES)
    evidence.forget()
    said = pack.judge(reference)
    assert set(said) == {"image-has-a-vulnerability-report"}
    assert "vulnerability report: no trusted key has signed it" in said["image-has-a-vulnerability-report"]


def test_a_tag_that_was_pushed_again_proves_nothing(pack: Pack, registry: DockerRegistry, trusted: Cosign) -> None:
    pack.settings["platforms"] = ONE
    signed = complete(registry, trusted, Image(platforms=ONE), tag="2.0.0")
    repository = signed.partition("@")[0]
    assert pack.judge(f"{repository}:2.0.0@{signed.partition('@')[2]}") == {}
    other, _ = put(registry, Image(platforms=ONE), "2.0.0")
    evidence.forget()
    assert set(pack.judge(f"{repository}:2.0.0@{signed.partition('@')[2]}")) == {"image-tag-names-its-digest"}
    assert set(pack.judge(f"{repository}:2.0.0@{other.partition('@')[2]}")) == UNPROVEN
    assert "image-is-pinned-by-digest" in pack.judge(f"{repository}:2.0.0")


def test_a_registry_that_is_stopped_fails_closed_and_says_so(
    pack: Pack, folder: Path, trusted: Cosign, good: str
) -> None:
    stopped = DockerRegistry(folder / "stopped")
    stopped.start()
    pack.settings["platforms"] = ONE
    reference = complete(stopped, trusted, Image(platforms=ONE))
    pack.settings["privateRegistries"] = [stopped.address]
    assert pack.judge(reference) == {}
    stopped.stop()
    evidence.forget()
    start = time.monotonic()
    said = pack.judge(reference)
    assert time.monotonic() - start < 5
    assert set(said) >= UNPROVEN
    what = f"nothing is proven of {reference}: registry {stopped.address} does not answer (Connection refused)"
    assert what in said["image-is-signed"]
    pack.settings["privateRegistries"] = [good.partition("/")[0]]
    assert pack.judge(good) == {}


def test_what_a_stack_has_deployed_is_not_stopped_by_what_was_found_since(
    pack: Pack, registry: DockerRegistry, trusted: Cosign
) -> None:
    old, new = report(age=40, database_age=40), report(finding(), age=1)
    pack.settings["platforms"] = ONE
    reference = complete(registry, trusted, Image(platforms=ONE, reports=[old, new]))
    assert set(pack.judge(reference)) == {"image-has-no-severe-vulnerability"}
    trusted.attest(reference, PROVED, proof(30))
    evidence.forget()
    assert pack.judge(reference) == {}
    assert any("which this stack has deployed, has by now HIGH CVE-2026-1000" in text for text in pack.advice)


def test_signatures_in_cosign_s_older_formats_are_verified(
    pack: Pack, registry: DockerRegistry, trusted: Cosign, foreign: Cosign
) -> None:
    pack.settings["platforms"] = ONE
    assert pack.judge(complete(registry, trusted, Image(platforms=ONE), "--new-bundle-format=false")) == {}
    other, _ = put(registry, Image(platforms=ONE))
    foreign.sign(other, "--new-bundle-format=false")
    said = pack.judge(other)
    assert "(found: signature: no trusted key has signed it)" in said["image-is-signed"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("P-384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("P-521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
        ("RSA", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
        # Ed25519 is not here: cosign 3.1.3 signs with its pre-hashed form, and does not verify that itself.
    ],
)
def test_keys_of_other_kinds_are_verified(
    pack: Pack, registry: DockerRegistry, folder: Path, name: str, options: list[str]
) -> None:
    key, plain = Cosign(folder / name), folder / f"{name}.pem"
    subprocess.run(["openssl", "genpkey", *options, "-out", plain], check=True, capture_output=True)
    key.run("import-key-pair", "--key", str(plain), "--output-key-prefix", str(key.prefix))
    image, _ = put(registry, Image())
    key.sign(image)
    assert "image-is-signed" in pack.judge(image)
    pack.settings["publicKeys"].append(key.public)
    assert "image-is-signed" not in pack.judge(image)


def test_a_registry_with_tls_and_a_login_is_read(
    pack: Pack, folder: Path, registry: DockerRegistry, trusted: Cosign, good: str
) -> None:
    certificate = folder / "ca.crt", folder / "ca.key"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-out", certificate[0], "-keyout", certificate[1]], check=True, capture_output=True)
    hashes, password = folder / "htpasswd", folder / "password"
    password.write_text("a password\n")
    hashed = subprocess.run(
        ["htpasswd", "-niB", "robot"], input="a password", text=True, capture_output=True, check=True
    )
    hashes.write_text(hashed.stdout)
    private = DockerRegistry(folder / "private", certificate, hashes)
    shutil.copytree(registry.folder / "data", private.folder / "data")
    private.start()
    try:
        reference = good.replace(registry.address, private.address)
        pack.settings["privateRegistries"] = [private.address]
        pack.settings["registries"] = {private.address: {"certificateAuthority": str(certificate[0])}}
        said = pack.judge(reference)
        assert set(said) >= UNPROVEN
        assert "to a reader without a login (status 401)" in said["image-is-signed"]
        login = {"username": "robot", "passwordFile": str(password)}
        pack.settings["registries"][private.address] |= login
        evidence.forget()
        assert pack.judge(reference) == {}
        assert trusted.public in pack.settings["publicKeys"]
    finally:
        private.stop()
