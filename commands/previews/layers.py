"""The layers of two images, manifest against manifest: what a host would have to fetch.

Docker's own store names a layer by itself and all layers below it, so that a host fetches everything from the first new
layer on. Source: OCI image-spec, "Image Manifest"; moby/moby, `distribution/xfer/download.go`.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from commands.previews.report import Layers

Layer = tuple[str, int]
"""Digest and size of a layer's blob, compressed as it travels."""


def layers_of(manifest: Mapping[str, Any]) -> list[Layer]:
    """The layers of a platform's manifest, from the bottom up."""
    return [(str(layer["digest"]), int(layer["size"])) for layer in manifest["layers"]]


def layers_between(platform: str, before: Sequence[Layer] | None, after: Sequence[Layer] | None) -> Layers:
    """What changes from one image to another, on one platform.

    Args:
        platform: the platform.
        before: layers of today's image; None where it has no such platform.
        after: layers of what would ship; None where it has no such platform.
    """
    old, new = list(before or ()), list(after or ())
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    pulled = list(dict.fromkeys(new[kept:]))  # the same blob twice travels once
    return Layers(
        platform=platform,
        state=_state(before, after),
        pull_layers=len(pulled),
        pull_bytes=_bytes(pulled),
        total_layers=len(new),
        total_bytes=_bytes(new),
        size_change=_bytes(new) - _bytes(old),
    )


def _state(before: Sequence[Layer] | None, after: Sequence[Layer] | None) -> Any:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return "unchanged" if list(before) == list(after) else "changed"


def _bytes(layers: Sequence[Layer]) -> int:
    return sum(size for _, size in layers)
