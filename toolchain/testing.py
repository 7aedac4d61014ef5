"""What ``make test`` runs, in which order."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.gobuild import Go
from toolchain.jobs import Job, run_jobs
from toolchain.services.service import Report

SLOW = "e2e"
"""The folder of the tests that run the whole pipeline, which come last: a folder for each topic, with own services."""
LANES = 2
"""Topics at a time, at most: an engine has addresses for some thirty networks, and some tests measure seconds."""


def run_checks(
    root: Path,
    python: Path,
    environment: Mapping[str, str],
    report: Report,
    tool: Callable[[str], Path],
    shared: Callable[[], AbstractContextManager[None]],
) -> int:
    """Runs the fast checks, then the end-to-end tests; where one fails, its exit code is returned, and nothing follows.

    Args:
        root: the checkout.
        python: the interpreter of its virtual environment.
        environment: the prepared environment.
        report: takes a line for each check.
        tool: makes sure of a tool that is only needed at times, here Go, and returns its program.
        shared: holds what the end-to-end tests of all topics share, from before the first to after the last.

    Raises:
        ToolchainError: the checkout holds no tests, or there is no Go to run its Go tests with; nothing has run then.
    """
    began = time.monotonic()
    folders = folders_of_tests(root)
    slow = [folder for folder in folders if SLOW in folder.relative_to(root).parts]
    quick = [folder for folder in folders if folder not in slow]
    fast = [*style(root, python, environment), *folder_tests(quick, root, python, environment), *go_tests(root, tool)]
    code = run_jobs(fast, processors() + 1, report)  # some of them wait as much as they compute
    if code != 0:
        return code
    # They ask as much of the processors as there is, and measure some things in seconds.
    with shared():
        code = run_jobs(folder_tests(slow, root, python, environment), min(LANES, processors()), report)
    if code != 0:
        return code
    report(f"test: all passed in {time.monotonic() - began:.0f} s")
    return 0


def processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def folders_of_tests(root: Path) -> list[Path]:
    """Returns the folders of tests, those with the most text first.

    Raises:
        ToolchainError: the checkout holds no tests, or one of them belongs to no topic.
    """
    sizes: Counter[Path] = Counter()
    for path in (root / "tests").rglob("test_*.py"):
        parts = path.relative_to(root / "tests").parent.parts
        if parts == (SLOW,):
            raise ToolchainError(f"{path.relative_to(root)}: an end-to-end test of no topic: move it to a topic")
        sizes[Path(root, "tests", *parts[: 2 if SLOW in parts else 1])] += path.stat().st_size
    if not sizes:
        raise ToolchainError(f"{root / 'tests'}: no tests: a checkout without them proves nothing; check it out again")
    return sorted(sizes, key=lambda folder: (-sizes[folder], folder))


def style(root: Path, python: Path, environment: Mapping[str, str]) -> list[Job]:
    """Returns the checks of style and types."""
    checks = {
        "ruff check": ("ruff", "check", "."),
        "ruff format": ("ruff", "format", "--check", "."),
        "mypy": ("mypy", "--strict", "."),
    }
    return [Job(name, (str(python), "-m", *argv), root, environment) for name, argv in checks.items()]


def folder_tests(folders: list[Path], root: Path, python: Path, environment: Mapping[str, str]) -> list[Job]:
    """Returns a run of the tests for each folder."""
    names = [folder.relative_to(root).as_posix() for folder in folders]
    return [Job(name, (str(python), "-m", "pytest", name), root, environment, tests=True) for name in names]


def go_tests(root: Path, tool: Callable[[str], Path]) -> list[Job]:
    """Returns the tests of our own Go modules."""
    modules = go_modules(root)
    if not modules:
        return []
    program = tool("go")
    # With the flag of the builds, the tests find what these have compiled.
    argv = (str(program), "test", "-trimpath", "./...")
    environment = Go.of(program).environment()
    return [Job(f"Go tests of {module.name}", argv, module, environment) for module in modules]


def go_modules(root: Path) -> list[Path]:
    """Returns the folders of our own Go modules that have tests."""
    modules = sorted(path.parent for path in (root / "toolchain" / "go").glob("*/go.mod"))
    return [module for module in modules if any(module.rglob("*_test.go"))]
