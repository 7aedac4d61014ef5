"""Run a tool for a step: what it prints, how it fails, how a step tells that to a person, and that none outlives it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

_LAST_LINES = 15
"""How many lines of a failed tool's output a person gets to see."""
_SETTINGS = ("TRIVY_", "COSIGN_", "SIGSTORE_", "ORAS_", "TUF_")
"""Variables by which a tool would take other settings than its arguments: TRIVY_SEVERITY=LOW would open the gate."""
PATIENCE = 300.0
"""Seconds for a tool that asks or tells a registry, an engine or a key service something: none of them takes one."""
_GRACE = 5.0
"""Seconds that a tool has to clean up behind itself once it is told to end."""
_interrupted = threading.Event()


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
    end_on_signals()
    try:
        _print(step())
    except (StepError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    os._exit(0)  # all is said and closed: to take the interpreter apart takes 7 ms, in each of the steps of an update


def _print(result: Mapping[str, Any]) -> None:
    text = json.dumps(result, sort_keys=True)
    try:
        print(text, flush=True)
    except OSError as error:
        with suppress(OSError):  # else Python tries to print the rest once more as it ends, and fails by itself
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StepError(
            f"the step has done its work, but its result cannot be printed ({error.strerror}): see that the disk has "
            "room and that what started the step still runs, then run it again"
        ) from None


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this program as Ctrl-C does, and whatever it runs with it.

    It ends by way of KeyboardInterrupt, so that what it keeps on disk while it runs is removed, logins above all. A
    thread pool waits for what runs in it, which is over once the tools are, and no further one is started. What is
    ignored stays so: that is how nohup works.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: object) -> None:
    if _interrupted.is_set():  # somebody is impatient: cleaning up goes on, and waits for no tool
        _end_children(signal.SIGKILL)
        return
    _interrupted.set()
    if number != signal.SIGINT:  # a terminal sends that to all of them itself, and twice is more than once
        _end_children(signal.SIGTERM)
    last = threading.Timer(_GRACE, _end_children, [signal.SIGKILL])
    last.daemon = True
    last.start()
    raise KeyboardInterrupt


def stop_if_interrupted() -> None:
    """Go on only while nobody has ended this program: a signal reaches its main thread, and no other one.

    Raises:
        KeyboardInterrupt: somebody has.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _end_children(number: signal.Signals) -> None:
    """Send a signal to every process that this one has started, whichever library started it."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            _, parent, *_ = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(parent) == os.getpid():
                os.kill(int(file.parent.name), number)


def say(message: str) -> None:
    """Tell the user something that matters; Pulumi shows it beside the resource, as it comes."""
    print(message, file=sys.stderr, flush=True)


def run_tool(
    command: Sequence[str | Path],
    *,
    secret: str | None = None,
    environment: Mapping[str, str] | None = None,
    both: bool = False,
    timeout: float | None = PATIENCE,
) -> str:
    """Run a tool to its end and return its standard output.

    Args:
        command: the tool and its arguments; never a secret, any user of the machine can read them.
        secret: what the tool reads from standard input, such as a password.
        environment: variables beside those of this process.
        both: return its standard error too, in the order in which both were written.
        timeout: seconds that it may take; None for what may take long, such as a copy or a scan.

    Raises:
        StepError: the tool is not installed.
        ToolError: it ended with another exit code than 0, or not in time.
        KeyboardInterrupt: this program is being ended.
    """
    stop_if_interrupted()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    try:
        code, printed, told = _run(
            [str(part) for part in command],
            secret or "",
            timeout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            text=True,
            errors="replace",
            env={**inherited, **(environment or {})},
        )
    except FileNotFoundError:
        raise StepError(
            f"{command[0]} is not on PATH: install it, or run `make shell` for a shell that has it"
        ) from None
    except subprocess.TimeoutExpired:
        late = f"has not ended after {timeout:g} s, and was stopped: see whether what it asks answers, then try again"
        raise ToolError(str(command[0]), "", late) from None
    stop_if_interrupted()
    if code:
        output = (told or "") + printed
        raise ToolError(str(command[0]), output, _how(code, output))
    return printed


class _Child(subprocess.Popen[str]):
    """A process that is ended, too, where its start is interrupted: until then nobody else knows of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
        except BaseException:
            if self._child_created:  # type: ignore[attr-defined]  # all that says so
                self.kill()
                self.wait()
            raise


def _run(command: Sequence[str], secret: str, timeout: float | None, **options: Any) -> tuple[int, str, str | None]:
    """As `subprocess.run` does, which leaves what Ctrl-C ends to whoever waits for it."""
    with _Child(command, **options) as child:
        try:
            printed, told = child.communicate(secret, timeout)
        except BaseException:
            child.kill()
            child.wait()
            raise
        return child.returncode, printed, told


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
