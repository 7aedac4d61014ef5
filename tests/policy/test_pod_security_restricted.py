"""The restricted level of the Pod Security Standards, control by control, and where this pack is stricter.

The classes of variations are those of the fixtures of kubernetes/pod-security-admission as of Kubernetes 1.37; their
spelling is our own. The pod that is varied is the smallest one of the restricted level, with an ephemeral container.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.policy.kubernetes_pods import DIGEST, WRAPPED, Properties, baseline, changed, restricted
from tests.policy.pod_security import (
    ADDED,
    BASELINE_CAPABILITIES,
    BY_NAME,
    DEFAULTS,
    DROPPED,
    ESCALATION,
    EVERY,
    HOST_PATH,
    NON_ROOT,
    PROC_MOUNT,
    RESTRICTED,
    SECCOMP,
    SECCOMP_NAMED,
    USER,
    VOLUMES,
    Case,
    agrees,
    cases,
    verdict,
)

USER_OF_POD: Properties = {"spec.securityContext.runAsUser": 10001}
"""A user, so that no image must be asked for its own."""


def minimal() -> Properties:
    """The smallest pod of the level, with an ephemeral container and a user that is written down."""
    pod = changed(restricted(), USER_OF_POD)
    debug = {**pod["spec"]["containers"][0], "name": "debug", "image": f"registry.example/debug@{DIGEST}"}
    return changed(pod, {"spec.ephemeralContainers[0]": debug})


def everywhere(about: str, rule: str, field: str, value: object, more: Properties | None = None) -> Iterator[Case]:
    """The same field of a container, an init container and an ephemeral container; `...` leaves it out."""
    for kind, at in EVERY.items():
        yield Case(f"{about}: {kind}", {f"{at}.{field}": value, **(more or {})}, ((rule, f"{at}.{field}"),))


def each(rule: str, field: str) -> tuple[tuple[str, str], ...]:
    """A report for each container, at this field of it."""
    return tuple((rule, f"{at}.{field}") for at in EVERY.values())


def everyone(rule: str, path: str) -> tuple[tuple[str, str], ...]:
    """What is said for a whole pod is reported for each of its containers."""
    return ((rule, path),) * len(EVERY)


def all_of(field: str, value: object) -> Properties:
    """The same field of every container."""
    return {f"{at}.{field}": value for at in EVERY.values()}


SOURCES = {
    "configMap": {"name": "web"},
    "csi": {"driver": "secrets-store.csi.k8s.io"},
    "downwardAPI": {"items": []},
    "emptyDir": {"medium": "Memory"},
    "ephemeral": {"volumeClaimTemplate": {"spec": {}}},
    "image": {"reference": f"registry.example/data@{DIGEST}"},
    "persistentVolumeClaim": {"claimName": "data"},
    "projected": {"sources": []},
    "secret": {"secretName": "web"},
}
FORBIDDEN = (
    *("gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume"),
    *("cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk", "portworxVolume"),
    *("photonPersistentDisk", "scaleIO", "storageos", "aTypeOfTheFuture"),
)
VOLUME_CASES = cases(
    Case("none", {"spec.volumes": []}),
    Case("every allowed type", {"spec.volumes": [{"name": key, key: SOURCES[key]} for key in SOURCES]}),
    Case("no type is an empty directory", {"spec.volumes": [{"name": "scratch"}]}),
    Case("a type that is null is none", {"spec.volumes": [{"name": "scratch", "nfs": None, "emptyDir": {}}]}),
    *(
        Case(key, {"spec.volumes": [{"name": "scratch"}, {"name": "share", key: {}}]}, ((VOLUMES, "spec.volumes[1]"),))
        for key in FORBIDDEN
    ),
    Case(
        "hostPath",
        {"spec.volumes": [{"name": "n", "hostPath": {"path": "/"}}]},
        ((HOST_PATH, "spec.volumes[0].hostPath"),),
    ),
    Case(
        "one hidden beside an allowed type",
        {"spec.volumes": [{"name": "n", "emptyDir": {}, "nfs": {"server": "files.example"}}]},
        ((VOLUMES, "spec.volumes[0]"),),
        stricter="the API server refuses two types of one volume; the standard's check does not look at the second",
    ),
)

ESCALATION_FIELD = "securityContext.allowPrivilegeEscalation"
ESCALATION_CASES = cases(
    Case("false", all_of(ESCALATION_FIELD, False)),
    everywhere("true", ESCALATION, ESCALATION_FIELD, True),
    everywhere("left out", ESCALATION, ESCALATION_FIELD, ...),
    everywhere("null", ESCALATION, ESCALATION_FIELD, None),
    *(
        Case(
            f"no security context: {kind}",
            {f"{at}.securityContext": ...},
            ((ESCALATION, f"{at}.{ESCALATION_FIELD}"), (DROPPED, f"{at}.securityContext.capabilities.drop")),
        )
        for kind, at in EVERY.items()
    ),
)

ROOT_FIELD = "securityContext.runAsNonRoot"
NON_ROOT_CASES = cases(
    Case("for the pod", {f"spec.{ROOT_FIELD}": True}),
    Case("for every container", {f"spec.{ROOT_FIELD}": ..., **all_of(ROOT_FIELD, True)}),
    Case("for both", all_of(ROOT_FIELD, True)),
    Case("nowhere", {f"spec.{ROOT_FIELD}": ...}, each(NON_ROOT, ROOT_FIELD)),
    Case("false for the pod", {f"spec.{ROOT_FIELD}": False}, everyone(NON_ROOT, f"spec.{ROOT_FIELD}")),
    Case("null for the pod", {f"spec.{ROOT_FIELD}": None}, each(NON_ROOT, ROOT_FIELD)),
    everywhere("false", NON_ROOT, ROOT_FIELD, False),
    Case(
        "false for the pod, true for every container",
        {f"spec.{ROOT_FIELD}": False, **all_of(ROOT_FIELD, True)},
        ((DEFAULTS, f"spec.{ROOT_FIELD}"),),
    ),
    *(
        Case(
            f"nowhere but in the others: {kind}",
            {f"spec.{ROOT_FIELD}": ..., **{f"{other}.{ROOT_FIELD}": True for other in EVERY.values() if other != at}},
            ((NON_ROOT, f"{at}.{ROOT_FIELD}"),),
        )
        for kind, at in EVERY.items()
    ),
    Case("nowhere, users of its own", {f"spec.{ROOT_FIELD}": ..., "spec.hostUsers": False}),
    Case("false, users of its own", {f"spec.{ROOT_FIELD}": False, "spec.hostUsers": False}),
    Case("nowhere, the node's users", {f"spec.{ROOT_FIELD}": ..., "spec.hostUsers": True}, each(NON_ROOT, ROOT_FIELD)),
)

USER_FIELD = "securityContext.runAsUser"
USER_CASES = cases(
    Case("another user for all", {f"spec.{USER_FIELD}": 1000, **all_of(USER_FIELD, 1000)}),
    Case("another user for every container", {f"spec.{USER_FIELD}": ..., **all_of(USER_FIELD, 65534)}),
    Case("root for the pod", {f"spec.{USER_FIELD}": 0}, everyone(USER, f"spec.{USER_FIELD}")),
    everywhere("root", USER, USER_FIELD, 0),
    Case(
        "root for the pod, another user for every container",
        {f"spec.{USER_FIELD}": 0, **all_of(USER_FIELD, 1000)},
        ((DEFAULTS, f"spec.{USER_FIELD}"),),
    ),
    Case("root for the pod, users of its own", {f"spec.{USER_FIELD}": 0, "spec.hostUsers": False}),
    Case("root, users of its own", {**all_of(USER_FIELD, 0), "spec.hostUsers": False}),
)

SECCOMP_FIELD = "securityContext.seccompProfile"
SECCOMP_CASES = cases(
    Case("the runtime's for the pod", {f"spec.{SECCOMP_FIELD}": {"type": "RuntimeDefault"}}),
    Case("a file for the pod", {f"spec.{SECCOMP_FIELD}": {"type": "Localhost", "localhostProfile": "web.json"}}),
    Case("for every container", {f"spec.{SECCOMP_FIELD}": ..., **all_of(f"{SECCOMP_FIELD}.type", "RuntimeDefault")}),
    Case("nowhere", {f"spec.{SECCOMP_FIELD}": ...}, each(SECCOMP_NAMED, SECCOMP_FIELD)),
    Case("null", {f"spec.{SECCOMP_FIELD}": None}, each(SECCOMP_NAMED, SECCOMP_FIELD)),
    Case("without a type", {f"spec.{SECCOMP_FIELD}": {}}, everyone(SECCOMP, f"spec.{SECCOMP_FIELD}.type")),
    Case("unconfined", {f"spec.{SECCOMP_FIELD}.type": "Unconfined"}, everyone(SECCOMP, f"spec.{SECCOMP_FIELD}.type")),
    *(
        Case(
            f"unconfined: {kind}",
            {f"{at}.{SECCOMP_FIELD}.type": "Unconfined"},
            ((SECCOMP, f"{at}.{SECCOMP_FIELD}.type"),),
        )
        for kind, at in EVERY.items()
    ),
    *(
        Case(
            f"nowhere but in the others: {kind}",
            {
                f"spec.{SECCOMP_FIELD}": ...,
                **{f"{other}.{SECCOMP_FIELD}.type": "Localhost" for other in EVERY.values() if other != at},
            },
            ((SECCOMP_NAMED, f"{at}.{SECCOMP_FIELD}"),),
        )
        for kind, at in EVERY.items()
    ),
    Case(
        "an annotation alone",
        {
            f"spec.{SECCOMP_FIELD}": ...,
            'metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"]': "runtime/default",
        },
        each(SECCOMP_NAMED, SECCOMP_FIELD),
    ),
    Case(
        "unconfined for the pod, a profile for every container",
        {f"spec.{SECCOMP_FIELD}.type": "Unconfined", **all_of(f"{SECCOMP_FIELD}.type", "RuntimeDefault")},
        ((DEFAULTS, f"spec.{SECCOMP_FIELD}.type"),),
    ),
)

DROP, ADD = "securityContext.capabilities.drop", "securityContext.capabilities.add"
LINUX_CAPABILITIES = [
    *BASELINE_CAPABILITIES,
    *("AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_LOCK"),
    *("IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "NET_BROADCAST", "NET_RAW"),
    *("PERFMON", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
]
CAPABILITY_CASES = cases(
    Case("ALL and more are dropped", all_of(DROP, ["NET_RAW", "ALL"])),
    Case("a low port", all_of(ADD, ["NET_BIND_SERVICE"])),
    Case("nothing is added", all_of(ADD, [])),
    everywhere("nothing is dropped", DROPPED, DROP, []),
    everywhere("dropping is left out", DROPPED, DROP, ...),
    everywhere("each is dropped by its name", DROPPED, DROP, LINUX_CAPABILITIES),
    everywhere("lower case", DROPPED, DROP, ["all"]),
    everywhere("with the kernel's prefix", DROPPED, DROP, ["CAP_ALL"]),
    *(
        case
        for name in (*BASELINE_CAPABILITIES, "NET_RAW", "ALL", "net_bind_service", "CAP_NET_BIND_SERVICE")
        if name != "NET_BIND_SERVICE"
        for case in everywhere(f"{name} is added", ADDED, ADD, ["NET_BIND_SERVICE", name])
    ),
)

PROC_CASES = cases(
    Case("the default", all_of("securityContext.procMount", "Default")),
    everywhere("unmasked", PROC_MOUNT, "securityContext.procMount", "Unmasked"),
    everywhere(
        "unmasked, users of its own", PROC_MOUNT, "securityContext.procMount", "Unmasked", {"spec.hostUsers": False}
    ),
)

WINDOWS = {"spec.os.name": "windows"}
BARE: Properties = {
    **all_of("securityContext", ...),
    "spec.securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
}
WINDOWS_CASES = cases(
    Case("Windows need not say what only Linux has", {**WINDOWS, **BARE}),
    Case(
        "Windows must refuse root",
        {**WINDOWS, **BARE, f"spec.{ROOT_FIELD}": False},
        everyone(NON_ROOT, f"spec.{ROOT_FIELD}"),
    ),
    Case(
        "Windows mounts no server",
        {**WINDOWS, "spec.volumes": [{"name": "n", "nfs": {}}]},
        ((VOLUMES, "spec.volumes[0]"),),
    ),
    Case("Windows need not name a profile that confines", {**WINDOWS, f"spec.{SECCOMP_FIELD}.type": "Unconfined"}),
    Case("Linux by name", {"spec.os.name": "linux"}),
    Case(
        "Linux by name must say all of it",
        {"spec.os.name": "linux", **BARE},
        (*each(ESCALATION, ESCALATION_FIELD), *each(DROPPED, DROP), *each(SECCOMP_NAMED, SECCOMP_FIELD)),
    ),
)

TABLES = {
    "Volume Types": VOLUME_CASES,
    "Privilege Escalation": ESCALATION_CASES,
    "Running as Non-root": NON_ROOT_CASES,
    "Running as Non-root user": USER_CASES,
    "Seccomp": SECCOMP_CASES,
    "Capabilities": CAPABILITY_CASES,
    "/proc Mount Type": PROC_CASES,
    "Windows": WINDOWS_CASES,
}
ALL = [pytest.param(case, id=f"{control}: {case}") for control, table in TABLES.items() for case in table]


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_restricted_level_is_decided(wrapped: str, case: Case) -> None:
    pod = changed(minimal(), case.changes)
    found = verdict(RESTRICTED, pod, wrapped)
    assert agrees(found, case.reported, WRAPPED[wrapped](pod)[2]), found


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_smallest_pod_of_the_restricted_level_passes(wrapped: str) -> None:
    assert not verdict(RESTRICTED, minimal(), wrapped)
    assert not verdict(RESTRICTED - {USER}, restricted(), wrapped)


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_smallest_pod_of_the_baseline_level_breaks_what_only_the_restricted_level_asks_for(wrapped: str) -> None:
    found = {rule for rule, _ in verdict(RESTRICTED - {USER}, baseline(), wrapped)}
    assert found == {ESCALATION, DROPPED, SECCOMP_NAMED, NON_ROOT}


def test_each_control_has_cases_that_pass_and_cases_that_fail() -> None:
    for control, table in TABLES.items():
        assert any(case.reported for case in table), control
        assert any(not case.reported for case in table), control


def test_every_rule_that_only_this_level_has_reports_something_and_is_in_the_pack() -> None:
    reported = {rule for table in TABLES.values() for case in table for rule, _ in case.reported}
    assert {DROPPED, VOLUMES, ESCALATION, NON_ROOT, USER, SECCOMP_NAMED} <= reported
    assert set(BY_NAME) >= RESTRICTED
