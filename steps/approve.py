"""Approve a release for a stack: a person's signed word, written beside the release, once a person, stack and digest.

Who approves is who holds the private half of a key that the stack's settings name: the key's own name there counts, and
no text that somebody writes. What is approved is there and has all of its evidence.
Source: sigstore/cosign, `cosign public-key --help`, `cosign attest --help`.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.artifact import ImageReference
from steps.attest import Signer, check_written
from steps.choose import Registries
from steps.predicates import APPROVED
from steps.proofs import SCHEMA_VERSION, Approval, StackName, readable, spelled
from steps.registry import platforms_of, referrers_of
from steps.statements import key_file, predicates
from steps.tool import StepError, ToolError, elapsed, run_tool
from steps.verify import prove


@dataclass(frozen=True)
class Request:
    """What is approved, for which stack, and why."""

    reference: ImageReference
    """The release, where it lies."""
    target: StackName
    """The stack that may take it."""
    reason: str
    public_key: str
    """What its signature and evidence verify with."""
    approvers: Mapping[str, str]
    """The public key of everyone who may approve for the stack, by name."""


@dataclass(frozen=True)
class Approved:
    """An approval, and whether it is new."""

    approval: Approval
    fresh: bool


def approve(request: Request, key: str, password: str, registries: Registries) -> Approved:
    """Verify the release, then sign the approval; one that this person has signed already is left alone.

    Args:
        request: what is approved.
        key: path of the approver's private key, or the reference of a key management service.
        password: what opens a key file.
        registries: how to reach the registry where the release lives.

    Raises:
        StepError: the key is nobody's who may approve, the release lacks evidence, or the approval cannot be written.
        ToolError: the registry does not answer or refuses.
    """
    name, public_key = approver_of(key, password, request.approvers, request.target)
    authority = registries.authority(request.reference.repository)
    signer = Signer(key, public_key, password, registries.environment, authority)
    _verify(request, registries)
    now = datetime.now(UTC)
    for given in _given(request, name, signer):
        if given.time <= now:
            return Approved(given, fresh=False)
    _sign(request, name, now, signer)
    return Approved(Approval(request.target, name, now, request.reason), fresh=True)


def approver_of(key: str, password: str, approvers: Mapping[str, str], target: StackName) -> tuple[str, str]:
    """Whose key this is: the name and the public key that the settings have for it.

    Raises:
        StepError: nobody's who may approve, or the key cannot be opened.
    """
    if not approvers:
        raise StepError(
            f"stack {target.name} asks for no approval: name who may give one under "
            "slipway:promote.approval.approvers, each with a public key"
        )
    own = _public_half(key, password)
    for name, public_key in approvers.items():
        if own == _content(public_key):
            return name, public_key
    raise StepError(
        f"{key} is the key of nobody who may approve for {target.name} ({', '.join(sorted(approvers))}): use your own, "
        "or add its public key under slipway:promote.approval.approvers"
    )


def _public_half(key: str, password: str) -> str:
    try:
        return run_tool(["cosign", "public-key", "--key", key], secret=password).strip()
    except ToolError as error:
        if "decrypt" in error.output or "encrypted" in error.output:
            raise StepError(f"the password does not open {key}: check it, nothing was signed") from None
        if "no such file" in error.output or "reading key" in error.output:
            raise StepError(f"{key} cannot be read: write the path of your private key") from None
        raise


def _content(public_key: str) -> str:
    """A public key as PEM; one in a key management service is asked for, one that is not here is nobody's."""
    if "://" in public_key:
        return run_tool(["cosign", "public-key", "--key", public_key]).strip()
    return key_file(public_key)


def _verify(request: Request, registries: Registries) -> None:
    authority = registries.authority(request.reference.repository)
    platforms = platforms_of(request.reference, registries.environment, authority)
    try:
        with elapsed(f"verified {request.reference} and {len(platforms)} platforms"):
            prove(request.reference, platforms, request.public_key, {}, registries.environment, authority)
    except StepError as error:
        raise StepError(
            f"{request.reference} does not carry its evidence, signed with {request.public_key}; it was not "
            f"approved:\n{error}"
        ) from None


def _given(request: Request, name: str, signer: Signer) -> list[Approval]:
    """What this person has said for this stack about this digest."""
    said = predicates(request.reference, APPROVED, signer.public_key, signer.environment, signer.authority)
    found = readable(lambda it: Approval.parse(it, name), said)
    return sorted((it for it in found if it.stack == request.target), key=lambda it: it.time)


def _sign(request: Request, name: str, now: datetime, signer: Signer) -> None:
    manifest = str(request.reference)
    predicate: dict[str, Any] = {
        "schemaVersion": SCHEMA_VERSION,
        "project": request.target.project,
        "stack": request.target.name,
        "approver": name,
        "time": spelled(now),
        "reason": request.reason,
    }
    before = referrers_of([manifest], signer.environment, signer.authority)
    with tempfile.TemporaryDirectory(prefix="slipway-") as scratch:
        signer.attest(manifest, APPROVED, predicate, Path(scratch))
    check_written({manifest: [APPROVED]}, before, signer)
