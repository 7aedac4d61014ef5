"""Where pods are found: in every kind of every API group, in lists and patches, and inside other resources."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy

from judging.manifests import inside, manifests
from judging.pods import pods
from judging.rule import Subject
from tests.policy.kubernetes_pods import DIGEST, UNKNOWN, Properties, baseline, changed, compliant

POD = {"apiVersion": "v1", "kind": "Pod", **baseline()}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {"template": baseline()},
}


def subject(kind: str, properties: Properties) -> Subject:
    """A resource as a rule gets it."""
    return Subject(kind, "web", f"urn:pulumi:dev::shop::{kind}::web", unknown_checking_proxy(properties))


def images(kind: str, properties: Properties) -> list[tuple[str, str]]:
    """What messages call each container that is found, and where its image is."""
    return [
        (container.where, container.node.at("image").path)
        for pod in pods(subject(kind, properties))
        for container in pod.containers()
    ]


def both(prefix: str = "", where: str = "") -> list[tuple[str, str]]:
    """The two containers of the smallest pod."""
    return [
        (f'{where}container "web"', f"{prefix}spec.containers[0].image"),
        (f'{where}init container "migrate"', f"{prefix}spec.initContainers[0].image"),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "apps/v1:Deployment",
        "apps/v1beta1:Deployment",
        "apps/v1beta2:Deployment",
        "extensions/v1beta1:Deployment",
        "apps/v1:DeploymentPatch",
        "apps/v1:StatefulSet",
        "apps/v1beta1:StatefulSet",
        "apps/v1beta2:StatefulSetPatch",
        "apps/v1:DaemonSet",
        "apps/v1beta2:DaemonSet",
        "extensions/v1beta1:DaemonSet",
        "extensions/v1beta1:DaemonSetPatch",
        "apps/v1:ReplicaSet",
        "apps/v1beta2:ReplicaSet",
        "extensions/v1beta1:ReplicaSetPatch",
        "core/v1:ReplicationController",
        "core/v1:ReplicationControllerPatch",
        "batch/v1:Job",
        "batch/v1:JobPatch",
        "argoproj.io/v1alpha1:Rollout",
        "serving.knative.dev/v1:Service",
        "apps.openshift.io/v1:DeploymentConfig",
        "apps.kruise.io/v1alpha1:CloneSet",
        "sparkoperator.k8s.io/v1beta2:SparkApplication",
        "keda.k8s.io/v1alpha1:ScaledJob",
        "agents.x-k8s.io/v1alpha1:Sandbox",
    ],
)
def test_the_pod_of_a_kind_with_a_template_in_its_spec_is_found(kind: str) -> None:
    assert images(f"kubernetes:{kind}", {"spec": {"template": baseline()}}) == both("spec.template.")


@pytest.mark.parametrize("version", ["batch/v1", "batch/v1beta1", "batch/v2alpha1"])
@pytest.mark.parametrize("suffix", ["", "Patch"])
def test_the_pod_of_a_cron_job_is_found(version: str, suffix: str) -> None:
    properties = {"spec": {"jobTemplate": {"spec": {"template": baseline()}}}}
    assert images(f"kubernetes:{version}:CronJob{suffix}", properties) == both("spec.jobTemplate.spec.template.")


@pytest.mark.parametrize("kind", ["Pod", "PodPatch"])
def test_a_pod_is_found(kind: str) -> None:
    assert images(f"kubernetes:core/v1:{kind}", baseline()) == both()


@pytest.mark.parametrize("kind", ["PodTemplate", "PodTemplatePatch"])
def test_a_pod_template_is_found(kind: str) -> None:
    assert images(f"kubernetes:core/v1:{kind}", {"template": baseline()}) == both("template.")


@pytest.mark.parametrize(
    ("kind", "item", "path"),
    [
        ("core/v1:PodList", baseline(), ""),
        ("apps/v1:DeploymentList", {"spec": {"template": baseline()}}, "spec.template."),
        ("extensions/v1beta1:DaemonSetList", {"spec": {"template": baseline()}}, "spec.template."),
        ("batch/v1:CronJobList", {"spec": {"jobTemplate": {"spec": {"template": baseline()}}}}, None),
        ("core/v1:PodTemplateList", {"template": baseline()}, "template."),
        ("core/v1:List", POD, ""),
        ("core/v1:List", DEPLOYMENT, "spec.template."),
    ],
)
def test_each_item_of_a_list_is_found(kind: str, item: Properties, path: str | None) -> None:
    path = "spec.jobTemplate.spec.template." if path is None else path
    found = images(f"kubernetes:{kind}", {"items": [item, item]})
    assert [at for _, at in found] == [at for position in (0, 1) for _, at in both(f"items[{position}].{path}")]


def test_what_a_message_calls_an_item_names_it() -> None:
    properties = {"items": [DEPLOYMENT, {"spec": {"template": baseline()}}]}
    assert [where for where, _ in images("kubernetes:apps/v1:DeploymentList", properties)] == [
        'Deployment "shop", container "web"',
        'Deployment "shop", init container "migrate"',
        'Deployment, container "web"',
        'Deployment, init container "migrate"',
    ]


def test_a_custom_kind_is_searched_at_any_depth() -> None:
    properties = {
        "spec": {"replicaSpecs": {"worker": {"template": baseline()}}, "others": [{"podTemplate": baseline()}]}
    }
    assert images("kubernetes:kubeflow.org/v1:PyTorchJob", properties) == [
        *both("spec.replicaSpecs.worker.template."),
        *both("spec.others[0].podTemplate."),
    ]


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("core/v1:ConfigMap", {"data": {"pod": yaml.safe_dump(POD)}}),
        ("core/v1:Service", {"spec": {"selector": {"app": "web"}}}),
        ("apps/v1:Deployment", {}),
        ("apps/v1:Deployment", {"spec": {"template": None}}),
        ("rbac.authorization.k8s.io/v1:Role", {"rules": []}),
        ("cert-manager.io/v1:Certificate", {"spec": {"dnsNames": ["example.com"]}}),
        ("apiextensions.k8s.io/v1:CustomResourceDefinition", {"spec": {"template": baseline()}}),
        ("admissionregistration.k8s.io/v1:MutatingAdmissionPolicy", {"spec": {"template": baseline()}}),
        ("gateway.networking.k8s.io/v1:Gateway", {"spec": {"template": baseline()}}),
    ],
)
def test_what_runs_no_pod_has_none(kind: str, properties: Properties) -> None:
    assert images(f"kubernetes:{kind}", properties) == []


def test_ephemeral_containers_are_found_too_and_containers_without_a_name() -> None:
    properties = changed(baseline(), {"spec.ephemeralContainers[0].image": "busybox", "spec.containers[0].name": ...})
    assert [where for where, _ in images("kubernetes:core/v1:Pod", properties)] == [
        "container containers[0]",
        'init container "migrate"',
        "ephemeral container ephemeralContainers[0]",
    ]


HERE = f"kubectl apply -f - <<EOF\n{yaml.safe_dump(DEPLOYMENT)}EOF"


@pytest.mark.parametrize(
    ("kind", "properties", "at"),
    [
        ("command:local:Command", {"create": HERE}, "create: spec.template."),
        ("command:local:Command", {"create": "true", "update": HERE}, "update: spec.template."),
        ("command:remote:Command", {"create": "kubectl apply -f -", "stdin": json.dumps(DEPLOYMENT)}, None),
        (
            "command:local:Command",
            {"create": 'echo "$M" | kubectl apply -f -', "environment": {"M": yaml.safe_dump(DEPLOYMENT)}},
            "environment.M: spec.template.",
        ),
        ("slipway:index:Workload", {"manifest": DEPLOYMENT}, "manifest.spec.template."),
        ("slipway:index:Workload", {"a": {"deep": [{"list": [DEPLOYMENT]}]}}, "a.deep[0].list[0].spec.template."),
        ("slipway:index:Workload", {"manifest": yaml.safe_dump(DEPLOYMENT)}, "manifest: spec.template."),
        ("kubernetes:yaml/v2:ConfigGroup", {"objs": [DEPLOYMENT]}, "objs[0].spec.template."),
        ("kubernetes:yaml/v2:ConfigGroup", {"yaml": yaml.safe_dump(DEPLOYMENT)}, "yaml: spec.template."),
        ("kubernetes:yaml:ConfigGroup", {"yaml": [yaml.safe_dump(DEPLOYMENT)]}, "yaml[0]: spec.template."),
        ("kubectl:index/manifest:Manifest", {"yamlBody": yaml.safe_dump(DEPLOYMENT)}, "yamlBody: spec.template."),
        (
            "kubernetes:helm.sh/v3:Release",
            {"values": {"extraObjects": [DEPLOYMENT]}},
            "values.extraObjects[0].spec.template.",
        ),
    ],
)
def test_a_manifest_inside_another_resource_is_found(kind: str, properties: Properties, at: str | None) -> None:
    at = "stdin: spec.template." if at is None else at
    assert images(kind, properties) == both(at, 'Deployment "shop", ')


def test_a_manifest_in_a_file_that_is_made_on_the_fly_is_found() -> None:
    properties = {"source": pulumi.StringAsset(yaml.safe_dump(DEPLOYMENT)), "remotePath": "/tmp/web.yaml"}
    assert images("command:remote:CopyToRemote", properties) == both("source: spec.template.", 'Deployment "shop", ')


def test_the_items_of_a_list_in_a_text_are_found() -> None:
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [DEPLOYMENT, POD]})
    assert [at for _, at in images("command:local:Command", {"stdin": text})] == [
        *(at for _, at in both("stdin: items[0].spec.template.")),
        *(at for _, at in both("stdin: items[1].")),
    ]


def test_a_manifest_that_a_command_has_twice_is_judged_once() -> None:
    properties = {"create": HERE, "delete": HERE.replace("apply", "delete"), "triggers": [HERE]}
    assert images("command:local:Command", properties) == both("create: spec.template.", 'Deployment "shop", ')


def test_what_a_command_printed_is_not_what_it_applies() -> None:
    assert images("command:local:Command", {"create": "kubectl get deploy -o yaml", "stdout": json.dumps(POD)}) == []


def test_the_environment_of_a_command_is_put_into_its_text() -> None:
    text = HERE.replace(f"registry.example/web@{DIGEST}", "$IMAGE")
    properties = {"create": text, "environment": {"IMAGE": "web:latest", "LATER": UNKNOWN}}
    (pod,) = pods(subject("command:local:Command", properties))
    assert next(pod.containers()).node.at("image").value == "web:latest"


def test_other_packages_hold_no_manifests() -> None:
    assert list(manifests(subject("docker:index/container:Container", {"command": [HERE]}))) == []


UNKNOWN_CASES: list[tuple[str, Any, str]] = [
    ("command:local:Command", {"create": "kubectl apply -f -", "stdin": UNKNOWN}, "stdin"),
    ("slipway:index:Workload", {"deep": {"manifests": [UNKNOWN]}}, "deep.manifests.0"),
    ("kubernetes:yaml/v2:ConfigGroup", {"yaml": UNKNOWN}, "yaml"),
    ("slipway:index:Workload", {"object": {"apiVersion": "v1", "kind": UNKNOWN}}, "object.kind"),
]


@pytest.mark.parametrize(("kind", "properties", "path"), UNKNOWN_CASES)
def test_an_unknown_value_hides_no_manifest_that_is_known(kind: str, properties: Properties, path: str) -> None:
    found = inside(subject(kind, {**properties, "known": DEPLOYMENT}))
    assert [manifest.kind for manifest in found.manifests] == ["Deployment"]
    assert [".".join(signal.props) for signal in found.unknown] == [path]


def test_only_what_is_asked_for_is_read() -> None:
    properties = changed(compliant(), {"metadata.name": UNKNOWN, "spec.serviceAccountName": UNKNOWN})
    properties = changed(properties, {"spec.containers[0].name": UNKNOWN, "spec.containers[0].args": UNKNOWN})
    found = images("kubernetes:core/v1:Pod", properties)
    assert found[0] == ("container containers[0]", "spec.containers[0].image")


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"spec": UNKNOWN}, "spec"),
        ({"spec": {"template": UNKNOWN}}, "spec.template"),
        ({"spec": {"template": {"spec": UNKNOWN}}}, "spec.template.spec"),
        ({"spec": {"template": {"spec": {"containers": UNKNOWN}}}}, "spec.template.spec.containers"),
        ({"spec": {"template": {"spec": {"containers": [UNKNOWN]}}}}, "spec.template.spec.containers.0"),
    ],
)
@pytest.mark.parametrize("kind", ["kubernetes:apps/v1:Deployment", "kubernetes:argoproj.io/v1alpha1:Rollout"])
def test_containers_that_are_unknown_are_signalled(kind: str, properties: Properties, path: str) -> None:
    with pytest.raises(UnknownValueError) as signal:
        images(kind, properties)
    assert ".".join(signal.value.props) == path


def test_an_unknown_value_in_a_custom_object_that_cannot_be_a_pod_is_no_signal() -> None:
    assert (
        images("kubernetes:cert-manager.io/v1:Certificate", {"spec": {"dnsNames": [UNKNOWN], "issuer": UNKNOWN}}) == []
    )


KEYS = st.sampled_from(["apiVersion", "kind", "create", "environment", "manifest", "items", "a"])
LEAVES = st.sampled_from(
    ["v1", "Pod", UNKNOWN, "", json.dumps(POD), yaml.safe_dump(DEPLOYMENT), "kubectl apply -f - <<E\napiVersion: v1\nE"]
) | st.sampled_from([None, True, 1.0])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.sampled_from(["command:local:Command", "slipway:index:Release"]))
def test_the_path_of_an_object_leads_to_it(properties: dict[str, Any], kind: str) -> None:
    judged = subject(kind, properties)
    found = inside(judged).manifests
    assert bool(found) == bool(list(manifests(judged)))
    for manifest in found:
        path, _, in_a_text = manifest.node.path.partition(":")
        value: Any = properties
        for key, position in re.findall(r"([A-Za-z]+)|\[(\d+)\]", path):
            value = value[key] if key else value[int(position)]
        assert "apiVersion" in value
        assert isinstance(value, str) == bool(in_a_text)
