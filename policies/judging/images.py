"""The images that a resource puts on a host or into a cluster, and which of the configured places they lie in."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from judging.configuration import Settings
from judging.engine import in_turn
from judging.node import Node
from judging.pods import Pod, judged, pods
from judging.rule import Problem, Subject
from judging.workload import each
from verification.references import Reference

REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
Place = Literal["quarantine", "private"]


@dataclass(frozen=True)
class Image:
    """An image as a resource names it."""

    text: str
    where: str
    """Which part of the resource names it; empty where the resource has one image."""
    path: str

    @property
    def reference(self) -> Reference:
        """The image's name in a registry.

        Raises:
            ValueError: it is none.
        """
        return Reference.parse(self.text)

    @property
    def pinned(self) -> Reference | None:
        """The image's name in a registry, where that has a digest."""
        try:
            reference = self.reference
        except ValueError:
            return None
        return reference if reference.digest else None


def each_image(subject: Subject, judge: Callable[[Image], Iterable[Problem]]) -> Iterator[Problem]:
    """The problems of every image that a resource pulls or runs; what is unknown hides no problem of the rest."""
    if subject.type != REMOTE_IMAGE:
        yield from in_turn(
            lambda: each(subject, lambda it: judge(Image(it.image, it.where, it.path("image")))),
            lambda: judged(_mounted(subject), judge),
        )
    elif (resource := Node(subject.properties)).at("build").value is None:  # else it is built there, and not pulled
        yield from judge(Image(str(resource.at("name").value or ""), "", "name"))


def _mounted(subject: Subject) -> Iterator[Image]:
    """The images that pods mount as volumes; pod-image-volumes-name-a-digest judges those without a digest."""

    def mounted(pod: Pod, volume: Node) -> Iterator[Image]:
        node = volume.at("image", "reference")
        image = Image(str(node.value or ""), pod.where, node.path)
        if volume.at("image").value is not None and image.pinned:
            yield image

    return judged(pods(subject), lambda pod: judged(pod.spec.at("volumes").items(), partial(mounted, pod)))


def place_of(reference: Reference, settings: Settings) -> Place | None:
    """Which of the configured places a repository lies in.

    One may lie within the other, as `registry.example/quarantine` does in `registry.example`: the closer one counts.
    """
    quarantine, private = _closeness(reference, settings.quarantine), _closeness(reference, settings.private_registries)
    if not quarantine and not private:
        return None
    return "quarantine" if quarantine > private else "private"


def _closeness(reference: Reference, prefixes: Sequence[str]) -> int:
    """How many names of the repository the longest of the prefixes has; 0 where it lies in none of them."""
    return max((len(it.rstrip("/").split("/")) for it in prefixes if reference.lies_in(it)), default=0)
