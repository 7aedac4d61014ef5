"""Every pod that a resource runs, and its containers, as the Kubernetes API spells them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pulumi_policy.proxy import UnknownValueError

from judging.manifests import Manifest, manifests
from judging.node import Node, is_list, join
from judging.rule import NotApplicable, Subject

SPEC_TEMPLATE = ("spec", "template")
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "Deployment": SPEC_TEMPLATE,
    "StatefulSet": SPEC_TEMPLATE,
    "DaemonSet": SPEC_TEMPLATE,
    "ReplicaSet": SPEC_TEMPLATE,
    "ReplicationController": SPEC_TEMPLATE,
    "Job": SPEC_TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind of the API groups below has its pod template."""
GROUPS = frozenset({"", "apps", "batch", "extensions"})
WITHOUT_PODS = frozenset(
    f"{name}.k8s.io"
    for name in (
        *("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization"),
        *("certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver"),
        *("networking", "gateway.networking", "policy.networking", "node", "rbac.authorization", "resource"),
        *("scheduling", "storage", "snapshot.storage", "groupsnapshot.storage", "storagemigration"),
        *("metrics", "custom.metrics", "external.metrics"),
    )
)
"""The other groups that Kubernetes defines; operators such as Spark's and KEDA name theirs under k8s.io, too."""
KYVERNO = re.compile(r"(?:.+\.)?kyverno\.io")
"""Its policies say under `validate` what the pods of others have to look like."""
PATCHED = "a patch leaves {} as the cluster has it"
COMPLETED = "an operator fills in {} where its template leaves it out"
ROLES = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
}

POD_KEYS = frozenset({*ROLES, "securityContext", "hostNetwork", "hostPID", "hostIPC", "hostUsers"})
"""What tells the spec of a pod from that of anything else; virtual machines and others have volumes, too."""

COMPLETED_KINDS = frozenset(
    {("monitoring.coreos.com", kind) for kind in ("Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler")}
    | {("apps.kruise.io", "SidecarSet")}
)
"""Objects whose own `spec` has containers, and of which an operator makes the pod: it fills in what holds for all."""

HANDLERS = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)
"""What the kubelet may call or run in a container: its probes and its hooks."""

Part = TypeVar("Part")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of one.

    `where` names the object that it belongs to and is empty where that is the resource itself; `partial` says what
    becomes of a field that it leaves out, of which it says nothing then, and is empty where it is a whole pod; `inline`
    is true where an operator takes the fields of a pod's `spec` without that key, beside fields of its own.
    """

    kind: str
    template: Node
    where: str = ""
    partial: str = ""
    inline: bool = False

    @property
    def metadata(self) -> Node:
        """Its labels and annotations."""
        return self.template.at("metadata")

    @property
    def spec(self) -> Node:
        """What it runs."""
        return self.template if self.inline else self.template.at("spec")

    @property
    def windows(self) -> bool:
        """Whether it says that it runs on Windows, where Linux's mechanisms do not exist and cannot be set."""
        return bool(self.spec.at("os", "name").value == "windows")

    @property
    def in_user_namespace(self) -> bool:
        """Whether its root is an ordinary user of the node."""
        return self.spec.at("hostUsers").value is False

    @property
    def ends(self) -> bool:
        """Whether its containers are meant to end: it belongs to a job."""
        return self.kind in ("Job", "CronJob")

    @property
    def bare(self) -> bool:
        """Whether no container of it is known, as in a patch: then no rule about containers sees what it says."""
        try:
            return next(self.containers(), None) is None
        except UnknownValueError:
            return True

    def containers(self) -> Iterator["PodContainer"]:
        """Its containers, init containers and ephemeral containers."""
        for key, role in ROLES.items():
            for node in self.spec.at(key).items():
                yield PodContainer(self, node, role)

    def groups(self) -> Iterator[Node]:
        """The groups that every container of it joins: `fsGroup` is one more of `supplementalGroups`.

        `runAsGroup` is not among them: a container may say another one.
        """

        def said(key: str) -> Iterable[Node]:
            node = self.security(key)
            return node.items() if is_list(node.value) else [node] if node.value is not None else ()

        return judged(("supplementalGroups", "fsGroup"), said)

    def security(self, *keys: str) -> Node:
        """What its own security context says, which holds for each container that does not say it itself."""
        return self.spec.at("securityContext", *keys)


@dataclass(frozen=True)
class PodContainer:
    """A container of a pod."""

    pod: Pod
    node: Node
    role: str

    @property
    def where(self) -> str:
        """What a message calls it."""
        name = self.node.label("name")
        own = f'{self.role} "{name}"' if name else f"{self.role} {self.node.path.rpartition('.')[2]}"
        return f"{self.pod.where}, {own}" if self.pod.where else own

    @property
    def serves(self) -> bool:
        """Whether it runs as long as its pod does, so that Kubernetes probes it: no job, no step before the others."""
        if self.role == "ephemeral container":
            return False
        return self.sidecar if self.role == "init container" else not self.pod.ends

    @property
    def sidecar(self) -> bool:
        """Whether it is an init container that keeps running beside the others."""
        return self.role == "init container" and self.node.at("restartPolicy").value == "Always"

    def groups(self) -> Iterator[Node]:
        """The groups that it joins: its pod's, and the one that it runs as, in which its files are made."""

        def said(key: str) -> Iterator[Node]:
            if key:
                node = self.security(key)
                yield from [node] if node.value is not None and not self.pod.in_user_namespace else []
            else:
                yield from self.pod.groups()

        return judged(("", "runAsGroup"), said)

    def own(self, *keys: str) -> Node:
        """What its own security context says."""
        return self.node.at("securityContext", *keys)

    def security(self, *keys: str) -> Node:
        """What holds for it: its own security context decides, and its pod's where its own says nothing."""
        own = self.own(*keys)
        if own.value is not None:
            return own
        inherited = self.pod.security(*keys)
        return own if inherited.value is None else inherited


