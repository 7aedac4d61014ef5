"""Patches that list no container: what they say for the whole pod is judged all the same."""

from __future__ import annotations

import pytest
import yaml

from rules import isolation, pods
from tests.policy.answers import answer
from tests.policy.kubernetes_pods import UNKNOWN, Properties

BY_NAME = {rule.name: rule for family in (isolation, pods) for rule in family.RULES}
DAEMON_SET, POD = "kubernetes:apps/v1:DaemonSetPatch", "kubernetes:core/v1:PodPatch"
NAMESPACES = [("hostNetwork", "network"), ("hostPID", "pid"), ("hostIPC", "ipc"), ("hostUsers", "user")]


def said(namespace: str, kind: str, properties: Properties) -> list[str]:
    """What the rule about a namespace says is wrong."""
    return answer(BY_NAME[f"container-has-its-own-{namespace}-namespace"], kind, properties).violations


@pytest.mark.parametrize(("field", "namespace"), NAMESPACES)
def test_a_patch_that_lists_no_container_is_judged_by_its_pod(field: str, namespace: str) -> None:
    source = BY_NAME[f"container-has-its-own-{namespace}-namespace"].source
    write = "write false" if field == "hostUsers" else "leave it out"
    shares = f"{field} shares the {namespace} namespace with the host or another container; {write} [{source}]"
    everything = dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "hostUsers"), True)
    assert said(namespace, POD, {"spec": everything}) == [f"web (kubernetes:PodPatch): spec.{shares}"]
    assert said(namespace, DAEMON_SET, {"spec": {"template": {"spec": everything}}}) == [
        f"web (kubernetes:DaemonSetPatch): spec.template.spec.{shares}"
    ]


@pytest.mark.parametrize(("field", "namespace"), NAMESPACES)
def test_a_patch_that_keeps_to_itself_is_fine(field: str, namespace: str) -> None:
    assert answer(BY_NAME[f"container-has-its-own-{namespace}-namespace"], POD, {"spec": {field: False}}).nothing
    assert answer(BY_NAME[f"container-has-its-own-{namespace}-namespace"], POD, {"spec": {}}).nothing


def test_a_pod_is_not_judged_beside_its_container() -> None:
    assert said("network", POD, {"spec": {"hostNetwork": True, "containers": [{"name": "web"}]}}) == [
        'web (kubernetes:PodPatch), container "web": spec.hostNetwork shares the network namespace with the host or '
        "another container; leave it out [CIS Docker Benchmark 1.6, 5.10]"
    ]


def test_a_pod_inside_another_resource_is_named() -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}, "spec": {"hostPID": True}}
    command = {"create": f"kubectl patch -f - <<'EOF'\n{yaml.safe_dump(manifest)}EOF\n"}
    assert said("pid", "command:local:Command", command) == [
        'web (command:Command), Pod "shop": create: spec.hostPID shares the pid namespace with the host or another '
        "container; leave it out [CIS Docker Benchmark 1.6, 5.16]"
    ]


def test_containers_that_are_unknown_hide_nothing_that_their_pod_says() -> None:
    rule = BY_NAME["container-has-its-own-ipc-namespace"]
    found = answer(rule, POD, {"spec": {"hostIPC": True, "containers": UNKNOWN}})
    assert len(found.violations) == 1
    assert ".spec.containers can't be known" in found.advice[0]
    assert ".spec.hostIPC can't be known" in answer(rule, POD, {"spec": {"hostIPC": UNKNOWN}}).advice[0]


def test_root_for_the_whole_pod_is_no_matter_of_its_containers() -> None:
    rule = BY_NAME["pod-defaults-are-restricted"]
    assert answer(rule, POD, {"spec": {"securityContext": {"runAsUser": 0}}}).violations == [
        "web (kubernetes:PodPatch): spec.securityContext.runAsUser is 0; write for the pod what its containers say "
        f"[{rule.source}]"
    ]
    assert answer(rule, POD, {"spec": {"securityContext": {"runAsUser": 10001}}}).nothing
