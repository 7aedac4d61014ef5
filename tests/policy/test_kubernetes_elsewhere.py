"""Pods and settings in unusual places: another provider, an operator's own fields, lists, the pod as a whole."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from judging.rule import Rule
from pack import POLICIES
from rules import artifact, isolation, limits, network, pods, privileges, secrets
from tests.policy.answers import answer
from tests.policy.kubernetes_pods import UNKNOWN, Properties, compliant

HARDENING = (isolation, limits, network, pods, privileges, secrets)
FAMILIES = (artifact, *HARDENING)
RULES: dict[str, Rule] = {rule.name: rule for family in FAMILIES for rule in family.RULES}
GROUPS, SECRETS, LABELS = "container-joins-no-privileged-group", "no-secret-in-environment", "no-secret-in-labels"
PASSWORD = {"DB_PASSWORD": "Qz81kdmPw33"}
TOKEN = {"api-token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"}
OPEN: Properties = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shop"},
    "spec": {
        "hostNetwork": True,
        "containers": [
            {
                "name": "web",
                "image": "nginx:latest",
                "securityContext": {"privileged": True},
                "env": [{"name": "DB_PASSWORD", "value": "Qz81kdmPw33"}],
            }
        ],
    },
}


def violated(kind: str, properties: Properties, *families: Any) -> set[str]:
    """The names of the rules that such a resource breaks."""
    judging = [rule for family in families or FAMILIES for rule in family.RULES]
    return {rule.name for rule in judging if answer(rule, kind, properties).violations}


def text(manifest: Properties) -> Properties:
    """What the kubectl provider's Manifest is given."""
    return {"yamlBody": yaml.safe_dump(manifest)}


@pytest.mark.parametrize("kind", ["kubectl:index/manifest:Manifest", "kubectl:index:Manifest"])
def test_the_kubectl_provider_is_judged_as_a_group_of_manifests_is(kind: str) -> None:
    broken = violated(kind, text(OPEN))
    assert broken == violated("kubernetes:yaml/v2:ConfigGroup", {"yaml": yaml.safe_dump(OPEN)})
    assert broken > {"container-is-not-privileged", "container-has-its-own-network-namespace", SECRETS}
    assert "image-is-pinned-by-digest" in broken
    assert not violated(kind, text({"apiVersion": "v1", "kind": "Pod", **compliant()}), *HARDENING)


def test_a_rule_of_the_pack_knows_no_provider_that_others_do_not() -> None:
    assert {policy.name for policy in POLICIES} > violated("kubectl:index:Manifest", text(OPEN))


@pytest.mark.parametrize(
    ("rule", "kind", "spec", "seen"),
    [
        (
            "pod-mounts-no-host-path",
            "flink.apache.org/v1beta1:FlinkDeployment",
            {"podTemplate": {"spec": {"volumes": [{"name": "d", "hostPath": {"path": "/var/run/docker.sock"}}]}}},
            "spec.podTemplate.spec.volumes[0].hostPath mounts /var/run/docker.sock of the node",
        ),
        (
            "pod-annotations-keep-profiles",
            "elasticsearch.k8s.elastic.co/v1:Elasticsearch",
            {
                "nodeSets": [
                    {"podTemplate": {"metadata": {"annotations": {pods.APPARMOR_ANNOTATION + "main": "unconfined"}}}}
                ]
            },
            f'spec.nodeSets[0].podTemplate.metadata.annotations["{pods.APPARMOR_ANNOTATION}main"] is "unconfined"',
        ),
        (
            "container-has-its-own-network-namespace",
            "tekton.dev/v1:TaskRun",
            {"podTemplate": {"hostNetwork": True}},
            "spec.podTemplate.hostNetwork shares the network namespace",
        ),
        (
            "pod-mounts-no-host-path",
            "example.com/v1:Agent",
            {"podSpec": {"volumes": [{"name": "d", "hostPath": {"path": "/"}}]}},
            "spec.podSpec.volumes[0].hostPath mounts / of the node",
        ),
        (
            "container-is-not-privileged",
            "serving.kserve.io/v1beta1:InferenceService",
            {
                "predictor": {
                    "containers": [{"name": "it", "image": "torchserve", "securityContext": {"privileged": True}}]
                }
            },
            "spec.predictor.containers[0].securityContext.privileged is on",
        ),
    ],
)
def test_what_an_operator_takes_under_names_of_its_own_is_judged(
    rule: str, kind: str, spec: dict[str, Any], seen: str
) -> None:
    [violation] = answer(RULES[rule], f"kubernetes:{kind}", {"spec": spec}).violations
    assert seen in violation


def test_a_whole_pod_without_the_key_of_its_spec_can_be_fine() -> None:
    spec = {"predictor": compliant()["spec"]}
    assert not violated("kubernetes:serving.kserve.io/v1beta1:InferenceService", {"spec": spec}, *HARDENING)


def test_one_field_beside_the_spec_of_a_template_hides_nothing_in_it() -> None:
    spec = {"podTemplate": {"volumes": [], "spec": {"hostNetwork": True}}}
    assert violated("kubernetes:example.com/v1:Agent", {"spec": spec}, isolation)


def test_a_template_below_containers_is_found() -> None:
    container = {"name": "web", "image": "nginx"}
    below = {"template": {"spec": {"hostNetwork": True, "containers": [container]}}}
    spec = {"main": {"containers": [container], "driver": below}}
    assert violated("kubernetes:example.com/v1:Agent", {"spec": spec}, isolation)


