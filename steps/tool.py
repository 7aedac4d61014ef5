"""Run a tool for a step: what it prints, how it fails, and how a step says so to a person."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

_LAST_LINES = 15
"""How many lines of a failed tool's output a person gets to see."""
_SETTINGS = ("TRIVY_", "COSIGN_", "SIGSTORE_", "ORAS_", "TUF_")
"""Variables by which a tool would take other settings than its arguments: TRIVY_SEVERITY=LOW would open the gate."""


class StepError(Exception):
    """A step's failure in words for the user: what, what was seen, what to do."""


class ToolError(StepError):
    """A tool ended with an error; `output` is what it printed, for a step that can say it better."""

    def __init__(self, tool: str, output: str, ended: str = "failed") -> None:
        self.output = output
        lines = [line for line in output.strip().splitlines() if line.strip()]
        printed = "".join(f"\n  {line}" for line in lines[-_LAST_LINES:])
        super().__init__(f"{tool} {ended}{':' if printed else ''}{printed}")


def run_step(step: Callable[[], Mapping[str, Any]]) -> NoReturn:
    """Run a step as a program: its result as one line of JSON, its failure as one message and exit code 1."""
    for cancelled in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(cancelled, _interrupt)
    try:
        result = step()
    except (StepError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(json.dumps(result, sort_keys=True))
    sys.exit(0)


def _interrupt(*_: object) -> NoReturn:
    """End by way of an exception, so that what a step keeps on disk while it runs is removed."""
    raise KeyboardInterrupt


def say(message: str) -> None:
    """Tell the user something that matters; Pulumi shows it beside the resource, as it comes."""
    print(message, file=sys.stderr, flush=True)


def run_tool(
    command: Sequence[str | Path],
    *,
    secret: str | None = None,
    environment: Mapping[str, str] | None = None,
    both: bool = False,
) -> str:
    """Run a tool to its end and return its standard output.

    Args:
        command: the tool and its arguments; never a secret, any user of the machine can read them.
        secret: what the tool reads from standard input, such as a password.
        environment: variables beside those of this process.
        both: return its standard error too, in the order in which both were written.

    Raises:
        StepError: the tool is not installed.
        ToolError: it ended with another exit code than 0.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    try:
        ended = subprocess.run(
            [str(part) for part in command],
            input=secret or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            text=True,
            errors="replace",
            env={**inherited, **(environment or {})},
            check=False,
        )
    except FileNotFoundError:
        raise StepError(
            f"{command[0]} is not on PATH: install it, or run `make shell` for a shell that has it"
        ) from None
    if ended.returncode:
        output = (ended.stderr or "") + ended.stdout
        raise ToolError(str(command[0]), output, _how(ended.returncode, output))
    return ended.stdout


def _how(code: int, output: str) -> str:
    """How a tool ended: the kernel's way out of a lack of memory leaves no word of the tool's own."""
    if code < 0:
        return f"was killed by signal {-code}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    return "failed" if output.strip() else f"ended with exit code {code} and said nothing"


def read_secrets() -> dict[str, str]:
    """The passwords that this step was given on standard input, as one JSON object; empty input means none."""
    text = sys.stdin.read()
    return {str(key): str(value) for key, value in json.loads(text).items()} if text.strip() else {}


@contextmanager
def elapsed(what: str) -> Iterator[None]:
    """Say how long a piece of work took, once it succeeded."""
    start = time.monotonic()
    yield
    say(f"{what} ({time.monotonic() - start:.1f} s)")
