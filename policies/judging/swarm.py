"""The view of `docker:index/service:Service`, whose tasks are containers of a Swarm.

Swarm itself shares no namespace but the network's with the host, runs no privileged container and hands on no device,
so a service cannot break those rules. Where it ought to say what the plugin has no property for, a rule is not
applicable.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from judging.engine import (
    EngineLogs,
    EngineMount,
    Namespaces,
    argument,
    capabilities,
    group_of,
    health,
    in_turn,
    label,
    made,
    text,
    truth,
    variables,
    whole,
)
from judging.node import Node, listed
from judging.rule import NotApplicable
from judging.workload import Argument, Health, Logs, Mounted, Published, Restart, Variable

TASK = "taskSpec"
SPEC = (TASK, "containerSpec")
FIELDS = {
    "read_only_root": "taskSpec.containerSpec.readOnly",
    "dropped": "taskSpec.containerSpec.capDrops",
    "added": "taskSpec.containerSpec.capAdds",
    "privileged": "taskSpec.runtime",
    "selinux": "taskSpec.containerSpec.privileges.seLinuxContext",
    "health": "taskSpec.containerSpec.healthcheck.tests",
    "memory": "taskSpec.resources.limits.memoryBytes",
    "cpus": "taskSpec.resources.limits.nanoCpus",
    "restart": "taskSpec.restartPolicy",
    "logs": "taskSpec.logDriver",
    "network": "taskSpec.networksAdvanceds",
    "own_network": "taskSpec.networksAdvanceds",
    "user": "taskSpec.containerSpec.user",
    "groups": "taskSpec.containerSpec.groups",
    "image": "taskSpec.containerSpec.image",
}
CONDITIONS = {"none": "no", "on-failure": "on-failure", "any": "always", "": "always"}
"""Swarm's words for when a task is started again; `any` holds where none is said."""


@dataclass(frozen=True)
class ServicePort:
    """An entry of `endpointSpec.ports`; every node listens on all of its addresses for it."""

    node: Node

    @property
    def address(self) -> str | None:
        """None: it cannot be said."""
        return None

    @property
    def host(self) -> int | None:
        """The port of the nodes."""
        return whole(self.node.at("publishedPort").value) or None

    @property
    def container(self) -> int | None:
        """The port of the container."""
        return whole(self.node.at("targetPort").value)

    @property
    def path(self) -> str:
        """Its property."""
        return self.node.path


