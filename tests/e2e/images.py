"""The images that the tests leave in the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout


@contextmanager
def images_removed(checkout: Checkout, registries: Iterable[str]) -> Iterator[None]:
    """Remove these images at the end in any case; what has failed before is still what counts."""
    try:
        yield
    except BaseException as failure:
        try:
            remove_images(checkout, registries)
        except Exception as another:
            failure.add_note(f"images are not removed either: {another}")
        raise
    remove_images(checkout, registries)


def remove_images(checkout: Checkout, registries: Iterable[str]) -> None:
    """Remove what was pulled from registries that end: an engine goes through all its images for each pull."""
    hosts = tuple(f"{registry}/" for registry in registries)
    listed = checkout.run("docker", "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}").stdout.split()
    if pulled := [it for it in listed if it.startswith(hosts)]:
        checkout.run("docker", "rmi", *pulled, check=False)  # one that is in use stays
