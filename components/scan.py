"""Scan: the vulnerability gate; it hands on the reference of a candidate that passed."""

import json
from datetime import date
from typing import Any, Literal

import pulumi
from pydantic import Field, ValidationInfo, field_validator

from components.arguments import Arguments, Flow
from components.artifact import Platform
from components.registry import RegistryAccess, login_secrets
from components.run import ImageNeeds
from components.step import result, step

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
_USUAL_AGE = 7
"""Days."""


class AcceptedFinding(Arguments):
    """A vulnerability that may ship for a time."""

    id: str = Field(pattern=r"^(CVE-[0-9]{4}-[0-9]{4,}|GHSA(-[a-z0-9]{4}){3}|[A-Z]+-[0-9A-Za-z-]+)$")
    """Its identifier, such as CVE-2019-10906."""
    reason: str = Field(min_length=10)
    """Why it may ship; a reviewer reads this."""
    expires: date
    """First day without the exception, YYYY-MM-DD: from then on the finding counts again."""


class ScanPolicy(Arguments):
    """What may not ship, and how fresh the knowledge must be."""

    reason: str | None = Field(default=None, min_length=10)
    """Why this policy is weaker than the default."""
    scanner: Literal["trivy"] = "trivy"
    """The scanner."""
    fail_on: tuple[Severity, ...] = Field(default=("HIGH", "CRITICAL"), min_length=1)
    """Severities that stop the pipeline; leaving out HIGH or CRITICAL needs a `reason`."""
    unfixed: Literal["fail", "report"] = "fail"
    """Whether a finding that nobody has fixed yet stops the pipeline; `report` needs a `reason`."""
    ignore: tuple[AcceptedFinding, ...] = ()
    """Vulnerabilities that are accepted for a time."""
    database: str | None = None
    """OCI artifact of the vulnerability database, such as a mirror; trivy's official one if left out."""
    database_age: float = Field(default=_USUAL_AGE, gt=0, le=90)
    """Days that the database may be old; more than 7 needs a `reason`."""
    java_database: str | None = None
    """OCI artifact of the index of Java libraries, such as a mirror; trivy's official one if left out.

    First fetched where an image holds a JAR, WAR or EAR, and then kept fresh."""

    @field_validator("fail_on", "unfixed", "database_age")
    @classmethod
    def _weakened_with_reason(cls, value: Any, info: ValidationInfo) -> Any:
        reason = info.data.get("reason", "")  # "" where the reason is a mistake itself
        if reason is None and (what := _weakened(str(info.field_name), value)):
            raise ValueError(f"{what} weakens the gate: write why under reason")
        return value


def _weakened(setting: str, value: Any) -> str | None:
    """What makes this setting weaker than its default; None when nothing does."""
    if setting == "fail_on":
        missing = [severity for severity in ("HIGH", "CRITICAL") if severity not in value]
        return f"leaving out {' and '.join(missing)}" if missing else None
    if setting == "unfixed":
        return "letting findings without a fix pass" if value == "report" else None
    return f"a database of {value:g} days" if value > _USUAL_AGE else None


class ScanArgs(Arguments):
    """A candidate and the policy that it has to pass."""

    reference: Flow
    """The candidate, `REPOSITORY@sha256:…`."""
    platforms: tuple[str, ...]
    """Platforms to scan: all of the index."""
    policy: ScanPolicy = ScanPolicy()
    """What may not ship."""
    reports: str
    """Folder for the reports (JSON and SARIF), relative to the project."""
    cache: str = ".slipway/trivy"
    """Folder of the scanner's databases and of what it found in layers, relative to the project."""
    registry: RegistryAccess | None = None
    """Credentials of the quarantine registry where it asks for them."""
    needs: ImageNeeds | None = None
    """What the container asks of the image; left out where nothing is to run it."""

    _platforms = field_validator("platforms")(lambda value: tuple(str(Platform(item)) for item in value))


class Scan(pulumi.ComponentResource):
    """Scans every platform of a candidate and stops the graph when something may not ship, or could not run.

    The reports stay as files; the summary and the reference that passed are the outputs. A database that is missing or
    stale fails the gate: unknown is not pass.
    """

    reference: pulumi.Output[str]
    """The candidate that passed; what comes after takes this and nothing else."""
    summary: pulumi.Output[str]
    """One line of JSON: counts by severity, date of the database, version of the scanner, folder of the reports."""

    def __init__(self, name: str, args: ScanArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Scan", name, args.properties(), opts)
        gate = step(
            f"{name}-{args.policy.scanner}",
            "scan",
            _arguments(args),
            self,
            secrets=login_secrets(args.registry, "password"),
        )
        self.reference = result(gate, "reference")
        self.summary = gate.stdout
        self.register_outputs({"reference": self.reference, "summary": self.summary})


def _arguments(args: ScanArgs) -> list[Flow]:
    arguments: list[Flow] = ["--reference", args.reference]
    for platform in args.platforms:
        arguments += ["--platform", platform]
    arguments += policy_flags(args.policy, args.reports, args.cache)
    arguments += args.needs.flags() if args.needs else []
    if args.registry:
        arguments += ["--username", args.registry.username]
    return arguments


def reports_of(name: str, reports: str | None) -> str:
    """The folder for the reports of a component: `.slipway/reports/STACK/NAME` unless one is named."""
    return reports or f".slipway/reports/{pulumi.get_stack()}/{name}"


def policy_flags(policy: ScanPolicy, reports: str, cache: str) -> list[str]:
    """What may not ship, as steps take it."""
    arguments = ["--fail-on", ",".join(policy.fail_on), "--reports", reports, "--cache", cache]
    arguments += ["--database-age", f"{policy.database_age:g}"]
    if policy.unfixed == "report":
        arguments.append("--unfixed")
    if policy.ignore:
        arguments += ["--ignore", json.dumps([entry.model_dump(mode="json") for entry in policy.ignore])]
    if policy.database:
        arguments += ["--database", policy.database]
    if policy.java_database:
        arguments += ["--java-database", policy.java_database]
    return arguments
