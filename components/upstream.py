"""What stacks say about a service of theirs, another's read through a StackReference and checked word by word."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi
from pydantic import ValidationError

from components.artifact import Repository
from components.record import RECORD_VERSION, ReleaseRecord

_ATTEMPTS, _PAUSE = 5, 0.2
"""How often this stack's own outputs are asked for, and seconds between."""
_SHOWN = 3
"""How many mistakes in a record a person is told of."""


def full_name(stack: str) -> str:
    """`ORGANIZATION/PROJECT/STACK` for what settings may write shorter, from this stack's point of view."""
    parts = stack.split("/")
    here = [pulumi.get_organization(), pulumi.get_project()]
    return "/".join([*here[: 3 - len(parts)], *parts])


def output_of(name: str, stack: str, service: str, parent: pulumi.Resource) -> pulumi.Output[Any]:
    """What a stack exports about a service; None where it exports nothing of that name.

    Args:
        name: begins the name of the reference.
        stack: the stack, as settings name it.
        service: name of the output.
        parent: the component that reads it.
    """
    child = pulumi.ResourceOptions(parent=parent)
    reference = pulumi.StackReference(f"{name}-{stack.replace('/', '-')}", full_name(stack), child)
    return reference.get_output(service)


def own_output(service: str) -> pulumi.Output[Any]:
    """What this stack exports about a service since its last `up`; None where it exports nothing of that name."""
    outputs: pulumi.Output[Mapping[str, Any]] = pulumi.Output.from_input(asyncio.ensure_future(_own_outputs()))
    return outputs.apply(lambda it: it.get(service))


async def _own_outputs(attempts: int = _ATTEMPTS) -> Mapping[str, Any]:
    """The outputs in this stack's state.

    The engine writes that state meanwhile, and a backend may hand out half of it. A StackReference that cannot be read
    ends the run; this can be asked again.
    """
    stack = {"name": full_name(pulumi.get_stack())}
    try:
        answer = await pulumi.runtime.invoke_async("pulumi:pulumi:readStackOutputs", stack)
    except Exception:  # the SDK knows no narrower one
        if attempts == 1:
            raise
        await asyncio.sleep(_PAUSE)
        return await _own_outputs(attempts - 1)
    outputs: Mapping[str, Any] = answer["outputs"]
    return outputs


def record_in(output: Any) -> dict[str, Any] | None:
    """The record in what this stack itself exported before; None where there is none of this schema."""
    try:
        return ReleaseRecord.model_validate(output["release"]).model_dump(mode="json")
    except (LookupError, TypeError, ValidationError):
        return None


def upstream(stack: str, key: str, service: str, path: str, output: Any) -> dict[str, Any]:
    """One stack to take a release from, as steps.choose reads it: its record, or why there is none.

    Args:
        stack: the stack, as settings name it.
        key: what its proofs verify with.
        service: name of the service, and of the output.
        path: the service's repository in every registry.
        output: what the stack exports under that name.
    """
    _, project, name = full_name(stack).split("/")
    known = {"project": project, "stack": name, "key": key}
    try:
        record = _record(output, project, name, path)
    except ValueError as error:
        return known | {"problem": f"stack {stack} has no release of {service} to take: {error}"}
    given = ("reference", "version", "revision", "platforms")
    return known | {field: value for field, value in record.model_dump(mode="json").items() if field in given}


def _record(output: Any, project: str, stack: str, path: str) -> ReleaseRecord:
    """The record, checked.

    Raises:
        ValueError: what is wrong with it, and what to do.
    """
    bring_up = f"bring it up first, with `pulumi up --stack {stack}`"
    if output is None:
        raise ValueError(f"it exports none: {bring_up}")
    release = output.get("release") if isinstance(output, Mapping) else None
    if not isinstance(release, Mapping):
        raise ValueError("what it exports under that name is no release of Slipway: name the stack that makes it")
    said = release.get("schema_version")
    number = said if isinstance(said, int | float) else 0
    seen = f"its record has schema {f'{number:g}' if said == number else said}, this program reads {RECORD_VERSION}"
    if number < RECORD_VERSION:
        raise ValueError(f"{seen}: {bring_up} once more")
    if number > RECORD_VERSION:
        raise ValueError(f"{seen}: update this checkout")
    try:
        record = ReleaseRecord.model_validate(release)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, it['loc']))}: {it['msg'][:1].lower()}{it['msg'][1:]}" for it in error.errors()]
        raise ValueError(
            f"its record is none of Slipway's ({'; '.join(told[:_SHOWN])}): {bring_up} once more"
        ) from None
    _compare(record, project, stack, path)
    return record


def _compare(record: ReleaseRecord, project: str, stack: str, path: str) -> None:
    if (record.project, record.stack) != (project, stack):
        raise ValueError(
            f"its record is that of {record.project}/{record.stack}, not of {project}/{stack}: "
            "its state was copied from there; bring it up once more, or name that stack"
        )
    if (seen := Repository.parse(record.signature.repository).path) != path:
        raise ValueError(
            f"its record is of {seen}, this service is {path}: name the same `repository` in both stacks, "
            "or another stack"
        )
