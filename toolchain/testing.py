"""What ``make test`` runs, in which order."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.services.service import Report
from toolchain.stack import foreground

SLOW = "e2e"
"""The folder of tests that run the whole pipeline; they run last."""


def checks(root: Path, python: Path) -> dict[str, list[str]]:
    """Returns the checks by name, in their order: style, types, fast tests, end-to-end tests.

    Raises:
        ToolchainError: the checkout holds no tests.
    """
    folders = sorted(path for path in (root / "tests").glob("*") if any(path.rglob("test_*.py")))
    if not folders:
        raise ToolchainError(f"{root / 'tests'}: no tests: a checkout without them proves nothing; check it out again")
    fast = [f"tests/{path.name}" for path in folders if path.name != SLOW]
    slow = [f"tests/{path.name}" for path in folders if path.name == SLOW]
    steps = {
        "ruff check": [str(python), "-m", "ruff", "check", "."],
        "ruff format": [str(python), "-m", "ruff", "format", "--check", "."],
        "mypy": [str(python), "-m", "mypy", "--strict", "."],
    }
    if fast:
        steps["fast tests"] = [str(python), "-m", "pytest", *fast]
    if slow:
        steps["end-to-end tests"] = [str(python), "-m", "pytest", *slow]
    return steps


def run_checks(root: Path, python: Path, environment: Mapping[str, str], report: Report) -> int:
    """Runs the checks one after the other; the first that fails ends the run with its exit code."""
    began = time.monotonic()
    for name, argv in checks(root, python).items():
        report(f"test: {name}")
        code = foreground(argv, root, environment)
        if code != 0:
            report(f"test: {name} failed (exit code {code}): {' '.join(argv)}")
            return code
    report(f"test: all passed in {time.monotonic() - began:.0f} s")
    return 0
