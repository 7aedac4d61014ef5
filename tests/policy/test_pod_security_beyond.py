"""What this pack asks of a pod beyond the standards, and what rules about containers make of an unknown pod."""

from __future__ import annotations

import pytest
from pulumi.runtime.proto import analyzer_pb2

from rules import isolation, limits, network, pods, privileges
from tests.policy.kubernetes_pods import (
    UNKNOWN,
    WRAPPED,
    Properties,
    analyzed,
    as_deployment,
    as_pod,
    baseline,
    changed,
    compliant,
    restricted,
    violations,
)
from tests.policy.pod_security import RESTRICTED, verdict
from tests.policy.pod_security import USER as ROOT_USER

HARDENING = (*privileges.RULES, *isolation.RULES, *limits.RULES, *network.RULES, *pods.RULES)
BY_NAME = {rule.name: rule for rule in HARDENING}
USER: Properties = {"spec.securityContext.runAsUser": 10001}
AT = "spec.containers[0]"


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_a_compliant_pod_breaks_no_rule(wrapped: str) -> None:
    kind, properties, _ = WRAPPED[wrapped](compliant())
    assert not analyzed(HARDENING, kind, properties).diagnostics


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_sdk_says_what_the_tables_say(wrapped: str) -> None:
    rules = tuple(rule for name, rule in sorted(BY_NAME.items()) if name in RESTRICTED - {ROOT_USER})
    pod = changed(baseline(), {f"{AT}.ports[0].hostPort": 80, "spec.hostPID": True})
    kind, properties, _ = WRAPPED[wrapped](pod)
    found = violations(rules, kind, properties)
    assert found == verdict(RESTRICTED - {ROOT_USER}, pod, wrapped)
    assert len({name for name, _ in found}) == 6


BEYOND = [
    ("container-root-is-read-only", "securityContext.readOnlyRootFilesystem"),
    ("container-memory-is-limited", "resources.limits.memory"),
    ("container-cpu-is-limited", "resources.limits.cpu"),
]


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_restricted_level_leaves_four_things_to_ask_for(wrapped: str) -> None:
    kind, properties, prefix = WRAPPED[wrapped](changed(restricted(), USER))
    found = violations(HARDENING, kind, properties)
    expected = [(name, f"spec.{of}[0].{field}") for name, field in BEYOND for of in ("containers", "initContainers")]
    if wrapped != "CronJob":  # what is meant to end is not probed
        expected.append(("container-is-health-checked", "spec.containers[0].livenessProbe"))
    assert len(found) == len(expected)
    for name, path in expected:
        assert [it for it in found if it[0] == name and f": {prefix}{path} " in it[1]], path


NOT_SAID_BY_PODS = (
    "container-swap-is-limited",
    "container-processes-are-limited",
    "container-open-files-are-limited",
    "container-restart-is-bounded",
    "container-logs-are-bounded",
)


@pytest.mark.parametrize("name", NOT_SAID_BY_PODS)
def test_what_the_node_decides_is_said_to_be_not_applicable(name: str) -> None:
    kind, properties, _ = as_deployment(compliant())
    answer = analyzed((BY_NAME[name],), kind, properties)
    assert not answer.diagnostics
    assert [it.policy_name for it in answer.not_applicable] == [name]


HOST_PATHS = [
    ("/var/run/docker.sock", "container-mounts-no-engine-socket"),
    ("/run/containerd/containerd.sock", "container-mounts-no-engine-socket"),
    ("/var/run", "container-mounts-no-engine-socket"),
    ("/etc/../etc/kubernetes/", "container-mounts-no-sensitive-path"),
    ("/", "container-mounts-no-sensitive-path"),
]


@pytest.mark.parametrize(("path", "name"), HOST_PATHS)
def test_an_excepted_host_path_is_still_no_sensitive_one(path: str, name: str) -> None:
    changes = {
        "spec.volumes[0]": {"name": "node", "hostPath": {"path": path}},
        f"{AT}.volumeMounts[0]": {"name": "node", "mountPath": "/node", "readOnly": True},
    }
    kind, properties, _ = as_pod(changed(compliant(), changes))
    assert {"pod-mounts-no-host-path", name} <= {it for it, _ in violations(HARDENING, kind, properties)}


