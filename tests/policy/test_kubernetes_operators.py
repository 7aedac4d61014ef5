"""Parts of pods that operators take: what is written in them is judged, and what the operator fills in is not."""

from __future__ import annotations

from typing import Any

import pytest

from judging.rule import Rule
from rules import artifact, isolation, limits, network, pods, privileges
from tests.policy.answers import Answer, answer
from tests.policy.kubernetes_pods import UNKNOWN, Properties, violations

RULES: tuple[Rule, ...] = tuple(
    rule for family in (artifact, isolation, limits, network, pods, privileges) for rule in family.RULES
)
BY_NAME = {rule.name: rule for rule in RULES}
ELASTICSEARCH = "kubernetes:elasticsearch.k8s.elastic.co/v1:Elasticsearch"
BEAT = "kubernetes:beat.k8s.elastic.co/v1beta1:Beat"
AT = "spec.nodeSets[0].podTemplate."


def nodes(**spec: Any) -> Properties:
    """A cluster whose operator brings the image and gets this spec of a pod."""
    return {"spec": {"nodeSets": [{"name": "default", "podTemplate": {"spec": spec}}]}}


def agent(**spec: Any) -> Properties:
    """An agent on each node whose operator brings the image."""
    return {"spec": {"daemonSet": {"podTemplate": {"spec": spec}}}}


@pytest.mark.parametrize(
    ("rule", "kind", "properties", "said"),
    [
        (
            "container-is-not-privileged",
            ELASTICSEARCH,
            nodes(initContainers=[{"name": "sysctl", "securityContext": {"privileged": True}}]),
            f', init container "sysctl": {AT}spec.initContainers[0].securityContext.privileged is on; leave it out, '
            "and add what is needed",
        ),
        (
            "container-user-is-not-root",
            ELASTICSEARCH,
            nodes(initContainers=[{"name": "sysctl", "securityContext": {"runAsUser": 0}}]),
            f', init container "sysctl": {AT}spec.initContainers[0].securityContext.runAsUser is "0", which is root; '
            "write another",
        ),
        (
            "container-is-not-privileged",
            ELASTICSEARCH,
            nodes(containers=[{"name": "elasticsearch", "securityContext": {"privileged": True}}]),
            f', container "elasticsearch": {AT}spec.containers[0].securityContext.privileged is on; leave it out, and '
            "add what is needed",
        ),
        (
            "container-has-its-own-network-namespace",
            BEAT,
            agent(hostNetwork=True, containers=[{"name": "filebeat"}]),
            ', container "filebeat": spec.daemonSet.podTemplate.spec.hostNetwork shares the network namespace with the '
            "host or another container; leave it out",
        ),
        (
            "pod-mounts-no-host-path",
            BEAT,
            agent(containers=[{"name": "filebeat"}], volumes=[{"name": "logs", "hostPath": {"path": "/var/log"}}]),
            ": spec.daemonSet.podTemplate.spec.volumes[0].hostPath mounts /var/log of the node; use a "
            "persistentVolumeClaim, an emptyDir, a configMap or a secret",
        ),
    ],
)
def test_what_is_written_for_an_operator_is_judged(rule: str, kind: str, properties: Properties, said: str) -> None:
    short = f"kubernetes:{kind.rpartition(':')[2]}"
    assert answer(BY_NAME[rule], kind, properties).violations == [f"web ({short}){said} [{BY_NAME[rule].source}]"]


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": "elasticsearch"}]},
        {"initContainers": [{"name": "plugins", "command": ["sh", "-c", "bin/elasticsearch-plugin install x"]}]},
        {"securityContext": {"fsGroup": 1000}},
        {"containers": [{"name": "elasticsearch", "resources": {"limits": {"memory": "4Gi"}}}], "hostNetwork": False},
    ],
)
def test_what_an_operator_fills_in_is_no_violation(spec: Properties) -> None:
    assert not violations(RULES, ELASTICSEARCH, nodes(**spec))


