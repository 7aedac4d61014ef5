"""The rules that only a pod can break: each violation's message, what is let alone, unknown, configured, excepted."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import EnforcementLevel

from judging.advice import take
from judging.rule import Rule
from rules.pods import RULES
from tests.policy.kubernetes_pods import (
    UNKNOWN,
    WRAPPED,
    Properties,
    analyzed,
    as_deployment,
    as_pod,
    changed,
    compliant,
    violations,
)

BY_NAME = {rule.name: rule for rule in RULES}
STANDARDS = "Pod Security Standards 1.37"
VOLUME_TYPES = "configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected, secret"
APPARMOR = 'metadata.annotations["container.apparmor.security.beta.kubernetes.io/web"]'

# rule, what is changed in a compliant pod, and the message after the resource's name.
VIOLATIONS: list[tuple[str, Properties, str]] = [
    (
        "pod-is-no-host-process",
        {"spec.securityContext.windowsOptions.hostProcess": True},
        f": spec.securityContext.windowsOptions.hostProcess is true; leave it out [{STANDARDS}, Baseline: HostProcess]",
    ),
    (
        "pod-is-no-host-process",
        {"spec.containers[0].securityContext.windowsOptions.hostProcess": True},
        ', container "web": spec.containers[0].securityContext.windowsOptions.hostProcess is true; leave it out '
        f"[{STANDARDS}, Baseline: HostProcess]",
    ),
    (
        "pod-keeps-its-selinux-confinement",
        {"spec.containers[0].securityContext.seLinuxOptions.type": "spc_t"},
        ', container "web": spec.containers[0].securityContext.seLinuxOptions.type is "spc_t"; leave it out, or write '
        f"one of container_engine_t, container_init_t, container_kvm_t, container_t [{STANDARDS}, Baseline: SELinux]",
    ),
    (
        "pod-keeps-its-selinux-confinement",
        {"spec.securityContext.seLinuxOptions.user": "system_u"},
        f': spec.securityContext.seLinuxOptions.user is "system_u"; leave it out [{STANDARDS}, Baseline: SELinux]',
    ),
    (
        "pod-sysctls-are-safe",
        {"spec.securityContext.sysctls[0]": {"name": "kernel.msgmax", "value": "65536"}},
        ': spec.securityContext.sysctls[0].name is "kernel.msgmax"; leave it out: it is none of the parameters that '
        f"Kubernetes counts as safe [{STANDARDS}, Baseline: Sysctls]",
    ),
    (
        "pod-mounts-no-host-path",
        {"spec.volumes[0]": {"name": "logs", "hostPath": {"path": "/var/log"}}},
        ": spec.volumes[0].hostPath mounts /var/log of the node; use a persistentVolumeClaim, an emptyDir, a configMap "
        f"or a secret [{STANDARDS}, Baseline: HostPath Volumes]",
    ),
    (
        "pod-volume-types-are-restricted",
        {"spec.volumes[0]": {"name": "share", "nfs": {"server": "files.example", "path": "/"}}},
        f": spec.volumes[0] is of type nfs; use one of {VOLUME_TYPES} [{STANDARDS}, Restricted: Volume Types]",
    ),
    (
        "pod-image-volumes-name-a-digest",
        {"spec.volumes[0]": {"name": "model", "image": {"reference": "registry.example/model:1"}}},
        ': spec.volumes[0].image.reference is "registry.example/model:1"; write REPOSITORY@sha256:… '
        "[Slipway, digest is identity]",
    ),
    (
        "pod-image-volumes-name-a-digest",
        {"spec.volumes[0]": {"name": "model", "image": {"reference": "registry.example/model@sha256:1"}}},
        ': spec.volumes[0].image.reference is "registry.example/model@sha256:1"; write REPOSITORY@sha256:… '
        "[Slipway, digest is identity]",
    ),
    (
        "pod-publishes-no-host-port",
        {"spec.containers[0].ports[0]": {"containerPort": 8080, "hostPort": 80}},
        ', container "web": spec.containers[0].ports[0].hostPort is 80; leave it out and publish with a Service '
        f"[{STANDARDS}, Baseline: Host Ports]",
    ),
    (
        "pod-handlers-call-the-pod-itself",
        {"spec.containers[0].livenessProbe.httpGet.host": "169.254.169.254"},
        ', container "web": spec.containers[0].livenessProbe.httpGet.host is "169.254.169.254"; leave it out: the pod '
        f"itself is called [{STANDARDS}, Baseline: Host Probes / Lifecycle Hooks]",
    ),
    (
        "pod-annotations-keep-profiles",
        {APPARMOR: "unconfined"},
        f': {APPARMOR} is "unconfined"; write "runtime/default" [{STANDARDS}, Baseline: AppArmor, Seccomp]',
    ),
    (
        "pod-requires-non-root",
        {"spec.securityContext.runAsNonRoot": False, "spec.initContainers": ...},
        ', container "web": spec.securityContext.runAsNonRoot is false; write true, here or for the whole pod '
        f"[{STANDARDS}, Restricted: Running as Non-root]",
    ),
    (
        "pod-requires-non-root",
        {"spec.securityContext.runAsNonRoot": ..., "spec.initContainers": ...},
        ', container "web": spec.containers[0].securityContext.runAsNonRoot is not set; write true, here or for the '
        f"whole pod [{STANDARDS}, Restricted: Running as Non-root]",
    ),
    (
        "pod-names-a-seccomp-profile",
        {"spec.securityContext.seccompProfile": ..., "spec.initContainers": ...},
        ', container "web": spec.containers[0].securityContext.seccompProfile is not set; write type "RuntimeDefault", '
        f"here or for the whole pod [{STANDARDS}, Restricted: Seccomp]",
    ),
    (
        "pod-defaults-are-restricted",
        {
            "spec.initContainers": ...,
            "spec.securityContext.runAsUser": 0,
            "spec.containers[0].securityContext.runAsUser": 10001,
        },
        ": spec.securityContext.runAsUser is 0, though every container overrides it; write for the pod what its "
        f"containers say [{STANDARDS}, Restricted: Running as Non-root, Seccomp; Baseline: AppArmor]",
    ),
]


@pytest.mark.parametrize(("name", "changes", "message"), VIOLATIONS)
def test_a_violation_says_where_it_is_what_was_seen_and_what_to_write(
    name: str, changes: Properties, message: str
) -> None:
    kind, properties, _ = as_pod(changed(compliant(), changes))
    assert violations((BY_NAME[name],), kind, properties) == [(name, f"web (kubernetes:Pod){message}")]


@pytest.mark.parametrize(("name", "changes", "message"), VIOLATIONS)
@pytest.mark.parametrize("wrapped", ["Deployment", "CronJob"])
def test_a_template_is_judged_like_a_pod(wrapped: str, name: str, changes: Properties, message: str) -> None:
    kind, properties, prefix = WRAPPED[wrapped](changed(compliant(), changes))
    head, at, rest = message.partition(": spec." if ": spec." in message else ": metadata.")
    expected = f"web (kubernetes:{wrapped}){head}: {prefix}{at.removeprefix(': ')}{rest}"
    assert violations((BY_NAME[name],), kind, properties) == [(name, expected)]


def test_every_mandatory_rule_has_a_violation_here() -> None:
    assert {name for name, *_ in VIOLATIONS} == {
        rule.name for rule in RULES if rule.level is EnforcementLevel.MANDATORY
    }


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_a_compliant_pod_breaks_none_of_them(wrapped: str) -> None:
    kind, properties, _ = WRAPPED[wrapped](compliant())
    assert not analyzed(RULES, kind, properties).diagnostics
    assert not analyzed(RULES, kind, properties).not_applicable


def test_a_token_for_the_api_is_no_more_than_advice() -> None:
    kind, properties, _ = as_pod(changed(compliant(), {"spec.automountServiceAccountToken": ...}))
    (found,) = analyzed(RULES, kind, properties).diagnostics
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert found.message.partition("\n")[2] == (
        "web (kubernetes:Pod): spec.automountServiceAccountToken is not set; write false unless the pod talks to the "
        "cluster's API [CIS Kubernetes Benchmark 1.10, 5.1.6]"
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_what_it_is(rule: Rule) -> None:
    policy = rule.policy()
    assert policy.description == rule.statement
    assert policy.enforcement_level is rule.level
    assert policy.severity is rule.severity
    assert policy.tags == ["pods"]
    assert policy.remediation_steps
    assert policy.framework and policy.framework.name == rule.source.framework
    assert len(rule.reason) > 40
    assert policy.config_schema and set(policy.config_schema.properties or {}) == {*rule.options, "exemptions"}


# rule, the property that is not known yet in an otherwise compliant pod.
UNKNOWNS: list[tuple[str, str]] = [
    ("pod-is-no-host-process", "spec.securityContext.windowsOptions"),
    ("pod-is-no-host-process", "spec.containers[0].securityContext.windowsOptions.hostProcess"),
    ("pod-keeps-its-selinux-confinement", "spec.securityContext.seLinuxOptions"),
    ("pod-keeps-its-selinux-confinement", "spec.containers[0].securityContext.seLinuxOptions.type"),
    ("pod-sysctls-are-safe", "spec.securityContext.sysctls"),
    ("pod-sysctls-are-safe", "spec.securityContext.sysctls[0].name"),
    ("pod-mounts-no-host-path", "spec.volumes"),
    ("pod-mounts-no-host-path", "spec.volumes[0]"),
    ("pod-mounts-no-host-path", "spec.volumes[0].hostPath"),
    ("pod-volume-types-are-restricted", "spec.volumes[0].nfs"),
    ("pod-image-volumes-name-a-digest", "spec.volumes[0].image.reference"),
    ("pod-publishes-no-host-port", "spec.containers[0].ports"),
    ("pod-publishes-no-host-port", "spec.containers[0].ports[0].hostPort"),
    ("pod-handlers-call-the-pod-itself", "spec.containers[0].livenessProbe.httpGet.host"),
    ("pod-handlers-call-the-pod-itself", "spec.containers[0].lifecycle"),
    ("pod-annotations-keep-profiles", "metadata"),
    ("pod-annotations-keep-profiles", APPARMOR),
    ("pod-requires-non-root", "spec.securityContext.runAsNonRoot"),
    ("pod-requires-non-root", "spec.containers[0].securityContext.runAsNonRoot"),
    ("pod-names-a-seccomp-profile", "spec.securityContext.seccompProfile"),
    ("pod-names-a-seccomp-profile", "spec.containers[0].securityContext"),
    ("pod-defaults-are-restricted", "spec.securityContext.runAsUser"),
    ("pod-defaults-are-restricted", "spec.securityContext.seccompProfile.type"),
    ("pod-mounts-no-api-token", "spec.automountServiceAccountToken"),
    ("pod-mounts-no-api-token", "spec"),
]


def spelled_by_the_sdk(path: str) -> str:
    """The path as the SDK writes it: dots everywhere, no quotes."""
    return path.replace('["', ".").replace('"]', "").replace("[", ".").replace("]", "")


@pytest.mark.parametrize(("name", "path"), UNKNOWNS)
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_an_unknown_property_is_an_advisory_that_names_it(wrapped: str, name: str, path: str) -> None:
    kind, properties, prefix = WRAPPED[wrapped](changed(compliant(), {path: UNKNOWN}))
    (found,) = analyzed((BY_NAME[name],), kind, properties).diagnostics
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert found.message == (
        f"can't run policy '{name}' from policy pack 'slipway@v1.0.0' during preview: "
        f"string value at .{prefix}{spelled_by_the_sdk(path)} can't be known during preview"
    )


def test_every_rule_has_an_unknown_case_here() -> None:
    assert {name for name, _ in UNKNOWNS} == set(BY_NAME)


UNRELATED: Properties = {
    "metadata.labels.commit": UNKNOWN,
    'metadata.annotations["example.com/build"]': UNKNOWN,
    "spec.serviceAccountName": UNKNOWN,
    "spec.containers[0].name": UNKNOWN,
    "spec.containers[0].image": UNKNOWN,
    "spec.containers[0].env[0]": {"name": "URL", "value": UNKNOWN},
    "spec.containers[0].livenessProbe.httpGet.path": UNKNOWN,
    "spec.containers[0].ports[0]": {"containerPort": UNKNOWN},
    "spec.volumes[0]": {"name": "data", "persistentVolumeClaim": {"claimName": UNKNOWN}},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_what_is_not_judged_may_be_unknown(wrapped: str) -> None:
    kind, properties, _ = WRAPPED[wrapped](changed(compliant(), UNRELATED))
    assert not analyzed(RULES, kind, properties).diagnostics


@pytest.mark.parametrize(
    ("name", "changes", "known"),
    [
        (
            "pod-mounts-no-host-path",
            {"spec.volumes[0]": UNKNOWN, "spec.volumes[1]": {"name": "logs", "hostPath": {"path": "/var/log"}}},
            "spec.volumes[1].hostPath mounts /var/log",
        ),
        (
            "pod-publishes-no-host-port",
            {
                "spec.containers[0].ports": UNKNOWN,
                "spec.initContainers[0].ports[0].hostPort": 22,
            },
            "spec.initContainers[0].ports[0].hostPort is 22",
        ),
        (
            "pod-mounts-no-host-path",
            {"spec.volumes[0]": {"name": "logs", "hostPath": {"path": UNKNOWN}}},
            "spec.volumes[0].hostPath mounts a path of the node",
        ),
    ],
)
def test_what_is_known_is_judged_before_the_signal(name: str, changes: Properties, known: str) -> None:
    kind, properties, _ = as_pod(changed(compliant(), changes))
    found = analyzed((BY_NAME[name],), kind, properties).diagnostics
    assert found[0].enforcementLevel == analyzer_pb2.MANDATORY
    assert known in found[0].message


@pytest.mark.parametrize(
    ("name", "changes", "options"),
    [
        (
            "pod-keeps-its-selinux-confinement",
            {"spec.securityContext.seLinuxOptions.type": "shop_t"},
            {"types": ["shop_t"]},
        ),
        (
            "pod-sysctls-are-safe",
            {"spec.securityContext.sysctls[0]": {"name": "net.core.somaxconn", "value": "1024"}},
            {"allowed": ["net.core.somaxconn"]},
        ),
        (
            "pod-volume-types-are-restricted",
            {"spec.volumes[0]": {"name": "share", "nfs": {"server": "files.example"}}},
            {"allowed": ["nfs"]},
        ),
        (
            "pod-publishes-no-host-port",
            {"spec.containers[0].ports[0]": {"containerPort": 53, "hostPort": 53}},
            {"allowed": [53]},
        ),
    ],
)
def test_what_a_team_allows_is_configured(name: str, changes: Properties, options: dict[str, Any]) -> None:
    kind, properties, _ = as_deployment(changed(compliant(), changes))
    assert violations((BY_NAME[name],), kind, properties)
    assert not violations((BY_NAME[name],), kind, properties, {name: options})


def test_an_exempted_node_agent_may_mount_its_host_path() -> None:
    exemption = {"resource": "web", "reason": "it ships logs", "owner": "platform", "expires": "2999-01-01"}
    logs = {"name": "logs", "hostPath": {"path": "/var/log"}}
    kind, properties, _ = as_pod(changed(compliant(), {"spec.volumes[0]": logs}))
    name = "pod-mounts-no-host-path"
    assert not violations((BY_NAME[name],), kind, properties, {name: {"exemptions": [exemption]}})
    (advice,) = take("urn:pulumi:dev::shop::kubernetes:core/v1:Pod::web")
    assert advice.startswith(f"{name}: web (kubernetes:Pod): spec.volumes[0].hostPath mounts /var/log of the node")
    assert "owner 'platform'" in advice


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_patch_is_judged_by_what_it_says(rule: Rule) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web"}]}}}}
    kind = "kubernetes:apps/v1:DeploymentPatch"
    assert not violations((rule,), kind, patch)
    for name, changes, _ in VIOLATIONS:
        if name == rule.name and ... not in changes.values():
            assert violations((rule,), kind, {"spec": {"template": changed(compliant(), changes)}})


def test_what_a_patch_leaves_out_is_said_to_be_not_applicable() -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web"}]}}}}
    skipped = analyzed(RULES, "kubernetes:apps/v1:DeploymentPatch", patch).not_applicable
    assert {it.policy_name: it.reason for it in skipped} == {
        "pod-requires-non-root": "a patch leaves runAsNonRoot as the cluster has it",
        "pod-names-a-seccomp-profile": "a patch leaves seccompProfile as the cluster has it",
        "pod-mounts-no-api-token": "a patch leaves automountServiceAccountToken as the cluster has it",
    }
