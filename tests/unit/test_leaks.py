"""The secrets of a checkout are found in every form that a tool may give them."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.leaks import SECRETS, forms_of, leaks

LINE = "MIIBszCCAVmgAwIBAgIUY2VydGlmaWNhdGVzIG9mIHRoZSB0aWRlcyBhbmQgc2Vh"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{LINE}\nc2hvcnQ=\n-----END CERTIFICATE-----\n"


@pytest.fixture(name="checkout")
def checkout_with_keys(tmp_path: Path) -> Checkout:
    """A checkout of which there is nothing but its secrets, each of another length."""
    keys = tmp_path / ".slipway" / "keys"
    keys.mkdir(parents=True)
    for at, name in enumerate(SECRETS):
        (keys / name).write_text(f"tide{at}-{'salt-mill'[: 4 + at]}-{at}\n")
    (keys / "ca.crt").write_text(CERTIFICATE)
    return Checkout(tmp_path, {})


def found(checkout: Checkout, content: bytes) -> list[str]:
    """The names of the secrets that a place with this content holds."""
    return [it.removeprefix("state: ") for it in leaks(forms_of(checkout), [("state", content)])]


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_in_the_base64_of_a_longer_text_wherever_it_begins(
    checkout: Checkout, name: str, before: int
) -> None:
    text = json.dumps({"name": "x" * before, "password": checkout.key(name), "time": "2026-01-01"})
    [secret] = found(checkout, base64.b64encode(text.encode()))
    assert secret.startswith(f"{name}, base64")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_as_it_is_and_in_base64_of_its_own(checkout: Checkout, name: str) -> None:
    value = checkout.key(name).encode()
    assert found(checkout, b"x" + value + b"y") == [name]
    assert found(checkout, gzip.compress(value)) == [name]
    assert found(checkout, base64.b64encode(value)) == [f"{name}, base64 0"]


def test_the_login_that_a_docker_configuration_holds_is_found(checkout: Checkout) -> None:
    login = base64.b64encode(f"slipway:{checkout.key('registry.password')}".encode()).decode()
    assert "login of the registry, base64 0" in found(checkout, json.dumps({"auth": login}).encode())


def test_a_line_of_a_certificate_is_found(checkout: Checkout) -> None:
    assert found(checkout, f'"{LINE}"'.encode()) == ["certificate 0"]


def test_what_holds_no_secret_is_none(checkout: Checkout) -> None:
    text = json.dumps({"password": "[secret]", "name": "tide-salt-mill"})
    assert found(checkout, text.encode() + base64.b64encode(text.encode())) == []
