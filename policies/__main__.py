"""Serves the policy pack to Pulumi: `pulumi up --policy-pack policies`."""

from pulumi_policy import EnforcementLevel, PolicyPack

from pack import DESCRIPTION, NAME, POLICIES

PolicyPack(
    name=NAME,
    description=DESCRIPTION,
    policies=POLICIES,
    # Each policy says its own; one that forgot would stop what it finds.
    enforcement_level=EnforcementLevel.MANDATORY,
)
