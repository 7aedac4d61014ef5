"""Rules about what a container shares with its host: files, devices, namespaces, kernel settings."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pulumi_policy import EnforcementLevel, Severity

from judging.engine import bound_paths
from judging.kubernetes_parts import HOST_NAMESPACES, HostNamespaces
from judging.manifests import Manifest, manifests
from judging.node import Node
from judging.paths import resolved, sensitive, socket
from judging.pods import Pod, judged, pods
from judging.rule import Problem, Rule, Source, Subject
from judging.workload import Container, Mounted, each
from rules.pods import SAFE_SYSCTLS
from rules.sources import CIS, ENGINE

VOLUME = "docker:index/volume:Volume"
PERSISTENT_VOLUME = ("v1", "PersistentVolume")
SHARED = ("shared", "rshared")
UNSAFE_OPTIONS = ("exec", "suid", "dev")


def read_only_root(subject: Subject) -> Iterator[Problem]:
    """What cannot be written cannot be replaced: an intruder finds no place for tools; a restart is a clean start."""

    def judge(container: Container) -> Iterator[Problem]:
        if not container.read_only_root:
            yield Problem(
                f"{container.path('read_only_root')} is not true",
                "write true, and mount a tmpfs or a volume where it must write",
                container.where,
            )

    return each(subject, judge)


def keeps_to_itself(namespace: str, why: str) -> Callable[[Subject], Iterator[Problem]]:
    """The check that a container shares a namespace with nobody; `why` is the reason of the rule."""
    fact = "user_namespace" if namespace == "user" else namespace

    def shared(path: str, where: str) -> Problem:
        seen = f"{path} shares the {namespace} namespace with the host or another container"
        # Left out, hostUsers of a pod is true.
        return Problem(seen, "write false" if path.endswith("hostUsers") else "leave it out", where)

    def judge(container: Container) -> Iterator[Problem]:
        if namespace in container.namespaces:
            yield shared(container.path(fact), container.where)

    def judge_bare(pod: Pod) -> Iterator[Problem]:
        if namespace in HostNamespaces(pod.spec):
            yield shared(pod.spec.at(HOST_NAMESPACES[namespace]).path, pod.where)

    def check(subject: Subject) -> Iterator[Problem]:
        bare = (pod for pod in pods(subject) if pod.bare) if namespace in HOST_NAMESPACES else ()
        return judged((each(subject, judge), judged(bare, judge_bare)), lambda found: found)

    check.__doc__ = why
    return check


def mounts_no_sensitive_path(subject: Subject) -> Iterator[Problem]:
    """What keeps the host running, and the keys on it, are the host. Reading them is enough, and a parent holds them.

    CIS compares a few exact paths; here they are found in every spelling, with what lies above and below.
    """
    allowed = tuple(subject.options["allowed"])

    def judge(path: str, source: str, where: str) -> Iterator[Problem]:
        if finding := sensitive(source, allowed):
            write = "mount a volume, or a folder of its own such as /srv/NAME"
            yield Problem(f"{path} mounts {source}, which {finding}", write, where)

    yield from _host_paths(subject, judge)


def mounts_no_engine_socket(subject: Subject) -> Iterator[Problem]:
    """Whoever reaches an engine's socket starts a privileged container with it: it is root on the host.

    Read-only does not help: the flag is about the file, not about what is said through it.
    """
    allowed = {place for path in subject.options["allowed"] for place in (path, resolved(path))}

    def judge(path: str, source: str, where: str) -> Iterator[Problem]:
        found = socket(source)
        if found and found not in allowed:
            reach = "is" if found == resolved(source) else "reaches"
            yield Problem(
                f"{path} mounts {source}, which {reach} the engine's socket {found}",
                "leave it out, and let a service with a narrow interface talk to the engine",
                where,
            )

    yield from _host_paths(subject, judge)


def _host_paths(subject: Subject, judge: Callable[[str, str, str], Iterator[Problem]]) -> Iterator[Problem]:
    """The problems of every path of the host that a resource mounts, or makes a volume of."""
    if subject.type == VOLUME:
        for source in bound_paths(Node(subject.properties).at("driverOpts")):
            yield from judge("driverOpts", source, "")

    def bound(container: Container, mount: Mounted) -> Iterator[Problem]:
        if mount.type == "bind":
            yield from judge(mount.path, mount.source, container.where)

    def of_the_node(manifest: Manifest) -> Iterator[Problem]:
        for kind in ("hostPath", "local") if (manifest.version, manifest.kind) == PERSISTENT_VOLUME else ():
            node = manifest.node.at("spec", kind, "path")
            # A disk that a pod gets as a whole is a device by nature, and no folder of the node.
            is_disk = kind == "local" and manifest.node.at("spec", "volumeMode").value == "Block"
            if node.value is not None and not is_disk:
                yield from judge(node.path, str(node.value), manifest.where)

    yield from judged((_each_mount(subject, bound), judged(manifests(subject), of_the_node)), lambda found: found)


def _each_mount(subject: Subject, judge: Callable[[Container, Mounted], Iterator[Problem]]) -> Iterator[Problem]:
    return each(subject, lambda container: judged(container.mounts, partial(judge, container)))


def takes_no_volumes_of_another(subject: Subject) -> Iterator[Problem]:
    """All that another container mounts comes along, its host paths and its secrets, and nothing here shows what."""

    def judge(container: Container) -> Iterator[Problem]:
        for mount in container.mounts:
            if mount.type == "container":
                yield Problem(
                    f"{mount.path} takes the volumes of the container {mount.source}",
                    "name each volume",
                    container.where,
                )

    return each(subject, judge)


def mounts_do_not_propagate(subject: Subject) -> Iterator[Problem]:
    """Under shared propagation, what is mounted in the container appears on the host."""

    def judge(container: Container, mount: Mounted) -> Iterator[Problem]:
        if mount.propagation in SHARED:
            yield Problem(f"{mount.path} propagates as {mount.propagation}", "write rprivate", container.where)

    return _each_mount(subject, judge)


def has_no_devices(subject: Subject) -> Iterator[Problem]:
    """A device is the host's, past every file system and limit; its driver is a way into the kernel."""
    allowed = subject.options["allowed"]

    def judge(container: Container) -> Iterator[Problem]:
        for device in container.devices:
            if device.text not in allowed:
                yield Problem(f"{device.path} hands over {device.text}", "leave it out", container.where)

    return each(subject, judge)


