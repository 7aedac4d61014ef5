"""What ``make clean`` removes, and when it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Container
from pathlib import Path

from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.services.buildkit import socket_path
from toolchain.services.fleet import running_services, stop_services
from toolchain.services.process import PROC
from toolchain.services.service import Report
from toolchain.stack import PROGRAM, project_name, stacks
from toolchain.store import cache_folder, remove_tree
from toolchain.virtualenv import UV_LOCK, VENV
from toolchain.virtualenv import folders as virtualenvs

NEARBY = (f"*/{PROGRAM}", f"*/*/{PROGRAM}")
"""Where a checkout keeps other projects."""


def clean(project: Project, report: Report, *, cache: bool) -> None:
    """Ends the services and removes ``.slipway``, each ``.venv`` and the ``uv.lock`` that came with them.

    Args:
        project: the checkout.
        report: takes a line for each thing that was removed.
        cache: also remove the user's tool cache, which all checkouts share.

    Raises:
        ToolchainError: a stack still has resources, or a service had to be left running.
    """
    refuse_while_deployed(project)
    if cache:
        own = {record.pid for record in running_services(project)}
        refuse_while_used(cache_folder(), own)
    left = stop_services(project, report)
    if left:
        # Its record is the only thing that tells later that it is ours.
        names = ", ".join(f"{record.name} (pid {record.pid})" for record in left)
        raise ToolchainError(f"clean: still running: {names}: nothing was removed; see above why, then try again")
    socket = socket_path(project.run, "buildkitd.sock")
    if socket.parent != project.run:
        shutil.rmtree(socket.parent, ignore_errors=True)
    environments = [folder / VENV for folder in virtualenvs(project.root)]
    for folder in [project.state, *environments, *([cache_folder()] if cache else [])]:
        if folder.exists():
            _unmount_below(folder)
            remove_tree(folder)
            report(f"clean: removed {folder}")
    (project.root / UV_LOCK).unlink(missing_ok=True)  # made beside .venv


def refuse_while_deployed(project: Project) -> None:
    """Refuses where a stack of the checkout's backend holds resources.

    Raises:
        ToolchainError: with each such stack and how to take it down.
    """
    lines = []
    for name, deployment in stacks(project).items():
        count = len(deployment.get("resources") or [])
        if count:
            owner, _, short = name.rpartition("/")
            lines.append(
                f"clean: stack {name} still has {count} resources, and its state would be lost: "
                f"{_how_to_destroy(project, owner, short)} first"
            )
    if lines:
        raise ToolchainError("\n".join(lines))


def _how_to_destroy(project: Project, owner: str, stack: str) -> str:
    """Returns what takes a stack down; the backend serves other projects too, such as those of the examples."""
    if project_name(project.root / PROGRAM) == owner:
        return f"run `make destroy STACK={stack}` (or `pulumi destroy -s {stack}` in `make shell`)"
    programs = sorted(path for pattern in NEARBY for path in project.root.glob(pattern))
    folders = [path.parent.relative_to(project.root) for path in programs if project_name(path) == owner]
    if folders:
        return f"run `pulumi destroy --cwd {folders[0]} -s {stack}` in `make shell`"
    return (
        f"run `pulumi destroy -s {stack}` in the folder of the project {owner}, with the environment of `make shell`,"
    )


def refuse_while_used(folder: Path, ended: Container[int] = (), proc: Path = PROC) -> None:
    """Refuses where a process runs a program below ``folder``.

    Args:
        folder: the cache, which all checkouts share.
        ended: ids of processes that are ended anyway.
        proc: where the kernel tells of processes.

    Raises:
        ToolchainError: with each such process.
    """
    users = []
    for entry in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            # A program that was replaced while it runs is told with a word behind its path.
            program = Path(str((entry / "exe").readlink()).removesuffix(" (deleted)"))
        except OSError:
            continue  # it has ended, or belongs to somebody else
        if program.is_relative_to(folder.resolve()) and int(entry.name) not in ended:
            users.append(f"{program.name} (pid {entry.name})")
    if users:
        raise ToolchainError(
            f"clean: {folder} is in use by {', '.join(users)}: nothing was removed; run `make down` in the checkouts "
            "whose services these are, or leave CACHE=yes out"
        )


def _unmount_below(folder: Path) -> None:
    """Takes down what is mounted below ``folder``: a killed build may leave mounts of its steps behind."""
    mounts = [_unescaped(line.split()[4]) for line in _mounts()]
    for mount in sorted((path for path in mounts if Path(path).is_relative_to(folder)), key=len, reverse=True):
        result = subprocess.run(["umount", mount], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ToolchainError(f"clean: {mount} is mounted and in use ({result.stderr.strip()}): unmount it first")


def _mounts() -> list[str]:
    # A folder's name may be any bytes.
    return (PROC / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _unescaped(path: str) -> str:
    """A path as mountinfo has it: white space and backslashes as three octal digits. Source: proc_pid_mountinfo(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