class ServiceContainer:
    """A task of a service."""

    where = ""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._node = Node(properties)

    def path(self, fact: str) -> str:
        """The property that says a fact."""
        return FIELDS.get(fact, fact)

    def seen(self, fact: str) -> str:
        """The networks, or the fields of a property, that say a fact."""
        said = self._node.at(*self.path(fact).split("."))
        if fact == "own_network":
            return listed(filter(None, (it.label("name") or it.label("id") for it in said.known())))
        return listed(f"{it.path.rpartition('.')[2]}: {listed([it.value])}" for it in said.known())

    def _spec(self, *keys: str) -> Node:
        return self._node.at(*SPEC, *keys)

    def _task(self, *keys: str) -> Node:
        return self._node.at(TASK, *keys)

    @property
    def image(self) -> str:
        """The image as it was written."""
        return text(self._spec("image").value)

    @property
    def read_only_root(self) -> bool:
        """Whether `readOnly` is true."""
        return truth(self._spec("readOnly").value)

    @property
    def dropped(self) -> frozenset[str]:
        """The capabilities under `capDrops`."""
        return capabilities(self._spec("capDrops"))

    @property
    def added(self) -> frozenset[str]:
        """The capabilities under `capAdds`."""
        return capabilities(self._spec("capAdds"))

    @property
    def privileged(self) -> bool:
        """Whether it is a plugin of the engine, which has the host's rights; a container never has."""
        return text(self._task("runtime").value).strip().lower() not in ("", "container")

    @property
    def gains_privileges(self) -> bool:
        """Not to be said."""
        raise NotApplicable(
            "the docker plugin's Service cannot say no-new-privileges: it is set and verified on the nodes, "
            'by "no-new-privileges": true in the engine\'s daemon.json'
        )

    @property
    def seccomp(self) -> str | None:
        """The engine's default: a service cannot say another."""
        return None

    @property
    def apparmor(self) -> str | None:
        """The engine's default: a service cannot say another."""
        return None

    @property
    def selinux(self) -> str | None:
        """What `privileges.seLinuxContext` says."""
        context = self._spec("privileges", "seLinuxContext")
        return "unconfined" if truth(context.at("disable").value) else text(context.at("type").value).strip() or None

    @property
    def masks_system_paths(self) -> bool:
        """True: a service cannot take the masks away."""
        return True

    @property
    def user(self) -> str | None:
        """The user as it was written."""
        return text(self._spec("user").value).strip() or None

    @property
    def refuses_root(self) -> bool:
        """Never: the engine starts what it is told to."""
        return False

    @property
    def groups(self) -> Iterator[Argument]:
        """The groups under `groups`, and the one that `user` names."""
        return in_turn(
            lambda: made(self._spec("groups"), lambda it: Argument(text(it.value), self.path("groups"))),
            lambda: group_of(self._spec("user")),
        )

    @property
    def health(self) -> Health | None:
        """What `healthcheck` says."""
        return health(self._spec("healthcheck", "tests"))

    @property
    def memory(self) -> int | None:
        """The limit of memory, which is written in bytes."""
        limit = whole(self._task("resources", "limits", "memoryBytes").value)
        return limit if limit and limit > 0 else None

    @property
    def memory_and_swap(self) -> int | None:
        """Not to be said."""
        raise NotApplicable(
            "the docker plugin's Service cannot limit swap: turn it off on the nodes, and verify it there"
        )

    @property
    def cpus(self) -> float | None:
        """The limit of CPU time, which is written in billionths of a CPU."""
        limit = whole(self._task("resources", "limits", "nanoCpus").value)
        return limit / 1e9 if limit and limit > 0 else None

    @property
    def pids(self) -> int | None:
        """Not to be said."""
        raise NotApplicable(
            "the docker plugin's Service has no limit of processes: it is set and verified on the nodes, "
            "by --default-pids-limit of the engine"
        )

    @property
    def ulimits(self) -> tuple[Variable, ...]:
        """None: a service cannot raise them."""
        return ()

    @property
    def restart(self) -> Restart:
        """`restartPolicy`, in the words of a container."""
        policy = self._task("restartPolicy")
        condition = text(policy.at("condition").value).strip().lower()
        name = CONDITIONS.get(condition, "always")
        return Restart(name, None if name == "no" else whole(policy.at("maxAttempts").value) or None)

    @property
    def logs(self) -> Logs:
        """`logDriver`."""
        return EngineLogs(self._node, (TASK, "logDriver", "name"), (TASK, "logDriver", "options"))

    @property
    def namespaces(self) -> Set[str]:
        """The network's alone, where it joins the host's."""
        return Namespaces(("network",), lambda _: any(name == "host" for name in self._networks()))

    def _networks(self) -> Iterator[str]:
        for node in self._task("networksAdvanceds").items():
            yield from (text(node.at(key).value).strip().lower() for key in ("name", "id"))

    @property
    def own_network(self) -> bool:
        """Whether it joins a network: without one its tasks are put into each node's default bridge."""
        return any(name not in ("", "bridge", "host") for name in self._networks())

    @property
    def cgroup_parent(self) -> str | None:
        """None: it cannot be said."""
        return None

    @property
    def temporary(self) -> tuple[Variable, ...]:
        """None with options of their own: they cannot be said."""
        return ()

    @property
    def mounts(self) -> Iterator[Mounted]:
        """The entries of `mounts`."""
        return map(EngineMount, self._spec("mounts").items())

    @property
    def devices(self) -> tuple[Argument, ...]:
        """None: a service cannot hand one on."""
        return ()

    @property
    def ports(self) -> Iterator[Published]:
        """The entries of `endpointSpec.ports`."""
        return map(ServicePort, self._node.at("endpointSpec", "ports").items())

    @property
    def names_addresses(self) -> bool:
        """Not to be said."""
        raise NotApplicable(
            "Swarm publishes on every address of a node: a firewall on the nodes limits it, no service does"
        )

    @property
    def sysctls(self) -> Iterator[Variable]:
        """The entries of `sysctl`."""
        return variables(self._spec("sysctl"))

    @property
    def environment(self) -> Iterator[Variable]:
        """The entries of `env`."""
        return variables(self._spec("env"))

    @property
    def arguments(self) -> Iterator[Argument]:
        """The words of `commands`, `args` and the health check."""
        return in_turn(
            lambda: made(self._spec("commands"), argument),
            lambda: made(self._spec("args"), argument),
            lambda: made(self._spec("healthcheck", "tests"), argument),
        )

    @property
    def labels(self) -> Iterator[Variable]:
        """The labels of the service and of its containers."""
        return in_turn(lambda: made(self._node.at("labels"), label), lambda: made(self._spec("labels"), label))
