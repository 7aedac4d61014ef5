"""Commands side by side: what is shown of them, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolchain import jobs
from toolchain.jobs import Job, run_jobs

ROOT = Path(__file__).resolve().parents[2]


def shell(folder: Path, name: str, text: str) -> Job:
    """A command of the shell."""
    return Job(name, ("sh", "-c", text), folder, {"PATH": "/usr/bin:/bin"})


def test_commands_run_at_the_same_time_as_many_as_may(tmp_path: Path) -> None:
    meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.02; done"
    pair = [shell(tmp_path, "a", meet.format("a", "b")), shell(tmp_path, "b", meet.format("b", "a"))]
    assert run_jobs(pair, 2, lambda _: None) == 0


def test_no_more_than_that(tmp_path: Path) -> None:
    alone = "mkdir busy || exit 1; sleep 0.1; rmdir busy"
    assert run_jobs([shell(tmp_path, name, alone) for name in "abc"], 1, lambda _: None) == 0


def test_the_first_failure_is_the_verdict_and_nothing_is_started_any_more(tmp_path: Path) -> None:
    said: list[str] = []
    work = [
        shell(tmp_path, "good", "while [ ! -e failed ]; do sleep 0.02; done; sleep 0.2; touch finished"),
        shell(tmp_path, "bad", "touch failed; echo why; exit 3"),
        shell(tmp_path, "late", "touch late"),
    ]
    assert run_jobs(work, 2, said.append) == 3
    assert (tmp_path / "finished").exists()
    assert not (tmp_path / "late").exists()
    assert said[:2] == ["why", "test: bad failed (exit code 3): sh -c touch failed; echo why; exit 3"]
    assert said[2].startswith("test: good: passed in ")


def test_a_command_that_is_killed_has_the_exit_code_of_a_shell(tmp_path: Path) -> None:
    assert run_jobs([shell(tmp_path, "killed", "kill -KILL $$")], 1, lambda _: None) == 137


def test_what_a_command_printed_is_shown_as_one_text_without_its_progress(tmp_path: Path) -> None:
    said: list[str] = []
    text = "echo '..F.  [ 50%]'; echo one; echo; echo two >&2; echo '....  [100%]'; printf three"
    run_jobs([shell(tmp_path, "unit", text)], 1, said.append)
    assert said[0] == "one\n\ntwo\nthree"


def test_a_line_may_be_of_any_length_and_of_any_bytes(tmp_path: Path) -> None:
    said: list[str] = []
    run_jobs([shell(tmp_path, "long", r"head -c 300000 /dev/zero | tr '\0' x; printf '\377'")], 1, said.append)
    assert said[0] == "x" * 300_000 + "\ufffd"


def test_it_says_from_time_to_time_what_runs_and_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT", 0.2)
    said: list[str] = []
    slow = "echo '..F.  [ 50%]'; printf ..; sleep 0.5"
    run_jobs([shell(tmp_path, "quick", "true"), shell(tmp_path, "slow", slow)], 2, said.append)
    assert any(line.endswith("s: slow (6 tests done, 1 failed); 1 of 2 done") for line in said)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interruption_waits_until_the_commands_have_cleaned_up(tmp_path: Path, number: int, code: int) -> None:
    work = "trap 'sleep 0.3; touch clean; exit 0' TERM INT; touch begun; while :; do sleep 0.05; done"
    program = (
        "import sys, os; from pathlib import Path; from toolchain.jobs import Job, run_jobs\n"
        f"job = Job('work', ('sh', '-c', {work!r}), Path({str(tmp_path)!r}), os.environ)\n"
        "sys.exit(run_jobs([job, Job('late', ('touch', 'late'), Path('.'), os.environ)], 1, lambda _: None))"
    )
    # A shell's background job, as which these tests may run, ignores SIGINT, and hands that down.
    command = ["env", "--default-signal=INT", sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, process_group=0) as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # As a terminal sends Ctrl-C, and as the CI job sends SIGTERM: to the whole group.
        os.killpg(running.pid, number)
        assert running.wait(30) == code
    assert (tmp_path / "clean").exists()
    assert not (ROOT / "late").exists()
