"""Detached processes, never mistaken for another: a process is its id, its start time and the boot it lives in."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class ServiceRecord:
    """What is written down about a service that was started, in ``services/NAME/record.json``.

    Attributes:
        name: the service.
        pid: process id.
        start_ticks: clock ticks between the boot and the start of the process; tells a reused pid apart.
        boot: id of the boot in which the process was started.
        address: where it listens.
        started: moment of the start, UTC, ISO 8601.
        user: login name of who started it.
        fingerprint: hash of what it was started with; a service whose fingerprint changed is started anew.
    """

    name: str
    pid: int
    start_ticks: int
    boot: str
    address: str
    started: str
    user: str
    fingerprint: str

    def alive(self) -> bool:
        """Tells whether that very process still runs."""
        return self.boot == boot_id() and start_ticks(self.pid) == self.start_ticks


def boot_id() -> str:
    """Returns the id of the running boot, an empty text where the kernel does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """Returns when process ``pid`` started, in clock ticks since the boot; None where it does not run (any more)."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything, parentheses and spaces too: count the fields from behind it.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def start_moment(pid: int) -> float | None:
    """Returns when process ``pid`` started, in seconds since 1970, to within a second; None where it does not run."""
    ticks = start_ticks(pid)
    if ticks is None:
        return None
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    return None


def command_line(pid: int) -> str:
    """Returns the command line of a process for a message, cut to 80 characters; empty where it cannot be read."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()[:80]


def read_record(folder: Path) -> ServiceRecord | None:
    """Returns the record in the service's ``folder``; None where there is none that can be read."""
    try:
        return ServiceRecord(**json.loads((folder / "record.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(folder: Path, record: ServiceRecord) -> None:
    """Writes ``record`` into the service's ``folder`` in one step."""
    partial = folder / "record.json.partial"
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / "record.json")


def start_detached(
    folder: Path, name: str, argv: Sequence[str], *, address: str, fingerprint: str, environment: Mapping[str, str]
) -> tuple[ServiceRecord, subprocess.Popen[bytes]]:
    """Starts ``argv`` in a session of its own, with its output in ``folder/log``, and writes its record down.

    The caller watches the returned process until it is ready; it goes on running when the caller ends.
    """
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=dict(environment),
        )
    record = ServiceRecord(
        name=name,
        pid=process.pid,
        start_ticks=start_ticks(process.pid) or 0,
        boot=boot_id(),
        address=address,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        user=_user(),
        fingerprint=fingerprint,
    )
    write_record(folder, record)
    return record, process


def stop(record: ServiceRecord, *, grace: float) -> bool:
    """Ends the process of ``record``: SIGTERM, and SIGKILL to its session after ``grace`` seconds.

    Returns:
        False where that process no longer ran; another that got its id since is left alone.
    """
    try:
        handle = os.pidfd_open(record.pid)
    except OSError:
        return False
    try:
        # Through the handle a signal reaches this process or nobody, even if the id is reused from here on.
        if not record.alive():
            return False
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not _ended(record, grace):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(record.pid, signal.SIGKILL)
            _ended(record, 5.0)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
    return True


def _ended(record: ServiceRecord, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while record.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def log_tail(folder: Path, lines: int = 12) -> str:
    """Returns the last ``lines`` lines of the service's log, each indented, for a message."""
    try:
        text = (folder / "log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