def sysctls_are_safe(subject: Subject) -> Iterator[Problem]:
    """A kernel parameter outside of the list is the host's, or lets one container starve or read others."""
    allowed = subject.options["allowed"]

    def judge(container: Container) -> Iterator[Problem]:
        for parameter in container.sysctls:
            if parameter.name not in allowed:
                yield Problem(f"{parameter.path} sets {parameter.name}", "leave it out", container.where)

    return each(subject, judge)


def default_control_group(subject: Subject) -> Iterator[Problem]:
    """In a control group of someone's choosing, the limits of that group hold, or none."""

    def judge(container: Container) -> Iterator[Problem]:
        if parent := container.cgroup_parent:
            yield Problem(f"{container.path('cgroup_parent')} is {parent}", "leave it out", container.where)

    return each(subject, judge)


def temporary_files_do_not_run(subject: Subject) -> Iterator[Problem]:
    """Where all else is read-only, a file system in memory that runs programs is the place to put one."""

    def judge(container: Container) -> Iterator[Problem]:
        for entry in container.temporary:
            words = [word.strip().lower() for word in entry.value.split(",")]
            if unsafe := [word for word in UNSAFE_OPTIONS if word in words]:
                yield Problem(f"{entry.path} has {', '.join(unsafe)}", "write noexec,nosuid,nodev", container.where)

    return each(subject, judge)


def _allowed(default: tuple[str, ...], description: str) -> dict[str, Any]:
    return {
        "allowed": {
            "type": "array",
            "items": {"type": "string"},
            "default": list(default),
            "description": description,
        }
    }


