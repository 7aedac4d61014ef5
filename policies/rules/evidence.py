"""Rules about what is proven of an image: read from its registry, and verified with the keys of this pack.

Nothing that a program says about an image counts here. The rules wait for the evidence of a digest, which is read once
a run; a registry that does not answer is a problem as a missing signature is one.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from pulumi_policy import Severity

from judging import accepted
from judging.images import Image
from judging.proven import ATTEST, each_evidence, found_instead
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from rules.sources import CIS
from verification.evidence import Evidence, PlatformEvidence
from verification.predicates import Finding, Report

_MOST_SHOWN = 10


def now() -> datetime:
    """The moment by which reports are old."""
    return datetime.now(UTC)


def signed(subject: Subject) -> Iterator[Problem]:
    """Whoever can write to a registry can put anything there. A signature over the digest says who stands for it.

    It is verified with the keys and identities of this pack; a label or an input that claims it counts for nothing.
    """

    def judge(evidence: Evidence) -> Iterator[Problem]:
        if not evidence.signers:
            yield Problem(
                f"{evidence.reference} is signed by nobody whom this pack trusts{found_instead(evidence, 'signature')}",
                "sign the digest with a trusted key, or run what is signed",
            )

    def unpinned(image: Image) -> Problem:
        return Problem(f"{image.path} is {image.text}: nothing is proven of it", "name it by a digest in a registry")

    yield from each_evidence(subject, judge, unpinned)


def has_report(subject: Subject) -> Iterator[Problem]:
    """An image that nobody scanned has no known vulnerabilities, just as a perfect one. Platforms differ in packages.

    So each platform's manifest needs a report that a trusted key has signed; one that was edited is signed by nobody.
    """

    def judge(evidence: Evidence) -> Iterator[Problem]:
        missing = _lacking(evidence, lambda part: bool(part.reports))
        if missing:
            found = found_instead(evidence, "vulnerability report")
            yield Problem(f"{evidence.reference} has no vulnerability report for {', '.join(missing)}{found}", ATTEST)

    yield from each_evidence(subject, judge)


def has_sbom(subject: Subject) -> Iterator[Problem]:
    """When the next vulnerability is published, the list of components tells within minutes whether it is in there."""

    def judge(evidence: Evidence) -> Iterator[Problem]:
        missing = _lacking(evidence, lambda part: bool(part.sboms))
        if missing:
            found = found_instead(evidence, "SBOM")
            yield Problem(f"{evidence.reference} has no SBOM for {', '.join(missing)}{found}", ATTEST)

    yield from each_evidence(subject, judge)


def has_no_severe_vulnerability(subject: Subject) -> Iterator[Problem]:
    """What is known to be exploitable is exploited. The newest report of each platform decides.

    A vulnerability that became known after this stack had deployed the digest stops nothing: it is there already, and a
    rollback or the repair of something else must stay possible. It is advised against instead.
    """
    entries, mistakes = accepted.read_accepted(subject.options["accepted"])
    only_told = subject.options["unfixed"] == "report"
    for mistake in mistakes:
        yield Problem(f"configuration: {mistake}", "correct the entry")
    write = "raise the packages and release again, or have it accepted for a time with reason, owner and expiry"

    def judge(evidence: Evidence) -> Iterator[Problem]:
        if not any(part.reports for part in evidence.platforms.values()):
            raise NotApplicable("image-has-a-vulnerability-report judges images without a report")
        stopping: dict[Finding, None] = {}
        since: dict[Finding, None] = {}
        unfixed: dict[Finding, None] = {}
        for part in evidence.platforms.values():
            known = _known_when_deployed(part.reports, _deployed(evidence, subject))
            for finding in part.reports[0].findings if part.reports else ():
                if finding.severity not in subject.settings.severities:
                    continue
                if only_told and not finding.fixed:
                    unfixed[finding] = None
                elif known is None or (finding.vulnerability, finding.package) in known:
                    stopping[finding] = None
                else:
                    since[finding] = None
        used = {it: _entry(it, entries) for it in (*stopping, *since)}
        open_findings = [it for it in stopping if (entry := used[it]) is None or entry.expired]
        if open_findings:
            yield Problem(f"{evidence.reference} has {_listed(open_findings)}", write)
        newer = [it for it in since if (entry := used[it]) is None or entry.expired]
        if newer:
            what = f"{evidence.reference}, which this stack has deployed, has by now {_listed(newer)}"
            yield Problem(what, write, advisory=True)
        if unfixed:
            what = f"{evidence.reference} has {_listed(list(unfixed))}"
            yield Problem(what, "raise the packages once there is a fix", advisory=True)
        for finding, entry in used.items():
            if entry and not entry.expired:
                yield Problem(f"{_shown(finding)} is accepted", f"repair it by then: {entry}", advisory=True)
            elif entry:
                yield Problem(f"{_shown(finding)} was accepted", f"repair it: {entry}", advisory=True)

    yield from each_evidence(subject, judge)


def report_is_fresh(subject: Subject) -> Iterator[Problem]:
    """An old report, or one by an old database, knows nothing of what was published since.

    It stops the first deployment of a digest in a stack. For what this stack has proved already it is advice, so that
    neither a rollback nor the repair of something else waits for a scan.
    """
    settings = subject.settings

    def judge(evidence: Evidence) -> Iterator[Problem]:
        if not any(part.reports for part in evidence.platforms.values()):
            raise NotApplicable("image-has-a-vulnerability-report judges images without a report")
        proved = _deployed(evidence, subject) is not None
        for platform, part in evidence.platforms.items():
            for report in part.reports[:1]:
                for what, made, most in (
                    ("vulnerability report", report.finished, settings.report_age),
                    ("report's vulnerability database", report.database, settings.database_age),
                ):
                    if wrong := _too_old(made, most):
                        yield Problem(
                            f"the {what} of {evidence.reference} for {platform} {wrong}",
                            "scan it again with today's database and attest the report, as `slipway rescan` does",
                            advisory=proved,
                        )

    yield from each_evidence(subject, judge)


def _lacking(evidence: Evidence, has: Callable[[PlatformEvidence], bool]) -> list[str]:
    """The platforms that lack something; an image without a platform lacks everything."""
    return [name for name, part in evidence.platforms.items() if not has(part)] or (
        [] if evidence.platforms else ["any platform"]
    )


def _deployed(evidence: Evidence, subject: Subject) -> datetime | None:
    """When this stack has proved the image for the first time; None where it has not."""
    stack, project = subject.urn.removeprefix("urn:pulumi:").split("::")[:2]
    return min((it.time for it in evidence.proofs if (it.stack, it.project) == (stack, project)), default=None)


def _known_when_deployed(reports: Sequence[Report], deployed: datetime | None) -> set[tuple[str, str]] | None:
    """What the newest report of that time had found; None where the image was not deployed."""
    if deployed is None:
        return None
    then = next((it for it in reports if it.finished and it.finished <= deployed), None)
    return {(it.vulnerability, it.package) for it in then.findings} if then else set()


def _too_old(made: datetime | None, most: float) -> str:
    if made is None:
        return "names no time at which it was made"
    days = (now() - made).total_seconds() / 86400
    if days < -1:
        return f"says that it was made in the future, on {made:%Y-%m-%d}"
    return f"is {days:.1f} days old, more than {most:g}" if days > most else ""


def _entry(finding: Finding, entries: Sequence[accepted.Accepted]) -> accepted.Accepted | None:
    covering = [it for it in entries if it.covers(finding.vulnerability, finding.package)]
    return max(covering, key=lambda it: it.expires, default=None)


def _listed(findings: Sequence[Finding]) -> str:
    ordered = sorted(findings, key=lambda it: (it.severity != "CRITICAL", it.severity, it.vulnerability, it.package))
    more = f" and {len(findings) - _MOST_SHOWN} more" if len(findings) > _MOST_SHOWN else ""
    return "; ".join(map(_shown, ordered[:_MOST_SHOWN])) + more


def _shown(finding: Finding) -> str:
    fixed = f"fixed in {finding.fixed}" if finding.fixed else "no fix yet"
    return f"{finding.severity} {finding.vulnerability} in {finding.package} {finding.installed} ({fixed})"


RULES: tuple[Rule, ...] = (
    Rule(
        name="image-is-signed",
        statement="The digest of what runs or is pulled is signed by somebody whom this pack trusts",
        check=signed,
        source=CIS("4.12"),
        severity=Severity.CRITICAL,
        fix="Sign the digest with cosign and a trusted key, after all gates.",
    ),
    Rule(
        name="image-has-a-vulnerability-report",
        statement="A vulnerability report, signed by somebody whom this pack trusts, is there for every platform",
        check=has_report,
        source=CIS("4.4"),
        severity=Severity.HIGH,
        fix="Scan each platform's manifest, and attest the report: cosign attest --type vuln.",
    ),
    Rule(
        name="image-has-no-severe-vulnerability",
        statement="The newest reports have no vulnerability of a severity that stops a deployment",
        check=has_no_severe_vulnerability,
        source=CIS("4.4"),
        severity=Severity.CRITICAL,
        fix="Raise the packages and release again; or have the vulnerability accepted for a time.",
        options={
            "accepted": accepted.SCHEMA,
            "unfixed": {
                "type": "string",
                "enum": ["fail", "report"],
                "default": "fail",
                "description": "whether a vulnerability for which there is no fix yet stops a deployment, or is told",
            },
        },
    ),
    Rule(
        name="vulnerability-report-is-fresh",
        statement="The newest report and its database are younger than allowed",
        check=report_is_fresh,
        source=CIS("4.4"),
        severity=Severity.HIGH,
        fix="Scan the digest again with today's database, and attest the report beside the old one.",
    ),
    Rule(
        name="image-has-an-sbom",
        statement="A list of components, signed by somebody whom this pack trusts, is there for every platform",
        check=has_sbom,
        source=Source(
            "NTIA",
            "2021",
            "Minimum Elements",
            "https://www.ntia.gov/report/2021/minimum-elements-software-bill-materials-sbom",
        ),
        severity=Severity.MEDIUM,
        fix="Make a CycloneDX or SPDX document for each platform's manifest, and attest it with cosign.",
    ),
)
