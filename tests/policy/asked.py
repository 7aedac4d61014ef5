"""A registry for tests of its client, and the questions that they ask it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policy.registry_server import MANIFEST, RegistryServer, serving
from verification.registry import Access, Manifest, Registry, RegistryError
from verification.transport import Deadline

TINY = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}


@pytest.fixture(name="server")
def registry_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry, and no login stored on this machine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as server:
        yield server


@pytest.fixture(name="access")
def configured_login(tmp_path: Path) -> Access:
    """A login in the pack's configuration."""
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    return Access(username="robot", password_file=path)


@pytest.fixture(name="certificate", scope="module")
def certificate_and_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "ca.crt", folder / "ca.key"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def soon() -> Deadline:
    """Enough time for a test."""
    return Deadline(5)


def read(server: RegistryServer, reference: str, access: Access | None = None) -> Manifest | None:
    """Read a manifest of the repository that all tests use."""
    return Registry(server.address, access).manifest("shop/web", reference, soon())


def refused(server: RegistryServer, reference: str = "1.4.0", access: Access | None = None) -> str:
    """Why a manifest cannot be read."""
    with pytest.raises(RegistryError) as error:
        read(server, reference, access)
    return str(error.value)
