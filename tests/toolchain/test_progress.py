"""Progress: who works on what, since when, and how much is left; alive, and no flood."""

from __future__ import annotations

import io
import time

import pytest

from toolchain.progress import Progress, duration


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that goes on by itself whenever it is read."""

    def __init__(self, by: float) -> None:
        self.now, self.by = 0.0, by

    def __call__(self) -> float:
        self.now += self.by
        return self.now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (9.4, "9.4s"), (12, "12s"), (59.7, "1m00s"), (72, "1m12s"), (3599, "59m59s"), (3720, "1h02m")],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_step_tells_its_number_what_is_done_and_how_many_are_left() -> None:
    stream = io.StringIO()
    progress = Progress(stream, clock=Clock(36))
    progress.plan(3)
    with progress.step("trivy 0.70.0", "building from pinned Go modules") as step:
        step.result = "built from pinned Go modules"
    assert stream.getvalue().splitlines() == [
        "[1/3] trivy 0.70.0: building from pinned Go modules … 2 left",
        "[1/3] trivy 0.70.0: built from pinned Go modules in 36s",
    ]


def test_a_long_step_gives_a_sign_of_life_at_every_heartbeat_and_not_more_often() -> None:
    stream = io.StringIO()
    progress = Progress(stream, heartbeat=0.1)
    progress.plan(1)
    with progress.step("trivy 0.70.0", "building") as step:
        step.detail = "812 packages compiled"
        time.sleep(0.35)
    beats = [line for line in stream.getvalue().splitlines() if "812 packages compiled" in line]
    assert 2 <= len(beats) <= 4


def test_a_step_that_fails_says_after_how_long() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="broken"), Progress(stream, clock=Clock(5)).step("oras 1.3.6", "building"):
        raise ValueError("broken")
    assert stream.getvalue().splitlines()[-1] == "oras 1.3.6: building failed after 5.0s"


def test_a_terminal_keeps_one_line_up_to_date() -> None:
    stream = Terminal()
    progress = Progress(stream)
    with progress.step("oras 1.3.6", "building"):
        progress.note("a note")
    assert stream.getvalue().count("\r\x1b[K") == 2
    assert "\na note\n" in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_a_quiet_progress_writes_notes_alone() -> None:
    stream = io.StringIO()
    progress = Progress(stream, quiet=True)
    with progress.step("oras 1.3.6", "building"):
        progress.note("a note")
    assert stream.getvalue() == "a note\n"
