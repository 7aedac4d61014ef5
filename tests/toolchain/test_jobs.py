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


def shell(folder: Path, name: str, text: str, *, tests: bool = False) -> Job:
    """A command of the shell."""
    return Job(name, ("sh", "-c", text), folder, {"PATH": "/usr/bin:/bin"}, tests)


def run(work: list[Job], at_once: int) -> tuple[int, list[str], list[str]]:
    """The verdict, what the commands printed, and what else was said but that one passed."""
    shown: list[str] = []
    said: list[str] = []
    code = run_jobs(work, at_once, said.append, shown.append)
    return code, shown, [line for line in said if ": passed in " not in line]


def test_commands_run_at_the_same_time_as_many_as_may(tmp_path: Path) -> None:
    meet = "touch {0}; for i in $(seq 500); do [ -e {1} ] && exit; sleep 0.02; done; exit 1"
    pair = [shell(tmp_path, "a", meet.format("a", "b")), shell(tmp_path, "b", meet.format("b", "a"))]
    assert run(pair, 2) == (0, [], [])


def test_no_more_than_that(tmp_path: Path) -> None:
    alone = "mkdir busy || exit 1; sleep 0.1; rmdir busy"
    assert run([shell(tmp_path, name, alone) for name in "abc"], 1)[0] == 0


def test_the_first_failure_is_the_verdict_and_nothing_is_started_any_more(tmp_path: Path) -> None:
    work = [
        shell(tmp_path, "good", "while [ ! -e failed ]; do sleep 0.02; done; sleep 0.2; touch finished"),
        shell(tmp_path, "bad", "touch failed; echo why; exit 3"),
        shell(tmp_path, "late", "touch late"),
    ]
    said: list[str] = []
    assert run_jobs(work, 2, said.append, said.append) == 3
    assert (tmp_path / "finished").exists()
    assert not (tmp_path / "late").exists()
    assert said[:2] == ["why", "test: bad failed (exit code 3): sh -c touch failed; echo why; exit 3"]
    assert said[2].startswith("test: good: passed in ")


def test_a_command_that_is_killed_has_the_exit_code_of_a_shell(tmp_path: Path) -> None:
    assert run([shell(tmp_path, "killed", "kill -KILL $$")], 1)[0] == 137


def test_a_command_that_cannot_be_started_is_a_failure_and_the_others_end(tmp_path: Path) -> None:
    missing = Job("missing", ("no-such-program",), tmp_path, {"PATH": "/usr/bin:/bin"})
    said: list[str] = []
    code = run_jobs([shell(tmp_path, "good", "sleep 0.3; touch finished"), missing], 2, said.append, said.append)
    assert code == 127
    assert said[0].startswith("test: missing cannot be started: ")
    assert "no-such-program" in said[0]
    assert (tmp_path / "finished").exists()


def test_what_a_command_printed_is_shown_as_one_text_with_what_went_wrong_in_its_order(tmp_path: Path) -> None:
    text = "echo one; echo; printf '\\342' >&2; sleep 0.1; printf '\\200\\246 two\\n' >&2; echo ...; printf E"
    assert run([shell(tmp_path, "ruff", text)], 1)[1] == ["one\n\n\u2026 two\n...\nE"]


def test_the_letters_with_which_pytest_begins_are_not_shown(tmp_path: Path) -> None:
    text = "echo '..F.  [ 50%]'; echo '....  [100%]'; echo '=== FAILURES ==='; echo ...; echo '4 passed'"
    assert run([shell(tmp_path, "unit", text, tests=True)], 1)[1] == ["=== FAILURES ===\n...\n4 passed"]


def test_a_line_may_be_of_any_length_and_of_any_bytes(tmp_path: Path) -> None:
    text = r"head -c 300000 /dev/zero | tr '\0' x; printf '\377'"
    assert run([shell(tmp_path, "long", text)], 1)[1] == ["x" * 300_000 + "\ufffd"]


def test_what_a_command_leaves_behind_holds_nothing_up(tmp_path: Path) -> None:
    began = time.monotonic()
    assert run([shell(tmp_path, "orphan", "sleep 20 & echo hi")], 1)[1] == ["hi"]
    assert time.monotonic() - began < 10


def test_it_says_from_time_to_time_what_runs_and_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT", 0.2)
    slow = "echo '..F.  [ 50%]'; printf ..; sleep 0.5"
    lines = run([shell(tmp_path, "quick", "true"), shell(tmp_path, "slow", slow, tests=True)], 2)[2]
    assert any(line.endswith("s: slow (6 tests done, 1 failed); 1 of 2 done") for line in lines)


def test_handlers_of_signals_are_put_back(tmp_path: Path) -> None:
    def ours(_number: int, _frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, ours)
    try:
        run([shell(tmp_path, "quick", "true")], 1)
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)


PROGRAM = """
import os, sys
from pathlib import Path
from toolchain.jobs import Job, run_jobs
job = Job("work", ("sh", "-c", sys.argv[1]), Path(sys.argv[2]), os.environ)
late = Job("late", ("touch", "late"), Path(sys.argv[2]), os.environ)
sys.exit(run_jobs([job, late], 1, lambda _: None))
"""


@pytest.mark.parametrize(
    ("number", "code", "to_all"),
    # Ctrl-C always reaches the whole group, and so does the CI job's SIGTERM.
    [(signal.SIGTERM, 143, True), (signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)],
)
def test_an_interruption_waits_until_the_commands_have_cleaned_up(
    tmp_path: Path, number: signal.Signals, code: int, to_all: bool
) -> None:
    work = "trap 'sleep 0.3; touch clean; exit 0' TERM INT; touch begun; while :; do sleep 0.05; done"
    # A shell's background job, as which these tests may run, ignores SIGINT, and hands that down.
    command = ["env", "--default-signal=INT", sys.executable, "-c", PROGRAM, work, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, process_group=0) as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(running.pid, number) if to_all else os.kill(running.pid, number)
        assert running.wait(30) == code
    assert (tmp_path / "clean").exists()
    assert not (tmp_path / "late").exists()
