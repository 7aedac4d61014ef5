"""What the rules about proofs are tested with: a pack that trusts one key, and a registry on a day of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judging import configuration
from judging.advice import take
from judging.configuration import Settings
from judging.rule import Rule
from rules import evidence as rules
from tests.policy.answers import Answer, answer
from tests.policy.attested import NOW, TRUSTED
from tests.policy.compliant import CONTAINER, container
from tests.policy.registry_server import RegistryServer, serving
from verification import evidence

ATTEST = "have its pipeline attest it with a key that this pack trusts"


def settings(**changes: Any) -> Settings:
    """The settings of a pack that trusts one key."""
    return Settings(
        **{
            "public_keys": (TRUSTED.public,),
            "source_repositories": ("https://git.example/shop/*",),
            "base_images": ("registry.example/base",),
            "timeout": 5.0,
            **changes,
        }
    )


@pytest.fixture(name="registry", autouse=True)
def registry_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry on a day on which the reports are one day old."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(rules, "now", lambda: NOW)
    evidence.forget()
    configuration.keep(settings())
    with serving() as registry:
        yield registry
    configuration.keep(Settings())


def judged(rule: Rule, image: str, **options: Any) -> Answer:
    """What a rule says about a container of an image."""
    return answer(rule, CONTAINER, container(image=image), options or None)


def advised() -> list[str]:
    """What the rule advised about the container that was judged last."""
    return take(f"urn:pulumi:dev::shop::{CONTAINER}::web")
