"""Signed statements: what a trusted key has signed about this digest counts, and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.attested import FOREIGN, PROVED, TRUSTED, Document, Key, bundle, envelope, statement
from verification.envelope import (
    SIGNED,
    EnvelopeError,
    Statement,
    open_bundle,
    open_envelope,
    open_simple_signing,
)
from verification.keys import read_keys
from verification.referrers import Source
from verification.registry import Registry
from verification.transport import Deadline

DIGEST = "sha256:" + "1f" * 32
OTHER = "sha256:" + "2e" * 32
KEYS = read_keys((TRUSTED.public,))
PAYLOAD = statement(DIGEST, SIGNED, {})
GOOD = bundle(PAYLOAD, TRUSTED)


def opened(document: Document | bytes) -> Statement:
    """What a bundle states."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return open_bundle(content, DIGEST, KEYS)


def good() -> Document:
    """A bundle without a fault."""
    document: Document = json.loads(GOOD)
    return document


def refused(document: Document | bytes) -> str:
    """Why a bundle proves nothing."""
    with pytest.raises(EnvelopeError) as error:
        opened(document)
    return str(error.value)


def test_what_a_trusted_key_signed_about_the_digest_is_read() -> None:
    assert opened(good()) == Statement(SIGNED, {}, KEYS[0].fingerprint)


@pytest.mark.parametrize("signers", [(TRUSTED, FOREIGN), (FOREIGN, TRUSTED)])
@pytest.mark.parametrize("kind", [PROVED, SIGNED])
def test_what_keys_for_both_have_signed_counts_whichever_comes_first(signers: tuple[Key, Key], kind: str) -> None:
    document = json.loads(bundle(statement(DIGEST, kind, {}), signers[0]))
    other = json.loads(bundle(statement(DIGEST, kind, {}), signers[1]))
    document["dsseEnvelope"]["signatures"] += other["dsseEnvelope"]["signatures"]
    proof_keys = read_keys((FOREIGN.public,))
    # Neither a registry nor an executor is asked where a statement is opened.
    source = Source(cast(Registry, None), "", KEYS, Deadline(1), cast(Executor, None), proof_keys=proof_keys)
    opened = source.trusted(lambda keys: open_bundle(json.dumps(document).encode(), DIGEST, keys))
    assert opened.signer == (proof_keys if kind == PROVED else KEYS)[0].fingerprint


def test_any_one_of_the_trusted_keys_may_sign() -> None:
    both = read_keys((FOREIGN.public + TRUSTED.public,))
    assert open_bundle(bundle(PAYLOAD, TRUSTED), DIGEST, both).signer == both[1].fingerprint


def test_a_signature_by_another_key_counts_for_nothing() -> None:
    assert refused(bundle(PAYLOAD, FOREIGN)) == "no trusted key has signed it"
    with pytest.raises(EnvelopeError):
        open_bundle(bundle(PAYLOAD, TRUSTED), DIGEST, ())


def test_a_statement_about_another_digest_counts_for_nothing() -> None:
    assert refused(bundle(statement(OTHER, SIGNED, {}), TRUSTED)) == f"it is about another digest ({OTHER})"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.update(mediaType="text/plain"), "its media type is none of a sigstore bundle"),
        (lambda it: it.pop("dsseEnvelope"), "it holds no DSSE envelope"),
        (lambda it: it["dsseEnvelope"].update(payloadType="text/plain"), "its payload is of the type 'text/plain'"),
        (lambda it: it["dsseEnvelope"].update(payload="%"), "the payload is not base64"),
        (lambda it: it["dsseEnvelope"].update(payload=3), "the payload is not base64"),
        (lambda it: it["dsseEnvelope"].update(signatures=[]), "it has no signature"),
        (lambda it: it["dsseEnvelope"].update(signatures="MEUC"), "it has no signature"),
        (lambda it: it["dsseEnvelope"].update(signatures=[{"sig": ""}]), "no trusted key has signed it"),
        (lambda it: it["dsseEnvelope"].update(signatures=[{}]), "a signature is not base64"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong_with_it(change: Callable[[Document], Any], said: str) -> None:
    document = good()
    change(document)
    assert said in refused(document)


def test_a_bundle_with_a_certificate_says_that_no_key_signed_it() -> None:
    document = good() | {"verificationMaterial": {"certificate": {"rawBytes": "MIIB"}}}
    document["dsseEnvelope"] = envelope(PAYLOAD, FOREIGN)
    assert refused(document) == "it is signed with a certificate, not with one of the keys"


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_a_signed_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    assert refused(bundle(payload, TRUSTED)) == "the statement is no JSON object"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"_type": "https://example.invalid"}, "its statement is of the type 'https://example.invalid'"),
        ({"subject": None}, "it is about another digest (none)"),
        ({"subject": [None, {}, {"digest": "1f"}]}, "it is about another digest"),
        ({"subject": [{"digest": {"sha512": "1f" * 32}}]}, "it is about another digest"),
        ({"predicateType": 3}, "its statement has no predicate type"),
    ],
)
def test_a_signed_statement_that_does_not_say_enough_is_refused(content: Document, said: str) -> None:
    payload = json.dumps({**json.loads(PAYLOAD), **content}).encode()
    assert said in refused(bundle(payload, TRUSTED))


def test_one_of_several_subjects_is_enough() -> None:
    subjects = [{"digest": {"sha256": it.removeprefix("sha256:")}} for it in (OTHER, DIGEST)]
    payload = json.dumps({**json.loads(PAYLOAD), "subject": subjects}).encode()
    assert opened(bundle(payload, TRUSTED)).predicate_type == SIGNED


