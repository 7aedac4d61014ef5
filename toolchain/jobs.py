"""Commands that run side by side, with what they print kept apart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from toolchain.progress import duration
from toolchain.services.service import Report

HEARTBEAT = 30.0
"""Seconds between two signs of life."""
_LETTERS = re.compile(r"([.FEsxX]*)( +\[ *\d+%\])?")
"""A line in which pytest has a letter for each test."""
_CANNOT_START = 127
_print = partial(print, flush=True)


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        name: what it is called in progress.
        argv: program and arguments.
        folder: where it runs.
        environment: its whole environment.
        tests: whether it is pytest, which first prints a letter for each test.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    tests: bool = False


def run_jobs(jobs: Sequence[Job], at_once: int, report: Report, show: Report = _print) -> int:
    """Runs commands side by side and returns the exit code of the first that failed, 0 where none did.

    After a failure none is started any more, and those that run are waited for. Ctrl-C reaches them by itself, and
    SIGTERM is handed on: each decides how to end.

    Args:
        jobs: the commands, in the order in which they are started.
        at_once: how many may run at a time.
        report: takes a line for each sign of life.
        show: takes what a command printed, as one text, when it has ended.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return asyncio.run(_Crew(jobs, at_once, report, show).work())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class _Running:
    job: Job
    process: asyncio.subprocess.Process
    output: BinaryIO

    def printed_by_now(self) -> tuple[str, str]:
        """The letters of the tests that are done, and everything else."""
        file = self.output.fileno()
        # Not by way of a position in the file: that is the command's, too.
        text = os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
        lines, letters = text.split("\n"), ""
        while self.job.tests and lines and (found := _LETTERS.fullmatch(lines[0])):
            letters += found[1]
            del lines[0]
        return letters, "\n".join(lines)


class _Crew:
    def __init__(self, jobs: Sequence[Job], at_once: int, report: Report, show: Report) -> None:
        self._waiting = list(jobs)
        self._count = len(jobs)
        self._at_once = at_once
        self._report = report
        self._show = show
        self._running: dict[str, _Running] = {}
        self._code = 0
        self._terminated = False
        self._began = time.monotonic()

    async def work(self) -> int:
        with self._handing_signals_on():
            heartbeat = asyncio.create_task(self._show_life())
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._at_once, self._count)):
                        group.create_task(self._take_turns())
            finally:
                heartbeat.cancel()
        return self._code

    @contextlib.contextmanager
    def _handing_signals_on(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _interrupt(self, number: signal.Signals) -> None:
        self._code = self._code or 128 + number
        if number == signal.SIGTERM:
            self._terminated = True
            for running in self._running.values():
                _terminate(running.process)

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            running = ", ".join(map(_how_far, self._running.values()))
            done = self._count - len(self._waiting) - len(self._running)
            self._report(f"test: {duration(time.monotonic() - self._began)}: {running}; {done} of {self._count} done")

    async def _take_turns(self) -> None:
        while self._waiting and not self._code:
            await self._run(self._waiting.pop(0))

    async def _run(self, job: Job) -> None:
        began = time.monotonic()
        # A file and no pipe: a pipe ends only when all have closed it that a command has left behind.
        with tempfile.TemporaryFile() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *job.argv,
                    cwd=job.folder,
                    env=dict(job.environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                )
            except OSError as error:
                self._code = self._code or _CANNOT_START
                self._report(f"test: {job.name} cannot be started: {error}")
                return
            self._running[job.name] = running = _Running(job, process, output)
            if self._terminated:  # while it was being started
                _terminate(process)
            code = await process.wait()
            del self._running[job.name]
            _, printed = running.printed_by_now()
            if text := printed.strip("\n"):
                self._show(text)
        if code == 0:
            self._report(f"test: {job.name}: passed in {duration(time.monotonic() - began)}")
            return
        code = code if code > 0 else 128 - code
        self._code = self._code or code
        self._report(f"test: {job.name} failed (exit code {code}): {' '.join(job.argv)}")


def _terminate(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


def _how_far(running: _Running) -> str:
    letters, _ = running.printed_by_now()
    failed = sum(map(letters.count, "FE"))
    said = [f"{len(letters)} tests done", *([f"{failed} failed"] if failed else [])]
    return f"{running.job.name} ({', '.join(said)})" if letters else running.job.name
