"""Secrets of a cluster that a pod takes as environment variables."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi_policy import EnforcementLevel

from rules import secrets
from tests.policy.answers import Answer, answer
from tests.policy.kubernetes_pods import UNKNOWN, changed, compliant

[RULE] = [rule for rule in secrets.RULES if rule.name == "pod-takes-secrets-as-files"]
POD = "kubernetes:core/v1:Pod"
WHO = 'web (kubernetes:Pod), container "web": '
ADVICE = "mount it as files, and hand over their path [CIS Kubernetes Benchmark 1.10, 5.4.1]"


def said(**container: Any) -> Answer:
    """What the rule says of a container with these fields."""
    return answer(RULE, POD, changed(compliant(), {f"spec.containers[0].{key}": it for key, it in container.items()}))


def test_it_is_advice_and_says_everything_about_itself() -> None:
    policy = RULE.policy()
    assert policy.enforcement_level is EnforcementLevel.ADVISORY
    assert policy.config_schema and set(policy.config_schema.properties) == {"exemptions"}
    assert policy.description and policy.severity and policy.framework and policy.remediation_steps
    assert policy.tags == ["secrets"]


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        (
            {"env": [{"name": "A", "value": "b"}, {"name": "C", "valueFrom": {"secretKeyRef": {"name": "db"}}}]},
            "spec.containers[0].env[1].valueFrom.secretKeyRef hands over the Secret db as variables",
        ),
        (
            {"envFrom": [{"prefix": "DB_", "secretRef": {"name": "db"}}]},
            "spec.containers[0].envFrom[0].secretRef hands over the Secret db as variables",
        ),
        (
            {"envFrom": [{"secretRef": {}}]},
            "spec.containers[0].envFrom[0].secretRef hands over the Secret that it names as variables",
        ),
    ],
)
def test_a_secret_in_variables_is_told_with_its_name(fields: dict[str, Any], seen: str) -> None:
    assert said(**fields) == Answer([], [f"{WHO}{seen}; {ADVICE}"], [])


def test_variables_that_are_no_secrets_are_fine() -> None:
    config = {"configMapKeyRef": {"name": "web", "key": "port"}}
    assert said(env=[{"name": "PORT", "valueFrom": config}], envFrom=[{"configMapRef": {"name": "web"}}]).nothing
    assert said().nothing


def test_what_is_not_known_yet_is_said() -> None:
    found = said(env=[{"name": "A", "valueFrom": UNKNOWN}])
    assert len(found.advice) == 1 and "spec.containers.0.env.0.valueFrom can't be known" in found.advice[0]


def test_what_is_not_known_yet_hides_nothing_that_is() -> None:
    found = said(env=UNKNOWN, envFrom=[{"secretRef": {"name": "db"}}])
    assert len(found.advice) == 2 and "envFrom[0].secretRef hands over the Secret db" in found.advice[0]
