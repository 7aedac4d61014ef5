"""What an image is made of: its platforms, and what each platform's configuration says.

Nothing here needs a signature: everything is named by digest in what the resource itself names by digest.
Source: opencontainers/image-spec, "Image Index" and "Image Configuration"; moby/docker-image-spec, `Healthcheck`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verification.registry import Descriptor, Manifest, Registry, RegistryError, platform_of
from verification.transport import Deadline

_ATTESTATION_NOTE = "vnd.docker.reference.type"
_ATTESTED_NOTE = "vnd.docker.reference.digest"
_LARGEST_CONFIGURATION = 8 * 2**20


@dataclass(frozen=True)
class Contents:
    """The platforms of an index or a single manifest."""

    platforms: Mapping[str, str]
    """Digest of each platform's manifest, by `linux/arm64`."""
    built_in: Mapping[str, str] = field(default_factory=dict)
    """Digest of BuildKit's attestation manifest, by the digest of the manifest that it is about."""


@dataclass(frozen=True)
class ImageConfig:
    """What one platform's image does unless it is told otherwise."""

    user: str
    """As whom it runs; empty is root."""
    health: str | None
    """`own`: it has a health check; `disabled`: it says that there is none; None: it says nothing."""
    environment: tuple[str, ...] = ()
    """What its Dockerfile set by ENV, each as `NAME=VALUE`."""


def read_manifest(registry: Registry, path: str, digest: str, deadline: Deadline) -> Manifest:
    """The manifest or index with this digest.

    Raises:
        RegistryError: the registry does not have it.
    """
    manifest = registry.manifest(path, digest, deadline)
    if manifest is None:
        raise RegistryError(f"registry {registry.address} has no {path}@{digest}")
    return manifest


def read_contents(registry: Registry, path: str, manifest: Manifest, deadline: Deadline) -> Contents:
    """The platforms of a manifest or index.

    Raises:
        RegistryError: one of them cannot be read.
    """
    if not manifest.is_index:
        configuration = _configuration(registry, path, manifest, deadline)
        return Contents({platform_of(configuration): manifest.digest})
    entries = manifest.entries("manifests")
    built_in = {
        entry.annotations.get(_ATTESTED_NOTE, ""): entry.digest
        for entry in entries
        if _ATTESTATION_NOTE in entry.annotations
    }
    images = [entry for entry in entries if _ATTESTATION_NOTE not in entry.annotations]
    if len({entry.platform for entry in images}) < len(images):
        raise RegistryError(f"{registry.address}/{path}@{manifest.digest} has two manifests for one platform")
    return Contents({entry.platform: entry.digest for entry in images}, built_in)


def read_config(registry: Registry, path: str, digest: str, deadline: Deadline) -> ImageConfig:
    """What the image with this manifest does unless it is told otherwise.

    Raises:
        RegistryError: it cannot be read.
    """
    manifest = read_manifest(registry, path, digest, deadline)
    config = _configuration(registry, path, manifest, deadline).get("config")
    config = config if isinstance(config, Mapping) else {}
    check = config.get("Healthcheck")
    test = check.get("Test") if isinstance(check, Mapping) else None
    health = None
    if isinstance(test, list) and test:
        health = "disabled" if test[0] == "NONE" else "own"
    environment = config.get("Env")
    settings = tuple(map(str, environment)) if isinstance(environment, list) else ()
    return ImageConfig(str(config.get("User") or ""), health, settings)


def _configuration(registry: Registry, path: str, manifest: Manifest, deadline: Deadline) -> Mapping[str, Any]:
    config = Descriptor.of(manifest.document.get("config"))
    return registry.json_blob(path, config.digest, _LARGEST_CONFIGURATION, deadline)
