"""What refers to an artifact travels with it, so that it has to be evidence, and nothing that a host can run.

Whoever may write to quarantine can let anything refer to an artifact, an image too, which no gate has seen; a copy with
all that refers to it would bring that image to the private registry. What others attest about an artifact is welcome.
Source: OCI image-spec 1.1, "Guidelines for Artifact Usage": the type of the config says what a manifest is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.artifact import ImageReference
from steps.registry import discovered, manifest_of
from steps.tool import StepError

_IMAGES = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        # What Docker takes for the config of an image as well: moby, distribution/registry.go, `ImageTypes`.
        "application/octet-stream",
        "application/json",
        "text/html",
        "",
    }
)


def inspect(manifests: Sequence[str], environment: Mapping[str, str], authority: str | None = None) -> set[str]:
    """Look at everything that refers to these manifests, and to that in turn.

    Args:
        manifests: references by digest, all of one repository.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.

    Returns:
        The digests of all that refers to them.

    Raises:
        StepError: something that refers to them can be run.
        ToolError: the registry does not answer or refuses.
    """
    repository = ImageReference.parse(manifests[0]).repository

    def listed(manifest: str) -> list[str]:
        return list(_digests(discovered(manifest, environment, authority)))

    def content(digest: str) -> str:
        return manifest_of(repository, digest, environment, authority)

    with ThreadPoolExecutor() as pool:
        found = list(dict.fromkeys(digest for digests in pool.map(listed, manifests) for digest in digests))
        runnable = [digest for digest, text in zip(found, pool.map(content, found), strict=True) if can_run(text)]
    if runnable:
        raise StepError(
            f"{repository}: an image that no gate has seen refers to this artifact, and would be published with it "
            f"({', '.join(runnable)}): somebody else has written it; delete it there, and look at who may write there"
        )
    return set(found)


def _digests(tree: Mapping[str, Any]) -> Iterator[str]:
    for it in tree.get("referrers") or ():
        yield str(it["digest"])
        yield from _digests(it)


def can_run(text: str) -> bool:
    """Whether some engine may take a manifest for an image, or for an index of images; so does what cannot be read."""
    try:
        manifest = json.loads(text, object_pairs_hook=_as_engines_read)
        config = manifest.get("config")
        if config is None:  # an artifact manifest, as the release candidates of OCI 1.1 had it
            return "blobs" not in manifest or bool(manifest.keys() & {"layers", "manifests", "fslayers"})
        return (config.get("mediatype") or "") in _IMAGES or "manifests" in manifest
    except (ValueError, AttributeError, TypeError):
        return True


def _as_engines_read(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Engines are written in Go, which takes `Config` for `config`, too, and the last of both."""
    found = {key.casefold(): value for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found
