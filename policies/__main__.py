"""Serves the policy pack to Pulumi: `pulumi up --policy-pack policies`."""

import gc

gc.disable()  # what is loaded here stays until the end: Python would search it for garbage some thirty times

from pulumi_policy import EnforcementLevel, PolicyPack, policy  # noqa: E402

from judging.servicer import Servicer  # noqa: E402
from pack import DESCRIPTION, NAME, POLICIES  # noqa: E402

gc.freeze()
gc.enable()

policy._PolicyAnalyzerServicer = Servicer  # the SDK has no other way to put one's own there
PolicyPack(
    name=NAME,
    description=DESCRIPTION,
    policies=POLICIES,
    # Each policy says its own; one that forgot would stop what it finds.
    enforcement_level=EnforcementLevel.MANDATORY,
)
