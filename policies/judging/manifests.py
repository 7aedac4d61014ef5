"""Every Kubernetes object that a resource declares: the resource itself, or manifests inside its inputs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_policy.proxy import UnknownValueError

from judging.command_lines import COMMANDS
from judging.manifest_text import Variables, is_object, objects_in
from judging.node import Node, is_list, join
from judging.reading import HasProperties, once_a_resource
from judging.rule import Subject

KUBERNETES_TYPE = re.compile(r"kubernetes:(?P<version>[^:]+):(?P<kind>\w+)")
CONTAINS_MANIFESTS = re.compile(r"kubernetes:(?:yaml|kustomize|helm\.sh)(?:/v\w+)?:\w+|(?:command|slipway|kubectl):.+")
"""kubectl is the provider of that name, bridged from Terraform: its Manifest applies the text in `yamlBody`."""
DEPLOYS = re.compile(r"\b(?:kubectl|oc|helm|kustomize|k3s|microk8s|minikube)\b|/apis?/")
SUGGESTS_A_MANIFEST = re.compile(r"manifest|ya?ml|objs?$|objects?$|resources?$|template", re.IGNORECASE)
NOT_DEPLOYED = frozenset({"triggers", "stdout", "stderr", "logging"})
"""Inputs and outputs of a command that nothing runs."""
Place = tuple[str | int, ...]
"""The keys and positions that lead to a value, at least one."""


@dataclass(frozen=True)
class Manifest:
    """One Kubernetes object.

    `where` names it in a message and is empty where the resource is the object; `partial` is true for a patch, which
    leaves what it does not say as the cluster has it.
    """

    version: str
    kind: str
    node: Node
    where: str = ""
    partial: bool = False


@dataclass
class Inside:
    """What the inputs of a resource hold: objects, texts that could not be read, values that are not known yet."""

    manifests: list[Manifest] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unknown: list[UnknownValueError] = field(default_factory=list)
    _parsed: list[Mapping[str, Any]] = field(default_factory=list)

    def search(self, value: Any, place: Place, variables: Variables) -> None:
        """Look for objects in a value, at any depth."""
        if isinstance(value, str):
            self._search_text(value, place, variables)
        elif is_object(value):
            self._add(Node(value, written(place)))
        elif isinstance(value, Mapping):
            for key in value:
                self.search_at(value, key, place, variables)
        elif is_list(value):
            for position in range(len(value)):
                self.search_at(value, position, place, variables)
        elif isinstance(value, pulumi.StringAsset):
            self._search_text(str(value.text), place, variables)

    def search_at(self, value: Any, key: Any, place: Place, variables: Variables) -> None:
        """Look in one child; one that is unknown is kept, because what is known is judged all the same."""
        try:
            child = value[key]
        except UnknownValueError as signal:
            self.unknown.append(signal)
            return
        self.search(child, (*place, key), variables)

    def _search_text(self, text: str, place: Place, variables: Variables) -> None:
        found = objects_in(text, variables)
        if found.unreadable:
            self.unreadable.append(written(place))
        for item in found.objects:
            # A command often carries one manifest twice, to apply it and to delete it.
            if all(item is not other and item != other for other in self._parsed):
                self._parsed.append(item)
                self._add(Node(item, f"{written(place)}: "))

    def _add(self, node: Node) -> None:
        try:
            kind, version = str(node.at("kind").value), str(node.at("apiVersion").value)
        except UnknownValueError as signal:
            self.unknown.append(signal)
        else:
            if "$" in kind:  # a shell decides what it is
                self.unreadable.append(node.path.rstrip(": ") or kind)
            self.manifests.append(Manifest(version, kind, node, describe(kind, node)))


def written(place: Place) -> str:
    """The path of a place, as messages write it; few places of a search are ever written."""
    path = str(place[0])
    for part in place[1:]:
        path = f"{path}[{part}]" if isinstance(part, int) else join(path, part)
    return path


def describe(kind: str, node: Node) -> str:
    """What a message calls an object inside another resource."""
    name = node.label("metadata", "name")
    return f'{kind} "{name}"' if name else kind


def manifests(subject: Subject) -> Iterator[Manifest]:
    """The Kubernetes objects that a resource declares, those of lists one by one; nothing for any other resource."""
    if contains_manifests(subject):
        for manifest in inside(subject).manifests:
            yield from _each(manifest)
    elif matched := KUBERNETES_TYPE.fullmatch(subject.type):
        version = matched["version"].removeprefix("core/")
        kind = matched["kind"].removesuffix("Patch")
        yield from _each(Manifest(version, kind, Node(subject.properties), partial=kind != matched["kind"]))


def declares_objects(subject: Subject) -> bool:
    """Whether a resource is a Kubernetes object, or may hold some in its inputs."""
    return KUBERNETES_TYPE.fullmatch(subject.type) is not None or contains_manifests(subject)


def contains_manifests(subject: Subject) -> bool:
    """Whether a resource is no Kubernetes object, but may hold some in its inputs."""
    return CONTAINS_MANIFESTS.fullmatch(subject.type) is not None


@once_a_resource
def inside(subject: HasProperties) -> Inside:
    """What the inputs of a command, of a component or of a group of manifests hold."""
    found = Inside()
    variables = _variables(Node(subject.properties))
    for key in subject.properties:
        if not (subject.type.startswith("command:") and key in NOT_DEPLOYED):
            found.search_at(subject.properties, key, (), variables)
    return found


def may_hold_a_manifest(subject: Subject, signal: UnknownValueError) -> bool:
    """Whether an unknown value is one that may turn out to be a manifest.

    Nearly every resource has something unknown before the first deployment. A command's matters where what it runs is
    itself unknown or deploys to Kubernetes; a component's where its name suggests it.
    """
    if not subject.type.startswith("command:"):
        return any(SUGGESTS_A_MANIFEST.search(key) for key in signal.props)
    root = Node(subject.properties)
    return signal.props[0] in COMMANDS or any(DEPLOYS.search(root.label(key) or "") for key in COMMANDS)


def _variables(root: Node) -> Variables:
    """The environment of a command as far as it is known."""
    known = []
    try:
        environment = root.at("environment").mapping()
    except UnknownValueError:
        return ()
    for name in environment:
        try:
            known.append((name, str(environment[name])))
        except UnknownValueError:
            continue
    return tuple(known)


def _each(manifest: Manifest) -> Iterator[Manifest]:
    """The object itself, or every item where it is a list; items of a typed list may leave out what they are."""
    items = manifest.node.at("items") if manifest.kind.endswith("List") else Node(None)
    if not is_list(items.value):
        yield manifest
        return
    for item in items.items():
        kind = str(item.at("kind").value or manifest.kind.removesuffix("List"))
        version = str(item.at("apiVersion").value or manifest.version)
        yield from _each(Manifest(version, kind, item, describe(kind, item), manifest.partial))
