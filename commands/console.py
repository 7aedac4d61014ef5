"""Where the verbs print: a terminal as wide as it is, a file or a pipe as wide as it takes."""

import sys

from rich.console import Console

_WIDE = 65536
"""Columns for what is no terminal: rich would take it for one of 80, or for the terminal that standard input is."""
_LINES = 25
"""Rich takes a width for granted only beside a height."""


def console_of(*, stderr: bool = False) -> Console:
    """The console of standard output, or of standard error.

    What goes into a file, a pipe or the log of a job is neither cut nor folded: somebody may search it for a digest.
    """
    if (sys.stderr if stderr else sys.stdout).isatty():
        return Console(stderr=stderr)
    return Console(stderr=stderr, width=_WIDE, height=_LINES)
