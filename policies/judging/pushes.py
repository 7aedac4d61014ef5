"""What a resource pushes to a registry, in every form in which it can say so.

Sources: the schemas of pulumi-docker 5.2 and pulumi-docker-build 0.0.22, and that provider's `export.go`, which makes a
text of every typed export; docker/buildx, `util/buildflags`, and moby/buildkit, `exporter/containerimage`, for texts.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pulumi_policy.proxy import UnknownValueError

from judging.command_lines import INPUTS, found_in
from judging.node import Node
from judging.rule import Subject
from verification.references import Reference

BUILD = "docker-build:index:Image"
INDEX = "docker-build:index:Index"
DOCKER_IMAGE = "docker:index/image:Image"
REGISTRY_IMAGE = "docker:index/registryImage:RegistryImage"
TAG = "docker:index/tag:Tag"
_TRUE = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})
"""What BuildKit takes for true; an empty value too."""
Kind = Literal["image", "cache", "local tag"]


@dataclass(frozen=True)
class Push:
    """A name under which something is put into a registry, or made ready for it."""

    name: str
    """Empty where none is written out."""
    path: str
    kind: Kind = "image"
    by_digest: bool = False
    """Whether it is pushed without a tag."""

    @property
    def reference(self) -> Reference:
        """The name, parsed.

        Raises:
            ValueError: it is no name of an image.
        """
        return Reference.parse(self.name)


def pushes(subject: Subject) -> Iterator[Push]:
    """All that a resource pushes, as far as it is known; then the signal that something is not."""
    resource = Node(subject.properties)
    if subject.type == BUILD:
        yield from _known_first(part(resource) for part in (_of_tags, _of_exports, _of_caches))
    elif subject.type == INDEX and resource.at("push").value is not False:
        yield _named(resource.at("tag"))
    elif subject.type == DOCKER_IMAGE and resource.at("skipPush").value is not True:
        yield _named(resource.at("imageName"))
    elif subject.type == REGISTRY_IMAGE:
        yield _named(resource.at("name"))
    elif subject.type == TAG:
        yield _named(resource.at("targetImage"), "local tag")
    elif subject.type.startswith("command:"):
        yield from _known_first(_of_command(resource, path) for path in INPUTS)


def _known_first(parts: Iterable[Iterator[Push]]) -> Iterator[Push]:
    """The pushes of every part; that one is unknown hides none of the rest, so its signal comes last."""
    signal: UnknownValueError | None = None
    try:
        for part in parts:
            try:
                yield from part
            except UnknownValueError as unknown:
                signal = signal or unknown
    except UnknownValueError as unknown:
        signal = signal or unknown
    if signal:
        raise signal


def _of_command(resource: Node, path: str) -> Iterator[Push]:
    from judging.push_commands import pushes_in

    for where, push in found_in(resource, path, lambda text: pushes_in(text, path)):
        yield replace(push, path=where)


def _named(node: Node, kind: Kind = "image") -> Push:
    return Push(str(node.value or ""), node.path, kind)


def _of_tags(resource: Node) -> Iterator[Push]:
    if resource.at("push").value is True:
        yield from map(_named, resource.at("tags").items())


def _of_exports(resource: Node) -> Iterator[Push]:
    yield from _known_first(_of_export(export, resource) for export in resource.at("exports").items())


def _of_export(export: Node, resource: Node) -> Iterator[Push]:
    if export.at("disabled").value is True:
        return
    raw = export.at("raw")
    found = list(exported(str(raw.value or ""), raw.path))
    yield from (push for push in found if push.name)
    by_digest = {push.by_digest for push in found}
    for name, by_default in (("image", False), ("registry", True)):
        typed = export.at(name)
        push = typed.at("push").value
        if typed.value is not None and (by_default if push is None else push):
            by_digest.add(typed.at("pushByDigest").value is True)
            names = _known_first(
                (_with_value(typed.at("names").items()), _with_value([typed.at("danglingNamePrefix")]))
            )
            yield from (replace(push, by_digest=all(by_digest)) for push in names)
    if by_digest:  # the provider pushes the build's tags in the place of the export's names
        yield from (replace(_named(tag), by_digest=all(by_digest)) for tag in resource.at("tags").items())


def _with_value(nodes: Iterable[Node]) -> Iterator[Push]:
    return (_named(node) for node in nodes if node.value)


def _of_caches(resource: Node) -> Iterator[Push]:
    yield from _known_first(map(_of_cache, resource.at("cacheTo").items()))


def _of_cache(cache: Node) -> Iterator[Push]:
    if cache.at("disabled").value is True:
        return
    if cache.at("registry").value is not None:
        yield _named(cache.at("registry", "ref"), "cache")
    raw = cache.at("raw")
    yield from cached(str(raw.value or ""), raw.path)


def cached(text: str, path: str) -> Iterator[Push]:
    """Where a build puts its cache, in the builder's notation: `type=registry,ref=NAME`, or the name alone."""
    fields = _fields(text)
    if fields.get("type") == "registry" or (text and "=" not in text):
        yield Push(fields.get("ref", text), path, "cache")


def exported(text: str, path: str) -> Iterator[Push]:
    """What an export that is written as a text pushes, such as `type=image,"name=one,two",push=true`.

    Without a name it pushes the build's tags: then it is one push with no name.
    """
    fields = _fields(text)
    by_default = "true" if fields.get("type") == "registry" else "false"
    if fields.get("push", by_default) not in _TRUE:
        return
    by_digest = fields.get("push-by-digest", "false") in _TRUE
    names = [*fields.get("name", "").split(","), fields.get("dangling-name-prefix", "")]
    for name in [it.strip() for it in names if it.strip()] or [""]:
        yield Push(name, path, by_digest=by_digest)


def _fields(text: str) -> dict[str, str]:
    """The fields of a text in the form of buildx; names that are given several times are joined."""
    fields: dict[str, str] = {}
    for field in next(csv.reader([text]), []):
        key, _, value = field.partition("=")
        key = key.strip().lower()
        fields[key] = f"{fields[key]},{value}" if key == "name" and key in fields else value
    return fields
