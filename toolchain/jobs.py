"""Commands that run side by side, with what they print kept apart."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.progress import duration
from toolchain.services.service import Report

HEARTBEAT = 30.0
"""Seconds between two signs of life."""
_PROGRESS = re.compile(r"^([.FEsxX]+)( +\[ *\d+%\])?$")
"""A line in which pytest has a letter for each test; all other lines are shown together when a command has ended."""


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        name: what it is called in progress.
        argv: program and arguments.
        folder: where it runs.
        environment: its whole environment.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]


def run_jobs(jobs: Sequence[Job], at_once: int, report: Report) -> int:
    """Runs commands side by side and returns the exit code of the first that failed, 0 where none did.

    After a failure none is started any more, and those that run are waited for. Ctrl-C reaches them by itself, and
    SIGTERM is handed on: each decides how to end.

    Args:
        jobs: the commands, in the order in which they are started.
        at_once: how many may run at a time.
        report: takes a line for each sign of life, and what a command printed as one text when it has ended.
    """
    return asyncio.run(_Crew(jobs, at_once, report).work())


class _Crew:
    def __init__(self, jobs: Sequence[Job], at_once: int, report: Report) -> None:
        self._waiting = list(jobs)
        self._count = len(jobs)
        self._at_once = at_once
        self._report = report
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._tests: dict[str, str] = {}
        self._code = 0
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
        loop.add_signal_handler(signal.SIGINT, self._interrupt, signal.SIGINT)
        loop.add_signal_handler(signal.SIGTERM, self._interrupt, signal.SIGTERM)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)

    def _interrupt(self, number: signal.Signals) -> None:
        self._code = self._code or 128 + number
        for process in self._running.values() if number == signal.SIGTERM else ():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            running = ", ".join(map(self._how_far, self._running))
            done = self._count - len(self._waiting) - len(self._running)
            self._report(f"test: {duration(time.monotonic() - self._began)}: {running}; {done} of {self._count} done")

    def _how_far(self, name: str) -> str:
        tests = self._tests.get(name, "")
        failed = sum(map(tests.count, "FE"))
        said = [f"{len(tests)} tests done", *([f"{failed} failed"] if failed else [])]
        return f"{name} ({', '.join(said)})" if tests else name

    async def _take_turns(self) -> None:
        while self._waiting and not self._code:
            await self._run(self._waiting.pop(0))

    async def _run(self, job: Job) -> None:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *job.argv,
            cwd=job.folder,
            env=dict(job.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._running[job.name] = process
        printed = await self._listen(job, process)
        code = await process.wait()
        del self._running[job.name]
        if printed:
            self._report(printed)
        if code == 0:
            self._report(f"test: {job.name}: passed in {duration(time.monotonic() - began)}")
            return
        code = code if code > 0 else 128 - code
        self._code = self._code or code
        self._report(f"test: {job.name} failed (exit code {code}): {' '.join(job.argv)}")

    async def _listen(self, job: Job, process: asyncio.subprocess.Process) -> str:
        """Notes how far a command is as it goes, and returns what else it printed."""
        assert process.stdout
        kept: list[str] = []
        tests = rest = ""
        while data := await process.stdout.read(1 << 16):
            *lines, rest = (rest + data.decode(errors="replace")).split("\n")
            for line in lines:
                if progress := _PROGRESS.match(line):
                    tests += progress[1]
                else:
                    kept.append(line)
            begun = _PROGRESS.match(rest)
            self._tests[job.name] = tests + (begun[1] if begun else "")
        return "\n".join([*kept, rest]).rstrip()
