"""Takes up what a killed `pulumi` left behind: its lock, its pending creates, a container that no state holds.

Only what is provably ours and dead is touched: a lock whose host and user are ours and whose process is gone, and
containers and networks whose labels carry this stack and the URN of a resource that the killed run was creating.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from toolchain.errors import ToolchainError
from toolchain.keys import write_private
from toolchain.orphans import end_orphans
from toolchain.services.probe import ask_engine
from toolchain.services.process import start_moment
from toolchain.services.service import Report
from toolchain.stack import Stack, latest

STACK_LABEL = "io.slipway.stack"
URN_LABEL = "io.slipway.urn"
_PATIENCE = 60.0
"""Seconds that the engine gets to answer; it may have to end a container first."""
SLACK = 2.0
"""Seconds by which the clocks of a lock, a process and a container may disagree; /proc counts the boot in seconds."""


@dataclass(frozen=True)
class Lock:
    """One lock of Pulumi's file backend, in the format of its ``backend/diy/lock.go``.

    Attributes:
        path: the file.
        pid: process id of the holder.
        username: login name of who ran it.
        hostname: the machine that it runs on.
        taken: when the lock was taken, in seconds since 1970.
    """

    path: Path
    pid: int
    username: str
    hostname: str
    taken: float

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Reads the lock at ``path``.

        Raises:
            ToolchainError: the file is not such a lock.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            # Go writes nanoseconds; Python's parser takes six digits of a fraction.
            taken = datetime.fromisoformat(content["timestamp"]).timestamp()
            return cls(path, int(content["pid"]), str(content["username"]), str(content["hostname"]), taken)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ToolchainError(
                f"{path} is not a lock that can be read ({error}): make sure that no `pulumi` runs, then remove it"
            ) from error

    @property
    def ours(self) -> bool:
        """Whether it was taken on this machine by this user."""
        return self.hostname == socket.gethostname() and self.username == pwd.getpwuid(os.getuid()).pw_name

    @property
    def held(self) -> bool:
        """Whether its process runs; one that started after the lock was taken merely got the same id."""
        started = start_moment(self.pid)
        return started is not None and started <= self.taken + SLACK

    def __str__(self) -> str:
        """The holder, for a message."""
        since = datetime.fromtimestamp(self.taken).astimezone().isoformat(" ", "seconds")
        return f"{self.username}@{self.hostname}, process {self.pid}, since {since}"


def recover(stack: Stack, environment: Mapping[str, str], report: Report) -> None:
    """Makes ``stack`` ready for the next ``pulumi up``; does nothing where the last run ended by itself.

    Raises:
        ToolchainError: somebody holds the stack, or Pulumi refuses the mended state.
    """
    released = release_locks(stack, report)
    if released:
        end_orphans(stack.project.pulumi_home, report)
    # Without its lock, the killed run is known by when it last wrote the state: before it began the pending create.
    written = (stack.state().get("manifest") or {}).get("time")
    since = min((lock.taken for lock in released), default=_created(written) if written else time.time())
    pending = drop_pending_creates(stack, environment, report)
    if pending:
        remove_untracked(stack, pending, since, report)


def release_locks(stack: Stack, report: Report) -> list[Lock]:
    """Removes the locks of ``stack`` whose process is ours and dead, and returns them.

    Raises:
        ToolchainError: a lock is held, or belongs to another machine or user.
    """
    locks = [Lock.read(path) for path in sorted(stack.lock_folder.glob("*.json"))]
    for lock in locks:
        if lock.ours and not lock.held:
            continue
        advice = (
            "wait until it ends"
            if lock.ours
            else f"ask them whether it still runs; only if it does not: `pulumi cancel -s {stack.name}`"
        )
        raise ToolchainError(f"stack {stack.name}: locked by {lock}: {advice}")
    for lock in locks:
        lock.path.unlink(missing_ok=True)
        # The backend keeps the attributes of each of its files beside it.
        lock.path.with_name(lock.path.name + ".attrs").unlink(missing_ok=True)
        report(f"recovery: released the lock of a run that was killed ({lock})")
    return locks


def drop_pending_creates(stack: Stack, environment: Mapping[str, str], report: Report) -> dict[str, str]:
    """Takes operations of the kind ``creating`` out of the state.

    Operations of other kinds are named and left to Pulumi, which deals with them at the next run.

    Returns:
        The URNs of their resources, each with the name that it was to get, empty where it has none.

    Raises:
        ToolchainError: Pulumi does not give or take the state.
    """
    if not stack.state().get("pending_operations"):
        return {}
    exported = json.loads(_pulumi(["stack", "export", "--stack", stack.name], stack, environment))
    operations: list[dict[str, Any]] = exported["deployment"].get("pending_operations") or []
    creating = [operation for operation in operations if operation["type"] == "creating"]
    others = [operation for operation in operations if operation["type"] != "creating"]
    for operation in others:
        report(f"recovery: left to pulumi: {operation['type']} of {operation['resource']['urn']} was interrupted")
    if not creating:
        return {}
    exported["deployment"]["pending_operations"] = others
    mended = stack.project.run / f"{stack.name}-mended.json"
    write_private(mended, json.dumps(exported))
    try:
        _pulumi(["stack", "import", "--stack", stack.name, "--file", str(mended)], stack, environment)
    finally:
        mended.unlink()
    resources = [operation["resource"] for operation in creating]
    for resource in resources:
        report(f"recovery: cleared the pending create of {resource['urn']}")
    return {resource["urn"]: (resource.get("inputs") or {}).get("name", "") for resource in resources}


def remove_untracked(stack: Stack, pending: Mapping[str, str], since: float, report: Report) -> None:
    """Removes containers, then networks, that the killed run made and that no state holds; ``up`` makes them again.

    They are looked for on the engines that the state's providers speak to: those of the killed run.

    Two checkouts of one project have stacks, and so labels and URNs, of the same name on one engine. Labels alone
    therefore prove nothing: the resource must also bear the name that a pending create of this very state was to get
    (an engine gives a name once), and not be older than the killed run. Anything else is left alone.

    Args:
        stack: the stack.
        pending: URNs of the pending creates, and the names that they were to get.
        since: nothing older than this is of the killed run, in seconds since 1970.
        report: takes a line for each that was removed.
    """
    state = stack.state_text()
    for engine in _engines(latest(state), report):
        for kind, listing in (("containers", "/containers/json?all=1&"), ("networks", "/networks?")):
            for item in engine.list(listing, stack.qualified_name):
                urn = (item.get("Labels") or {}).get(URN_LABEL, "")
                older = _created(item["Created"]) < since - SLACK
                if item["Id"] in state or older or not _bears(item, pending.get(urn)):
                    continue
                engine.remove(kind, item["Id"])
                report(f"recovery: removed the untracked {kind[:-1]} {item['Id'][:12]} of {urn}")


def _bears(item: Mapping[str, Any], name: str | None) -> bool:
    names = [given.lstrip("/") for given in item.get("Names") or [item.get("Name", "")]]
    return bool(name) and name in names


def _engines(state: Mapping[str, Any], report: Report) -> list[_Engine]:
    """The Docker Engines that a state's providers speak to, but not one that was replaced and may be gone."""
    resources = [it for it in state.get("resources") or [] if not it.get("delete")]
    providers = [it for it in resources if it["type"] == "pulumi:providers:docker"]
    hosts = sorted({str((it.get("inputs") or {}).get("host", "")) for it in providers})
    for host in hosts:
        if not host.startswith("unix://"):
            report(f"recovery: {host or 'an engine'} is not searched for what the killed run left behind")
    return [_Engine(host.removeprefix("unix://")) for host in hosts if host.startswith("unix://")]


