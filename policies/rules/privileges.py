"""Rules about what a container's processes may do: capabilities, privileges, system calls, users."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from judging.image_config import image_configs
from judging.images import Image
from judging.node import shown
from judging.rule import NotApplicable, Problem, Rule, Subject
from judging.workload import Container, each
from rules.sources import CIS, ENGINE

NUMBER = re.compile(r"[+-]?[0-9]+")
"""What the engine reads a number from: 00, +0 and -0 are the number of root, too."""
ROOT_NAMES = frozenset({"root", "toor", "administrator", "containeradministrator", "system", "nt authority\\system"})
ROOT_GROUPS = (
    "0", "root", "wheel", "sudo", "admin", "adm", "docker", "podman", "containerd", "lxd", "incus", "libvirt", "disk",
    "kmem", "mem", "kvm", "shadow", "systemd-journal",
)  # fmt: skip
SERVERS = re.compile(
    r"(?:^|[\s/;&|'\"(])(?:sshd|dropbear|tinysshd|(?:in\.)?(?:telnetd|rlogind|rshd)|"
    r"service\s+ssh(?=\s+(?:re)?start)|init\.d/ssh)(?:$|[\s;&|'\")])"
)
CONFINED_TYPES = ("container_engine_t", "container_init_t", "container_kvm_t", "container_t", "svirt_lxc_net_t")


def drops_all(subject: Subject) -> Iterator[Problem]:
    """The engine's default set of 14 capabilities is made for every program; most need none of them.

    CIS asks for what is not needed to be dropped and checks nothing: here all of them go, and those needed come back.
    """

    def judge(container: Container) -> Iterator[Problem]:
        if "ALL" not in (dropped := container.dropped):
            seen = f"has only {_names(dropped)}" if dropped else "is not set"
            yield Problem(
                f"{container.path('dropped')} {seen}", 'write ["ALL"], and add back what is needed', container.where
            )

    return each(subject, judge)


def adds_listed(subject: Subject) -> Iterator[Problem]:
    """One capability can be enough to leave the container: SYS_ADMIN, SYS_MODULE, SYS_PTRACE, DAC_READ_SEARCH."""
    allowed = {str(name).upper().removeprefix("CAP_") for name in subject.options["allowed"]}

    def judge(container: Container) -> Iterator[Problem]:
        if extra := sorted(set(container.added) - allowed):
            write = f"leave it out, or add only {_names(allowed)}" if allowed else "leave it out"
            yield Problem(f"{container.path('added')} has {_names(extra)}", write, container.where)

    return each(subject, judge)


def not_privileged(subject: Subject) -> Iterator[Problem]:
    """A privileged container has every capability and every device: it is root on the host, whatever else it says."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.privileged:
            yield Problem(
                f"{container.path('privileged')} is on", "leave it out, and add what is needed", container.where
            )

    return each(subject, judge)


def gains_no_privileges(subject: Subject) -> Iterator[Problem]:
    """A setuid program in the image would make root of any user; no-new-privileges makes the bit mean nothing."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.gains_privileges:
            path = container.path("gains_privileges")
            if path == "securityOpts":
                seen = container.seen("gains_privileges") or "nothing forbids it"
                write = 'add "no-new-privileges:true"'
                yield Problem(f"{path} lets programs gain privileges ({seen})", write, container.where)
            else:
                yield Problem(f"{path} is {container.seen('gains_privileges')}", "write false", container.where)

    return each(subject, judge)


def forbid_privileges(subject: Subject) -> Mapping[str, Any] | None:
    """The security options with no-new-privileges, and without whatever said otherwise."""
    if subject.type != "docker:index/container:Container":
        raise NotApplicable("only a container of the docker plugin is repaired")
    if not list(gains_no_privileges(subject)):
        return None
    options = [str(option) for option in subject.properties.get("securityOpts") or ()]
    kept = [option for option in options if not option.startswith("no-new-privileges")]
    return {"securityOpts": [*kept, "no-new-privileges:true"]}


def _loosened(container: Container, fact: str, what: str, write: str = "leave it out") -> Problem:
    return Problem(f"{container.path(fact)} {what} ({container.seen(fact)})", write, container.where)


def confined_by_seccomp(subject: Subject) -> Iterator[Problem]:
    """The default profile stops the system calls that most escapes from a container began with."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.seccomp == "unconfined":
            path = container.path("seccomp")
            write = "leave it out" if path == "securityOpts" else 'write type "RuntimeDefault"'
            yield _loosened(container, "seccomp", "leaves system calls unconfined", write)

    return each(subject, judge)


