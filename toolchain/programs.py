"""Runs the tools of the prepared environment, and says what is wrong where one did not do what it was told."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_tool(argv: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float) -> str | None:
    """Runs a tool; returns None where it succeeded, else what is wrong: the end of what it said.

    Args:
        argv: its name, which is looked up on the PATH of the environment, and its arguments.
        folder: where it runs.
        environment: its whole environment.
        seconds: what it may take.
    """
    program = shutil.which(argv[0], path=environment.get("PATH"))
    if program is None:
        return f"{argv[0]} is not on PATH: run `python3 -m toolchain ensure`"
    try:
        result = subprocess.run(
            [program, *argv[1:]],
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {seconds:.0f} s"
    if result.returncode == 0:
        return None
    return (result.stderr or result.stdout).strip()[-500:] or f"exit code {result.returncode}"