def pods(subject: Subject) -> Iterator[Pod]:
    """Every pod or template of a pod that a resource declares."""
    for manifest in manifests(subject):
        yield from _pods_of(manifest)


def each_container(subject: Subject, judge: Callable[[PodContainer], Iterable[Found]]) -> Iterator[Found]:
    """What is found in every container of every pod, as `judged` goes through them."""
    return judged(pods(subject), lambda pod: judged(pod.containers(), judge))


def judged(parts: Iterable[Part], judge: Callable[[Part], Iterable[Found]]) -> Iterator[Found]:
    """What is found in every part of a resource.

    That one part is unknown, or has no word for the fact, must not hide what is wrong with another: such a signal comes
    after what the rest has.
    """
    signal: UnknownValueError | NotApplicable | None = None
    try:
        for part in parts:
            try:
                yield from judge(part)
            except UnknownValueError as unknown:
                signal = unknown
            except NotApplicable as silent:
                signal = signal or silent
    except UnknownValueError as unknown:
        signal = unknown
    if signal:
        raise signal


def _pods_of(manifest: Manifest) -> Iterator[Pod]:
    """The pods of one object; an object of a group that Kubernetes does not define is searched for templates."""
    group = manifest.version.rpartition("/")[0]
    partial = PATCHED if manifest.partial else ""
    if group in GROUPS:
        keys = TEMPLATES.get(manifest.kind)
        template = manifest.node.at(*keys) if keys is not None else Node(None)
        if isinstance(template.value, Mapping):
            yield Pod(manifest.kind, template, manifest.where, partial)
    elif "." in group and group not in WITHOUT_PODS:
        changes_others = KYVERNO.fullmatch(group) is not None
        completed = (group, manifest.kind) in COMPLETED_KINDS
        search = _Search(frozenset({"validate"} if changes_others else ()), completed=completed)
        for found in search.templates(manifest.node):
            filled_in = "" if found.whole and not changes_others else COMPLETED
            yield Pod(manifest.kind, found.node, manifest.where, partial or filled_in, found.inline)
        if search.unknown:
            raise search.unknown[0]


class _Template(NamedTuple):
    """What has the form of a pod template: `whole` if its `spec` lists images, `inline` if it has no `spec`."""

    node: Node
    whole: bool
    inline: bool = False


class _Search:
    """A walk through an object of unknown shape for what has the form of a pod template."""

    def __init__(self, left_out: frozenset[str], *, completed: bool) -> None:
        self._completed = completed
        self._left_out = left_out | {"status"}  # the cluster adds it
        self.unknown: list[UnknownValueError] = []

    def templates(self, node: Node, key: str = "") -> Iterator[_Template]:
        """Every mapping that is a pod template, or that holds what a pod's `spec` does.

        Many operators bring the image themselves and take a part of a pod, always under a `key` that is named like a
        template.
        """
        if isinstance(node.value, Mapping):
            spec = self._child(node, "spec")
            if self._has_an_image(spec, "containers") and (key or not self._completed):
                yield _Template(node, whole=True)
                return
            if self._has_an_image(node, "containers") or self._has_an_image(node, "initContainers"):
                yield _Template(node, whole=False, inline=True)
            yield from self._parts(node, spec, key.lower())
            for name in node.value:
                if name not in self._left_out and not name.startswith("__"):  # what the provider adds
                    yield from self.templates(self._child(node, name), name)
        elif is_list(node.value):
            for item in self._items(node):
                yield from self.templates(item, key)

    @staticmethod
    def _parts(node: Node, spec: Node, key: str) -> Iterator[_Template]:
        """The part of a pod that this mapping is by the name of its key, if it is one."""
        if key in ("podtemplate", "podspec"):
            own = set(iter(node.mapping()))
            if own & POD_KEYS or "volumes" in own:
                yield _Template(node, whole=False, inline=True)
            if own & {"spec", "metadata"}:
                yield _Template(node, whole=False)
        elif "template" in key and not POD_KEYS.isdisjoint(iter(spec.mapping())):
            yield _Template(node, whole=False)

    def _has_an_image(self, spec: Node, role: str) -> bool:
        items = self._items(self._child(spec, role))
        return any(isinstance(item.value, Mapping) and "image" in iter(item.value) for item in items)

    def _child(self, node: Node, key: str) -> Node:
        """A child; an unknown one that may be a pod is kept, so that what is known is judged first."""
        try:
            return node.at(key)
        except UnknownValueError as signal:
            if key in ("spec", "containers", "initContainers") or "template" in key.lower():
                self.unknown.append(signal)
            return Node(None, join(node.path, key))

    def _items(self, node: Node) -> Iterator[Node]:
        """The known elements of a list."""
        try:
            yield from node.items()
        except UnknownValueError as signal:
            if node.path.endswith("ontainers"):
                self.unknown.append(signal)
