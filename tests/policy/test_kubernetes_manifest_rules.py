"""The rules about manifests that are no resources of their own: what cannot be read, and what no manifest describes."""

from __future__ import annotations

import pytest
import yaml
from pulumi.runtime.proto import analyzer_pb2

from judging.advice import take
from judging.rule import Rule
from rules.manifests import RULES
from rules.pods import RULES as POD_RULES
from tests.policy.kubernetes_pods import UNKNOWN, Properties, analyzed, changed, compliant, violations

READABLE, DESCRIBED = RULES
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}}
COMPLIANT = {**DEPLOYMENT, "spec": {"template": compliant()}}
TEMPLATE = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: {{ .Values.image }}}]}\n"


def applied(manifest: Properties) -> Properties:
    """The inputs of a command that applies a manifest."""
    return {"create": f"kubectl apply -f - <<'EOF'\n{yaml.safe_dump(manifest)}EOF\n"}


@pytest.mark.parametrize(
    ("kind", "properties", "seen"),
    [
        ("command:local:Command", {"create": f"kubectl apply -f - <<EOF\n{TEMPLATE}EOF"}, "create"),
        ("command:remote:Command", {"create": "kubectl apply -f -", "stdin": TEMPLATE}, "stdin"),
        ("slipway:index:Workload", {"parts": [{"manifest": TEMPLATE}]}, "parts[0].manifest"),
        ("kubernetes:yaml/v2:ConfigGroup", {"yaml": TEMPLATE}, "yaml"),
    ],
)
def test_a_manifest_that_nobody_can_read_is_a_violation(kind: str, properties: Properties, seen: str) -> None:
    short = f"{kind.partition(':')[0]}:{kind.rpartition(':')[2]}"
    assert violations((READABLE,), kind, properties) == [
        (
            "manifest-is-readable",
            f"web ({short}): {seen} holds Kubernetes objects that are neither YAML nor JSON as they stand; "
            "write complete documents, or resources of the kubernetes provider "
            "[Slipway, policies verify with their own eyes]",
        )
    ]


def test_a_chart_whose_objects_nobody_sees_is_advice() -> None:
    kind = "kubernetes:helm.sh/v3:Release"
    answer = analyzed((READABLE,), kind, {"chart": "shop", "values": {"replicas": 2}})
    assert not answer.diagnostics
    assert [it.reason for it in answer.not_applicable] == [
        "its inputs hold no manifests; objects that are resources of their own are judged there"
    ]
    assert take(f"urn:pulumi:dev::shop::{kind}::web") == [
        "manifest-is-readable: web (kubernetes:Release): Helm renders its objects where no rule sees them; use "
        "kubernetes:helm.sh/v4:Chart, whose objects are resources [Slipway, policies verify with their own eyes]"
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:kustomize:Directory",
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:yaml:ConfigFile",
    ],
)
def test_a_group_whose_objects_are_resources_is_not_judged_itself(kind: str) -> None:
    answer = analyzed((READABLE,), kind, {"file": "shop.yaml"})
    assert not answer.diagnostics
    assert len(answer.not_applicable) == 1
    assert not take(f"urn:pulumi:dev::shop::{kind}::web")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "kubectl run web --image=web:latest --privileged",
            "create: kubectl run web starts a container that no manifest describes",
        ),
        (
            "kubectl apply -f https://example.com/all.yaml",
            "create: kubectl apply takes its objects from https://example.com/all.yaml",
        ),
    ],
)
def test_a_workload_without_a_manifest_is_a_violation(command: str, message: str) -> None:
    assert violations((DESCRIBED,), "command:local:Command", {"create": command}) == [
        (
            "workload-comes-from-a-manifest",
            f"web (command:Command): {message}; apply a manifest that is part of the command, or write a resource of "
            "the kubernetes provider [Slipway, policies verify with their own eyes]",
        )
    ]


