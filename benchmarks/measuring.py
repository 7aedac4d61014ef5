"""What all benchmarks share: a series of wall times, the most memory of a process, and a row of the report."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN = int(time.time())
"""A part of every name in a registry: a run must find no layer, no cache and no evidence of an earlier one there."""
_PROC = Path("/proc")


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], given: str | None = None) -> str:
    """Run a command, which must succeed and may be given text to read; what it printed is shown only if it fails."""
    ended = subprocess.run(
        command, cwd=folder, env=dict(environment), input=given, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        sys.exit(f"{' '.join(command[:6])} failed in {folder}:\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    return ended.stdout


@dataclass
class Series:
    """Wall times of one command, in seconds."""

    times: list[float] = field(default_factory=list)
    said: str = ""
    """What it printed the last time."""

    @property
    def median(self) -> float:
        """The middle of the times."""
        return statistics.median(self.times)

    def measure(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Run the command once."""
        start = time.monotonic()
        self.said = run(command, folder, environment)
        self.times.append(time.monotonic() - start)

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.times):.2f} to {max(self.times):.2f}, {len(self.times)} runs)"


def most_memory(words: Sequence[str], command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """The most memory in MB of the process whose command line has these words, while a command runs."""
    seen, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            seen.append(max(map(_peak, _processes(words)), default=0.0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run(command, folder, environment)
    finally:
        ended.set()
        watcher.join()
    return max(seen)


def _processes(words: Sequence[str]) -> list[Path]:
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
        if all(word in line for word in words):
            found.append(folder)
    return found


def _peak(process: Path) -> float:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def row(what: str, value: float, most: float, unit: str) -> str:
    """One row of the report."""
    return f"| {what} | {value:.2f} {unit} | {most:.2f} {unit} | {'met' if value <= most else 'missed'} |"