def confined_by_apparmor(subject: Subject) -> Iterator[Problem]:
    """The default profile keeps a container's root off the host's kernel settings even where a capability would not."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.apparmor == "unconfined":
            yield _loosened(container, "apparmor", "takes it out of AppArmor")

    return each(subject, judge)


def confined_by_selinux(subject: Subject) -> Iterator[Problem]:
    """Without a label, or with a type such as spc_t, SELinux no longer tells the container from the host."""
    allowed = subject.options["types"]

    def judge(container: Container) -> Iterator[Problem]:
        path, kind = container.path("selinux"), container.selinux
        if kind == "unconfined":
            yield _loosened(container, "selinux", "takes it out of SELinux")
        elif kind is not None and kind not in allowed:
            yield Problem(
                f"{path} has the SELinux type {kind}", f"leave it out, or use {_names(allowed)}", container.where
            )

    return each(subject, judge)


def masks_system_paths(subject: Subject) -> Iterator[Problem]:
    """Under the masks lie the kernel's memory, keys and switches, of the host and not of the container."""

    def judge(container: Container) -> Iterator[Problem]:
        if not container.masks_system_paths:
            yield _loosened(container, "masks_system_paths", "lays /proc, /sys or the control groups open")

    return each(subject, judge)


def user_is_not_root(subject: Subject) -> Iterator[Problem]:
    """Root in a container is root to the kernel: with one more mistake, in the container or the kernel, on the host."""

    def judge(container: Container) -> Iterator[Problem]:
        user = container.user
        if user is not None:
            if is_root(user):
                yield Problem(
                    f"{container.path('user')} is {shown(user)}, which is root", "write another", container.where
                )
            return
        if container.refuses_root:
            return
        images = image_configs(Image(container.image, container.where, container.path("image")), subject.settings)
        path = container.path("user")
        write = f"write {path}, or name an image by digest whose own user is not root"
        if images.problem:
            yield Problem(f"{path} is left to the image, and {images.problem}", write, container.where)
        roots = [platform for platform, config in images.platforms.items() if is_root(config.user)]
        if roots:
            yield Problem(f"{path} is left to the image, which runs as root ({_names(roots)})", write, container.where)

    return each(subject, judge)


def is_root(user: str) -> bool:
    """Whether a user, with or without a group, is root; the engine takes 00 for a number, and no name for root."""
    name = user.strip().rpartition(":")[0] if user.count(":") == 1 else user.strip()
    if NUMBER.fullmatch(name):
        return int(name) == 0
    return not name or name.lower() in ROOT_NAMES


def joins_no_privileged_group(subject: Subject) -> Iterator[Problem]:
    """To be in the group of the engine, the disks or the shadow file is to be root by another way."""
    forbidden = {str(name).lower() for name in subject.options["forbidden"]}

    def judge(container: Container) -> Iterator[Problem]:
        for group in container.groups:
            name = group.text.strip().lower()
            if (str(int(name)) if NUMBER.fullmatch(name) else name) in forbidden:
                write = "write another" if group.path.endswith("runAsGroup") else "leave it out"
                yield Problem(f"{group.path} joins {group.text}", write, container.where)

    return each(subject, judge)


def runs_no_login_server(subject: Subject) -> Iterator[Problem]:
    """A login server needs keys, users and updates of its own, and hides from the engine who did what."""

    def judge(container: Container) -> Iterator[Problem]:
        for argument in container.arguments:
            if SERVERS.search(argument.text):
                yield Problem(
                    f"{argument.path} starts a login server", "leave it out, and use docker exec", container.where
                )

    return each(subject, judge)


