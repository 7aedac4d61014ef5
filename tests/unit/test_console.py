"""What the verbs print where nobody sees a terminal: whole digests and references, each on one line."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.table import Table

from commands.console import console_of
from commands.releases import releases
from tests.notary import a_notary
from tests.operations import Project, a_project, good
from tests.pulumi_cli import fake_pulumi

__all__ = ["a_notary", "a_project", "fake_pulumi"]
DIGEST = "sha256:" + "1f" * 32
ROW = [f"registry.driftwood.example/a/rather/long/path/{name}@{DIGEST}" for name in ("web", "api", "worker")]


def print_row(*, stderr: bool = False) -> None:
    """Print a table of long references, as a verb does."""
    table = Table()
    for at, _ in enumerate(ROW):
        table.add_column(f"column {at}", no_wrap=True)
    table.add_row(*ROW)
    console_of(stderr=stderr).print(table)


@pytest.mark.parametrize("stderr", [False, True])
@pytest.mark.parametrize(
    "environment", [{}, {"COLUMNS": "40"}, {"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "dumb"}]
)
def test_into_a_file_nothing_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], stderr: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stderr" if stderr else "stdout", file)
        print_row(stderr=stderr)
    assert [line for line in path.read_text().splitlines() if all(word in line for word in ROW)]


@contextmanager
def terminal(columns: int) -> Iterator[tuple[int, int]]:
    """The two ends of a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    yield ours, theirs
    os.close(ours)


def test_on_a_terminal_a_table_is_as_wide_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    with terminal(90) as (ours, theirs), os.fdopen(theirs, "w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        print_row()
        file.flush()
        shown = os.read(ours, 65536).decode()
    assert len(shown.splitlines()[0]) == 90


def test_releases_in_the_log_of_a_job_has_whole_versions_digests_and_commits(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = good(project.cli(releases))
    digest = project.index.removeprefix("sha256:")[:12]
    assert [line for line in shown.splitlines() if "staging" in line and digest in line and "fffffff" in line]