class _Engine:
    """The few calls of the Docker Engine's API that recovery needs."""

    def __init__(self, path: str) -> None:
        self._path = path

    def list(self, listing: str, stack: str) -> list[dict[str, Any]]:
        """Returns what carries the label of ``stack``."""
        filters = urllib.parse.quote(json.dumps({"label": [f"{STACK_LABEL}={stack}"]}))
        items: list[dict[str, Any]] = ask_engine(self._path, f"{listing}filters={filters}", timeout=_PATIENCE)
        return items

    def remove(self, kind: str, identity: str) -> None:
        """Removes one container, running or not, or one network."""
        force = "?force=true" if kind == "containers" else ""
        ask_engine(self._path, f"/{kind}/{identity}{force}", "DELETE", _PATIENCE)


def _created(value: object) -> float:
    """Returns the moment of creation in seconds since 1970: containers tell a number, networks an ISO 8601 text."""
    return float(value) if isinstance(value, int) else datetime.fromisoformat(str(value)).timestamp()


def _pulumi(arguments: list[str], stack: Stack, environment: Mapping[str, str]) -> str:
    result = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=stack.project.root,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode != 0:
        raise ToolchainError(f"recovery: pulumi {' '.join(arguments[:2])} failed: {result.stderr.strip()[-800:]}")
    return result.stdout
