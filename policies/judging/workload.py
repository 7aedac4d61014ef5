"""One view of everything that runs a container, so that each hardening rule is written once.

A property of the view reads only what it needs, when it is asked: the value of another property that is not known
during a preview does not keep a rule from judging this one. Where the resource's type has no way to say a fact, the
property raises `NotApplicable`, and the reason says who makes sure of it instead. What is iterated over gives what is
known first, and then the signal that something is not.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from judging.manifests import declares_objects
from judging.pods import judged
from judging.rule import Problem, Subject


class Mounted(Protocol):
    """Something mounted into a container."""

    @property
    def source(self) -> str:
        """What is mounted: a path of the host where the type is `bind`, else a name or nothing."""

    @property
    def target(self) -> str:
        """Where it lies in the container."""

    @property
    def type(self) -> str:
        """`bind`, `volume`, `tmpfs`, or `container` for what another container mounts."""

    @property
    def read_only(self) -> bool:
        """Whether the container cannot write there."""

    @property
    def propagation(self) -> str:
        """How later mounts spread: `rprivate`, `rslave`, `rshared` and so on."""

    @property
    def path(self) -> str:
        """The property that says it."""


@dataclass(frozen=True)
class Mount:
    """Something mounted into a container, all of it known."""

    source: str
    target: str
    type: str
    read_only: bool
    propagation: str
    path: str


class Published(Protocol):
    """A port that the host publishes."""

    @property
    def address(self) -> str | None:
        """The host's address; None where it is left out, which is every address."""

    @property
    def host(self) -> int | None:
        """The host's port; None where any free one is taken."""

    @property
    def container(self) -> int | None:
        """The container's port; None for every port that its image exposes."""

    @property
    def path(self) -> str:
        """The property that says it."""


@dataclass(frozen=True)
class Port:
    """A port that the host publishes, all of it known."""

    address: str | None
    host: int | None
    container: int | None
    path: str


@dataclass(frozen=True)
class Restart:
    """When a container is started again: `no`, `on-failure`, `always` or `unless-stopped`, and at most how often."""

    policy: str
    maximum: int | None


class Logs(Protocol):
    """Where a container's output goes."""

    @property
    def driver(self) -> str | None:
        """The log driver; None where the engine's own default decides."""

    def option(self, name: str) -> str:
        """The value of one of its options; empty where it is left out."""


@dataclass(frozen=True)
class Variable:
    """A named value: an environment variable, a label, a kernel parameter."""

    name: str
    value: str
    path: str


@dataclass(frozen=True)
class Argument:
    """One word of what a container runs."""

    text: str
    path: str


Health = Literal["own", "disabled"]
Part = TypeVar("Part")


class Container(Protocol):
    """A container, whoever runs it.

    `path` knows the name of each property, and those of the namespaces, where `user_namespace` is no `user`.
    """

    @property
    def where(self) -> str:
        """Which part of the resource it is, for messages; empty where the resource is one container."""

    def path(self, fact: str) -> str:
        """The property of the resource that says a fact."""

    def seen(self, fact: str) -> str:
        """What that property says, as a message shows it; empty where it says nothing of this fact."""

    @property
    def image(self) -> str:
        """The image as it was written."""

    @property
    def read_only_root(self) -> bool:
        """Whether the root file system cannot be written."""

    @property
    def dropped(self) -> AbstractSet[str]:
        """The dropped capabilities, upper case and without `CAP_`."""

    @property
    def added(self) -> AbstractSet[str]:
        """The added capabilities, upper case and without `CAP_`."""

    @property
    def privileged(self) -> bool:
        """Whether nothing isolates it."""

    @property
    def gains_privileges(self) -> bool:
        """Whether a program in it may gain privileges, as through setuid: true unless the resource forbids it."""

    @property
    def seccomp(self) -> str | None:
        """The profile: `default`, `unconfined`, `localhost:NAME`; None where unset means the engine's default."""

    @property
    def apparmor(self) -> str | None:
        """The profile: `default`, `unconfined`, `localhost:NAME`; None where unset means the engine's default."""

    @property
    def selinux(self) -> str | None:
        """The SELinux type, `unconfined` where labels are off; None where the engine labels it by itself."""

    @property
    def masks_system_paths(self) -> bool:
        """Whether the engine hides the parts of /proc and /sys that tell about the host."""

    @property
    def user(self) -> str | None:
        """The user that it runs as, with a group if one is written; None where it is left to the image."""

    @property
    def refuses_root(self) -> bool:
        """Whether it is not started at all where its image would run it as root."""

    @property
    def groups(self) -> Iterable[Argument]:
        """The groups that its user joins beside its own."""

    @property
    def health(self) -> Health | None:
        """Whether a check of its own says that it is healthy; None where it is left to the image."""

    @property
    def memory(self) -> int | None:
        """The most memory in bytes; None where there is no limit."""

    @property
    def memory_and_swap(self) -> int | None:
        """The most memory and swap together in bytes, -1 where swap has no limit; None where memory has none."""

    @property
    def cpus(self) -> float | None:
        """The most CPU time, in CPUs; None where there is no limit."""

    @property
    def pids(self) -> int | None:
        """The most processes; None where there is no limit."""

    @property
    def ulimits(self) -> Iterable[Variable]:
        """The resource limits of its processes: the name, and the higher one of both values, -1 for none."""

    @property
    def restart(self) -> Restart:
        """When it is started again."""

    @property
    def logs(self) -> Logs:
        """Where its output goes."""

    @property
    def namespaces(self) -> AbstractSet[str]:
        """Which of network, pid, ipc, uts, user and cgroup it shares with the host or another container."""

    @property
    def own_network(self) -> bool:
        """Whether it keeps off the network that the engine puts every container into by default."""

    @property
    def cgroup_parent(self) -> str | None:
        """The control group that it is put into; None for the engine's own."""

    @property
    def temporary(self) -> Iterable[Variable]:
        """Its file systems in memory: where each lies, and its options."""

    @property
    def mounts(self) -> Iterable[Mounted]:
        """Everything that is mounted into it."""

    @property
    def devices(self) -> Iterable[Argument]:
        """The devices of the host that it may use."""

    @property
    def ports(self) -> Iterable[Published]:
        """The ports that the host publishes for it."""

    @property
    def names_addresses(self) -> bool:
        """True where a published port can be bound to an address; raises `NotApplicable` where it cannot."""

    @property
    def sysctls(self) -> Iterable[Variable]:
        """The kernel parameters that it sets; empty for pods, which have a rule of their own."""

    @property
    def environment(self) -> Iterable[Variable]:
        """Its environment variables."""

    @property
    def arguments(self) -> Iterable[Argument]:
        """The words of its entry point, its command and its own health check, in this order."""

    @property
    def labels(self) -> Iterable[Variable]:
        """Its labels, and annotations where they exist."""


def workloads(subject: Subject) -> Iterable[Container]:
    """The containers that a resource runs; none for a type that runs nothing."""
    if subject.type == "docker:index/container:Container":
        from judging.docker import DockerContainer

        return (DockerContainer(subject.properties),)
    if subject.type == "docker:index/service:Service":
        from judging.swarm import ServiceContainer

        return (ServiceContainer(subject.properties),)
    if declares_objects(subject):
        from judging.kubernetes import containers

        return containers(subject)
    return ()


def each(subject: Subject, judge: Callable[[Container], Iterable[Problem]]) -> Iterator[Problem]:
    """The problems of every container of a resource, with the signals of those that cannot be judged after them."""
    yield from judged(workloads(subject), judge)
