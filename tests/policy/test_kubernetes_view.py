"""The view of a container in a pod: what each fact is, where it is said, and that nothing else is read for it."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy

from judging.kubernetes import KubernetesContainer, containers
from judging.rule import NotApplicable, Subject
from judging.workload import Argument, Variable
from tests.policy.kubernetes_pods import DIGEST, UNKNOWN, Properties, baseline, changed, compliant, restricted

SECURITY = "spec.containers[0].securityContext"


def view(changes: Properties | None = None, *, of: int = 0, kind: str = "Pod", pod: Properties | None = None) -> Any:
    """A container of a pod after these changes."""
    properties = unknown_checking_proxy(changed(baseline() if pod is None else pod, changes or {}))
    return list(containers(Subject(f"kubernetes:core/v1:{kind}", "web", "urn", properties)))[of]


FACTS: list[tuple[str, Properties, Any, str]] = [
    ("image", {}, f"registry.example/web@{DIGEST}", "spec.containers[0].image"),
    ("image", {"spec.containers[0].image": ...}, "", "spec.containers[0].image"),
    ("read_only_root", {}, False, f"{SECURITY}.readOnlyRootFilesystem"),
    ("read_only_root", {f"{SECURITY}.readOnlyRootFilesystem": True}, True, f"{SECURITY}.readOnlyRootFilesystem"),
    ("read_only_root", {f"{SECURITY}.readOnlyRootFilesystem": "true"}, False, f"{SECURITY}.readOnlyRootFilesystem"),
    ("privileged", {}, False, f"{SECURITY}.privileged"),
    ("privileged", {f"{SECURITY}.privileged": False}, False, f"{SECURITY}.privileged"),
    ("privileged", {f"{SECURITY}.privileged": True}, True, f"{SECURITY}.privileged"),
    ("privileged", {f"{SECURITY}.privileged": "$PRIVILEGED"}, True, f"{SECURITY}.privileged"),
    ("gains_privileges", {}, True, f"{SECURITY}.allowPrivilegeEscalation"),
    (
        "gains_privileges",
        {f"{SECURITY}.allowPrivilegeEscalation": False},
        False,
        f"{SECURITY}.allowPrivilegeEscalation",
    ),
    ("dropped", {}, frozenset(), f"{SECURITY}.capabilities.drop"),
    ("dropped", {f"{SECURITY}.capabilities.drop": ["ALL"]}, {"ALL"}, f"{SECURITY}.capabilities.drop"),
    ("dropped", {f"{SECURITY}.capabilities.drop": ["all"]}, {"all"}, f"{SECURITY}.capabilities.drop"),
    ("added", {f"{SECURITY}.capabilities.add": ["CAP_CHOWN"]}, {"CAP_CHOWN"}, f"{SECURITY}.capabilities.add"),
    ("seccomp", {}, None, f"{SECURITY}.seccompProfile.type"),
    (
        "seccomp",
        {"spec.securityContext.seccompProfile.type": "RuntimeDefault"},
        "default",
        "spec.securityContext.seccompProfile.type",
    ),
    (
        "seccomp",
        {
            "spec.securityContext.seccompProfile.type": "RuntimeDefault",
            f"{SECURITY}.seccompProfile.type": "Unconfined",
        },
        "unconfined",
        f"{SECURITY}.seccompProfile.type",
    ),
    (
        "seccomp",
        {f"{SECURITY}.seccompProfile": {"type": "Localhost", "localhostProfile": "web.json"}},
        "localhost:web.json",
        f"{SECURITY}.seccompProfile.type",
    ),
    ("seccomp", {f"{SECURITY}.seccompProfile": {}}, "unconfined", f"{SECURITY}.seccompProfile.type"),
    ("apparmor", {}, None, f"{SECURITY}.appArmorProfile.type"),
    (
        "apparmor",
        {"spec.securityContext.appArmorProfile.type": "Unconfined"},
        "unconfined",
        "spec.securityContext.appArmorProfile.type",
    ),
    (
        "apparmor",
        {f"{SECURITY}.appArmorProfile.type": "no type"},
        "unconfined",
        f"{SECURITY}.appArmorProfile.type",
    ),
    ("masks_system_paths", {}, True, f"{SECURITY}.procMount"),
    ("masks_system_paths", {f"{SECURITY}.procMount": "Unmasked"}, False, f"{SECURITY}.procMount"),
    ("user", {}, None, f"{SECURITY}.runAsUser"),
    ("user", {"spec.securityContext.runAsUser": 0.0}, "0", "spec.securityContext.runAsUser"),
    (
        "user",
        {"spec.securityContext.runAsUser": 0.0, f"{SECURITY}.runAsUser": 10001.0},
        "10001",
        f"{SECURITY}.runAsUser",
    ),
    ("refuses_root", {}, False, f"{SECURITY}.runAsNonRoot"),
    ("refuses_root", {"spec.securityContext.runAsNonRoot": True}, True, "spec.securityContext.runAsNonRoot"),
    (
        "refuses_root",
        {"spec.securityContext.runAsNonRoot": True, f"{SECURITY}.runAsNonRoot": False},
        False,
        f"{SECURITY}.runAsNonRoot",
    ),
    ("health", {}, "disabled", "spec.containers[0].livenessProbe"),
    ("health", {"spec.containers[0].readinessProbe.tcpSocket.port": 80}, "own", "spec.containers[0].livenessProbe"),
    ("memory", {}, None, "spec.containers[0].resources.limits.memory"),
    ("memory", {"spec.containers[0].resources.limits.memory": "0"}, None, "spec.containers[0].resources.limits.memory"),
    (
        "memory",
        {"spec.containers[0].resources.limits.memory": "1Gi"},
        1024**3,
        "spec.containers[0].resources.limits.memory",
    ),
    ("memory", {"spec.resources.limits.memory": "1Gi"}, 1024**3, "spec.containers[0].resources.limits.memory"),
    ("cpus", {"spec.containers[0].resources.limits.cpu": "250m"}, 0.25, "spec.containers[0].resources.limits.cpu"),
    ("cpus", {"spec.containers[0].resources.requests.cpu": "1"}, None, "spec.containers[0].resources.limits.cpu"),
    ("own_network", {}, True, "spec.containers[0].own_network"),
    ("cgroup_parent", {}, None, "spec.containers[0].cgroup_parent"),
    ("names_addresses", {}, True, "spec.containers[0].names_addresses"),
]


@pytest.mark.parametrize(("fact", "changes", "value", "path"), FACTS)
def test_a_fact_is_what_kubernetes_makes_of_it(fact: str, changes: Properties, value: Any, path: str) -> None:
    container = view(changes)
    assert getattr(container, fact) == value
    assert container.path(fact) == path


@pytest.mark.parametrize(
    ("field", "namespace", "fact"),
    [
        ("hostNetwork", "network", "network"),
        ("hostPID", "pid", "pid"),
        ("hostIPC", "ipc", "ipc"),
        ("hostUsers", "user", "user_namespace"),
    ],
)
def test_each_namespace_of_the_node_is_read_by_itself(field: str, namespace: str, fact: str) -> None:
    others = {f"spec.{it}": UNKNOWN for it in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if it != field}
    container = view({f"spec.{field}": True, **others})
    assert namespace in container.namespaces
    assert container.path(fact) == f"spec.{field}"
    assert next(iter(container.namespaces)) == namespace
    assert namespace not in view({f"spec.{field}": False, **others}).namespaces
    assert namespace not in view(others).namespaces


def test_a_pod_shares_no_namespace_that_it_has_no_word_for() -> None:
    everything = view({"spec.hostNetwork": True, "spec.hostPID": True, "spec.hostIPC": True, "spec.hostUsers": True})
    assert set(everything.namespaces) == {"network", "pid", "ipc", "user"}
    assert len(everything.namespaces) == 4
    assert "uts" not in everything.namespaces


VOLUMES: Properties = {
    "spec.volumes[0]": {"name": "socket", "hostPath": {"path": "/run", "type": "Directory"}},
    "spec.volumes[1]": {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    "spec.volumes[2]": {"name": "disk", "hostPath": {"path": "/dev/sda", "type": "BlockDevice"}},
    "spec.containers[0].volumeMounts": [
        {"name": "data", "mountPath": "/data", "mountPropagation": "HostToContainer", "readOnly": True},
        {"name": "socket", "mountPath": "/socket", "subPath": "docker.sock", "mountPropagation": "Bidirectional"},
        {"name": "not there", "mountPath": "/nowhere"},
    ],
}


def test_what_is_mounted_from_the_node_is_a_path_and_all_else_a_volume() -> None:
    mounts = [(it.source, it.target, it.type, it.read_only, it.propagation, it.path) for it in view(VOLUMES).mounts]
    assert mounts == [
        ("data", "/data", "volume", True, "rslave", "spec.containers[0].volumeMounts[0]"),
        ("/run/docker.sock", "/socket", "bind", False, "rshared", "spec.volumes[0].hostPath.path"),
        ("not there", "/nowhere", "volume", False, "rprivate", "spec.containers[0].volumeMounts[2]"),
    ]


def test_a_device_of_the_node_is_a_device() -> None:
    assert list(view(VOLUMES).devices) == [Argument("/dev/sda", "spec.volumes[2].hostPath.path")]


def test_a_property_of_a_mount_that_is_not_asked_for_may_be_unknown() -> None:
    changes = {"spec.containers[0].volumeMounts[1].mountPath": UNKNOWN, "spec.volumes[1]": UNKNOWN}
    mounts = list(view({**VOLUMES, **changes}).mounts)
    assert mounts[1].source == "/run/docker.sock"
    with pytest.raises(UnknownValueError):
        _ = mounts[1].target


def test_only_ports_of_the_node_are_published() -> None:
    ports = [
        {"containerPort": 8080},
        {"containerPort": 8081, "hostPort": 0},
        {"containerPort": 8082, "hostPort": 80.0, "hostIP": "127.0.0.1"},
        {"containerPort": 8083, "hostPort": 443},
    ]
    found = [(it.address, it.host, it.container, it.path) for it in view({"spec.containers[0].ports": ports}).ports]
    assert found == [
        ("127.0.0.1", 80, 8082, "spec.containers[0].ports[2].hostPort"),
        (None, 443, 8083, "spec.containers[0].ports[3].hostPort"),
    ]


def test_environment_arguments_and_labels_name_their_place() -> None:
    container = view(
        {
            "metadata.labels.app": "web",
            'metadata.annotations["example.com/owner"]': "shop",
            "spec.containers[0].env": [
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "web", "key": "a"}}},
                {"name": "URL", "value": "https://example.com"},
            ],
            "spec.containers[0].command": ["web"],
            "spec.containers[0].args": ["--port", 8080.0],
            "spec.containers[0].livenessProbe.exec.command": ["check", "--token=x"],
            "spec.containers[0].lifecycle.preStop.exec.command": ["bye"],
        }
    )
    assert list(container.environment) == [Variable("URL", "https://example.com", "spec.containers[0].env[1].value")]
    assert [it.text for it in container.arguments] == ["web", "--port", "8080.0", "check", "--token=x", "bye"]
    assert [it.path for it in container.arguments][3] == "spec.containers[0].livenessProbe.exec.command[0]"
    assert [(it.name, it.value, it.path) for it in container.labels] == [
        ("app", "web", "metadata.labels.app"),
        ("example.com/owner", "shop", 'metadata.annotations["example.com/owner"]'),
    ]


@pytest.mark.parametrize("fact", ["environment", "arguments", "labels", "groups"])
def test_what_is_known_of_a_list_comes_before_the_signal(fact: str) -> None:
    container = view(
        {
            "metadata.labels": {"first": UNKNOWN, "second": "known"},
            "spec.containers[0].env": [{"name": "A", "value": UNKNOWN}, {"name": "B", "value": "known"}],
            "spec.containers[0].args": [UNKNOWN, "known"],
            "spec.securityContext.supplementalGroups": [UNKNOWN, 10.0],
        }
    )
    found = iter(getattr(container, fact))
    assert next(found)
    with pytest.raises(UnknownValueError):
        next(found)


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ("memory_and_swap", "swap"),
        ("pids", "podPidsLimit"),
        ("ulimits", "runtime"),
        ("restart", "kubelet"),
        ("logs", "containerLogMaxSize"),
    ],
)
def test_what_only_the_node_decides_is_not_applicable(fact: str, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        getattr(view(), fact)


@pytest.mark.parametrize("fact", ["read_only_root", "dropped", "gains_privileges"])
def test_a_windows_pod_need_not_say_what_only_linux_has(fact: str) -> None:
    with pytest.raises(NotApplicable, match="Windows"):
        getattr(view({"spec.os.name": "windows"}), fact)
    assert getattr(view({"spec.os.name": "windows"}, pod=compliant()), fact) == getattr(view(pod=compliant()), fact)
    assert getattr(view({"spec.os.name": "linux"}), fact) == getattr(view(), fact)


def test_what_a_windows_pod_says_for_linux_is_refused_by_the_cluster() -> None:
    changes = {"spec.os.name": "windows", f"{SECURITY}.capabilities.add": ["SYS_ADMIN"]}
    with pytest.raises(NotApplicable, match="Windows"):
        _ = view(changes).added
    with pytest.raises(NotApplicable, match="Windows"):
        _ = view({"spec.os.name": "windows", "spec.securityContext.seccompProfile.type": "Unconfined"}).seccomp


def test_a_windows_pod_needs_limits_like_any_other() -> None:
    assert view({"spec.os.name": "windows"}).memory is None


@pytest.mark.parametrize("fact", ["image", "read_only_root", "dropped", "gains_privileges", "health", "memory", "cpus"])
def test_what_a_patch_leaves_out_stays_as_the_cluster_has_it(fact: str) -> None:
    with pytest.raises(NotApplicable, match="patch"):
        getattr(view({"spec.containers[0].image": ...}, kind="PodPatch"), fact)
    assert getattr(view(pod=compliant(), kind="PodPatch"), fact) == getattr(view(pod=compliant()), fact)


def test_root_in_a_user_namespace_is_no_root_of_the_node() -> None:
    with pytest.raises(NotApplicable, match="hostUsers"):
        _ = view({"spec.hostUsers": False, "spec.securityContext.runAsUser": 0}).user
    with pytest.raises(NotApplicable, match="hostUsers"):
        _ = view({"spec.hostUsers": False}).refuses_root
    assert view({"spec.hostUsers": True, "spec.securityContext.runAsUser": 0}).user == "0"


def test_a_pod_keeps_selinux_and_kernel_parameters_for_rules_of_its_own() -> None:
    changes = {"spec.securityContext.sysctls[0].name": "vm.swappiness", f"{SECURITY}.seLinuxOptions.type": "spc_t"}
    assert view(changes).selinux is None
    assert not list(view(changes).sysctls)


@pytest.mark.parametrize(
    ("changes", "kind", "of", "health"),
    [
        ({}, "Pod", 1, None),
        ({"spec.initContainers[0].restartPolicy": "Always"}, "Pod", 1, "disabled"),
        ({"spec.ephemeralContainers[0].name": "debug"}, "Pod", 2, None),
        (
            {
                "spec.initContainers[0].restartPolicy": "Always",
                "spec.initContainers[0].livenessProbe.tcpSocket.port": 1,
            },
            "Pod",
            1,
            "own",
        ),
    ],
)
def test_a_probe_is_asked_of_what_runs_as_long_as_its_pod(
    changes: Properties, kind: str, of: int, health: str | None
) -> None:
    container = view(changes, of=of, kind=kind)
    if health:
        assert container.health == health
    else:
        with pytest.raises(NotApplicable, match="meant to end"):
            _ = container.health


def test_the_container_of_a_job_is_not_probed() -> None:
    properties = unknown_checking_proxy({"spec": {"template": baseline()}})
    job, *_ = containers(Subject("kubernetes:batch/v1:Job", "web", "urn", properties))
    with pytest.raises(NotApplicable, match="meant to end"):
        _ = job.health


@pytest.mark.parametrize("fact", ["memory", "cpus"])
def test_an_ephemeral_container_has_no_limits_of_its_own(fact: str) -> None:
    with pytest.raises(NotApplicable, match="ephemeral"):
        getattr(view({"spec.ephemeralContainers[0].name": "debug"}, of=2), fact)


ALL = [
    *(
        "image",
        "read_only_root",
        "dropped",
        "added",
        "privileged",
        "gains_privileges",
        "seccomp",
        "apparmor",
    ),
    *("masks_system_paths", "user", "refuses_root", "health", "memory", "cpus"),
]


@pytest.mark.parametrize("fact", ALL)
def test_a_fact_that_is_said_needs_nothing_else_to_be_known(fact: str) -> None:
    """The property that says it stays; every other one, of the container and of its pod, is unknown."""
    said: Properties = {
        f"{SECURITY}.privileged": False,
        f"{SECURITY}.procMount": "Default",
        f"{SECURITY}.runAsUser": 10001,
        f"{SECURITY}.runAsNonRoot": True,
        f"{SECURITY}.seccompProfile.type": "RuntimeDefault",
        f"{SECURITY}.appArmorProfile.type": "RuntimeDefault",
        f"{SECURITY}.seLinuxOptions.type": "container_t",
        f"{SECURITY}.capabilities.add": ["NET_BIND_SERVICE"],
    }
    pod = changed(compliant(), said)
    path, needed = view(pod=pod).path(fact), getattr(view(pod=pod), fact)
    veiled = changed(pod, {"metadata": UNKNOWN, "spec.securityContext": UNKNOWN, "spec.initContainers": ...})
    container = pod["spec"]["containers"][0]
    for prefix, place in ((SECURITY, container["securityContext"]), ("spec.containers[0]", container)):
        for key in place:
            if not path.startswith(f"{prefix}.{key}"):
                veiled = changed(veiled, {f"{prefix}.{key}": UNKNOWN})
    assert getattr(view(pod=veiled), fact) == needed


@pytest.mark.parametrize("fact", ALL)
def test_a_fact_that_is_unknown_is_signalled(fact: str) -> None:
    path = view(pod=restricted()).path(fact)
    with pytest.raises(UnknownValueError):
        getattr(view({path: UNKNOWN}, pod=restricted()), fact)


def test_it_is_what_the_rules_ask_for() -> None:
    assert isinstance(view(), KubernetesContainer)
