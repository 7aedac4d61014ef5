"""The secrets of a checkout in all their forms, and where their bytes are found."""

import base64
import gzip
from collections.abc import Iterable, Mapping

from tests.e2e.conftest import Checkout

SECRETS = ("db_password", "registry.password", "cosign.password", "pip_token", "pulumi.passphrase")
GZIP = b"\x1f\x8b"
"""What a gzipped layer begins with."""


def forms_of(checkout: Checkout) -> dict[str, bytes]:
    """The bytes of every secret, plain and as tools encode them."""
    values = {name: checkout.key(name) for name in SECRETS}
    values["login of the registry"] = f"slipway:{values['registry.password']}"
    values["login of the service"] = f"driftwood:{values['db_password']}"
    plain = {name: value.encode() for name, value in values.items()}
    encoded = {f"{name}, base64 {at}": form for name, value in plain.items() for at, form in enumerate(_base64(value))}
    return plain | encoded | _authorities(checkout)


def _base64(value: bytes) -> list[bytes]:
    """What is in the base64 of any text around a value: its whole groups of three bytes, by where a group begins.

    The groups at its ends are left out, as they may hold bytes of that text too.
    """
    return [base64.b64encode(value[start : start + (len(value) - start) // 3 * 3]) for start in range(3)]


def _authorities(checkout: Checkout) -> dict[str, bytes]:
    """A line of each certificate of the build secret `ca`, the last one of full length: of its signature."""
    certificates = checkout.key("ca.crt").split("-----END CERTIFICATE-----")[:-1]
    return {f"certificate {at}": text.split()[-2].encode() for at, text in enumerate(certificates)}


def leaks(secrets: Mapping[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Each place that holds a secret, with the secret's name but not its value."""
    looked, found = 0, []
    for place, content in places:
        looked += len(content)
        text = gzip.decompress(content) if content.startswith(GZIP) else content
        found += [f"{place}: {name}" for name, value in secrets.items() if value in text]
    assert looked, "nothing was looked at"
    return found