# rule, the property of an otherwise compliant pod that is not known.
UNKNOWNS: list[tuple[str, str]] = [
    ("container-is-not-privileged", f"{AT}.securityContext.privileged"),
    ("container-drops-all-capabilities", f"{AT}.securityContext.capabilities"),
    ("container-drops-all-capabilities", f"{AT}.securityContext.capabilities.drop"),
    ("container-adds-only-listed-capabilities", f"{AT}.securityContext.capabilities.add"),
    ("container-adds-only-listed-capabilities", f"{AT}.securityContext.capabilities.add[0]"),
    ("container-gains-no-privileges", f"{AT}.securityContext.allowPrivilegeEscalation"),
    ("container-is-confined-by-seccomp", f"{AT}.securityContext.seccompProfile"),
    ("container-is-confined-by-seccomp", "spec.securityContext.seccompProfile.type"),
    ("container-is-confined-by-apparmor", "spec.securityContext.appArmorProfile"),
    ("container-masks-system-paths", f"{AT}.securityContext.procMount"),
    ("container-user-is-not-root", "spec.securityContext.runAsUser"),
    ("container-user-is-not-root", f"{AT}.securityContext.runAsUser"),
    ("container-joins-no-privileged-group", "spec.securityContext.supplementalGroups"),
    ("container-root-is-read-only", f"{AT}.securityContext.readOnlyRootFilesystem"),
    ("container-has-its-own-network-namespace", "spec.hostNetwork"),
    ("container-has-its-own-pid-namespace", "spec.hostPID"),
    ("container-has-its-own-ipc-namespace", "spec.hostIPC"),
    ("container-mounts-no-engine-socket", f"{AT}.volumeMounts"),
    ("container-mounts-no-sensitive-path", f"{AT}.volumeMounts[0]"),
    ("container-mounts-do-not-propagate", f"{AT}.volumeMounts[0].mountPropagation"),
    ("container-has-no-devices", "spec.volumes"),
    ("container-memory-is-limited", f"{AT}.resources"),
    ("container-memory-is-limited", f"{AT}.resources.limits.memory"),
    ("container-cpu-is-limited", f"{AT}.resources.limits.cpu"),
    ("container-is-health-checked", f"{AT}.livenessProbe"),
    ("container-ports-name-an-address", f"{AT}.ports"),
    ("container-publishes-no-privileged-port", f"{AT}.ports[0].hostPort"),
]


@pytest.mark.parametrize(("name", "path"), UNKNOWNS)
@pytest.mark.parametrize("wrapped", ["Pod", "Deployment"])
def test_an_unknown_property_is_an_advisory_that_names_it(wrapped: str, name: str, path: str) -> None:
    kind, properties, prefix = WRAPPED[wrapped](changed(compliant(), {path: UNKNOWN}))
    (found,) = analyzed((BY_NAME[name],), kind, properties).diagnostics
    dotted = path.replace("[", ".").replace("]", "")
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert f"string value at .{prefix}{dotted} can't be known during preview" in found.message


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_what_decides_nothing_may_be_unknown(wrapped: str) -> None:
    unrelated: Properties = {
        "metadata.labels.commit": UNKNOWN,
        "spec.serviceAccountName": UNKNOWN,
        "spec.nodeName": UNKNOWN,
        f"{AT}.name": UNKNOWN,
        f"{AT}.image": UNKNOWN,
        f"{AT}.env[0]": {"name": "URL", "value": UNKNOWN},
        f"{AT}.resources.requests": UNKNOWN,
        f"{AT}.livenessProbe.httpGet.path": UNKNOWN,
    }
    kind, properties, _ = WRAPPED[wrapped](changed(compliant(), unrelated))
    assert not [it for it in analyzed(HARDENING, kind, properties).diagnostics if "login" not in it.policyName]


def test_a_pod_whose_containers_are_unknown_is_an_advisory_of_every_rule_about_containers() -> None:
    kind, properties, _ = as_deployment(changed(compliant(), {"spec.containers": UNKNOWN}))
    advised = {it.policyName for it in analyzed(HARDENING, kind, properties).diagnostics}
    said_by_pods = {rule.name for rule in (*privileges.RULES, *isolation.RULES, *limits.RULES, *network.RULES)}
    assert said_by_pods <= advised


def test_one_container_that_breaks_a_rule_is_reported_beside_one_that_is_unknown() -> None:
    changes = {
        f"{AT}.securityContext": UNKNOWN,
        "spec.initContainers[0].securityContext.privileged": True,
    }
    kind, properties, _ = as_deployment(changed(compliant(), changes))
    found = analyzed((BY_NAME["container-is-not-privileged"],), kind, properties).diagnostics
    assert [it.enforcementLevel for it in found] == [analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY]
    assert 'init container "migrate"' in found[0].message
