"""Ends the plugins of a killed `pulumi`: they would go on creating what no state will ever hold."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from toolchain.services.probe import port_holder
from toolchain.services.process import PROC, command_line, start_ticks
from toolchain.services.service import Report

GRACE = 10.0
"""Seconds that a plugin gets to end what it is doing."""
PLUGINS = ("pulumi-resource-", "pulumi-language-")


def end_orphans(home: Path, report: Report, grace: float = GRACE) -> None:
    """Sends SIGTERM to the orphaned plugins of the checkout whose PULUMI_HOME is ``home``, and waits for them."""
    ended = {pid: ticks for pid in orphans(home) if (ticks := start_ticks(pid)) is not None and _terminate(pid, ticks)}
    deadline = time.monotonic() + grace
    while ended and time.monotonic() < deadline:
        time.sleep(0.05)
        ended = {pid: ticks for pid, ticks in ended.items() if start_ticks(pid) == ticks}
    for pid in ended:
        report(f"recovery: process {pid} ({command_line(pid)}) of the killed run does not end: `kill -KILL {pid}`")


def orphans(home: Path) -> list[int]:
    """Returns the plugins that run with PULUMI_HOME ``home`` and have lost their engine.

    A plugin is told its engine's address as last argument; it is an orphan when nobody listens there any more.
    """
    wanted = f"PULUMI_HOME={home}".encode()
    found = []
    for folder in PROC.iterdir():
        with contextlib.suppress(OSError):
            # The environment of another user's process cannot be read: it is not ours.
            if folder.name.isdecimal() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                if _is_plugin(arguments) and _engine_gone(arguments[-1]):
                    found.append(int(folder.name))
    return found


def _is_plugin(arguments: list[str]) -> bool:
    # A script is run by an interpreter: its own name is the second argument.
    return any(Path(argument).name.startswith(PLUGINS) for argument in arguments[:2])


def _engine_gone(address: str) -> bool:
    port = address.rpartition(":")[2]
    return address.startswith("127.0.0.1:") and port.isdecimal() and port_holder(int(port)) is None


def _terminate(pid: int, ticks: int) -> bool:
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            # Through the handle the signal reaches the process that was looked at, or nobody.
            if start_ticks(pid) == ticks:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                return True
        finally:
            os.close(handle)
    return False
