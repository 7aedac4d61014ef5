"""What a `command` resource runs: each of its inputs as it stands, and as what its interpreter is handed.

Source: the schema of pulumi-command 1.2; its provider starts the words of `interpreter`, with the command as the last.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pulumi_policy.proxy import UnknownValueError

from judging.node import Node, is_list

COMMANDS = ("create", "update", "delete")
"""The inputs of a command that are run."""
INPUTS = (*COMMANDS, "stdin")
"""Those, and what is handed to what is run."""
UNKNOWN = "${unknown}"
"""Stands for a word that a preview does not know yet, so that the words around it are no neighbours."""
_SHELL = re.compile(r"(?:[\w./-]*/)?(?:ba|da|a|k|z)?sh(?: -\w+)*")
Found = TypeVar("Found")


def found_in(resource: Node, key: str, find: Callable[[str], Iterable[Found]]) -> Iterator[tuple[str, Found]]:
    """What is found in an input, each with where; then what is there only together with the interpreter.

    Both are read: a command may be a word of its interpreter, as in `docker compose` with `up`, and it may be a script
    that starts something of its own within what the interpreter starts.
    """
    command = resource.at(key).value
    if not isinstance(command, str):
        return
    own = tuple(find(command))
    yield from ((key, it) for it in own)
    if key not in COMMANDS:
        return
    interpreter, signal = _interpreter(resource)
    if interpreter:
        # A comment is no word; on the interpreter's line it would be one.
        between = "\n" if command.lstrip().startswith("#") else " "
        yield from ((f"interpreter with {key}", it) for it in find(f"{interpreter}{between}{command}") if it not in own)
    if signal:
        raise signal


def _interpreter(resource: Node) -> tuple[str, UnknownValueError | None]:
    """The words before a command, and the signal that one is unknown; nothing for a shell, which adds none."""
    words: list[str] = []
    signal: UnknownValueError | None = None
    interpreter = resource.at("interpreter").value
    for position in range(len(interpreter) if is_list(interpreter) else 0):
        try:
            words.append(str(interpreter[position]))
        except UnknownValueError as unknown:
            signal = signal or unknown  # what is known already decides during a preview
            words.append(UNKNOWN)
    line = shlex.join(words)
    return "" if _SHELL.fullmatch(line) else line, signal