def test_an_unknown_group_hides_no_bad_profile() -> None:
    security = {"fsGroup": UNKNOWN, "seccompProfile": {"type": "Unconfined"}}
    patch = {"spec": {"template": {"spec": {"securityContext": security}}}}
    assert answer(RULES["pod-defaults-are-restricted"], "kubernetes:apps/v1:DeploymentPatch", patch).violations


def test_two_objects_of_one_text_have_labels_of_their_own() -> None:
    objects = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {"app": label}}}
        for name, label in (("a", "web"), ("b", TOKEN["api-token"]))
    ]
    assert answer(RULES[LABELS], "kubernetes:yaml/v2:ConfigGroup", {"yaml": yaml.safe_dump_all(objects)}).violations


def test_what_a_policy_adds_to_the_pods_of_others_is_a_part_of_them() -> None:
    patch = {"spec": {"containers": [{"name": "agent", "image": OPEN["spec"]["containers"][0]["image"]}]}}
    rule = {"name": "agent", "mutate": {"patchStrategicMerge": patch}}
    assert not violated("kubernetes:kyverno.io/v1:ClusterPolicy", {"spec": {"rules": [rule]}}, *HARDENING)


@pytest.mark.parametrize("kind", ["ClusterPolicy", "Policy"])
def test_the_pattern_of_a_policy_is_no_workload(kind: str) -> None:
    pattern = {"spec": {"containers": [{"image": "registry.example/* | mirror.example/*"}]}}
    rule = {"name": "registries", "validate": {"pattern": pattern}}
    assert not violated(f"kubernetes:kyverno.io/v1:{kind}", {"spec": {"rules": [rule]}})


def test_what_a_policy_generates_is_a_workload() -> None:
    rule = {"name": "agent", "generate": {"kind": "Pod", "data": {"spec": OPEN["spec"]}}}
    assert violated("kubernetes:kyverno.io/v1:ClusterPolicy", {"spec": {"rules": [rule]}}, privileges)


@pytest.mark.parametrize(
    ("security", "seen"),
    [
        ({"supplementalGroups": [1000, 0]}, "spec.securityContext.supplementalGroups[1] joins 0; leave it out"),
        ({"fsGroup": 0}, "spec.securityContext.fsGroup joins 0; leave it out"),
        ({"runAsGroup": 0}, "spec.securityContext.runAsGroup joins 0; write another"),
    ],
)
def test_a_group_of_root_is_named_where_it_stands(security: dict[str, Any], seen: str) -> None:
    pod = compliant()
    pod["spec"]["securityContext"] |= security
    found = answer(RULES[GROUPS], "kubernetes:core/v1:Pod", pod).violations
    assert len(found) == 2, "one for each container"
    assert all(seen in violation for violation in found)


@pytest.mark.parametrize("security", [{"supplementalGroups": [1000, 0]}, {"fsGroup": 0}])
def test_a_patch_of_a_whole_pod_joins_no_group_of_root(security: dict[str, Any]) -> None:
    patch = {"spec": {"template": {"spec": {"securityContext": security}}}}
    [violation] = answer(RULES["pod-defaults-are-restricted"], "kubernetes:apps/v1:DeploymentPatch", patch).violations
    assert "is 0; leave it out" in violation


def test_a_patch_that_drops_no_capability_takes_the_drop_away() -> None:
    container = {"name": "web", "securityContext": {"capabilities": {"drop": []}}}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    rule = RULES["container-drops-all-capabilities"]
    assert answer(rule, "kubernetes:apps/v1:DeploymentPatch", patch).violations
    del container["securityContext"]
    assert not answer(rule, "kubernetes:apps/v1:DeploymentPatch", patch).violations


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("kubernetes:core/v1:ConfigMap", {"data": PASSWORD}),
        ("kubernetes:core/v1:ConfigMapPatch", {"data": PASSWORD}),
        ("kubernetes:core/v1:ConfigMapList", {"items": [{"data": PASSWORD}]}),
        ("kubectl:index:Manifest", text({"apiVersion": "v1", "kind": "ConfigMap", "data": PASSWORD})),
        (
            "command:local:Command",
            {
                "create": "kubectl apply -f -",
                "stdin": yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "data": PASSWORD}),
            },
        ),
    ],
)
def test_a_config_map_holds_no_secret_wherever_it_is_written(kind: str, properties: Properties) -> None:
    [violation] = answer(RULES[SECRETS], kind, properties).violations
    assert "DB_PASSWORD" in violation
    assert PASSWORD["DB_PASSWORD"] not in violation


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("kubernetes:core/v1:Service", {"metadata": {"annotations": TOKEN}}),
        ("kubernetes:core/v1:ServiceList", {"items": [{"metadata": {"annotations": TOKEN}}]}),
        ("kubectl:index:Manifest", text({"apiVersion": "v1", "kind": "Service", "metadata": {"labels": TOKEN}})),
    ],
)
def test_an_object_has_no_secret_in_its_labels_wherever_it_is_written(kind: str, properties: Properties) -> None:
    [violation] = answer(RULES[LABELS], kind, properties).violations
    assert "api-token" in violation


def test_a_number_is_read_from_yaml_as_kubernetes_reads_it() -> None:
    manifest = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **compliant()}).replace("10001", "0o0")
    assert "container-user-is-not-root" in violated("kubernetes:yaml/v2:ConfigGroup", {"yaml": manifest})
