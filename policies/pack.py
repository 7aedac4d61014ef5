"""The pack: every rule, and every policy in the order in which it runs."""

from pulumi_policy import Policy

from judging.advice import advice
from judging.rule import Rule
from judging.stack_rule import StackRule, stack_advice
from rules import (
    artifact,
    build,
    commands,
    evidence,
    graph,
    isolation,
    limits,
    manifests,
    network,
    pods,
    privileges,
    provenance,
    secrets,
)
from rules.configured import configured

NAME = "slipway"
DESCRIPTION = "What ships is scanned, signed, pinned by digest and locked down"
RULES: tuple[Rule, ...] = (
    *artifact.RULES,
    *build.RULES,
    *evidence.RULES,
    *provenance.RULES,
    *privileges.RULES,
    *isolation.RULES,
    *limits.RULES,
    *network.RULES,
    *commands.RULES,
    *pods.RULES,
    *manifests.RULES,
    *secrets.RULES,
)
"""The rules about one resource, which is judged before it is made."""
STACK_RULES: tuple[StackRule, ...] = graph.RULES
"""The rules about a whole stack, which is judged when everything is done."""
CONFIGURED = configured(frozenset({*(rule.name for rule in RULES), *(rule.name for rule in STACK_RULES)}))
"""The rule that reads what the others share; so it comes first."""
POLICIES: list[Policy] = [
    *(rule.policy() for rule in (CONFIGURED, *RULES)),
    advice(),  # reports what the rules before it left for it
    *(rule.policy() for rule in STACK_RULES),
    stack_advice(),
]
