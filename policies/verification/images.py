"""What an image is made of: its platforms, and what each platform's configuration says.

Nothing here needs a signature: everything is named by digest in what the resource itself names by digest.
Source: opencontainers/image-spec, "Image Index" and "Image Configuration"; moby/docker-image-spec, `Healthcheck`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from verification.registry import Descriptor, Manifest, Registry, RegistryError, platform_of
from verification.transport import Deadline

_ATTESTATION_NOTE = "vnd.docker.reference.type"
_ATTESTED_NOTE = "vnd.docker.reference.digest"
_LARGEST_CONFIGURATION = 8 * 2**20
_OF_A_RUN = re.compile(r"(?:RUN )?\|(?P<count>[0-9]{1,3}) (?P<rest>.*)", re.DOTALL)
_OF_AN_ARG = re.compile(r"(?:/bin/sh -c #\(nop\)\s+)?ARG\s(?P<rest>.*)", re.DOTALL)
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=\S*")
_MOST_ARGUMENTS, _LONGEST_STEP = 100, 20_000


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
    health_test: tuple[str, ...] = ()
    """The words of its health check's test; empty where it says nothing."""
    arguments: tuple[str, ...] = ()
    """The build arguments that its history shows, each as `NAME=VALUE`."""
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
    attestations = [entry for entry in entries if _is_attestation(entry)]
    built_in = {entry.annotations.get(_ATTESTED_NOTE, ""): entry.digest for entry in attestations}
    images = [entry for entry in entries if not _is_attestation(entry)]
    if len({entry.platform for entry in images}) < len(images):
        raise RegistryError(f"{registry.address}/{path}@{manifest.digest} has two manifests for one platform")
    return Contents({entry.platform: entry.digest for entry in images}, built_in)


def _is_attestation(entry: Descriptor) -> bool:
    """Whether no engine takes an entry for an image: it goes by the platform alone, and sees no note beside it."""
    return _ATTESTATION_NOTE in entry.annotations and entry.platform == "unknown/unknown"


def read_config(registry: Registry, path: str, digest: str, deadline: Deadline) -> ImageConfig:
    """What the image with this manifest does unless it is told otherwise.

    Raises:
        RegistryError: it cannot be read.
    """
    manifest = read_manifest(registry, path, digest, deadline)
    configuration = _configuration(registry, path, manifest, deadline)
    config = configuration.get("config")
    config = config if isinstance(config, Mapping) else {}
    check = config.get("Healthcheck")
    return ImageConfig(
        user=str(config.get("User") or ""),
        health_test=_texts(check.get("Test") if isinstance(check, Mapping) else None),
        arguments=tuple(_arguments(configuration.get("history"))),
        environment=_texts(config.get("Env")),
    )


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, list) else ()


def _arguments(history: object) -> Iterator[str]:
    """The build arguments that builders write down with each step: `RUN |1 NAME=VALUE /bin/sh -c …`, `ARG NAME=VALUE`.

    Values are not quoted there: of one with spaces only the first word is read.
    """
    entries = history if isinstance(history, list) else []
    steps = [str(entry.get("created_by", "")) for entry in entries if isinstance(entry, Mapping)]
    known: dict[str, None] = {}
    for step in steps:
        if written := _OF_A_RUN.match(step):
            known |= dict.fromkeys(_assigned(written["rest"], int(written["count"])))
        elif declared := _OF_AN_ARG.match(step):
            known |= dict.fromkeys(_assigned(declared["rest"], _MOST_ARGUMENTS))
    yield from known


def _assigned(text: str, most: int) -> list[str]:
    """The first few `NAME=VALUE` of a step, without those that are empty; what follows them is its command."""
    found: list[str] = []
    for word in text[:_LONGEST_STEP].split(" "):
        if len(found) == most or "/" in word[:1]:
            break
        if _ASSIGNED.fullmatch(word):
            found.append(word)
    return [word for word in found if not word.endswith("=")]


def _configuration(registry: Registry, path: str, manifest: Manifest, deadline: Deadline) -> Mapping[str, Any]:
    config = Descriptor.of(manifest.document.get("config"))
    return registry.json_blob(path, config.digest, _LARGEST_CONFIGURATION, deadline)
