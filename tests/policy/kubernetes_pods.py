"""Pods for tests: the smallest of each level of the Pod Security Standards, changes to them, and what runs them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy.policy import EnforcementLevel, Policy
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from judging.advice import take
from judging.rule import Rule
from judging.servicer import Servicer

UNKNOWN = UNKNOWN_STRING_VALUE
DIGEST = "sha256:" + "1f" * 32
Properties = dict[str, Any]


def baseline() -> Properties:
    """A pod that says nothing but what it runs: a container and one before it."""
    return {
        "metadata": {"name": "web"},
        "spec": {
            "initContainers": [{"name": "migrate", "image": f"registry.example/migrate@{DIGEST}"}],
            "containers": [{"name": "web", "image": f"registry.example/web@{DIGEST}"}],
        },
    }


def restricted() -> Properties:
    """A pod that says what the restricted level asks for, and nothing else."""
    return changed(
        baseline(),
        {
            "spec.securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            **{
                f"spec.{containers}[0].securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                }
                for containers in ("containers", "initContainers")
            },
        },
    )


def compliant() -> Properties:
    """A pod that this pack has nothing to say about."""
    limits = {"limits": {"memory": "256Mi", "cpu": "500m"}}
    return changed(
        restricted(),
        {
            "spec.automountServiceAccountToken": False,
            "spec.securityContext.runAsUser": 10001,
            "spec.containers[0].livenessProbe": {"httpGet": {"path": "/health", "port": 8080}},
            **{f"spec.{it}[0].resources": limits for it in ("containers", "initContainers")},
            **{f"spec.{it}[0].securityContext.readOnlyRootFilesystem": True for it in ("containers", "initContainers")},
        },
    )


def changed(pod: Properties, changes: Mapping[str, Any]) -> Properties:
    """A copy of a pod with values set at these paths; `...` takes what is there away.

    A path is spelled as in messages, `spec.containers[0].ports`; what is missing on the way is made.
    """
    result = copy.deepcopy(pod)
    for path, shared in changes.items():
        value = copy.deepcopy(shared)  # a later path may lead into it
        *way, last = (int(part) if part.isdigit() else part.strip('"') for part in re.findall(r'"[^"]+"|[\w-]+', path))
        place: Any = result
        for position, part in enumerate(way):
            following = [*way, last][position + 1]
            if isinstance(place, list) and part == len(place):
                place.append([] if isinstance(following, int) else {})
            elif isinstance(place, dict):
                place.setdefault(part, [] if isinstance(following, int) else {})
            place = place[part]
        if value is ...:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return result


def as_pod(pod: Properties) -> tuple[str, Properties, str]:
    """The pod itself: type, properties, and the path at which the pod is in them."""
    return "kubernetes:core/v1:Pod", {"apiVersion": "v1", "kind": "Pod", **pod}, ""


def as_deployment(pod: Properties) -> tuple[str, Properties, str]:
    """A Deployment of the pod."""
    return "kubernetes:apps/v1:Deployment", {"spec": {"replicas": 2, "template": pod}}, "spec.template."


def as_cron_job(pod: Properties) -> tuple[str, Properties, str]:
    """A CronJob that runs the pod."""
    job = {"spec": {"template": pod}}
    return (
        "kubernetes:batch/v1:CronJob",
        {"spec": {"schedule": "@daily", "jobTemplate": job}},
        "spec.jobTemplate.spec.template.",
    )


WRAPPED: Mapping[str, Callable[[Properties], tuple[str, Properties, str]]] = {
    "Pod": as_pod,
    "Deployment": as_deployment,
    "CronJob": as_cron_job,
}


def applied(container: Properties) -> Properties:
    """A command that applies a pod with this container from its standard input."""
    spec = {"containers": [{"name": "web", "image": "registry.example/web", **container}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    return {"create": "kubectl apply -f -", "stdin": yaml.safe_dump(pod)}


def analyzed(
    rules: tuple[Rule, ...],
    kind: str,
    properties: Properties,
    configuration: Mapping[str, Properties] | None = None,
    stack: str = "dev",
) -> analyzer_pb2.AnalyzeResponse:
    """What the SDK answers to the engine when these rules judge a resource."""
    policies: list[Policy] = [rule.policy() for rule in rules]
    servicer: Any = Servicer("slipway", "1.0.0", policies, EnforcementLevel.MANDATORY)
    request = analyzer_pb2.ConfigureAnalyzerRequest()
    for name, values in (configuration or {}).items():
        request.policyConfig[name].enforcementLevel = analyzer_pb2.MANDATORY
        request.policyConfig[name].properties.update(values)
    if configuration:
        servicer.Configure(request, None)
    urn = f"urn:pulumi:{stack}::shop::{kind}::web"
    take(urn)
    question = analyzer_pb2.AnalyzeRequest(type=kind, name="web", urn=urn)
    question.properties.update(properties)
    answer: analyzer_pb2.AnalyzeResponse = servicer.Analyze(question, None)
    return answer


def violations(
    rules: tuple[Rule, ...], kind: str, properties: Properties, configuration: Mapping[str, Properties] | None = None
) -> list[tuple[str, str]]:
    """The mandatory violations: each rule's name and what it says below its description."""
    return [
        (it.policyName, it.message.partition("\n")[2])
        for it in analyzed(rules, kind, properties, configuration).diagnostics
        if it.enforcementLevel == analyzer_pb2.MANDATORY
    ]
