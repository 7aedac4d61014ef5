"""The baseline level of the Pod Security Standards, control by control: what passes, what fails, which rule says so.

The classes of variations are those of the fixtures of kubernetes/pod-security-admission as of Kubernetes 1.37; their
spelling is our own. The pod that is varied is the smallest one of the level, judged by the rules of that level.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.policy.kubernetes_pods import WRAPPED, Properties, baseline, changed
from tests.policy.pod_security import (
    ADDED,
    ANNOTATIONS,
    APPARMOR,
    BASELINE,
    BASELINE_CAPABILITIES,
    BY_NAME,
    DEFAULTS,
    EVERY,
    HANDLERS,
    HOST_PATH,
    HOST_PORT,
    HOST_PROCESS,
    NAMESPACES,
    PRIVILEGED,
    PROC_MOUNT,
    SECCOMP,
    SELINUX,
    SYSCTLS,
    Case,
    agrees,
    cases,
    verdict,
)

BASELINE_OPTIONS = {ADDED: {"allowed": BASELINE_CAPABILITIES}}


def everywhere(about: str, rule: str, field: str, value: object, more: Properties | None = None) -> Iterator[Case]:
    """The same field of a container, an init container and an ephemeral container."""
    for kind, at in EVERY.items():
        yield Case(f"{about}: {kind}", {f"{at}.{field}": value, **(more or {})}, ((rule, f"{at}.{field}"),))


def nowhere(about: str, field: str, value: object) -> Case:
    """The same field of all of them, with a value that passes."""
    return Case(about, {f"{at}.{field}": value for at in EVERY.values()})


def everyone(rule: str, path: str) -> tuple[tuple[str, str], ...]:
    """What is said for a whole pod is reported for each of its two containers."""
    return ((rule, path), (rule, path))


HOST_PROCESS_FIELD = "securityContext.windowsOptions.hostProcess"
HOST_PROCESS_CASES = cases(
    nowhere("no host process", HOST_PROCESS_FIELD, False),
    Case("no host process: pod", {f"spec.{HOST_PROCESS_FIELD}": False}),
    Case("other options of Windows", {"spec.securityContext.windowsOptions.runAsUserName": "ContainerUser"}),
    Case("host process: pod", {f"spec.{HOST_PROCESS_FIELD}": True}, ((HOST_PROCESS, f"spec.{HOST_PROCESS_FIELD}"),)),
    everywhere("host process", HOST_PROCESS, HOST_PROCESS_FIELD, True),
)

NAMESPACE_CASES = cases(
    *(Case(f"{field} is false", {f"spec.{field}": False}) for field in NAMESPACES),
    *(
        Case(f"{field} is true", {f"spec.{field}": True}, everyone(rule, f"spec.{field}"))
        for field, rule in NAMESPACES.items()
    ),
    Case("the containers of a pod share processes", {"spec.shareProcessNamespace": True}),
    Case("the node's users, which is the default", {"spec.hostUsers": True}),
)

PRIVILEGED_CASES = cases(
    nowhere("not privileged", "securityContext.privileged", False),
    everywhere("privileged", PRIVILEGED, "securityContext.privileged", True),
)

CAPABILITY_FIELD = "securityContext.capabilities.add"
CAPABILITY_CASES = cases(
    nowhere("nothing added", CAPABILITY_FIELD, []),
    nowhere("all of the default set", CAPABILITY_FIELD, BASELINE_CAPABILITIES),
    everywhere("NET_RAW", ADDED, CAPABILITY_FIELD, ["NET_RAW"]),
    everywhere("SYS_ADMIN beside one that is fine", ADDED, CAPABILITY_FIELD, ["CHOWN", "SYS_ADMIN"]),
    everywhere("ALL", ADDED, CAPABILITY_FIELD, ["ALL"]),
    everywhere("lower case", ADDED, CAPABILITY_FIELD, ["chown"]),
    everywhere("with the kernel's prefix", ADDED, CAPABILITY_FIELD, ["CAP_CHOWN"]),
    everywhere("empty", ADDED, CAPABILITY_FIELD, [""]),
)

NODE_DIRECTORY = {"name": "node", "hostPath": {"path": "/srv"}}
SCRATCH = {"name": "scratch", "emptyDir": {}}
HOST_PATH_CASES = cases(
    Case("no volumes", {"spec.volumes": []}),
    Case("other volumes", {"spec.volumes": [SCRATCH, {"name": "unnamed type"}]}),
    Case("one", {"spec.volumes": [NODE_DIRECTORY]}, ((HOST_PATH, "spec.volumes[0].hostPath"),)),
    Case("one beside others", {"spec.volumes": [SCRATCH, NODE_DIRECTORY]}, ((HOST_PATH, "spec.volumes[1].hostPath"),)),
    Case(
        "several",
        {"spec.volumes": [NODE_DIRECTORY, {"name": "null", "hostPath": {"path": "/dev/null", "type": "CharDevice"}}]},
        ((HOST_PATH, "spec.volumes[0].hostPath"), (HOST_PATH, "spec.volumes[1].hostPath")),
    ),
    Case(
        "an empty one", {"spec.volumes": [{"name": "node", "hostPath": {}}]}, ((HOST_PATH, "spec.volumes[0].hostPath"),)
    ),
    Case("a null one is none", {"spec.volumes": [{"name": "scratch", "hostPath": None}]}),
)

HOST_PORT_CASES = cases(
    nowhere("ports of the pod", "ports", [{"containerPort": 8080}]),
    nowhere("zero is no port of the node", "ports", [{"containerPort": 8080, "hostPort": 0}]),
    *(
        Case(
            f"a port of the node: {kind}",
            {f"{at}.ports": [{"containerPort": 8080}, {"containerPort": 8443, "hostPort": 8443}]},
            ((HOST_PORT, f"{at}.ports[1].hostPort"),),
        )
        for kind, at in EVERY.items()
    ),
    Case(
        "several",
        {
            "spec.containers[0].ports": [{"containerPort": 1, "hostPort": 1}, {"containerPort": 2, "hostPort": 2}],
            "spec.initContainers[0].ports": [{"containerPort": 3, "hostPort": 3}],
        },
        (
            (HOST_PORT, "spec.containers[0].ports[0].hostPort"),
            (HOST_PORT, "spec.containers[0].ports[1].hostPort"),
            (HOST_PORT, "spec.initContainers[0].ports[0].hostPort"),
        ),
    ),
)

HANDLER_FIELDS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
HANDLER_CASES = cases(
    *(nowhere(f"{field} without a host", f"{field}.httpGet", {"port": 8080, "path": "/"}) for field in HANDLER_FIELDS),
    *(
        nowhere(f"{field} with an empty host", f"{field}.tcpSocket", {"port": 1, "host": ""})
        for field in HANDLER_FIELDS
    ),
    nowhere("gRPC and a command", "livenessProbe", {"grpc": {"port": 1}, "exec": {"command": ["true"]}}),
    *(
        case
        for field in HANDLER_FIELDS
        for action in ("httpGet", "tcpSocket")
        for host in ("other.example", "8.8.8.8", "127.0.0.1", "::1")
        for case in everywhere(f"{host} by {action}", HANDLERS, f"{field}.{action}.host", host)
    ),
)

APPARMOR_FIELD = "securityContext.appArmorProfile"
ANNOTATION = 'metadata.annotations["container.apparmor.security.beta.kubernetes.io/{}"]'
APPARMOR_CASES = cases(
    *(nowhere(f"{kind}", f"{APPARMOR_FIELD}.type", kind) for kind in ("RuntimeDefault", "Localhost")),
    Case("the pod's default", {f"spec.{APPARMOR_FIELD}.type": "RuntimeDefault"}),
    Case("none", {"metadata.annotations": {}}),
    *(
        case
        for kind in ("Unconfined", "", "unconfined", "runtime/default")
        for case in everywhere(f"type {kind!r}", APPARMOR, f"{APPARMOR_FIELD}.type", kind)
    ),
    Case(
        "an unconfined pod",
        {f"spec.{APPARMOR_FIELD}.type": "Unconfined"},
        everyone(APPARMOR, f"spec.{APPARMOR_FIELD}.type"),
    ),
    Case(
        "an unconfined pod, every container confined",
        {
            f"spec.{APPARMOR_FIELD}.type": "Unconfined",
            f"spec.containers[0].{APPARMOR_FIELD}.type": "RuntimeDefault",
            f"spec.initContainers[0].{APPARMOR_FIELD}.type": "Localhost",
        },
        ((DEFAULTS, f"spec.{APPARMOR_FIELD}.type"),),
    ),
    *(
        Case(f"the annotation {value!r}", {ANNOTATION.format("web"): value, ANNOTATION.format("migrate"): value})
        for value in ("runtime/default", "localhost/web", "localhost/", "")
    ),
    *(
        Case(
            f"the annotation {value!r}: {name}",
            {ANNOTATION.format(name): value},
            ((ANNOTATIONS, ANNOTATION.format(name)),),
        )
        for value in ("unconfined", "docker/default", "Unconfined")
        for name in ("web", "migrate", "not-there")
    ),
)

SELINUX_FIELD = "securityContext.seLinuxOptions"
SELINUX_CASES = cases(
    nowhere("empty", SELINUX_FIELD, {}),
    *(
        nowhere(f"type {kind!r}", f"{SELINUX_FIELD}.type", kind)
        for kind in ("container_t", "container_init_t", "container_kvm_t", "container_engine_t", "")
    ),
    nowhere("empty user and role, a level", SELINUX_FIELD, {"user": "", "role": "", "level": "s0:c1,c2"}),
    Case("the pod's type", {f"spec.{SELINUX_FIELD}.type": "container_t"}),
    *(
        case
        for field, value in (("type", "spc_t"), ("type", "unconfined_t"), ("user", "system_u"), ("role", "system_r"))
        for case in [
            *everywhere(f"{field} {value}", SELINUX, f"{SELINUX_FIELD}.{field}", value),
            Case(
                f"{field} {value}: pod",
                {f"spec.{SELINUX_FIELD}.{field}": value},
                ((SELINUX, f"spec.{SELINUX_FIELD}.{field}"),),
            ),
        ]
    ),
    Case(
        "a type for the pod that every container overrides",
        {
            f"spec.{SELINUX_FIELD}.type": "spc_t",
            **{f"{at}.{SELINUX_FIELD}.type": "container_t" for at in EVERY.values()},
        },
        ((SELINUX, f"spec.{SELINUX_FIELD}.type"),),
    ),
)

PROC_FIELD = "securityContext.procMount"
PROC_CASES = cases(
    nowhere("the default", PROC_FIELD, "Default"),
    everywhere("unmasked", PROC_MOUNT, PROC_FIELD, "Unmasked"),
    everywhere("unknown to Kubernetes", PROC_MOUNT, PROC_FIELD, "default"),
    everywhere("unmasked, the node's users", PROC_MOUNT, PROC_FIELD, "Unmasked", {"spec.hostUsers": True}),
    *(
        Case(
            case.about,
            case.changes,
            case.reported,
            stricter="a cluster before 1.33 drops hostUsers; the restricted level forbids it, too",
        )
        for case in everywhere(
            "unmasked, users of its own", PROC_MOUNT, PROC_FIELD, "Unmasked", {"spec.hostUsers": False}
        )
    ),
)

SECCOMP_FIELD = "securityContext.seccompProfile"
POD_ANNOTATION = 'metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"]'
CONTAINER_ANNOTATION = 'metadata.annotations["container.seccomp.security.alpha.kubernetes.io/{}"]'
SECCOMP_CASES = cases(
    *(nowhere(kind, f"{SECCOMP_FIELD}.type", kind) for kind in ("RuntimeDefault", "Localhost")),
    *(
        Case(kind, {f"spec.{SECCOMP_FIELD}": profile})
        for kind, profile in (
            ("the pod's default", {"type": "RuntimeDefault"}),
            ("the pod's own file", {"type": "Localhost", "localhostProfile": "web.json"}),
        )
    ),
    *(
        Case(
            f"type {kind!r}: {name}",
            {f"{at}.{SECCOMP_FIELD}.type": kind},
            ((SECCOMP, f"{at}.{SECCOMP_FIELD}.type"),),
        )
        for kind in ("Unconfined", "", "runtime/default")
        for name, at in EVERY.items()
    ),
    Case(
        "an unconfined pod",
        {f"spec.{SECCOMP_FIELD}.type": "Unconfined"},
        everyone(SECCOMP, f"spec.{SECCOMP_FIELD}.type"),
    ),
    Case(
        "an unconfined pod, every container confined",
        {
            f"spec.{SECCOMP_FIELD}.type": "Unconfined",
            f"spec.containers[0].{SECCOMP_FIELD}.type": "RuntimeDefault",
            f"spec.initContainers[0].{SECCOMP_FIELD}.type": "RuntimeDefault",
        },
        ((DEFAULTS, f"spec.{SECCOMP_FIELD}.type"),),
    ),
    Case("none", {}),
    *(
        Case(f"annotations {value!r}", {POD_ANNOTATION: value, CONTAINER_ANNOTATION.format("web"): value})
        for value in ("runtime/default", "docker/default", "localhost/web.json")
    ),
    *(
        Case(f"the annotation {value!r}: {annotation}", {annotation: value}, ((ANNOTATIONS, annotation),))
        for value in ("unconfined", "", "RuntimeDefault")
        for annotation in (POD_ANNOTATION, CONTAINER_ANNOTATION.format("web"), CONTAINER_ANNOTATION.format("migrate"))
    ),
)

SAFE = {
    "kernel.shm_rmid_forced": "0",
    "net.ipv4.ip_local_port_range": "1024 65535",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.ping_group_range": "1 0",
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.ipv4.ip_local_reserved_ports": "8080",
    "net.ipv4.tcp_keepalive_time": "60",
    "net.ipv4.tcp_fin_timeout": "30",
    "net.ipv4.tcp_keepalive_intvl": "10",
    "net.ipv4.tcp_keepalive_probes": "3",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_slow_start_after_idle": "0",
    "net.ipv4.tcp_notsent_lowat": "16384",
}
SYSCTL_CASES = cases(
    Case("none", {"spec.securityContext.sysctls": []}),
    Case("every safe one", {"spec.securityContext.sysctls": [{"name": it, "value": SAFE[it]} for it in SAFE]}),
    *(
        Case(
            name or "empty",
            {"spec.securityContext.sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}, {"name": name}]},
            ((SYSCTLS, "spec.securityContext.sysctls[1].name"),),
        )
        for name in ("kernel.msgmax", "net.core.somaxconn", "vm.swappiness", "kernel/shm_rmid_forced", "")
    ),
)

TABLES = {
    "HostProcess": HOST_PROCESS_CASES,
    "Host Namespaces": NAMESPACE_CASES,
    "Privileged Containers": PRIVILEGED_CASES,
    "Capabilities": CAPABILITY_CASES,
    "HostPath Volumes": HOST_PATH_CASES,
    "Host Ports": HOST_PORT_CASES,
    "Host Probes and Lifecycle Hooks": HANDLER_CASES,
    "AppArmor": APPARMOR_CASES,
    "SELinux": SELINUX_CASES,
    "/proc Mount Type": PROC_CASES,
    "Seccomp": SECCOMP_CASES,
    "Sysctls": SYSCTL_CASES,
}
ALL = [pytest.param(case, id=f"{control}: {case}") for control, table in TABLES.items() for case in table]


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_baseline_level_is_decided(wrapped: str, case: Case) -> None:
    pod = changed(baseline(), case.changes)
    found = verdict(BASELINE, pod, wrapped, BASELINE_OPTIONS)
    assert agrees(found, case.reported, WRAPPED[wrapped](pod)[2]), found


def test_each_control_has_cases_that_pass_and_cases_that_fail() -> None:
    for control, table in TABLES.items():
        assert any(case.reported for case in table), control
        assert any(not case.reported for case in table), control


def test_every_rule_of_the_level_reports_something_and_is_in_the_pack() -> None:
    assert {rule for table in TABLES.values() for case in table for rule, _ in case.reported} == BASELINE
    assert set(BY_NAME) >= BASELINE
