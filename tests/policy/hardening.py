"""How the hardening rules are tested: by one change to a compliant resource, and the exact message that it brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from judging.rule import Rule
from rules import isolation, limits, network, privileges
from tests.policy.answers import Answer, answer, unknown
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.kubernetes_pods import UNKNOWN, Properties, as_deployment, changed, compliant

RULES: tuple[Rule, ...] = (*privileges.RULES, *isolation.RULES, *limits.RULES, *network.RULES)
BY_NAME = {rule.name: rule for rule in RULES}
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SHORT = {CONTAINER: "docker:Container", SERVICE: "docker:Service", DEPLOYMENT: "kubernetes:Deployment"}


@dataclass(frozen=True)
class Case:
    """Changes to a compliant resource, and what the rule says about it after `web (TYPE): ` and before its source."""

    rule: str
    changes: dict[str, Any]
    said: str = ""
    kind: str = CONTAINER
    configuration: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.rule}-{SHORT[self.kind]}-{self.changes}"

    @property
    def subject(self) -> Properties:
        """The properties of the changed resource."""
        return resource(self.kind, self.changes)

    @property
    def answer(self) -> Answer:
        """What the rule says about it."""
        return answer(BY_NAME[self.rule], self.kind, self.subject, self.configuration)

    @property
    def message(self) -> str:
        """What it should say."""
        return f"web ({SHORT[self.kind]}){self.said} [{BY_NAME[self.rule].source}]"


def resource(kind: str, changes: dict[str, Any]) -> Properties:
    """A compliant resource with changes."""
    if kind == CONTAINER:
        return container(**changes)
    return service(**changes) if kind == SERVICE else as_deployment(changed(compliant(), changes))[1]


def docker(rule: str, said: str, **changes: Any) -> Case:
    """A container that breaks a rule."""
    return Case(rule, changes, f": {said}" if said else "")


def swarm(rule: str, said: str, changes: dict[str, Any]) -> Case:
    """A service that breaks a rule; the changes are paths below its `taskSpec`."""
    return Case(rule, changes, f": {said}" if said else "", SERVICE)


def pod(rule: str, said: str, changes: dict[str, Any]) -> Case:
    """A Deployment that breaks a rule; the changes are paths in its pod."""
    return Case(rule, changes, f', container "web": {said}' if said else "", DEPLOYMENT)


def listed(rule: str, changes: dict[str, Any], kind: str = CONTAINER, **configuration: Any) -> Case:
    """A resource that a rule allows by its configuration."""
    return Case(rule, changes, "", kind, configuration)


def unknown_in(rule: str, path: str, sdk_path: str, kind: str = CONTAINER) -> tuple[Case, Answer]:
    """A resource with an unknown text at a path, and what the SDK says about it in the rule's place."""
    case = Case(rule, {path: UNKNOWN}, "", kind)
    return case, Answer([], [unknown(BY_NAME[rule], sdk_path)], [])