def test_an_interpreter_that_runs_a_workload_is_a_violation() -> None:
    properties = {"interpreter": ["kubectl", "run", "web", "--image"], "create": "web:latest"}
    ((_, said),) = violations((DESCRIBED,), "command:local:Command", properties)
    assert "interpreter with create: kubectl run web starts a container that no manifest describes;" in said
    properties = {"interpreter": ["kubectl", "exec", "web", "--", "sh", "-c"], "create": "kubectl run web --image=web"}
    ((_, said),) = violations((DESCRIBED,), "command:local:Command", properties)
    assert "(command:Command): create: kubectl run web starts" in said


def test_a_manifest_in_a_file_is_advice() -> None:
    kind = "command:local:Command"
    assert not analyzed((DESCRIBED,), kind, {"create": "kubectl apply -f shop.yaml"}).diagnostics
    (advice,) = take(f"urn:pulumi:dev::shop::{kind}::web")
    assert "create: kubectl apply takes its objects from shop.yaml" in advice


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("command:local:Command", applied(COMPLIANT)),
        ("command:local:Command", {"create": "make release"}),
        ("slipway:index:Workload", {"manifest": COMPLIANT}),
        ("docker:index/container:Container", {"command": ["kubectl", "run", "web"]}),
    ],
)
def test_what_can_be_judged_breaks_neither(kind: str, properties: Properties) -> None:
    assert not analyzed((*RULES, *POD_RULES), kind, properties).diagnostics


def test_a_manifest_in_a_command_is_judged_by_the_rules_for_pods() -> None:
    bad = {**DEPLOYMENT, "spec": {"template": changed(compliant(), {"spec.containers[0].ports[0].hostPort": 80})}}
    assert [
        message.partition("; ")[0] for _, message in violations(POD_RULES, "command:local:Command", applied(bad))
    ] == [
        'web (command:Command), Deployment "shop", container "web": '
        "create: spec.template.spec.containers[0].ports[0].hostPort is 80"
    ]


@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        ("command:local:Command", {"create": UNKNOWN}, "create"),
        ("command:local:Command", {"create": "kubectl apply -f -", "stdin": UNKNOWN}, "stdin"),
        ("command:local:Command", {"create": "make deploy; kubectl get pods", "environment": {"A": UNKNOWN}}, None),
        ("kubernetes:yaml/v2:ConfigGroup", {"yaml": UNKNOWN}, "yaml"),
        ("kubernetes:yaml/v2:ConfigGroup", {"objs": [UNKNOWN]}, "objs.0"),
        ("slipway:index:Workload", {"manifests": [UNKNOWN]}, "manifests.0"),
    ],
)
def test_an_unknown_text_that_may_be_a_manifest_is_an_advisory(
    kind: str, properties: Properties, path: str | None
) -> None:
    (found,) = analyzed((READABLE,), kind, properties).diagnostics
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert found.message == (
        "can't run policy 'manifest-is-readable' from policy pack 'slipway@v1.0.0' during preview: "
        f"string value at .{path or 'environment.A'} can't be known during preview"
    )


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("command:local:Command", {"create": "python -m steps.scan", "stdin": UNKNOWN, "environment": {"A": UNKNOWN}}),
        ("slipway:index:HardenedContainer", {"image": UNKNOWN, "release": {"digest": UNKNOWN}}),
    ],
)
def test_an_unknown_value_that_is_no_manifest_is_no_advisory(kind: str, properties: Properties) -> None:
    assert not analyzed(RULES, kind, properties).diagnostics


def test_a_command_that_is_unknown_is_an_advisory_of_the_rule_about_commands() -> None:
    (found,) = analyzed((DESCRIBED,), "command:local:Command", {"create": UNKNOWN}).diagnostics
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert ".create can't be known" in found.message


def test_what_cannot_be_read_is_reported_before_the_signal() -> None:
    properties = {"create": f"kubectl apply -f - <<EOF\n{TEMPLATE}EOF", "stdin": UNKNOWN}
    levels = [it.enforcementLevel for it in analyzed((READABLE,), "command:local:Command", properties).diagnostics]
    assert levels == [analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_both_say_what_they_are(rule: Rule) -> None:
    policy = rule.policy()
    assert policy.description == rule.statement
    assert policy.enforcement_level is rule.level
    assert policy.severity is rule.severity
    assert policy.tags == ["manifests"]
    assert policy.remediation_steps
    assert len(rule.reason) > 40
