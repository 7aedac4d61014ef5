"""Rotating a secret: which resources get the new value, as docs/guide/rotation.md tells it."""

from __future__ import annotations

from typing import Any

import pytest

from components.proof import Proof
from tests.programs import SECRETS, both, proof_args
from tests.recording import Engine


def shipped() -> None:
    """A release, its container, and the proof of it."""
    both()
    Proof("web", proof_args())


def inputs(secrets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The inputs of every resource by its URN."""
    return {it.urn: it.inputs for it in Engine().good(shipped, secrets=secrets).resources}


def changed(name: str) -> set[str]:
    """The names of the resources whose inputs another value of this secret changes."""
    before, after = inputs(SECRETS), inputs(SECRETS | {f"slipway:{name}": "rotated"})
    assert before.keys() == after.keys()
    return {urn.rpartition("::")[2] for urn in before if before[urn] != after[urn]}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("db", "web-secret-db_password"),
        ("token", "web-image-build"),
        ("registry", "host-docker web-prove web-publication-oras"),
        # The provider of the build leaves out of its diff that a password is another one.
        (
            "quarantine",
            "web-image-build web-scan-trivy web-signature-cosign web-evidence-cosign "
            "web-verification-cosign web-publication-oras",
        ),
        ("cosign", "web-signature-cosign web-evidence-cosign web-prove"),
    ],
)
def test_another_value_of_a_secret_is_a_change_of_what_gets_it_and_never_of_the_container(name: str, told: str) -> None:
    assert changed(name) == set(told.split())
