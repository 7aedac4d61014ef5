"""The view of a container in a Kubernetes pod."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any, NoReturn

from judging.engine import checks_nothing
from judging.kubernetes_parts import HOST_NAMESPACES, HostNamespaces, HostPort, VolumeMount, text, whole
from judging.node import Node, shown
from judging.pods import HANDLERS, PodContainer, judged, pods
from judging.quantity import quantity
from judging.rule import NotApplicable, Subject
from judging.workload import Argument, Container, Health, Logs, Mounted, Published, Restart, Variable

FIELDS = {
    "read_only_root": "readOnlyRootFilesystem",
    "dropped": "capabilities.drop",
    "added": "capabilities.add",
    "privileged": "privileged",
    "gains_privileges": "allowPrivilegeEscalation",
    "masks_system_paths": "procMount",
}
"""What a container says in its own security context alone."""
INHERITED = {"user": "runAsUser", "refuses_root": "runAsNonRoot"}
PROFILES = {"seccomp": "seccompProfile", "apparmor": "appArmorProfile"}
"""What its pod may say for it."""
BESIDE = {
    "image": "image",
    "memory": "resources.limits.memory",
    "cpus": "resources.limits.cpu",
    "health": "livenessProbe",
    "mounts": "volumeMounts",
    "ports": "ports",
    "environment": "env",
    "arguments": "command",
}


@dataclass(frozen=True)
class KubernetesContainer:
    """A container, init container or ephemeral container of a pod."""

    source: PodContainer

    @property
    def where(self) -> str:
        """What a message calls it: its role and name, and the object that it belongs to."""
        return self.source.where

    def path(self, fact: str) -> str:
        """The property that says a fact; where nothing says it, the one to write."""
        if fact in FIELDS:
            return self.source.own(*FIELDS[fact].split(".")).path
        if fact in INHERITED:
            return self.source.security(INHERITED[fact]).path
        if fact in PROFILES:
            return self.source.security(PROFILES[fact]).at("type").path
        if (namespace := fact.removesuffix("_namespace")) in HOST_NAMESPACES:  # its user is another fact, read above
            return self.source.pod.spec.at(HOST_NAMESPACES[namespace]).path
        return self.source.node.at(*BESIDE.get(fact, fact).split(".")).path

    def seen(self, fact: str) -> str:
        """What its own security context, or its pod's, says of a fact."""
        if fact in PROFILES:
            return shown(self.source.security(PROFILES[fact]).at("type").value)
        return shown(self.source.own(*FIELDS[fact].split(".")).value)

    @property
    def image(self) -> str:
        """Its `image`."""
        return str(self._stated("image") or "")

    @property
    def read_only_root(self) -> bool:
        """Whether `readOnlyRootFilesystem` is true."""
        read_only = self.source.own("readOnlyRootFilesystem").value
        if read_only is not True:
            self._left_out(read_only)
        return read_only is True

    @property
    def dropped(self) -> Set[str]:
        """The names under `drop`."""
        names = self._capabilities("drop")
        if "ALL" not in names:
            self._left_out(self.source.own("capabilities", "drop").value)
        return names

    @property
    def added(self) -> Set[str]:
        """The names under `add`; those of a Windows pod are refused by the API server."""
        names = self._capabilities("add")
        if names and self.source.pod.windows:
            self._left_out(None)
        return names

    def _capabilities(self, verb: str) -> frozenset[str]:
        """The names as they are spelled: to Kubernetes neither CAP_CHOWN nor chown is CHOWN."""
        return frozenset(str(node.value) for node in self.source.own("capabilities", verb).items())

    @property
    def privileged(self) -> bool:
        """Whether `privileged` says anything but false."""
        return self.source.own("privileged").value not in (None, False)

    @property
    def gains_privileges(self) -> bool:
        """Whether `allowPrivilegeEscalation` says anything but false."""
        allowed = self.source.own("allowPrivilegeEscalation").value
        if allowed is not False:
            self._left_out(allowed)
        return allowed is not False

    @property
    def seccomp(self) -> str | None:
        """None where nothing says it: the kubelet decides then, and pods have a rule of their own that forbids it."""
        profile = self.source.security("seccompProfile")
        name = None if profile.value is None else _profile(profile)
        if name == "unconfined":
            self._left_out(name)
        return name

    @property
    def apparmor(self) -> str | None:
        """The type of the profile; None where nothing says it, which is the runtime's default."""
        profile = self.source.security("appArmorProfile")
        return None if profile.value is None else _profile(profile)

    @property
    def selinux(self) -> str | None:
        """Nothing: pods have a rule of their own, which also knows users, roles and what a pod says for all."""
        return None

    @property
    def masks_system_paths(self) -> bool:
        """Whether `procMount` is left at its default."""
        return self.source.own("procMount").value in (None, "Default")

    @property
    def user(self) -> str | None:
        """Its own `runAsUser`, or its pod's."""
        user = self.source.security("runAsUser").value
        if user is None:
            return None
        number = quantity(user)
        if not number:
            self._own_users()
        return str(user if number is None else int(number))

    @property
    def refuses_root(self) -> bool:
        """Whether `runAsNonRoot` is true for it: then the kubelet does not start it as root."""
        refused = self.source.security("runAsNonRoot").value
        if refused is not True:
            self._own_users()
            self._left_out(refused, windows=False)
        return refused is True

    def _own_users(self) -> None:
        if self.source.pod.in_user_namespace:
            raise NotApplicable("root in a user namespace (hostUsers: false) is an ordinary user of the node")

    @property
    def groups(self) -> Iterable[Argument]:
        """The pod's `supplementalGroups`, its `fsGroup`, which is one more, and the `runAsGroup` that holds for it."""
        return (Argument(str(whole(node.value)), node.path) for node in self.source.groups())

    @property
    def health(self) -> Health | None:
        """Whether it has a liveness or a readiness probe: Kubernetes does not look at the image's own check."""
        node, probes = self.source.node, ("livenessProbe", "readinessProbe")
        if next(judged(probes, lambda probe: [probe] if _asks(node.at(probe)) else []), None):
            return "own"
        if not self.source.serves:
            raise NotApplicable("Kubernetes probes no container that is meant to end")
        self._left_out(None, windows=False)
        return "disabled"

    @property
    def memory(self) -> int | None:
        """The limit of memory; zero is none."""
        limit = self._limit("memory")
        return int(limit) if limit and limit > 0 else None

    @property
    def memory_and_swap(self) -> int | None:
        """Nothing that a pod could say."""
        raise NotApplicable("the node decides on swap (memorySwap.swapBehavior of the kubelet), no pod does")

    @property
    def cpus(self) -> float | None:
        """The limit of CPU time; zero is none."""
        limit = self._limit("cpu")
        return limit if limit and limit > 0 else None

    def _limit(self, resource: str) -> float | None:
        """The container's own limit, or the one that its pod sets for all of its containers together."""
        if self.source.role == "ephemeral container":
            raise NotApplicable("an ephemeral container cannot have limits; it runs within its pod's")
        own = self.source.node.at("resources", "limits", resource).value
        limit = quantity(own if own is not None else self.source.pod.spec.at("resources", "limits", resource).value)
        if limit is None:
            self._left_out(own, windows=False)
        return limit

    @property
    def pids(self) -> int | None:
        """Nothing that a pod could say."""
        raise NotApplicable("the node limits processes (podPidsLimit of the kubelet), no pod does")

    @property
    def ulimits(self) -> Iterable[Variable]:
        """Nothing that a pod could say."""
        raise NotApplicable("the node's container runtime sets them, no pod does")

    @property
    def restart(self) -> Restart:
        """Nothing that needs a bound."""
        raise NotApplicable("the kubelet waits longer before each restart, up to five minutes")

    @property
    def logs(self) -> Logs:
        """Nothing that a pod could say."""
        raise NotApplicable("the kubelet rotates logs (containerLogMaxSize), no pod does")

    @property
    def namespaces(self) -> Set[str]:
        """Those of the node that its pod uses."""
        return HostNamespaces(self.source.pod.spec)

    @property
    def own_network(self) -> bool:
        """True: every pod has its own, or the node's, which is a matter of `namespaces`."""
        return True

    @property
    def cgroup_parent(self) -> str | None:
        """Nothing that a pod could say."""
        return None

    @property
    def temporary(self) -> Iterable[Variable]:
        """Nothing: an emptyDir has no options that a mount could be hardened with."""
        return ()

    @property
    def mounts(self) -> Iterable[Mounted]:
        """Its `volumeMounts`."""
        return (VolumeMount(self.source.pod, node) for node in self.source.node.at("volumeMounts").items())

    @property
    def devices(self) -> Iterable[Argument]:
        """The devices of the node among the pod's host paths."""

        def device(volume: Node) -> Iterator[Argument]:
            host = volume.at("hostPath")
            if host.at("type").value in ("BlockDevice", "CharDevice"):
                yield Argument(text(host.at("path").value), host.at("path").path)

        return judged(self.source.pod.spec.at("volumes").items(), device)

    @property
    def ports(self) -> Iterable[Published]:
        """Its ports that have a `hostPort`."""

        def published(node: Node) -> Iterator[Published]:
            if node.at("hostPort").value not in (None, 0):
                yield HostPort(node)

        return judged(self.source.node.at("ports").items(), published)

    @property
    def names_addresses(self) -> bool:
        """True: a port can have a `hostIP`."""
        return True

    @property
    def sysctls(self) -> Iterable[Variable]:
        """Nothing: pods have a rule of their own."""
        return ()

    @property
    def environment(self) -> Iterable[Variable]:
        """Its variables that have a value in the manifest; those from a Secret or a ConfigMap have none."""

        def variable(entry: Node) -> Iterator[Variable]:
            if (value := entry.at("value")).value is not None:
                yield Variable(entry.label("name") or "", text(value.value), value.path)

        return judged(self.source.node.at("env").items(), variable)

    @property
    def arguments(self) -> Iterable[Argument]:
        """Its `command` and `args`, and what its probes and hooks run."""
        lists = [self.source.node, *(self.source.node.at(*handler, "exec") for handler in HANDLERS)]
        return judged(
            [(place, key) for place in lists for key in ("command", "args")],
            lambda it: (Argument(text(word.value), word.path) for word in it[0].at(it[1]).items()),
        )

    @property
    def labels(self) -> Iterable[Variable]:
        """The labels and annotations of its pod."""

        def variables(key: str) -> Iterator[Variable]:
            found = self.source.pod.metadata.at(key)
            return judged(
                found.mapping(), lambda name: [Variable(name, text(found.at(name).value), found.at(name).path)]
            )

        return judged(("labels", "annotations"), variables)

    def _stated(self, key: str) -> Any:
        value = self.source.node.at(key).value
        if value is None and self.source.pod.partial:
            self._silent()
        return value

    def _left_out(self, value: Any, *, windows: bool = True) -> None:
        """Leave alone what cannot be said, or need not be said here.

        A Windows pod cannot set what only Linux has, and the API server refuses it if it tries; what a partial pod does
        not say is decided elsewhere.
        """
        if windows and self.source.pod.windows:
            raise NotApplicable("a Windows pod cannot set it")
        if value is None and self.source.pod.partial:
            self._silent()

    def _silent(self) -> NoReturn:
        raise NotApplicable(self.source.pod.partial.format("what it does not say"))


def containers(subject: Subject) -> Iterator[Container]:
    """Every container of every pod that a resource declares."""
    for pod in pods(subject):
        for container in pod.containers():
            yield KubernetesContainer(container)


def _asks(probe: Node) -> bool:
    """Whether a probe asks anything: it has an action, and a command that can fail."""
    if any(probe.at(action).value is not None for action in ("httpGet", "tcpSocket", "grpc")):
        return True
    words = [text(word.value) for word in probe.at("exec", "command").items()]
    return bool(words) and not checks_nothing(words)


def _profile(profile: Node) -> str:
    """The name of a seccomp or AppArmor profile; a type that Kubernetes does not know confines nothing."""
    kind = profile.at("type").value
    if kind == "Localhost":
        return f"localhost:{profile.label('localhostProfile') or ''}"
    return "default" if kind == "RuntimeDefault" else "unconfined"
