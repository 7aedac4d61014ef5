"""The pack: every policy in the order in which it runs."""

from pulumi_policy import Policy

from judging.advice import advice
from rules import configured, pods

NAME = "slipway"
DESCRIPTION = "What ships is scanned, signed, pinned by digest and locked down"
RULES = (*configured.RULES, *pods.RULES)
"""All rules. The first one reads what the others share."""
POLICIES: list[Policy] = [*(rule.policy() for rule in RULES), advice()]
"""All policies. The last one reports what the others left for it."""
