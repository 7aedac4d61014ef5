"""`slipway approve STACK DIGEST|VERSION`: a person's signed word that a stack may take a release.

The password of the key comes from a terminal, standard input or a file, never from an argument or a variable.
Exit codes: 0, approved, or approved before; 1, not approved, and why.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from commands.operations.access import Member
    from components.artifact import ImageReference
    from steps.choose import Registries, Upstream

SHORTEST_REASON = 10


def approve(
    stack: Annotated[str, typer.Argument(help="The stack that may take the release.")],
    artifact: Annotated[str, typer.Argument(metavar="DIGEST|VERSION", help="The release: sha256:…, or its version.")],
    key: Annotated[str, typer.Option(help="Your private key: a file, or awskms://… and the like.")],
    reason: Annotated[str, typer.Option(help="Why it may be taken; it is signed, and others read it.")],
    service: Annotated[str | None, typer.Option(help="The service; may be left out where the stack has one.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File of mode 0600 with the key's password.")] = None,
) -> None:
    """Approve a release for a stack: signed with your key, written beside the release."""
    from commands.operations.words import SHORT, told

    with told(SHORT):
        from commands.operations.access import member
        from steps.approve import Request
        from steps.approve import approve as sign
        from steps.proofs import spelled
        from steps.stacks import find_stack

        _check_reason(reason)
        target = member(find_stack(stack))
        name = service or _only_service(target)
        password = _password(key, password_file)
        with _release(target, name, artifact) as (reference, registries):
            policy = target.settings.promote
            public_key = policy.public_key if policy else ""
            request = Request(reference, target.name, reason.strip(), public_key, target.approvers)
            given = sign(request, key, password, registries)
        before = "" if given.fresh else " already"
        time = spelled(given.approval.time)
        typer.echo(f"{reference} is{before} approved for {stack} by {given.approval.approver} ({time})")


def _check_reason(reason: str) -> None:
    if len(reason.strip()) < SHORTEST_REASON:
        raise ValueError(f"--reason: a reason of {len(reason.strip())} characters tells nobody why: write a sentence")


def _only_service(target: Member) -> str:
    names = sorted(target.settings.services)
    if len(names) > 1:
        raise ValueError(f"--service: stack {target.stack.name} has several: write one of: {', '.join(names)}")
    return names[0]


def _password(key: str, file: Path | None) -> str:
    """What opens a key file; a key management service asks for none."""
    if "://" in key:
        return ""
    if file:
        from components.secret import read_secret_file

        return read_secret_file(file)
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"Password of {key}: ")
    return sys.stdin.read().removesuffix("\n")


@contextmanager
def _release(target: Member, service: str, artifact: str) -> Iterator[tuple[ImageReference, Registries]]:
    """The release that is meant, found as a promotion finds it, and how to reach where it lies."""
    from commands.operations.access import reach
    from components.artifact import Digest, Version
    from steps.choose import Wanted, choose, is_there

    repository = target.repository(service)
    if artifact.startswith("sha256:"):
        wanted = Wanted(repository, digest=Digest(artifact))
    else:
        wanted = Wanted(repository, version=str(Version(artifact)))
    with reach([target]) as registries:
        reference = choose(wanted, _upstreams(target, service), registries).reference
        if not is_there(reference, registries):
            raise ValueError(f"{reference} is not there any more: bring its stack up again, or name another release")
        yield reference, registries


def _upstreams(target: Member, service: str) -> list[Upstream]:
    """What the stacks that the target takes from say that they run."""
    from components.upstream import upstream
    from steps.choose import Upstream
    from steps.stacks import Stack, outputs

    policy = target.settings.promote
    if policy is None:
        raise ValueError(f"stack {target.stack.name} builds what it runs, and takes nothing from others to approve")
    found = []
    for text in policy.stacks:
        parts = text.split("/")
        stack = Stack(*[target.stack.organization, target.stack.project][: 3 - len(parts)], *parts)
        output = outputs(stack).get(service)
        path = target.service(service).repository
        found.append(Upstream.of(upstream(str(stack), policy.key_of(text), service, path, output)))
    return found