def _names(names: Any) -> str:
    return ", ".join(sorted(names))


def _list(default: tuple[str, ...], description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "default": list(default), "description": description}


RULES: tuple[Rule, ...] = (
    Rule(
        name="container-is-not-privileged",
        statement="A container is not privileged",
        check=not_privileged,
        source=CIS(control="5.5"),
        severity=Severity.CRITICAL,
        fix="Remove privileged. Add the one capability or device that is needed, with an exception of its own.",
    ),
    Rule(
        name="container-drops-all-capabilities",
        statement="A container drops all capabilities, and adds back what it needs",
        check=drops_all,
        source=CIS(control="5.4"),
        severity=Severity.HIGH,
        fix='Write capabilities: {drops: ["ALL"]} (capDrops of a service, capabilities.drop of a pod).',
    ),
    Rule(
        name="container-adds-only-listed-capabilities",
        statement="A container adds only capabilities of a short list",
        check=adds_listed,
        source=CIS(control="5.4"),
        severity=Severity.HIGH,
        fix="Remove the capability, for example by listening on a port above 1023 or by preparing files in the image.",
        options={"allowed": _list(("NET_BIND_SERVICE",), "capabilities that a container may add")},
    ),
    Rule(
        name="container-gains-no-privileges",
        statement="Programs in a container cannot gain privileges",
        check=gains_no_privileges,
        source=CIS(control="5.26"),
        severity=Severity.HIGH,
        fix='Write securityOpts: ["no-new-privileges:true"] (allowPrivilegeEscalation: false for a pod).',
        remedy=forbid_privileges,
    ),
    Rule(
        name="container-is-confined-by-seccomp",
        statement="A container keeps a seccomp profile",
        check=confined_by_seccomp,
        source=CIS(control="5.22"),
        severity=Severity.HIGH,
        fix='Remove seccomp from securityOpts; write seccompProfile: {type: "RuntimeDefault"} for a pod.',
    ),
    Rule(
        name="container-is-confined-by-apparmor",
        statement="A container keeps an AppArmor profile",
        check=confined_by_apparmor,
        source=CIS(control="5.2"),
        severity=Severity.HIGH,
        fix="Remove apparmor from securityOpts (appArmorProfile of a pod), or name a profile that confines.",
    ),
    Rule(
        name="container-is-confined-by-selinux",
        statement="A container keeps its SELinux confinement",
        check=confined_by_selinux,
        source=CIS(control="5.3"),
        severity=Severity.HIGH,
        fix="Remove the label option from securityOpts (seLinuxContext of a service, seLinuxOptions of a pod).",
        options={"types": _list(CONFINED_TYPES, "SELinux types that confine a container")},
    ),
    Rule(
        name="container-masks-system-paths",
        statement="A container keeps the masks over /proc, /sys and the control groups",
        check=masks_system_paths,
        source=ENGINE(control="--security-opt systempaths"),
        severity=Severity.HIGH,
        fix="Remove systempaths and writable-cgroups from securityOpts (procMount of a pod).",
    ),
    Rule(
        name="container-user-is-not-root",
        statement="A container does not run as root",
        check=user_is_not_root,
        source=CIS(control="4.1"),
        severity=Severity.HIGH,
        fix="Write a numeric user other than 0, or USER in the Dockerfile of an image that is named by digest.",
    ),
    Rule(
        name="container-joins-no-privileged-group",
        statement="A container's user joins no group that amounts to root",
        check=joins_no_privileged_group,
        source=ENGINE(control="--group-add"),
        severity=Severity.HIGH,
        fix="Remove it from groupAdds (groups of a service, runAsGroup, supplementalGroups and fsGroup of a pod).",
        options={"forbidden": _list(ROOT_GROUPS, "names and numbers of groups that amount to root")},
    ),
    Rule(
        name="container-runs-no-login-server",
        statement="A container runs no SSH or telnet server",
        check=runs_no_login_server,
        source=CIS(control="5.7"),
        severity=Severity.MEDIUM,
        fix="Remove the server; use docker exec, docker logs or kubectl debug.",
    ),
)
