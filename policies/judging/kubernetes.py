"""The view of a container in a Kubernetes pod."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, NoReturn

from judging.node import Node
from judging.pods import PodContainer, pods
from judging.quantity import quantity
from judging.rule import NotApplicable, Subject
from judging.workload import Argument, Container, Health, Logs, Mount, Port, Restart, Variable

HOST_NAMESPACES = {"network": "hostNetwork", "pid": "hostPID", "ipc": "hostIPC"}
PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
FIELDS = {
    "read_only_root": "readOnlyRootFilesystem",
    "dropped": "capabilities.drop",
    "added": "capabilities.add",
    "privileged": "privileged",
    "gains_privileges": "allowPrivilegeEscalation",
    "masks_system_paths": "procMount",
}
"""What a container says in its own security context alone."""
INHERITED = {
    "user": "runAsUser",
    "seccomp": "seccompProfile",
    "apparmor": "appArmorProfile",
    "selinux": "seLinuxOptions",
}
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


class HostNamespaces(Set[str]):
    """The namespaces of the node that a pod uses; each is read only when somebody asks for that one."""

    def __init__(self, spec: Node) -> None:
        self._spec = spec

    def __contains__(self, name: object) -> bool:
        field = HOST_NAMESPACES.get(name) if isinstance(name, str) else None
        return field is not None and self._spec.at(field).value not in (None, False)

    def __iter__(self) -> Iterator[str]:
        return (name for name in HOST_NAMESPACES if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class KubernetesContainer:
    """A container, init container or ephemeral container of a pod."""

    source: PodContainer
    where: str

    def path(self, fact: str) -> str:
        """The property that says a fact; where nothing says it, the one to write."""
        if fact in FIELDS:
            return self.source.own(*FIELDS[fact].split(".")).path
        if fact in INHERITED:
            return self.source.security(INHERITED[fact]).path
        if fact in HOST_NAMESPACES:
            return self.source.pod.spec.at(HOST_NAMESPACES[fact]).path
        return self.source.node.at(*BESIDE.get(fact, fact).split(".")).path

    @property
    def image(self) -> str:
        return str(self._stated("image") or "")

    @property
    def read_only_root(self) -> bool:
        read_only = self.source.own("readOnlyRootFilesystem").value
        if read_only is not True:
            self._left_out(read_only)
        return read_only is True

    @property
    def dropped(self) -> frozenset[str]:
        names = self._capabilities("drop")
        if "ALL" not in names:
            self._left_out(names or None)
        return names

    @property
    def added(self) -> frozenset[str]:
        names = self._capabilities("add")
        if names and self.source.pod.windows:
            self._left_out(None)
        return names

    def _capabilities(self, verb: str) -> frozenset[str]:
        """The names as they are spelled: to Kubernetes neither CAP_CHOWN nor chown is CHOWN."""
        return frozenset(str(node.value) for node in self.source.own("capabilities", verb).items())

    @property
    def privileged(self) -> bool:
        return self.source.own("privileged").value not in (None, False)

    @property
    def gains_privileges(self) -> bool:
        allowed = self.source.own("allowPrivilegeEscalation").value
        if allowed is not False:
            self._left_out(allowed)
        return allowed is not False

    @property
    def seccomp(self) -> str | None:
        """Without a profile it runs unconfined; whether its kubelet has seccompDefault is not known here."""
        profile = self.source.security("seccompProfile")
        name = _profile(profile)
        if name == "unconfined":
            self._left_out(profile.value)
        return name

    @property
    def apparmor(self) -> str | None:
        profile = self.source.security("appArmorProfile")
        return None if profile.value is None else _profile(profile)

    @property
    def selinux(self) -> str | None:
        kind = self.source.security("seLinuxOptions").at("type").value
        return str(kind) if kind else None

    @property
    def masks_system_paths(self) -> bool:
        return self.source.own("procMount").value in (None, "Default")

    @property
    def user(self) -> str | None:
        user = self.source.security("runAsUser").value
        if user is None:
            return None
        number = quantity(user)
        if not number and self.source.pod.in_user_namespace:
            raise NotApplicable("root in a user namespace (hostUsers: false) is an ordinary user of the node")
        return str(user if number is None else int(number))

    @property
    def groups(self) -> Sequence[str]:
        groups = self.source.pod.security("supplementalGroups").items()
        return tuple(str(quantity(node.value) or 0).removesuffix(".0") for node in groups)

    @property
    def health(self) -> Health | None:
        for probe in ("livenessProbe", "readinessProbe"):
            if self.source.node.at(probe).value is not None:
                return "own"
        if not self.source.serves:
            raise NotApplicable("Kubernetes probes no container that is meant to end")
        self._left_out(None, windows=False)
        return "disabled"

    @property
    def memory(self) -> int | None:
        limit = self._limit("memory")
        return int(limit) if limit else None

    @property
    def memory_and_swap(self) -> int | None:
        raise NotApplicable("the node decides on swap (memorySwap.swapBehavior of the kubelet), no pod does")

    @property
    def cpus(self) -> float | None:
        return self._limit("cpu") or None

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
        raise NotApplicable("the node limits processes (podPidsLimit of the kubelet), no pod does")

    @property
    def ulimits(self) -> Sequence[Variable]:
        raise NotApplicable("the node's container runtime sets them, no pod does")

    @property
    def restart(self) -> Restart:
        raise NotApplicable("the kubelet waits longer before each restart, up to five minutes")

    @property
    def logs(self) -> Logs:
        raise NotApplicable("the kubelet rotates logs (containerLogMaxSize), no pod does")

    @property
    def namespaces(self) -> Set[str]:
        return HostNamespaces(self.source.pod.spec)

    @property
    def own_network(self) -> bool:
        return True  # every pod has its own, or the node's, which is a matter of `namespaces`

    @property
    def mounts(self) -> Sequence[Mount]:
        volumes = {volume.at("name").value: volume for volume in self.source.pod.spec.at("volumes").items()}
        return tuple(self._mount(mount, volumes) for mount in self.source.node.at("volumeMounts").items())

    def _mount(self, mount: Node, volumes: dict[Any, Node]) -> Mount:
        volume = volumes.get(mount.at("name").value, Node(None))
        host = volume.at("hostPath")
        below = mount.at("subPath").value or mount.at("subPathExpr").value
        source = "/".join(filter(None, (_text(host.at("path").value), _text(below))))
        return Mount(
            source=source if host.value is not None else _text(mount.at("name").value),
            target=_text(mount.at("mountPath").value),
            type="bind" if host.value is not None else "volume",
            read_only=mount.at("readOnly").value is True,
            propagation=PROPAGATION.get(_text(mount.at("mountPropagation").value), "rprivate"),
            path=host.at("path").path if host.value is not None else mount.path,
        )

    @property
    def devices(self) -> Sequence[Argument]:
        volumes = [volume.at("hostPath") for volume in self.source.pod.spec.at("volumes").items()]
        return tuple(
            Argument(_text(host.at("path").value), host.at("path").path)
            for host in volumes
            if host.at("type").value in ("BlockDevice", "CharDevice")
        )

    @property
    def ports(self) -> Sequence[Port]:
        return tuple(
            Port(
                address=_text(port.at("hostIP").value) or None,
                host=_whole(port.at("hostPort").value),
                container=_whole(port.at("containerPort").value),
                path=port.at("hostPort").path,
            )
            for port in self.source.node.at("ports").items()
            if port.at("hostPort").value not in (None, 0)
        )

    @property
    def names_addresses(self) -> bool:
        return True

    @property
    def sysctls(self) -> Sequence[Variable]:
        return ()

    @property
    def environment(self) -> Sequence[Variable]:
        return tuple(
            Variable(_text(entry.at("name").value), _text(entry.at("value").value), entry.at("value").path)
            for entry in self.source.node.at("env").items()
            if entry.at("value").value is not None
        )

    @property
    def arguments(self) -> Sequence[Argument]:
        return tuple(
            Argument(_text(word.value), word.path)
            for key in ("command", "args")
            for word in self.source.node.at(key).items()
        )

    @property
    def labels(self) -> Sequence[Variable]:
        found = (self.source.pod.metadata.at(key) for key in ("labels", "annotations"))
        return tuple(
            Variable(name, _text(values.at(name).value), values.at(name).path)
            for values in found
            for name in values.mapping()
        )

    def _stated(self, key: str) -> Any:
        value = self.source.node.at(key).value
        if value is None and self.source.pod.partial:
            self._silent()
        return value

    def _left_out(self, value: Any, *, windows: bool = True) -> None:
        """Leave alone what cannot be said, or need not be said here.

        A Windows pod cannot set what only Linux has, and the API server refuses it if it tries; a patch leaves what it
        does not say as the cluster has it.
        """
        if windows and self.source.pod.windows:
            raise NotApplicable("a Windows pod cannot set it")
        if value is None and self.source.pod.partial:
            self._silent()

    def _silent(self) -> NoReturn:
        raise NotApplicable("a patch leaves what it does not say as the cluster has it")


def containers(subject: Subject) -> Iterator[Container]:
    """Every container of every pod that a resource declares."""
    for pod in pods(subject):
        for container in pod.containers():
            yield KubernetesContainer(container, container.where)


def _profile(profile: Node) -> str:
    """The name of a seccomp or AppArmor profile; a type that Kubernetes does not know confines nothing."""
    kind = profile.at("type").value
    if kind == "Localhost":
        return f"localhost:{profile.label('localhostProfile') or ''}"
    return "default" if kind == "RuntimeDefault" else "unconfined"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _whole(value: Any) -> int | None:
    number = quantity(value)
    return None if number is None else int(number)
