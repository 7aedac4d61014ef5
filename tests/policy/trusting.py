"""Settings that trust one key, and registries for tests of what is proven under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.policy.attested import TRUSTED
from tests.policy.registry_server import RegistryServer, serving
from verification import evidence
from verification.evidence import Evidence, evidence_of
from verification.keyless import Identity
from verification.keys import read_keys
from verification.references import Reference
from verification.registry import Access

BY = (read_keys((TRUSTED.public,))[0].fingerprint,)


@dataclass(frozen=True)
class Trust:
    """The settings that reading evidence needs."""

    public_keys: tuple[str, ...] = (TRUSTED.public,)
    identities: Sequence[Identity] = ()
    proof_keys: tuple[str, ...] | None = None
    registries: dict[str, Access] = field(default_factory=dict)
    timeout: float = 5.0


@pytest.fixture(name="registry", params=[False, True], ids=["fallback tag", "referrers API"])
def registry_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[RegistryServer]:
    """A registry, and nothing known from other tests."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    evidence.forget()
    with serving(has_referrers_api=request.param) as registry:
        yield registry


@pytest.fixture(name="plain")
def registry_without_api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry without the referrers API, where it makes no difference."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    evidence.forget()
    with serving() as registry:
        yield registry


def found(reference: str, trust: Trust | None = None) -> Evidence:
    """What is proven about an image."""
    return evidence_of(Reference.parse(reference), trust or Trust())
