"""A watcher of all processes: their command lines and environments, sampled while something runs."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_PAUSE = 0.005
"""Seconds between two samples; what lives shorter may be missed, a tool that talks to a registry lives longer."""


class ProcessWatcher:
    """Collects what any user of the machine could have read in /proc, from `with` to its end."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        """Command lines and environments as they stood in /proc, arguments separated by zero bytes."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def ran(self, *words: str) -> bool:
        """Whether a command line with all of these words was seen: proof that the watcher looked at the right time."""
        return any(all(word.encode() in it for word in words) for it in self.seen)

    def _watch(self) -> None:
        known: dict[str, bytes] = {}
        while not self._stop.wait(_PAUSE):
            for pid, command in _command_lines():
                if known.get(pid) != command:  # a new process, or another program in an old one
                    known[pid] = command
                    self.seen.add(command)
                    with contextlib.suppress(OSError):
                        self.seen.add(Path("/proc", pid, "environ").read_bytes())


def _command_lines() -> Iterator[tuple[str, bytes]]:
    for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - hundreds of times a second
        with contextlib.suppress(OSError):
            yield pid, Path("/proc", pid, "cmdline").read_bytes()
