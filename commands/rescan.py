"""`slipway rescan [STACK]`: what is newly known about what runs? Made to be run by a scheduler.

Exit codes: 0, nothing new is known; 1, something is; 2, it could not be found out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from commands.operations.access import Member
    from components.artifact import ImageReference
    from steps.attest import Signer
    from steps.rescan import Rescan
    from steps.scan import Finding

    _Answer = tuple[str, Rescan, list[Finding]]
    """A service, what it looks like today, and what of that is new and counts."""

RESCAN_VERSION = 1
_CACHE = Path(".slipway", "trivy")
_REPORTS = Path(".slipway", "reports")


@dataclass(frozen=True)
class _Target:
    """What is scanned, who attests it, and by which keys reports count as known."""

    service: str
    reference: ImageReference
    signer: Signer
    keys: tuple[str, ...]


def rescan(
    stack: Annotated[str | None, typer.Argument(help="The stack; the selected one if left out.")] = None,
    severity: Annotated[str | None, typer.Option(help="Count only these, such as HIGH,CRITICAL.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of tables.")] = False,
) -> None:
    """Scan what runs with today's database, add the reports to the evidence, and say what is newly known.

    The reports are attested beside those that are there; nothing is replaced, and the stack's state is not touched.
    Exit code 1 says that something is newly known, 2 that it could not be found out.
    """
    from commands.operations.words import SHORT, told

    with told():
        from commands.operations.access import member
        from commands.operations.each import each, fail_with
        from commands.selection import chosen
        from steps.rescan import attest

        counted = _severities(severity)
        its = member(chosen(stack))
        with _within_reach(its) as targets:
            found, failed = each(targets, lambda it: (it, _rescan(its, it)))
            answers = [(it.service, one, [new for new in one.new if new.severity in counted]) for it, one in found]
            _tell(its, answers, json)
            # What is attested counts as known from then on, so it has been told by then.
            failed += each(found, lambda it: attest(it[1], it[0].signer))[1]
            fail_with(failed)
    if any(new for _, _, new in answers):
        raise typer.Exit(SHORT)


def _severities(text: str | None) -> tuple[str, ...]:
    from steps.scan import SEVERITIES

    wanted = tuple(text.upper().split(",")) if text else SEVERITIES
    if unknown := [it for it in wanted if it not in SEVERITIES]:
        raise ValueError(f"--severity: no such severity ({', '.join(unknown)}): write some of {','.join(SEVERITIES)}")
    return wanted


@contextmanager
def _within_reach(its: Member) -> Iterator[list[_Target]]:
    """What is to be scanned, with the logins that it takes."""
    from commands.operations.access import password, reach
    from steps.attest import Signer

    key = its.settings.sign
    secret = password(its.stack, key.password) if key.password else ""
    with reach([its]) as registries:
        targets = []
        for service, reference, keys in _targets(its):
            authority = registries.authority(reference.repository)
            signer = Signer(key.key, key.public_key, secret, registries.environment, authority)
            targets.append(_Target(service, reference, signer, (key.public_key, *keys)))
        if not targets:
            raise ValueError(f"stack {its.stack.name} runs nothing yet: bring it up with `pulumi up` first")
        yield targets


def _targets(its: Member) -> list[tuple[str, ImageReference, list[str]]]:
    """What the stack says that it released, and what its containers run, which may be another after a failed `up`."""
    from components.artifact import ImageReference
    from steps.stacks import outputs

    found: dict[ImageReference, tuple[str, list[str]]] = {}
    for service, output in outputs(its.stack).items():
        record = output.get("release") if isinstance(output, Mapping) else None
        if isinstance(record, Mapping) and record.get("reference"):
            keys = [str(it) for it in [(record.get("signature") or {}).get("public_key")] if it]
            found[ImageReference.parse(record["reference"])] = service, keys
    for reference in _running(its):
        services = [name for name in its.settings.services if its.repository(name) == reference.repository]
        found.setdefault(reference, (services[0] if services else reference.repository.path, []))
    return [(service, reference, keys) for reference, (service, keys) in found.items()]


def _running(its: Member) -> list[ImageReference]:
    """What the containers in the stack's state run; those of another checkout have the same labels."""
    from components.artifact import ImageReference
    from steps.engine import STACK_LABEL, docker
    from steps.stacks import containers

    if not any(service.run for service in its.settings.services.values()):
        return []
    label = f"label={STACK_LABEL}={its.stack}"
    printed = docker(its.settings.docker, "ps", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.Image}}")
    lines = [line.split() for line in printed.splitlines()]
    own = containers(its.stack) if lines else ()
    return [ImageReference.parse(image) for container, image in lines if container in own and "@sha256:" in image]


def _rescan(its: Member, target: _Target) -> Rescan:
    from steps.database import Databases, ensure_database
    from steps.rescan import rescan as scan_again
    from steps.scan import ScanRequest

    known = its.settings.services.get(target.service)
    policy = (known.scan if known else None) or its.settings.scan
    databases = Databases(_CACHE, policy.database, policy.java_database)
    request = ScanRequest(
        reference=target.reference,
        platforms=(),
        fail_on=policy.fail_on,
        ignore=[entry.model_dump(mode="json") for entry in policy.ignore],
        reports=_REPORTS / its.stack.name / target.service / "rescan" / target.reference.digest.short,
        unfixed=policy.unfixed == "report",
        databases=databases,
        authority=target.signer.authority,
    )
    database = ensure_database(databases, policy.database_age)
    return scan_again(request, database, target.signer, target.keys)


def _tell(its: Member, answers: Iterable[_Answer], json: bool) -> None:
    from json import dumps

    if json:
        services = [_data(*it) for it in answers]
        document = {"schema_version": RESCAN_VERSION, "stack": str(its.stack), "services": services}
        sys.stdout.write(dumps(document, indent=2) + "\n")
    else:
        for it in answers:
            _show(*it)
    sys.stdout.flush()


def _data(service: str, one: Rescan, new: list[Finding]) -> dict[str, Any]:
    return {
        "service": service,
        "reference": str(one.reference),
        "database": one.database,
        "reports_before": one.reports_before,
        "findings": [asdict(it) for it in one.findings],
        "new": [asdict(it) for it in new],
    }


def _show(service: str, one: Rescan, new: list[Finding]) -> None:
    from commands.console import console_of
    from commands.operations.words import day, plain
    from steps.proofs import moment
    from steps.scan import table

    console = console_of()
    known = f"{len(one.findings)} finding(s) with the database of {day(moment(one.database))}"
    before = "" if one.reports_before else "; there was no report before, so all of them are new"
    console.print(
        f"[bold]{plain(service)}[/bold] {plain(str(one.reference))}: {known}, {len(new)} new{before}",
        highlight=False,
        soft_wrap=True,
    )
    if new:
        console.print(plain(table(new)), highlight=False, soft_wrap=True)