def test_both_alphabets_of_base64_are_read() -> None:
    document = good()
    for part, name in ((document["dsseEnvelope"], "payload"), (document["dsseEnvelope"]["signatures"][0], "sig")):
        part[name] = part[name].replace("+", "-").replace("/", "_")
    assert opened(document).predicate_type == SIGNED


@given(st.data())
def test_no_changed_bit_of_a_payload_or_signature_passes(data: st.DataObject) -> None:
    document = good()
    part, name = data.draw(
        st.sampled_from([(document["dsseEnvelope"], "payload"), (document["dsseEnvelope"]["signatures"][0], "sig")])
    )
    content = bytearray(base64.b64decode(part[name]))
    position = data.draw(st.integers(0, len(content) * 8 - 1))
    content[position // 8] ^= 1 << position % 8
    part[name] = base64.b64encode(content).decode()
    with pytest.raises(EnvelopeError):
        opened(document)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    assert refused(content)


def test_a_bare_envelope_is_read_as_a_bundle_is() -> None:
    assert open_envelope(json.dumps(envelope(PAYLOAD, TRUSTED)).encode(), DIGEST, KEYS).predicate_type == SIGNED
    with pytest.raises(EnvelopeError, match="no trusted key has signed it"):
        open_envelope(json.dumps(envelope(PAYLOAD, FOREIGN)).encode(), DIGEST, KEYS)


def simple(digest: str = DIGEST, kind: str = "cosign container image signature") -> bytes:
    """A payload of cosign's older format."""
    return json.dumps({"critical": {"type": kind, "image": {"docker-manifest-digest": digest}}}).encode()


def test_a_signature_of_the_older_format_is_read() -> None:
    signature = base64.b64encode(TRUSTED.sign(simple())).decode()
    assert open_simple_signing(simple(), signature, DIGEST, KEYS) == Statement(SIGNED, {}, KEYS[0].fingerprint)


@pytest.mark.parametrize(
    ("content", "signer", "said"),
    [
        (simple(OTHER), TRUSTED, "it is about another digest"),
        (simple(kind="something"), TRUSTED, "its payload is of the type 'something', not a container's"),
        (b"{}", TRUSTED, "its payload is of the type 'None'"),
        (b"[]", TRUSTED, "the payload is no JSON object"),
        (simple(), FOREIGN, "no trusted key has signed it"),
    ],
)
def test_a_signature_of_the_older_format_that_proves_nothing_says_why(content: bytes, signer: Any, said: str) -> None:
    with pytest.raises(EnvelopeError, match=said):
        open_simple_signing(content, base64.b64encode(signer.sign(content)).decode(), DIGEST, KEYS)


Signer = tuple[Any, Callable[[bytes], bytes]]


def curve(kind: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> Signer:
    """A key of a curve, and how it signs."""
    key = ec.generate_private_key(kind)
    return key, lambda message: key.sign(message, ec.ECDSA(digest))


def rsa_key(scheme: Any) -> Signer:
    """An RSA key, and how it signs."""
    key = rsa.generate_private_key(65537, 2048)
    return key, lambda message: key.sign(message, scheme, hashes.SHA256())


def edwards() -> Signer:
    """An Ed25519 key, and how it signs."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key, key.sign


def pem(key: Any) -> str:
    """The public key of a private one."""
    text: str = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text


@pytest.mark.parametrize(
    "make",
    [
        lambda: curve(ec.SECP256R1(), hashes.SHA256()),
        lambda: curve(ec.SECP384R1(), hashes.SHA384()),
        lambda: curve(ec.SECP521R1(), hashes.SHA512()),
        lambda: curve(ec.SECP384R1(), hashes.SHA256()),  # older signers
        edwards,
        lambda: rsa_key(padding.PKCS1v15()),
        lambda: rsa_key(padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)),
        lambda: rsa_key(padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
    ],
)
def test_every_kind_of_key_that_cosign_signs_with_is_verified(make: Callable[[], Signer]) -> None:
    private, sign = make()
    (key,) = read_keys((pem(private),))
    assert key.has_signed(b"message", sign(b"message"))
    assert not key.has_signed(b"massage", sign(b"message"))
    assert not key.has_signed(b"message", b"")
    assert not key.has_signed(b"message", b"\0" * 64)


@pytest.mark.parametrize(
    "make", [lambda: curve(ec.SECP256R1(), hashes.SHA1()), lambda: curve(ec.SECP256R1(), hashes.SHA512())]
)
def test_a_hash_that_does_not_go_with_the_key_is_refused(make: Callable[[], Signer]) -> None:
    private, sign = make()
    (key,) = read_keys((pem(private),))
    assert not key.has_signed(b"message", sign(b"message"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it holds no public key"),
        ("ssh-ed25519 AAAA", "it holds no public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "it holds a damaged public key"),
        (pem(ed448.Ed448PrivateKey.generate()), "its kind of key is not supported"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "its kind of key is not supported"),
        (pem(dsa.generate_private_key(1024)), "its kind of key is not supported"),
        (pem(rsa.generate_private_key(65537, 1024)), "its RSA key has 1024 bits: make one of at least 2048"),
    ],
)
def test_what_is_no_usable_key_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_keys((TRUSTED.public, text))


def test_a_private_key_is_refused_and_not_shown() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="it is a private key") as error:
        read_keys((text,))
    assert text.splitlines()[1] not in str(error.value)
