"""What a machine has already: which tools are on PATH, in which versions, and which of these are accepted."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolchain.pins import Pin
from toolchain.store import make_folder
from toolchain.versions import Version

ASK_WITHIN = 10.0
"""Seconds within which a tool must tell its version."""
# Places of programs that are often not on an ordinary user's PATH.
_ALSO = ("/usr/sbin", "/sbin", "/usr/local/go/bin")


@dataclass(frozen=True)
class Found:
    """A tool on PATH: its first program, the version that it told ("" when it tells none), and whether it is accepted.

    ``lacks`` names the program that the tool should bring and that is not there; "" when it brings all.
    """

    program: Path
    version: str
    accepted: bool
    lacks: str = ""


class Survey:
    """Looks for tools on PATH; what a program told is remembered by its path, time and size.

    Args:
        path: the search path; parts below ``ours`` are left out, so that a prepared shell finds no tool of its own.
        ours: folders whose tools are the toolchain's own.
        memory: the file in which versions are remembered.
    """

    def __init__(self, path: str, ours: Iterable[Path], memory: Path) -> None:
        self.path = search_path(path, ours)
        self._memory = memory
        self._known = _read(memory)
        self._changed = False

    def look(self, pins: Iterable[Pin]) -> dict[str, Found]:
        """Returns, by name, those of ``pins`` whose first program is on PATH; asks their versions side by side."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            results = list(pool.map(self._look, pins := list(pins)))
        if self._changed:
            _write(self._memory, self._known)
        return {pin.name: found for pin, found in zip(pins, results, strict=True) if found is not None}

    def which(self, command: str) -> Path | None:
        """Returns the absolute path of ``command`` on the search path; None when it is not there."""
        found = shutil.which(command, path=self.path)
        return Path(found).absolute() if found else None

    def _look(self, pin: Pin) -> Found | None:
        program = self.which(pin.commands[0])
        if program is None:
            return None
        version = self._version(program, pin.ask) if pin.ask else ""
        lacks = next((command for command in pin.commands[1:] if not self._has(command, program)), "")
        parsed = Version.told(version) if version else None
        in_range = not pin.accepts.bounds or (parsed is not None and parsed in pin.accepts)
        return Found(program, version, in_range and not lacks, lacks)

    def _has(self, command: str, beside: Path) -> bool:
        return self.which(command) is not None or os.access(beside.resolve().parent / command, os.X_OK)

    def _version(self, program: Path, ask: tuple[str, ...]) -> str:
        status = program.stat()
        mark = [status.st_mtime_ns, status.st_size, *ask]
        known = self._known.get(str(program))
        if known is not None and known[:-1] == mark:
            return str(known[-1])
        version = ask_version(program, ask)
        if version:  # a tool that was too slow this once, on a busy machine, may tell it the next time
            self._known[str(program)] = [*mark, version]
            self._changed = True
        return version


def search_path(path: str, ours: Iterable[Path]) -> str:
    """Returns ``path`` without the folders below ``ours``, and with those where system tools often are."""
    own = [folder.resolve() for folder in ours]
    folders = [folder for folder in path.split(os.pathsep) if folder]
    kept = [folder for folder in folders if not any(_is_below(Path(folder), parent) for parent in own)]
    return os.pathsep.join([*kept, *(folder for folder in _ALSO if folder not in kept)])


def _is_below(folder: Path, parent: Path) -> bool:
    return folder.resolve().is_relative_to(parent)


def ask_version(program: Path, ask: Iterable[str], environ: Mapping[str, str] = os.environ) -> str:
    """Returns the version that ``program`` tells when run with ``ask``; "" when it fails or tells none."""
    quiet = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "GOTOOLCHAIN": "local"}
    try:
        result = subprocess.run(
            [program, *ask], env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=ASK_WITHIN, check=False, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    version = Version.told(result.stdout) if result.returncode == 0 else None
    return str(version) if version else ""


def succeeds(command: tuple[str, ...], path: str, within: float = 3.0) -> bool:
    """Tells whether ``command`` is on ``path`` and ends well within ``within`` seconds."""
    program = shutil.which(command[0], path=path)
    if program is None:
        return False
    try:
        result = subprocess.run(
            [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=within, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def _read(memory: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(memory: Path, known: Mapping[str, list[object]]) -> None:
    make_folder(memory.parent)
    with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False, encoding="utf-8") as file:
        json.dump(known, file)
    Path(file.name).replace(memory)
