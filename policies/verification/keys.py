"""Public keys of the pack's configuration, and whether a signature is by one of them.

`cryptography` is imported with the first key: a stack without images pays nothing for it. Which hash goes with which
key is what cosign decides by, see sigstore/sigstore, `pkg/signature/algorithm_registry.go`: SHA-256, SHA-384 and
SHA-512 for the three curves (older signers took SHA-256 for all), SHA-256 for RSA, and what Ed25519 does by itself.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_LEAST_RSA_BITS = 2048


@dataclass(frozen=True)
class TrustedKey:
    """A public key that this pack trusts."""

    fingerprint: str
    """SHA-256 of the key's DER form, in hexadecimal."""
    key: "PublicKeyTypes" = field(repr=False, compare=False)

    @property
    def short(self) -> str:
        """The first 12 digits of the fingerprint, enough to tell keys apart in a message."""
        return self.fingerprint[:12]

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, of exactly these bytes."""
        return any(_holds(check) for check in self._checks(message, signature))

    def _checks(self, message: bytes, signature: bytes) -> Iterator[Callable[[], None]]:
        """The ways in which a signer may have signed with this key; each raises unless the signature is so made."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        key, sha256 = self.key, hashes.SHA256()
        if isinstance(key, ed25519.Ed25519PublicKey):
            yield lambda: key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            yield lambda: key.verify(signature, message, padding.PKCS1v15(), sha256)
            pss = padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO)
            yield lambda: key.verify(signature, message, pss, sha256)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            longer: dict[int, hashes.HashAlgorithm] = {384: hashes.SHA384(), 521: hashes.SHA512()}
            if key.curve.key_size in longer:
                yield lambda: key.verify(signature, message, ec.ECDSA(longer[key.curve.key_size]))
            yield lambda: key.verify(signature, message, ec.ECDSA(sha256))


def _holds(check: Callable[[], None]) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        check()
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def read_keys(texts: tuple[str, ...]) -> Sequence[TrustedKey]:
    """The public keys in PEM texts, each of which may hold several.

    Raises:
        ValueError: a text holds no public key, or one that is too weak; it says what to write and shows no key.
    """
    return tuple(_read_key(block) for text in texts for block in _blocks(text))


def _blocks(text: str) -> list[str]:
    found = list(_PEM.finditer(text))
    if any("PRIVATE" in block.group(1) for block in found):
        raise ValueError("it is a private key: write the public key, which `cosign public-key` prints")
    if not found:
        raise ValueError("it holds no public key: write a PEM text that begins with -----BEGIN PUBLIC KEY-----")
    return [block.group() for block in found]


def _read_key(block: str) -> TrustedKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it holds a damaged public key, or none that is supported: write it again") from None
    curves = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise ValueError(f"its RSA key has {key.key_size} bits: make one of at least {_LEAST_RSA_BITS}")
    elif not isinstance(key, ed25519.Ed25519PublicKey) and not (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curves)
    ):
        raise ValueError("its kind of key is not supported: write ECDSA (P-256, P-384, P-521), Ed25519 or RSA")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey(hashlib.sha256(der).hexdigest(), key)
