"""A registry of images for tests of what their configurations say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from judging.configuration import Settings, keep
from tests.policy.registry_server import RegistryServer, serving
from verification.evidence import forget

BOTH = "linux/amd64, linux/arm64"
"""The platforms of an image, as messages list them."""


@pytest.fixture(name="_asked_anew", autouse=True)
def nothing_known() -> Iterator[None]:
    """A pack that does not wait long, and nothing known from other tests."""
    keep(Settings(timeout=2))
    yield
    keep(Settings())
    forget()


@pytest.fixture(name="registry")
def registry_of_images() -> Iterator[RegistryServer]:
    """The registry."""
    with serving() as server:
        yield server
