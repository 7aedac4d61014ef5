"""How the operations speak to a person: errors without a traceback, times, digests, commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import typer

from steps.tool import StepError

SHORT, FAILED, INTERRUPTED = 1, 2, 130
"""Exit codes: what was asked for is not so, or not all of it; it could not be found out; Ctrl-C."""


@contextmanager
def told(code: int = FAILED) -> Iterator[None]:
    """Say what went wrong as one message on standard error, and end with this exit code."""
    try:
        yield
    except (StepError, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def day(time: datetime | None) -> str:
    """A time to the minute in UTC; a dash where it is not known."""
    return time.strftime("%Y-%m-%d %H:%M") if time else "-"


def commit(revision: str) -> str:
    """A commit in the digits that git shows, with a star where the tree had changes."""
    known, _, dirty = revision.partition("-")
    return f"{known[:7]}{'*' if dirty else ''}" if known and known != "unknown" else "-"


def plain(text: str) -> str:
    """Text of others for a table: neither rich's markup nor the terminal's own commands work in it."""
    from rich.markup import escape

    from commands.previews.words import printable

    return escape(printable(text))
