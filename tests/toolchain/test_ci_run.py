"""What the CI job does when it is ended from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.toolchain.fakes import script

ROOT = Path(__file__).resolve().parents[2]
MAKE = """\
echo "$1 begins" >> "$CALLS"
[ "$1" = test ] || exit 0
[ -z "${VERDICT:-}" ] || exit "$VERDICT"
trap 'sleep 0.3; echo "test took down what it made" >> "$CALLS"; exit 7' TERM
while :; do sleep 0.05; done
"""


def job(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """The job of a checkout whose make is a fake."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    script(folder / "bin", "make", MAKE)
    given = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "CALLS": str(folder / "calls"), **environment}
    # A shell's background job, as which these tests may run, ignores SIGINT, and hands that down.
    return subprocess.Popen(["env", "--default-signal=INT", folder / ".ci" / "run"], env=given)


def calls(folder: Path) -> list[str]:
    """What make was called with, and did."""
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_tests_first_and_then_the_services(tmp_path: Path, number: int, code: int) -> None:
    running = job(tmp_path)
    deadline = time.monotonic() + 30
    while not calls(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)  # until the fake has set its trap
    running.send_signal(number)
    assert running.wait(30) == code
    assert calls(tmp_path) == ["test begins", "test took down what it made", "down begins"]


@pytest.mark.parametrize("verdict", [0, 3])
def test_the_verdict_is_that_of_the_tests(tmp_path: Path, verdict: int) -> None:
    assert job(tmp_path, VERDICT=str(verdict)).wait(30) == verdict
    assert calls(tmp_path) == ["test begins", "down begins"]
