"""What the policy SDK answers to the engine when rules judge a resource, or repair it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy.policy import EnforcementLevel, Policy

from judging.rule import AnyRule, Rule
from judging.servicer import Servicer
from tests.policy.kubernetes_pods import Properties, analyzed

MANDATORY, ADVISORY = analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY


@dataclass(frozen=True)
class Answer:
    """What one rule says about one resource."""

    violations: list[str]
    """The mandatory ones, without the rule's description."""
    advice: list[str]
    """What is printed and stops nothing; the SDK's word on an unknown value is such a message, too."""
    not_applicable: list[str]

    @property
    def nothing(self) -> bool:
        """Whether the rule is content."""
        return not (self.violations or self.advice or self.not_applicable)


def answer(
    rule: Rule,
    kind: str,
    properties: Properties,
    configuration: Mapping[str, Any] | None = None,
    stack: str = "dev",
) -> Answer:
    """What a rule says, through the SDK's servicer."""
    response = analyzed((rule,), kind, properties, {rule.name: dict(configuration)} if configuration else None, stack)
    said = [(it.enforcementLevel, it.message.partition("\n")[2] or it.message) for it in response.diagnostics]
    return Answer(
        [text for level, text in said if level == MANDATORY],
        [text for level, text in said if level == ADVISORY],
        [it.reason for it in response.not_applicable],
    )


def unknown(rule: AnyRule, path: str) -> str:
    """What the SDK says where a rule reads an unknown text; it is an advisory."""
    where = f"'{rule.name}' from policy pack 'slipway@v1.0.0'"
    return f"can't run policy {where} during preview: string value at .{path} can't be known during preview"


def remediated(
    rule: Rule, kind: str, properties: Properties, configuration: Mapping[str, Any] | None = None, name: str = "web"
) -> tuple[Properties | None, str]:
    """The properties that a rule at level `remediate` puts in place, None where it changes none, and its complaint."""
    policies: list[Policy] = [rule.policy()]
    servicer: Any = Servicer("slipway", "1.0.0", policies, EnforcementLevel.MANDATORY)
    levels = analyzer_pb2.ConfigureAnalyzerRequest()
    levels.policyConfig[rule.name].enforcementLevel = analyzer_pb2.REMEDIATE
    levels.policyConfig[rule.name].properties.update(dict(configuration or {}))
    servicer.Configure(levels, None)
    question = analyzer_pb2.AnalyzeRequest(type=kind, name=name, urn=f"urn:pulumi:dev::shop::{kind}::{name}")
    question.properties.update(properties)
    for it in servicer.Remediate(question, None).remediations:
        if it.diagnostic:
            return None, it.diagnostic
        return json_format.MessageToDict(it.properties), ""
    return None, ""
