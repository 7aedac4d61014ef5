"""What all tests share: how many examples a property gets, and a quiet event loop."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.stacks import Stack

settings.register_profile(
    "slipway",
    deadline=None,  # a busy machine is no failure
    derandomize=True,  # the same examples in every run: what is green here is green there
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("slipway")
# A builder that this checkout happens to have is no part of a test: programs under mocks can be given no hook.
os.environ.pop("BUILDX_CONFIG", None)
# What a gate stopped leaves futures behind that nobody awaits; asyncio would report each of them.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

ToolMaker = Callable[[str, str], Path]


@pytest.fixture(name="tool")
def tools_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToolMaker:
    """Makes a shell script stand for a tool, the only one of its name on PATH.

    What it is called with is appended to `TOOL.calls` beside it, one line each.
    """
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, script: str) -> Path:
        path = folder / name
        text = f'#!/bin/sh\necho "$*" >>"$0.calls"\n{script}\n'
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # the same tool is no newer one
            path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


@pytest.fixture(name="stack")
def good_stack(tmp_path: Path) -> Stack:
    """The configuration of a stack without a mistake, with the files that it names, to be changed by a test."""
    from tests.stacks import Stack

    return Stack(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    """Run git, as somebody."""
    identity = ["-c", "user.name=A Person", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(name="repository")
def repository_with_commits(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository with three commits, the second one elsewhere, and their hashes."""
    git(tmp_path, "init", "--quiet")
    hashes = []
    for name, subject in (("app", "first"), ("docs", "elsewhere"), ("app", "a | `second` @everyone")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text(subject)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", subject)
        hashes.append(git(tmp_path, "rev-parse", "HEAD"))
    return tmp_path, hashes