def _namespace(namespace: str, control: str, severity: Severity, mode: str, why: str) -> Rule:
    return Rule(
        name=f"container-has-its-own-{namespace}-namespace",
        statement=f"A container shares its {namespace} namespace with nobody",
        check=keeps_to_itself(namespace, why),
        source=CIS(control=control) if control else ENGINE(control="--cgroupns"),
        severity=severity,
        fix=f"Remove {mode}.",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        name="container-root-is-read-only",
        statement="A container's root file system is read-only",
        check=read_only_root,
        source=CIS(control="5.13"),
        severity=Severity.HIGH,
        fix="Write readOnly: true (readOnlyRootFilesystem of a pod), and a tmpfs for what it must write.",
    ),
    _namespace(
        "network",
        "5.10",
        Severity.HIGH,
        'networkMode "host" and the network "host" (hostNetwork of a pod); publish ports',
        "In the host's network it reaches what listens on the loopback alone, and sees everybody's traffic.",
    ),
    _namespace(
        "pid",
        "5.16",
        Severity.HIGH,
        "pidMode (hostPID of a pod)",
        "Among the host's processes it reads their environment and memory, and ends them.",
    ),
    _namespace(
        "ipc",
        "5.17",
        Severity.HIGH,
        "ipcMode (hostIPC of a pod)",
        "In shared memory lies what processes trust each other with.",
    ),
    _namespace("uts", "5.21", Severity.MEDIUM, "utsMode", "With the host's names it can rename the host."),
    _namespace(
        "user",
        "5.31",
        Severity.HIGH,
        "usernsMode (hostUsers: true of a pod)",
        "Where the engine maps users, this takes the container out: its root is the host's root.",
    ),
    _namespace(
        "cgroup",
        "",
        Severity.MEDIUM,
        "cgroupnsMode",
        "With the host's view of the control groups it learns of every container, and finds their files by name.",
    ),
    Rule(
        name="container-mounts-no-engine-socket",
        statement="A container cannot reach the socket of a container engine",
        check=mounts_no_engine_socket,
        source=CIS(control="5.32"),
        severity=Severity.CRITICAL,
        fix="Remove the mount of the socket, or of the folder that it lies in.",
        options=_allowed((), "sockets that a container may reach"),
    ),
    Rule(
        name="container-mounts-no-sensitive-path",
        statement="A container mounts no sensitive path of the host, in any spelling and not even read-only",
        check=mounts_no_sensitive_path,
        source=CIS(control="5.6"),
        severity=Severity.HIGH,
        fix="Mount a volume or a folder of the service's own.",
        options=_allowed((), "globs of resolved paths that may be mounted, such as /etc/localtime"),
    ),
    Rule(
        name="container-takes-no-volumes-of-another",
        statement="A container names each of its mounts itself",
        check=takes_no_volumes_of_another,
        source=ENGINE(control="--volumes-from"),
        severity=Severity.MEDIUM,
        fix="Replace fromContainer by the volumes that are needed.",
    ),
    Rule(
        name="container-mounts-do-not-propagate",
        statement="No mount of a container propagates to the host",
        check=mounts_do_not_propagate,
        source=CIS(control="5.20"),
        severity=Severity.HIGH,
        fix="Remove bindOptions.propagation (mountPropagation of a pod), or write rprivate.",
    ),
    Rule(
        name="container-has-no-devices",
        statement="A container has no device of the host",
        check=has_no_devices,
        source=CIS(control="5.18"),
        severity=Severity.HIGH,
        fix="Remove devices, deviceCgroupRules, deviceRequests and gpus, or list the one device that is needed.",
        options=_allowed((), "devices that containers may have, as the message names them"),
    ),
    Rule(
        name="container-sysctls-are-safe",
        statement="A container sets only kernel parameters that are its own",
        check=sysctls_are_safe,
        source=Source(
            "Pod Security Standards",
            "1.37",
            "Baseline: Sysctls",
            "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
        ),
        severity=Severity.MEDIUM,
        fix="Remove the parameter, or set it on the host.",
        options=_allowed((*SAFE_SYSCTLS, "net.core.somaxconn"), "kernel parameters that a container may set"),
    ),
    Rule(
        name="container-uses-the-default-control-group",
        statement="A container stays in the engine's own control group",
        check=default_control_group,
        source=CIS(control="5.25"),
        severity=Severity.MEDIUM,
        fix="Remove cgroupParent.",
    ),
    Rule(
        name="container-temporary-files-do-not-run",
        statement="A container's file systems in memory run no programs",
        check=temporary_files_do_not_run,
        source=ENGINE(control="--tmpfs"),
        severity=Severity.LOW,
        level=EnforcementLevel.ADVISORY,
        fix='Write tmpfs: {"/tmp": "noexec,nosuid,nodev"}.',
    ),
)
