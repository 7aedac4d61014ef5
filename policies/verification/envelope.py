"""Signed statements as registries hold them: opened, and verified against public keys and the digest they are about.

Read are sigstore bundles (v0.1 to v0.3) with a DSSE envelope, bare DSSE envelopes (`sha256-….att`), and cosign's simple
signing (`sha256-….sig`). Sources: sigstore/protobuf-specs, `sigstore_bundle.proto`; secure-systems-lab/dsse,
`protocol.md`; in-toto/attestation, "Statement"; sigstore/cosign, `specs/SIGNATURE_SPEC.md`.

What makes a statement count is verified in this order: the signature over the exact bytes, the payload's type, the
statement's type, and that its subject is the digest asked about. Nothing of a statement is read before its signature.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verification.keys import TrustedKey

BUNDLE = "application/vnd.dev.sigstore.bundle"
"""What the media types of all versions of a bundle begin with."""
DSSE = "application/vnd.dsse.envelope.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_NOTE = "dev.cosignproject.cosign/signature"
"""The annotation of a simple signing layer that holds its signature."""
SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""Predicate type of what `cosign sign` states."""
_IN_TOTO = "application/vnd.in-toto+json"
_STATEMENTS = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
_SIMPLE_KINDS = frozenset({"cosign container image signature", "atomic container signature"})


class EnvelopeError(Exception):
    """What is there proves nothing; the message says why, as the end of a sentence."""


class UntrustedError(EnvelopeError):
    """It is signed, but by none of the keys."""


@dataclass(frozen=True)
class Statement:
    """What a trusted key has signed about a digest."""

    predicate_type: str
    predicate: object
    """A JSON object; a text in the case of SPDX's older format."""
    signer: str
    """The key's fingerprint, or the identity of a keyless signature."""


def open_bundle(content: bytes, digest: str, keys: Sequence[TrustedKey]) -> Statement:
    """Open a sigstore bundle.

    Args:
        content: the bundle's JSON.
        digest: `sha256:…` of the manifest that it must be about.
        keys: who may have signed it.

    Raises:
        EnvelopeError: it is damaged, signed by somebody else, or about something else.
    """
    bundle = _object(content, "the bundle")
    if not str(bundle.get("mediaType", "")).startswith(BUNDLE):
        raise EnvelopeError("its media type is none of a sigstore bundle")
    material = bundle.get("verificationMaterial")
    keyless = isinstance(material, Mapping) and ("certificate" in material or "x509CertificateChain" in material)
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, Mapping):
        raise EnvelopeError("it holds no DSSE envelope")
    try:
        return _open(envelope, digest, keys)
    except UntrustedError:
        if keyless:
            raise UntrustedError("it is signed with a certificate, not with one of the keys") from None
        raise


def open_envelope(content: bytes, digest: str, keys: Sequence[TrustedKey]) -> Statement:
    """Open a DSSE envelope without a bundle around it, as `sha256-….att` holds them."""
    return _open(_object(content, "the envelope"), digest, keys)


def open_simple_signing(content: bytes, signature: str, digest: str, keys: Sequence[TrustedKey]) -> Statement:
    """Open a signature of cosign's older format, as `sha256-….sig` holds them.

    Args:
        content: the signed payload.
        signature: of the payload, in base64.
        digest: `sha256:…` of the manifest that it must be about.
        keys: who may have signed it.
    """
    signer = _signer(content, [_bytes(signature, "the signature")], keys)
    critical = _object(content, "the payload").get("critical")
    critical = critical if isinstance(critical, Mapping) else {}
    if critical.get("type") not in _SIMPLE_KINDS:
        raise EnvelopeError(
            f"its payload is of the type {str(critical.get('type'))[:80]!r}, not a container's signature"
        )
    image = critical.get("image")
    named = image.get("docker-manifest-digest") if isinstance(image, Mapping) else None
    if named != digest:
        raise EnvelopeError(f"it is about another digest ({str(named)[:80]})")
    return Statement(SIGNED, {}, signer)


def statement_about(payload: bytes, digest: str, signer: str) -> Statement:
    """Read an in-toto statement whose origin is proven already.

    Raises:
        EnvelopeError: it is no statement, or about something else.
    """
    statement = _object(payload, "the statement")
    if statement.get("_type") not in _STATEMENTS:
        raise EnvelopeError(f"its statement is of the type {str(statement.get('_type'))[:80]!r}")
    subjects = statement.get("subject")
    digests = [_digest_of(subject) for subject in subjects] if isinstance(subjects, list) else []
    if digest not in digests:
        raise EnvelopeError(f"it is about another digest ({', '.join(digests)[:160] or 'none'})")
    kind, predicate = statement.get("predicateType"), statement.get("predicate")
    if not isinstance(kind, str):
        raise EnvelopeError("its statement has no predicate type")
    return Statement(kind, predicate, signer)


def _open(envelope: Mapping[str, Any], digest: str, keys: Sequence[TrustedKey]) -> Statement:
    payload_type = envelope.get("payloadType")
    if payload_type != _IN_TOTO:
        raise EnvelopeError(f"its payload is of the type {str(payload_type)[:80]!r}, not an in-toto statement")
    payload = _bytes(envelope.get("payload"), "the payload")
    listed = envelope.get("signatures")
    entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    signatures = [_bytes(entry.get("sig"), "a signature") for entry in entries]
    # DSSE's pre-authentication encoding: the type is signed with the payload.
    message = b"DSSEv1 %d %b %d %b" % (len(_IN_TOTO), _IN_TOTO.encode(), len(payload), payload)
    return statement_about(payload, digest, _signer(message, signatures, keys))


def _signer(message: bytes, signatures: Sequence[bytes], keys: Sequence[TrustedKey]) -> str:
    for signature in signatures:
        for key in keys:
            if key.has_signed(message, signature):
                return key.fingerprint
    raise UntrustedError("no trusted key has signed it" if signatures else "it has no signature")


def _digest_of(subject: object) -> str:
    digests = subject.get("digest") if isinstance(subject, Mapping) else None
    return f"sha256:{digests.get('sha256')}" if isinstance(digests, Mapping) else ""


def _bytes(text: object, what: str) -> bytes:
    """DSSE allows both alphabets of base64."""
    try:
        standard = text.replace("-", "+").replace("_", "/") if isinstance(text, str) else "?"
        return base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeError(f"{what} is not base64") from None


def _object(content: bytes, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise EnvelopeError(f"{what} is no JSON object")
    return document
