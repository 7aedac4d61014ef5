"""Several things one after the other, none of which keeps the others from being done."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import typer

from steps.tool import StepError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def each(items: Iterable[_Item], act: Callable[[_Item], _Result]) -> tuple[list[_Result], list[StepError]]:
    """Do this with each: what came of those with which it could be done, and what the others failed with."""
    done, failed = [], []
    for item in items:
        try:
            done.append(act(item))
        except StepError as error:
            failed.append(error)
        except (OSError, ValueError) as error:
            failed.append(StepError(str(error)))
    return done, failed


def fail_with(errors: Sequence[StepError]) -> None:
    """Say all that went wrong, if anything did, and end.

    Raises:
        StepError: the first of them.
    """
    for error in errors[1:]:
        typer.echo(f"error: {error}", err=True)
    if errors:
        raise errors[0]
