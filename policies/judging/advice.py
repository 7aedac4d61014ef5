"""What is worth saying and stops nothing: a policy that is mandatory cannot report an advisory, so another one does.

Rules leave their advice here under the URN of the resource. The policy `advice` runs after all others for the same
resource and prints it.
"""

from collections.abc import Mapping
from typing import Any

from pulumi_policy import EnforcementLevel, ReportViolation, ResourceValidationArgs, Severity

from judging.reading import SharingPolicy

NAMES = ("advice", "stack-advice")
"""The policies that print advice about a resource, and about the whole stack."""
METADATA: Mapping[str, Any] = {
    "enforcement_level": EnforcementLevel.ADVISORY,
    "severity": Severity.LOW,
    "tags": ["advice"],
    "remediation_steps": "Follow the advice; end an exception as soon as its reason is gone.",
}
"""What Pulumi is told about the policies that print advice."""
_kept: dict[str, list[str]] = {}


def keep(urn: str, text: str) -> None:
    """Keep a piece of advice about a resource until the policy `advice` reports it."""
    _kept.setdefault(urn, []).append(text)


def take(urn: str) -> list[str]:
    """What was kept about a resource; it is forgotten here."""
    return _kept.pop(urn, [])


def advice() -> SharingPolicy:
    """The policy that reports all of it; the last one of a pack."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for text in take(args.urn):
            report(text, None)

    return SharingPolicy(
        name=NAMES[0],
        description="What other rules advise, and each use of an exception",
        validate=validate,
        **METADATA,
    )
