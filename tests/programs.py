"""The small programs that component tests run: a release and a container, as a stack would declare them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi

from components.container import HardenedContainer, HardenedContainerArgs
from components.host import Host, HostArgs
from components.image import ImageArgs
from components.promotion import Promotion, PromotionArgs, PromotionPolicy
from components.proof import Proof, ProofArgs
from components.registry import RegistryAccess
from components.release import Release, ReleaseArgs
from components.run import Run
from components.scan import ScanPolicy
from components.secret import SecretSource
from components.signature import SigningKey
from tests.recording import RELEASED

PASSWORDS = {
    "registry": "registry-pa55",
    "quarantine": "quarantine-pa55",
    "cosign": "cosign-pa55",
    "token": "build-t0ken",
    "db": "workload-pa55",
}
"""The bytes that may show nowhere but in a Pulumi secret."""
SECRETS = {f"slipway:{key}": value for key, value in PASSWORDS.items()}


def source(key: str) -> SecretSource:
    """A Pulumi secret by reference."""
    return SecretSource(config=key)


def image_args(**changes: Any) -> ImageArgs:
    """The sample's image, with credentials for quarantine and one build secret."""
    given: dict[str, Any] = {
        "context": "examples/driftwood-web",
        "quarantine": "localhost:5380/driftwood/web",
        "version": "1.4.0",
        "base_images": "tests/base-images.lock.json",
        "secrets": {"pip_token": source("token")},
        "registry": RegistryAccess(username="builder", password=source("quarantine")),
    }
    return ImageArgs(**given | changes)


def release_args(image: ImageArgs | None = None, **changes: Any) -> ReleaseArgs:
    """The sample's release."""
    given: dict[str, Any] = {
        "image": image or image_args(),
        "repository": "localhost:5443/driftwood/web",
        "key": SigningKey(key="cosign.key", public_key="cosign.pub", password=source("cosign")),
        "scan": ScanPolicy(),
        "access": RegistryAccess(username="publisher", password=source("registry")),
        "certificate_authority": "ca.crt",
    }
    return ReleaseArgs(**given | changes)


def a_release(image: ImageArgs | None = None, **changes: Any) -> Callable[[], Release]:
    """A program with one release named `web`."""
    return lambda: Release("web", release_args(image, **changes))


def host_args() -> HostArgs:
    """This machine's engine, logged in to the private registry."""
    access = RegistryAccess(username="puller", password=source("registry"))
    return HostArgs(registry="localhost:5443", access=access)


def run_args(**changes: Any) -> Run:
    """The sample's container with one secret file and one port."""
    given: dict[str, Any] = {
        "name": "driftwood-web",
        "ports": ({"container": 8080, "host": 8080},),
        "secrets": {"db_password": source("db")},
    }
    return Run(**given | changes)


def a_container(**changes: Any) -> Callable[[], HardenedContainer]:
    """A program with one container named `web` on a host of its own."""

    def program() -> HardenedContainer:
        host = Host("host", host_args())
        args = HardenedContainerArgs(reference=RELEASED, run=run_args(**changes), host=host_args())
        return HardenedContainer("web", args, pulumi.ResourceOptions(providers=[host.provider]))

    return program


def both() -> None:
    """A release and the container that runs it."""
    host = Host("host", host_args())
    release = Release("web", release_args(needs=run_args().needs))
    args = HardenedContainerArgs(reference=release.reference, run=run_args(), host=host_args())
    HardenedContainer("web", args, pulumi.ResourceOptions(providers=[host.provider]))


def promotion_args(policy: dict[str, Any] | None = None, **changes: Any) -> PromotionArgs:
    """Production's promotion of the sample."""
    registry = {"address": "localhost:5443", "username": "reader", "password": source("quarantine")}
    rule: dict[str, Any] = {"from": ["staging"], "public_key": "staging.pub", "registries": [registry]}
    given: dict[str, Any] = {
        "policy": PromotionPolicy.model_validate(rule | (policy or {})),
        "repository": "localhost:5444/driftwood/web",
        "own_key": "production.pub",
        "channel": "release",
        "access": RegistryAccess(username="production", password=source("registry")),
        "certificate_authority": "ca.crt",
    }
    return PromotionArgs(**given | changes)


def proof_args(**changes: Any) -> ProofArgs:
    """The proof of the sample's container."""
    given: dict[str, Any] = {
        "reference": RELEASED,
        "container": "web-container-id",
        "url": "http://127.0.0.1:8080",
        "revision": "5" * 40,
        "policy": {"checks": [{"name": "page", "url": "/", "contains": "Driftwood"}]},
        "docker": "unix:///var/run/docker.sock",
        "key": SigningKey(key="cosign.key", public_key="cosign.pub", password=source("cosign")),
        "access": RegistryAccess(username="publisher", password=source("registry")),
        "certificate_authority": "ca.crt",
    }
    return ProofArgs(**given | changes)


def everything() -> None:
    """Every component there is: what is built and run, and beside it what is promoted and proved."""
    both()
    Promotion("web", promotion_args(needs=run_args().needs))
    Proof("web", proof_args())
