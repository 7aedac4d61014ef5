"""Base64: the text that is in it, and the public keys and certificates that are written in it."""

import base64
import binascii
import re

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_SHORTEST = 8
_PUBLIC = ("CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST", "X509 CRL", "DH PARAMETERS", "SIGNATURE", "PGP MESSAGE")


def decoded(text: str) -> str | None:
    """The text that a text is the base64 of; None when it is base64 of anything else, or none at all."""
    if len(text) < _SHORTEST or not _BASE64.fullmatch(text):
        return None
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        plain = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return plain if all(character.isprintable() or character in "\t\r\n" for character in plain) else None


def without_public_blocks(text: str) -> str:
    """The text without its PEM blocks that hold a certificate, a public key, or a signature."""
    kept: list[str] = []
    position = 0
    while (start := text.find("-----BEGIN ", position)) >= 0:
        label_end = text.find("-----", start + 11)
        label = text[start + 11 : label_end] if 0 <= label_end - start <= 80 else ""
        public = label.endswith(_PUBLIC) or "PUBLIC KEY" in label
        kept.append(text[position : start if public else start + 11])
        end = text.find("-----END ", label_end) if public else start
        closed = text.find("-----", end + 9) if end >= 0 else -1
        position = start + 11 if not public else closed + 5 if closed >= 0 else len(text)
    return "".join([*kept, text[position:]])
