"""A registry, two key pairs and a good artifact for all tests of this folder; the whole pack judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy.policy import EnforcementLevel

from judging import configuration
from judging.advice import take
from judging.configuration import Settings
from judging.servicer import Servicer
from pack import POLICIES
from rules import evidence as evidence_rules
from tests.policy.attested import NOW, Image
from tests.policy.compliant import CONTAINER, container
from tests.policy_e2e.services import Cosign, DockerRegistry
from verification import evidence

URN = f"urn:pulumi:dev::shop::{CONTAINER}::web"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the services and keys of these tests are."""
    return tmp_path_factory.mktemp("policy-e2e")


@pytest.fixture(scope="session")
def registry(folder: Path) -> Iterator[DockerRegistry]:
    """A docker-registry."""
    service = DockerRegistry(folder / "registry")
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def trusted(folder: Path) -> Cosign:
    """The key pair that the pack trusts."""
    return Cosign.make(folder / "trusted")


@pytest.fixture(scope="session")
def foreign(folder: Path) -> Cosign:
    """A key pair of somebody else."""
    return Cosign.make(folder / "foreign")


@pytest.fixture(scope="session")
def good(registry: DockerRegistry, trusted: Cosign) -> str:
    """An artifact with all its evidence."""
    image = Image()
    digest, platforms = image.push_plain(registry, "shop/web", "1.4.0")
    reference = f"{registry.address}/shop/web@{digest}"
    trusted.sign(reference, "--annotations", "version=1.4.0")
    trusted.attest_all(reference, image, platforms)
    return reference


class Pack:
    """The whole pack, configured for the registry and the trusted key."""

    def __init__(self, registry: DockerRegistry, key: Cosign) -> None:
        self.settings: dict[str, Any] = {
            "privateRegistries": [registry.address],
            "quarantine": ["quarantine.example"],
            "publicKeys": [key.public],
            "sourceRepositories": ["https://git.example/shop/*"],
            "baseImages": ["registry.example/base"],
            "timeout": 10,
        }
        self.advice: list[str] = []

    def judge(self, image: str) -> dict[str, str]:
        """The mandatory violations by rule, for a container of an image."""
        servicer: Any = Servicer("slipway", "1.0.0", POLICIES, EnforcementLevel.MANDATORY)
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        request.policyConfig["pack-is-configured"].enforcementLevel = analyzer_pb2.MANDATORY
        request.policyConfig["pack-is-configured"].properties.update(self.settings)
        servicer.Configure(request, None)
        question = analyzer_pb2.AnalyzeRequest(type=CONTAINER, name="web", urn=URN)
        question.properties.update(container(image=image))
        take(URN)
        said = [(it.policyName, it.enforcementLevel, it.message) for it in servicer.Analyze(question, None).diagnostics]
        self.advice = [text for _, level, text in said if level == analyzer_pb2.ADVISORY]
        return {name: text for name, level, text in said if level == analyzer_pb2.MANDATORY}


@pytest.fixture
def pack(registry: DockerRegistry, trusted: Cosign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pack]:
    """The pack, in a process that has read nothing yet, on the day after the reports were made."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(evidence_rules, "now", lambda: NOW)
    evidence.forget()
    yield Pack(registry, trusted)
    configuration.keep(Settings())
