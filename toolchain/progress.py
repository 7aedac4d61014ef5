"""Progress that a person can follow: what is being done, from where, since when, and how much is left.

On a terminal the running step keeps one line up to date; elsewhere (a log, CI) a line is written when a step starts,
at every heartbeat, and when it ends.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

HEARTBEAT = 10.0
"""Seconds between two signs of life where the output is not a terminal."""
_REFRESH = 0.5
_WIDTH = 160


def duration(seconds: float) -> str:
    """Returns ``seconds`` as people read it: 0.4s, 12s, 1m12s, 1h02m."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


class Step:
    """One running step; what is said through it shows up with the next sign of life.

    Attributes:
        doing: what is being done and from where, as in "building from pinned Go modules".
        detail: how far it is, as in "812 packages compiled"; empty for nothing.
        result: what is shown at the end instead of ``doing``.
    """

    def __init__(self, title: str, doing: str, started: float) -> None:
        self.title = title
        self.doing = doing
        self.detail = ""
        self.result = ""
        self.started = started


class Progress:
    """Writes what is being done to ``stream``.

    Args:
        stream: where to; standard error by default.
        heartbeat: seconds between two signs of life where ``stream`` is not a terminal.
        clock: seconds of a clock that only goes forward.
        quiet: whether only notes are written, no steps.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        heartbeat: float = HEARTBEAT,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()
        self._heartbeat = heartbeat
        self._clock = clock
        self._quiet = quiet
        self._lock = threading.Lock()
        self._total = 0
        self._number = 0
        self._open_line = False

    def plan(self, total: int) -> None:
        """Says that ``total`` steps are about to be taken, and counts from one again."""
        self._total, self._number = total, 0

    def note(self, text: str) -> None:
        """Writes ``text``, one or more lines, as it is."""
        with self._lock:
            self._end_line()
            self._write(text.rstrip("\n") + "\n")

    @contextmanager
    def step(self, title: str, doing: str) -> Iterator[Step]:
        """Shows a step while the block runs, and how long it took; the block may change what the step says.

        Args:
            title: name and version of what is worked on.
            doing: what is being done and from where.
        """
        self._number += 1
        step = Step(title, doing, self._clock())
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(step, ended), daemon=True)
        self._show(step)
        beat.start()
        try:
            yield step
        except BaseException:
            self._finish(step, ended, beat, "failed after")
            raise
        self._finish(step, ended, beat, "in")

    def _beat(self, step: Step, ended: threading.Event) -> None:
        while not ended.wait(_REFRESH if self._terminal else self._heartbeat):
            self._show(step, elapsed=True)

    def _finish(self, step: Step, ended: threading.Event, beat: threading.Thread, how: str) -> None:
        ended.set()
        beat.join()
        text = step.result or step.doing
        with self._lock:
            if not self._quiet:
                line = f"{self._count()}{step.title}: {text} {how} {duration(self._clock() - step.started)}"
                self._write(f"\r\x1b[K{line}\n" if self._terminal else f"{line}\n")
            self._open_line = False

    def _show(self, step: Step, *, elapsed: bool = False) -> None:
        if self._quiet:
            return
        parts = [duration(self._clock() - step.started)] if elapsed else []
        parts += [step.detail] if step.detail else []
        left = self._total - self._number
        parts += [f"{left} left"] if left > 0 else []
        line = f"{self._count()}{step.title}: {step.doing} …{' ' if parts else ''}{', '.join(parts)}"
        with self._lock:
            if self._terminal:
                self._write(f"\r\x1b[K{line[:_WIDTH]}")
                self._open_line = True
            else:
                self._write(line + "\n")

    def _count(self) -> str:
        return f"[{self._number}/{self._total}] " if self._total else ""

    def _end_line(self) -> None:
        if self._open_line:
            self._write("\n")
            self._open_line = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
