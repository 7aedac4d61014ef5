"""What ``make test`` runs, in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.gobuild import Go
from toolchain.services.service import Report
from toolchain.stack import foreground

END_TO_END = "end-to-end tests"
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
        steps[END_TO_END] = [str(python), "-m", "pytest", *slow]
    return steps


def go_modules(root: Path) -> list[Path]:
    """Returns the folders of our own Go modules that have tests."""
    modules = sorted(path.parent for path in (root / "toolchain" / "go").glob("*/go.mod"))
    return [module for module in modules if any(module.rglob("*_test.go"))]


def run_checks(
    root: Path, python: Path, environment: Mapping[str, str], report: Report, tool: Callable[[str], Path]
) -> int:
    """Runs the checks one after the other; the first that fails ends the run with its exit code.

    Args:
        root: the checkout.
        python: the interpreter of its virtual environment.
        environment: the prepared environment.
        report: takes a line for each check.
        tool: makes sure of a tool that is only needed at times, here Go, and returns its program.

    Raises:
        ToolchainError: the checkout holds no tests, or there is no Go to run its Go tests with.
    """
    began = time.monotonic()
    for name, argv in checks(root, python).items():
        code = (name == END_TO_END and _run_go_tests(root, report, tool)) or _run(name, argv, root, environment, report)
        if code != 0:
            return code
    report(f"test: all passed in {time.monotonic() - began:.0f} s")
    return 0


def _run_go_tests(root: Path, report: Report, tool: Callable[[str], Path]) -> int:
    modules = go_modules(root)
    program = tool("go") if modules else Path()
    go = Go.of(program)
    # With the flag of the builds, the tests find what these have compiled.
    argv = [str(program), "test", "-trimpath", "./..."]
    for module in modules:
        code = _run(f"Go tests of {module.name}", argv, module, go.environment(), report)
        if code != 0:
            return code
    return 0


def _run(name: str, argv: list[str], folder: Path, environment: Mapping[str, str], report: Report) -> int:
    report(f"test: {name}")
    code = foreground(argv, folder, environment)
    if code != 0:
        report(f"test: {name} failed (exit code {code}): {' '.join(argv)}")
    return code
