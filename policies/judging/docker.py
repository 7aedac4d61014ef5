"""The view of `docker:index/container:Container`."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from judging.confinement import apparmor, seccomp, selinux, weakest
from judging.engine import (
    TRUE,
    DockerPort,
    DockerVolume,
    EngineLogs,
    EngineMount,
    EveryPort,
    Namespaces,
    argument,
    assignment,
    capabilities,
    group_of,
    health,
    in_turn,
    label,
    made,
    number,
    text,
    truth,
    ulimit,
    variables,
    whole,
)
from judging.node import Node, listed
from judging.rule import NotApplicable
from judging.workload import Argument, Health, Logs, Mounted, Published, Restart, Variable

MEBIBYTE = 1024 * 1024
PERIOD = 100_000
"""Microseconds over which a CPU quota counts where no period is said."""
MODES = {
    "network": "networkMode",
    "pid": "pidMode",
    "ipc": "ipcMode",
    "uts": "utsMode",
    "user": "usernsMode",
    "cgroup": "cgroupnsMode",
}
"""The property of each namespace; the plugin has none for `uts` today, and would call it so."""
SHARED_NETWORKS = ("", "bridge", "default", "host")
FIELDS = {
    "read_only_root": "readOnly",
    "dropped": "capabilities.drops",
    "added": "capabilities.adds",
    "gains_privileges": "securityOpts",
    "seccomp": "securityOpts",
    "apparmor": "securityOpts",
    "selinux": "securityOpts",
    "masks_system_paths": "securityOpts",
    "groups": "groupAdds",
    "health": "healthcheck.tests",
    "memory_and_swap": "memorySwap",
    "logs": "logDriver",
    "own_network": "networksAdvanced",
    "cgroup_parent": "cgroupParent",
    "user_namespace": MODES["user"],
    **{name: mode for name, mode in MODES.items() if name != "user"},
}


OPTIONS = {
    "gains_privileges": ("no-new-privileges",),
    "seccomp": ("seccomp",),
    "apparmor": ("apparmor",),
    "selinux": ("label", "disable"),
    "masks_system_paths": ("systempaths", "writable-cgroups"),
}
"""The security options that say a fact."""


class DockerContainer:
    """A container of the Docker or Podman engine."""

    where = ""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._node = Node(properties)

    def path(self, fact: str) -> str:
        """The property that says a fact."""
        return FIELDS.get(fact, fact)

    def seen(self, fact: str) -> str:
        """The security options or the networks that say a fact, as they were written."""
        if fact == "own_network":
            return listed(filter(None, (it.label("name") for it in self._node.at("networksAdvanced").known())))
        options = (text(it.value) for it in self._node.at("securityOpts").known())
        return listed(it for it in options if _key_and_value(it)[0].lower() in OPTIONS[fact])

    def _value(self, *keys: str) -> Any:
        return self._node.at(*keys).value

    @property
    def image(self) -> str:
        """The image as it was written."""
        return text(self._value("image"))

    @property
    def read_only_root(self) -> bool:
        """Whether `readOnly` is true."""
        return truth(self._value("readOnly"))

    @property
    def dropped(self) -> frozenset[str]:
        """The capabilities under `drops`."""
        return capabilities(self._node.at("capabilities", "drops"))

    @property
    def added(self) -> frozenset[str]:
        """The capabilities under `adds`."""
        return capabilities(self._node.at("capabilities", "adds"))

    @property
    def privileged(self) -> bool:
        """Whether `privileged` is true; then the capabilities, profiles and masks of the rest mean nothing."""
        return truth(self._value("privileged"))

    def _options(self) -> Iterator[tuple[str, str]]:
        """The security options."""
        return (_key_and_value(text(node.value)) for node in self._node.at("securityOpts").items())

    @property
    def gains_privileges(self) -> bool:
        """Unless no-new-privileges is on. The options are a set: where two disagree, either may come last."""
        forbidden = False
        for key, value in self._options():
            if key == "no-new-privileges":
                if value and value not in TRUE:
                    return True
                forbidden = True
        return not forbidden

    @property
    def seccomp(self) -> str | None:
        """The weakest profile; one that allows what it does not list confines nothing."""
        return weakest(seccomp(value) for key, value in self._options() if key.lower() == "seccomp")

    @property
    def apparmor(self) -> str | None:
        """The weakest profile."""
        return weakest(apparmor(value) for key, value in self._options() if key.lower() == "apparmor")

    @property
    def selinux(self) -> str | None:
        """The SELinux type, or `unconfined` where labels are off."""
        return weakest(filter(None, (selinux(key.lower(), value) for key, value in self._options())))

    @property
    def masks_system_paths(self) -> bool:
        """Unless an option takes the masks over /proc and /sys away, or makes the control groups writable."""
        for key, value in self._options():
            if key.lower() == "systempaths" and value.lower() == "unconfined":
                return False
            if key.lower() == "writable-cgroups" and (not value or value in TRUE):
                return False
        return True

    @property
    def user(self) -> str | None:
        """The user as it was written."""
        return text(self._value("user")).strip() or None

    @property
    def refuses_root(self) -> bool:
        """Never: the engine starts what it is told to."""
        return False

    @property
    def groups(self) -> Iterator[Argument]:
        """The groups under `groupAdds`, and the one that `user` names."""
        return in_turn(
            lambda: made(self._node.at("groupAdds"), lambda it: Argument(text(it.value), self.path("groups"))),
            lambda: group_of(self._node.at("user")),
        )

    @property
    def health(self) -> Health | None:
        """What `healthcheck` says."""
        return health(self._node.at("healthcheck", "tests"))

    @property
    def memory(self) -> int | None:
        """`memory`, which is written in MiB; 0 is no limit."""
        limit = number(self._value("memory"))
        return _bytes(limit) if limit and limit > 0 else None

    @property
    def memory_and_swap(self) -> int | None:
        """`memorySwap`, which is written in MiB; left out or 0 it is twice the memory."""
        memory = self.memory
        if memory is None:
            return None
        limit = number(self._value("memorySwap")) or 0
        if limit < 0:
            return -1
        return _bytes(limit) or 2 * memory

    @property
    def cpus(self) -> float | None:
        """`cpus`, or the quota by its period. Shares only weigh, and a set of CPUs may be used up whole."""
        if text(self._value("cpus")).strip():  # where it is written the plugin ignores the quota
            limit = number(self._value("cpus")) or 0
            return limit if limit > 0 else None
        quota = number(self._value("cpuQuota")) or 0
        return quota / (number(self._value("cpuPeriod")) or PERIOD) if quota > 0 else None

    @property
    def pids(self) -> int | None:
        """Not to be said."""
        raise NotApplicable(
            "the docker plugin's Container has no limit of processes: it is set and verified on the host, "
            "by --default-pids-limit of the engine or `docker update --pids-limit`"
        )

    @property
    def ulimits(self) -> Iterator[Variable]:
        """The entries of `ulimits`."""
        return made(self._node.at("ulimits"), ulimit)

    @property
    def restart(self) -> Restart:
        """`restart` and `maxRetryCount`."""
        policy = text(self._value("restart")) or "no"
        return Restart(policy, whole(self._value("maxRetryCount")) or None if policy == "on-failure" else None)

    @property
    def logs(self) -> Logs:
        """`logDriver` and `logOpts`."""
        return EngineLogs(self._node, ("logDriver",), ("logOpts",))

    @property
    def namespaces(self) -> Set[str]:
        """The namespaces that a mode shares with the host or with another container."""
        return Namespaces(MODES, self._shares)

    def _shares(self, name: str) -> bool:
        mode = text(self._value(MODES[name])).strip().lower()
        if mode == "host" or mode.startswith(("container:", "ns:", "pod:")) or (name == "ipc" and mode == "shareable"):
            return True
        return name == "network" and any(network == "host" for network in self._networks())

    def _networks(self) -> Iterator[str]:
        """The names of the networks that it joins beside its mode."""
        for node in self._node.at("networksAdvanced").items():
            yield text(node.at("name").value).lower()

    @property
    def own_network(self) -> bool:
        """Whether it joins named networks alone, or none."""
        mode = text(self._value("networkMode")).strip().lower()
        if mode not in SHARED_NETWORKS:
            return True
        names = list(self._networks())
        return bool(names) and not any(name in SHARED_NETWORKS for name in names)

    @property
    def cgroup_parent(self) -> str | None:
        """`cgroupParent`."""
        return text(self._value("cgroupParent")).strip() or None

    @property
    def temporary(self) -> Iterator[Variable]:
        """The entries of `tmpfs`."""
        return variables(self._node.at("tmpfs"))

    @property
    def mounts(self) -> Iterator[Mounted]:
        """The entries of `mounts` and of `volumes`."""
        return in_turn(
            lambda: map(EngineMount, self._node.at("mounts").items()),
            lambda: map(DockerVolume, self._node.at("volumes").items()),
        )

    @property
    def devices(self) -> Iterator[Argument]:
        """Devices, rules for their control group, requests to drivers, GPUs, and the runtime that brings GPUs along."""
        return in_turn(self._device_files, self._device_rules, self._device_requests, self._graphics)

    def _device_files(self) -> Iterator[Argument]:
        return made(self._node.at("devices"), lambda it: Argument(text(it.at("hostPath").value), it.path))

    def _device_rules(self) -> Iterator[Argument]:
        return made(self._node.at("deviceCgroupRules"), lambda it: Argument(f"rule {text(it.value)}", it.path))

    def _device_requests(self) -> Iterator[Argument]:
        for node in self._node.at("deviceRequests").items():
            names = [text(item.value) for item in node.at("deviceIds").items()]
            yield from (
                Argument(name, node.path) for name in names or [f"driver {text(node.at('driver').value) or 'cdi'}"]
            )

    def _graphics(self) -> Iterator[Argument]:
        if graphics := text(self._value("gpus")).strip():
            yield Argument(f"gpus {graphics}", "gpus")
        if "nvidia" in (runtime := text(self._value("runtime")).lower()):
            yield Argument(f"runtime {runtime}", "runtime")

    @property
    def ports(self) -> Iterator[Published]:
        """What `publishAllPorts` and `ports` publish."""
        return in_turn(self._every_port, lambda: map(DockerPort, self._node.at("ports").items()))

    def _every_port(self) -> Iterator[Published]:
        if truth(self._value("publishAllPorts")):
            yield EveryPort("publishAllPorts")

    @property
    def names_addresses(self) -> bool:
        """A port can be bound to an address."""
        return True

    @property
    def sysctls(self) -> Iterator[Variable]:
        """The entries of `sysctls`."""
        return variables(self._node.at("sysctls"))

    @property
    def environment(self) -> Iterator[Variable]:
        """The entries of `envs`, `NAME=VALUE` each."""
        return made(self._node.at("envs"), assignment)

    @property
    def arguments(self) -> Iterator[Argument]:
        """The words of `entrypoints`, `command` and the health check."""
        return in_turn(
            lambda: made(self._node.at("entrypoints"), argument),
            lambda: made(self._node.at("command"), argument),
            lambda: made(self._node.at("healthcheck", "tests"), argument),
        )

    @property
    def labels(self) -> Iterator[Variable]:
        """The entries of `labels`."""
        return made(self._node.at("labels"), label)


def _key_and_value(option: str) -> tuple[str, str]:
    """A security option as the engine splits it: at `=`, or at `:` where there is none."""
    key, _, value = option.partition("=" if "=" in option else ":")
    return key.strip(), value.strip()


def _bytes(mebibytes: float) -> int:
    """Of a number that no machine has, the most that a float can tell apart."""
    return int(min(mebibytes, 2.0**33) * MEBIBYTE)
