"""What a container of a pod mounts, publishes and shares with its node; each property is read when it is asked for."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from judging.node import Node
from judging.pods import Pod, judged
from judging.quantity import quantity

HOST_NAMESPACES = {"network": "hostNetwork", "pid": "hostPID", "ipc": "hostIPC", "user": "hostUsers"}
"""Where a pod says that it uses each; the users of the node are those of a pod that says nothing, which is fine."""
PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


class HostNamespaces(Set[str]):
    """The namespaces of the node that a pod uses; each is read only when somebody asks for that one."""

    def __init__(self, spec: Node) -> None:
        self._spec = spec

    def __contains__(self, name: object) -> bool:
        field = HOST_NAMESPACES.get(name) if isinstance(name, str) else None
        return field is not None and self._spec.at(field).value not in (None, False)

    def __iter__(self) -> Iterator[str]:
        return judged(HOST_NAMESPACES, lambda name: [name] if name in self else [])

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class VolumeMount:
    """A volume that a container mounts."""

    pod: Pod
    node: Node

    @property
    def _host(self) -> Node:
        """The directory of the node that its volume is; nothing for any other volume."""
        name = self.node.at("name").value
        volumes = self.pod.spec.at("volumes").items()
        found = judged(volumes, lambda volume: [volume] if volume.at("name").value == name else [])
        return next(found, Node(None)).at("hostPath")

    @property
    def source(self) -> str:
        """The path on the node, or the volume's name."""
        if self.type == "volume":
            return text(self.node.at("name").value)
        below = self.node.at("subPath").value or self.node.at("subPathExpr").value
        return "/".join(filter(None, (text(self._host.at("path").value), text(below))))

    @property
    def target(self) -> str:
        """Where it lies in the container."""
        return text(self.node.at("mountPath").value)

    @property
    def type(self) -> str:
        """`bind` for a path of the node, else `volume`."""
        return "volume" if self._host.value is None else "bind"

    @property
    def read_only(self) -> bool:
        """Whether the container cannot write there."""
        return self.node.at("readOnly").value is True

    @property
    def propagation(self) -> str:
        """How later mounts spread, in the words of the kernel."""
        return PROPAGATION.get(text(self.node.at("mountPropagation").value), "rprivate")

    @property
    def path(self) -> str:
        """The property that says it: the volume's, as that is what a node's path is written in."""
        return self.node.path if self.type == "volume" else self._host.at("path").path


@dataclass(frozen=True)
class HostPort:
    """A port of the node that a container publishes."""

    node: Node

    @property
    def address(self) -> str | None:
        """The node's address; None for every address."""
        return text(self.node.at("hostIP").value) or None

    @property
    def host(self) -> int | None:
        """The node's port."""
        return whole(self.node.at("hostPort").value)

    @property
    def container(self) -> int | None:
        """The container's port."""
        return whole(self.node.at("containerPort").value)

    @property
    def path(self) -> str:
        """The property that says it."""
        return self.node.at("hostPort").path


def text(value: Any) -> str:
    """The value as a text; nothing where there is none."""
    return "" if value is None else str(value)


def whole(value: Any) -> int | None:
    """The value as a whole number; the SDK hands every number over as a float."""
    number = quantity(value)
    return None if number is None else int(number)