PROMETHEUS = "kubernetes:monitoring.coreos.com/v1:Prometheus"


@pytest.mark.parametrize("role", ["containers", "initContainers"])
def test_containers_beside_an_operators_own_fields_are_judged_and_what_it_fills_in_is_not(role: str) -> None:
    image = f"registry.example/shop/proxy@sha256:{'1' * 64}"
    privileged = {"name": "proxy", "image": image, "securityContext": {"privileged": True}}
    spec = {"replicas": 2, role: [privileged]}
    found = answer(BY_NAME["container-is-not-privileged"], PROMETHEUS, {"spec": spec})
    assert len(found.violations) == 1 and f"spec.{role}[0].securityContext.privileged is on" in found.violations[0]
    for rule in ("pod-requires-non-root", "pod-names-a-seccomp-profile"):
        assert not answer(BY_NAME[rule], PROMETHEUS, {"spec": spec}).violations


@pytest.mark.parametrize("more", [{}, {"supportedModelFormats": [{"name": "onnx"}]}])
def test_any_other_object_with_containers_in_its_spec_is_a_whole_pod(more: Properties) -> None:
    spec = {"containers": [{"name": "web", "image": "web"}], "restartPolicy": "Always", **more}
    assert answer(BY_NAME["pod-requires-non-root"], "kubernetes:example.com/v1:Shop", {"spec": spec}).violations


def test_a_template_with_more_than_a_pods_fields_is_a_whole_pod() -> None:
    knative = {"containerConcurrency": 10, "containers": [{"image": "web"}]}
    properties = {"spec": {"template": {"spec": knative}}}
    assert answer(BY_NAME["pod-requires-non-root"], "kubernetes:serving.knative.dev/v1:Service", properties).violations


@pytest.mark.parametrize(
    "rule", ["pod-requires-non-root", "pod-names-a-seccomp-profile", "container-memory-is-limited"]
)
def test_what_an_operator_fills_in_is_said_to_be_not_applicable(rule: str) -> None:
    field = {"pod-requires-non-root": "runAsNonRoot", "pod-names-a-seccomp-profile": "seccompProfile"}
    assert answer(BY_NAME[rule], ELASTICSEARCH, nodes(containers=[{"name": "elasticsearch"}])) == Answer(
        [], [], [f"an operator fills in {field.get(rule, 'what it does not say')} where its template leaves it out"]
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"spec": {"podSettings": {"spec": {"hostNetwork": True}}}},  # no template by its name
        {"spec": {"template": {"spec": {"volumes": [{"name": "root", "containerDisk": {"image": "vm"}}]}}}},
        {"spec": {"volumeClaimTemplates": [{"spec": {"accessModes": ["ReadWriteOnce"]}}]}},
        {"spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": "text"}}},
    ],
)
def test_a_template_of_something_else_is_no_pod(properties: Properties) -> None:
    assert not violations(RULES, "kubernetes:example.com/v1:Machine", properties)


def test_a_template_in_a_template_is_found() -> None:
    inner = {"podTemplate": {"spec": {"initContainers": [{"name": "a", "securityContext": {"privileged": True}}]}}}
    properties = {"spec": {"jobTemplates": [{"spec": {"securityContext": {"fsGroup": 1}, **inner}}]}}
    (said,) = answer(BY_NAME["container-is-not-privileged"], "kubernetes:example.com/v1:Batch", properties).violations
    assert "spec.jobTemplates[0].spec.podTemplate.spec.initContainers[0].securityContext.privileged is on" in said


def test_a_field_of_a_part_that_is_unknown_is_an_advisory() -> None:
    rule = BY_NAME["container-has-its-own-network-namespace"]
    found = answer(rule, BEAT, agent(hostNetwork=UNKNOWN, containers=[{"name": "filebeat"}]))
    assert not found.violations
    assert ".spec.daemonSet.podTemplate.spec.hostNetwork can't be known" in found.advice[0]
