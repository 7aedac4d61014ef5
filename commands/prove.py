"""`slipway prove STACK`: look again, and sign that what runs has held. Made to be run by a timer.

Exit codes: 0, every service holds, and the stack has signed it; 1, one does not; 2, it could not be found out.
"""

from __future__ import annotations

import json as as_json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.operations.access import Member
    from steps.choose import Registries
    from steps.prove import Request
    from steps.timeline import Running

HELD_VERSION = 1


@dataclass(frozen=True)
class Answer:
    """What is true of one service."""

    service: str
    version: str
    reference: str
    held: bool
    checks: list[str]
    """The names of what was checked and passed."""
    problem: str = ""
    """Why it does not hold."""


def prove(
    stack: Annotated[str, typer.Argument(help="The stack to look at.")],
    json: Annotated[bool, typer.Option("--json", help="Print data instead of lines.")] = False,
) -> None:
    """Check that a stack runs what it says, in good health, and sign that it held."""
    from commands.operations.words import SHORT, told

    with told():
        from commands.operations.access import member, reach
        from commands.operations.each import each, fail_with
        from steps.stacks import find_stack, outputs
        from steps.timeline import running

        it = member(find_stack(stack))
        services = [now for now in running(outputs(it.stack), {}, ()) if now.container]
        if not services:
            raise ValueError(f"stack {stack} runs nothing yet: bring it up with `pulumi up --stack {stack}`")
        with reach([it]) as registries:
            answers, failed = each(services, lambda now: _answer(it, now, registries))
            _tell(it, answers, json)
            fail_with(failed)
    if not all(answer.held for answer in answers):
        raise typer.Exit(SHORT)


def _tell(it: Member, answers: Sequence[Answer], json: bool) -> None:
    if json:
        document = {
            "schema_version": HELD_VERSION,
            "stack": str(it.stack),
            "services": [asdict(one) for one in answers],
        }
        sys.stdout.write(as_json.dumps(document, indent=2) + "\n")
    for answer in answers:
        if answer.held and not json:
            typer.echo(f"{answer.service} {answer.version}: held ({', '.join(answer.checks)}): {answer.reference}")
        elif not answer.held:
            typer.echo(f"error: {answer.service} {answer.version} does not hold: {answer.problem}", err=True)


def _answer(it: Member, now: Running, registries: Registries) -> Answer:
    from steps.prove import DoesNotHoldError

    try:
        checks = _held(it, now, registries)
    except DoesNotHoldError as error:
        return Answer(now.service, now.version, str(now.reference), False, [], str(error))
    return Answer(now.service, now.version, str(now.reference), True, ["digest", *checks])


def _held(it: Member, now: Running, registries: Registries) -> list[str]:
    """Check one service and sign; the names of the checks."""
    from commands.operations.access import password
    from steps.attest import Signer
    from steps.proofs import HELD
    from steps.prove import DoesNotHoldError
    from steps.prove import prove as sign
    from steps.running import contradiction

    request = _request(it, now)
    if problem := contradiction(request.docker, request.container, request.reference, str(it.stack)):
        raise DoesNotHoldError(problem)
    key = it.settings.sign
    secret = password(it.stack, key.password) if key.password else ""
    authority = registries.authority(request.reference.repository)
    signer = Signer(key.key, key.public_key, secret, registries.environment, authority)
    signed: dict[str, Any] = sign(request, HELD, signer)
    return [str(check["name"]) for check in signed["checks"]]


def _request(it: Member, now: Running) -> Request:
    from steps.prove import Check, Request
    from steps.tool import StepError

    policy = it.settings.proof_policy(it.service(now.service))
    if policy is None:
        raise StepError(
            f"stack {it.stack.name} proves nothing: write what has to pass under slipway:prove, `prove: {{}}` for the "
            "container's health alone"
        )
    return Request(
        reference=now.reference,
        stack=it.name,
        commit=now.revision,
        docker=it.settings.docker,
        container=now.container or "",
        url=now.url,
        checks=[Check(**check.model_dump()) for check in policy.checks],
        wait=policy.wait,
    )
