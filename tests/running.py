"""Steps as programs, and small shell scripts in the place of the tools that they use."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def calls(tool: Path) -> list[str]:
    """The command lines that a tool was called with, without its own name."""
    record = Path(f"{tool}.calls")
    return record.read_text(encoding="utf-8").splitlines() if record.exists() else []


def fails(message: str) -> str:
    """Shell words that print this to standard error and end with exit code 1."""
    return f"{{ echo {shlex.quote(message)} >&2; exit 1; }}"


def run_step_program(
    step: str,
    arguments: Sequence[str | Path],
    stdin: str = "",
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a step as the pipeline does, with the tools that are on PATH now."""
    command = [sys.executable, "-m", f"steps.{step}", *map(str, arguments)]
    environment = {**os.environ, **(environment or {})}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=60
    )
