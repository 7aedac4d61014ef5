"""What each verb of ``python3 -m toolchain`` does."""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from toolchain.environment import Project, shell_exports
from toolchain.keys import ensure_keys
from toolchain.services.fleet import running_services, shared_engine, stop_services
from toolchain.session import Session, open_session, provide, refuse_without_root
from toolchain.stack import Stack, foreground, outputs_of, urls
from toolchain.status import print_status

Verb = Callable[[Path, argparse.Namespace], int]


def ensure(root: Path, options: argparse.Namespace) -> int:
    """Makes sure of the tools."""
    open_session(root, consent=options.consent)
    return 0


def services(root: Path, options: argparse.Namespace) -> int:
    """Makes sure of tools, keys, services, base images and database."""
    refuse_without_root(root)
    provide(open_session(root, consent=options.consent), options.stack)
    return 0


def up(root: Path, options: argparse.Namespace) -> int:
    """Brings the stack up, and prints where its services answer; a container that does not run is an error."""
    from toolchain.containers import refuse_standstill

    session, stack = _prepared(root, options, recovering=True)
    code = _pulumi(session, stack, "up", ["--yes", *stack.policy_flags(session.report), *options.arguments])
    if code == 0:
        state = stack.state()
        refuse_standstill(state)
        for url in urls(outputs_of(state)):
            print(url)
    return code


def preview(root: Path, options: argparse.Namespace) -> int:
    """Shows what ``up`` would change."""
    session, stack = _prepared(root, options, recovering=False)
    return _pulumi(session, stack, "preview", [*stack.policy_flags(session.report), *options.arguments])


def destroy(root: Path, options: argparse.Namespace) -> int:
    """Takes the stack's resources down; the stack itself and its history stay."""
    session, stack = _prepared(root, options, recovering=True)
    return _pulumi(session, stack, "destroy", ["--yes", *options.arguments])


def shell(root: Path, options: argparse.Namespace) -> int:
    """Opens a shell in which plain `pulumi` means this checkout's stack."""
    session, stack = _prepared(root, options, recovering=False)
    stack.select(session.environment)
    session.report(f"a prepared shell for stack {options.stack}: `pulumi preview`, `pulumi up`, `exit` to leave")
    if session.project.ports_moved:
        # Plain pulumi reads the checked-in file, so that an edit of it counts; that one names the usual ports.
        session.report(f"the ports were moved: give pulumi --config-file {stack.configuration()}, or use make")
    program = session.environment.get("SHELL") or "/bin/sh"
    return foreground([program, *options.arguments], root, session.environment)


def env(root: Path, options: argparse.Namespace) -> int:
    """Prints the prepared environment for ``eval``."""
    session = open_session(root, consent=options.consent)
    ensure_keys(session.project, session.environment)
    sys.stdout.write(shell_exports(session.project, session.environment))
    return 0


def status(root: Path, _options: argparse.Namespace) -> int:
    """Lists services and stacks."""
    print_status(Project.at(root), os.environ)
    return 0


def down(root: Path, _options: argparse.Namespace) -> int:
    """Ends the services that this checkout started."""
    project = Project.at(root)
    if not running_services(project):
        print("no service of this checkout runs")
        return 0
    stop_services(project, print)
    return 0


def clean(root: Path, options: argparse.Namespace) -> int:
    """Removes everything that the toolchain made in the checkout."""
    from toolchain.cleaning import clean as remove_everything

    remove_everything(Project.at(root), print, cache=options.cache)
    return 0


def test(root: Path, options: argparse.Namespace) -> int:
    """Runs the checks and tests."""
    from toolchain.testing import run_checks

    refuse_without_root(root)
    session = open_session(root, consent=options.consent)
    shared = functools.partial(shared_engine, session.project, session.environment, session.report)
    return run_checks(root, session.python, session.environment, session.report, session.tool, shared)


def bench(root: Path, options: argparse.Namespace) -> int:
    """Runs the benchmarks."""
    refuse_without_root(root)
    session = open_session(root, consent=options.consent)
    provide(session, options.stack)
    return foreground([str(session.python), "-m", "benchmarks", *options.arguments], root, session.environment)


def lock_bases(root: Path, options: argparse.Namespace) -> int:
    """Looks the base images up again, those of the named locks or the sample's; the next preview shows what moved."""
    ours = Project.at(root).base_lock
    locks = [root / it for it in options.arguments] or [ours]
    if own := [lock for lock in locks if lock != ours]:
        _refresh(own, root, consent=options.consent)
    if ours in locks:
        refuse_without_root(root)
        provide(open_session(root, consent=options.consent), options.stack, refresh_bases=True)
    return 0


def _refresh(locks: list[Path], root: Path, *, consent: bool) -> None:
    """Refreshes a project's own locks: one tool is enough for that, and no service."""
    from toolchain.bases import refresh_lock
    from toolchain.progress import Progress
    from toolchain.tools import ensure_tool

    report = Progress(sys.stderr)
    crane = ensure_tool(root, "crane", consent=consent, report=report)
    path = f"{crane.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    for lock in locks:
        refresh_lock(lock, {**os.environ, "PATH": path}, report.note)


def schema(root: Path, options: argparse.Namespace) -> int:
    """Writes the JSON Schema of the stack files."""
    session = open_session(root, consent=options.consent)
    target = root / "stacks" / "schema.json"
    partial = session.project.run / "schema.json"
    with partial.open("wb") as file:
        code = foreground([str(session.python), "-m", "settings"], root, session.environment, output=file)
    if code == 0:
        shutil.move(partial, target)
        session.report(f"wrote {target.relative_to(root)}")
    return code


def _prepared(root: Path, options: argparse.Namespace, *, recovering: bool) -> tuple[Session, Stack]:
    """Everything that `pulumi` needs for the stack, and the stack."""
    stack = Stack(Project.at(root), options.stack)
    stack.refuse_missing_file()
    refuse_without_root(root)
    session = open_session(root, consent=options.consent)
    provide(session, stack.name)
    stack.ensure(session.environment)
    if recovering:
        # Only now: what runs pulumi and speaks HTTP need not be loaded by verbs that do neither.
        from toolchain.recovery import recover

        recover(stack, session.environment, session.report)
    return session, stack


def _pulumi(session: Session, stack: Stack, verb: str, arguments: list[str]) -> int:
    stack.select_first(session.environment)
    argv = ["pulumi", verb, "--stack", stack.name, "--config-file", str(stack.configuration()), *arguments]
    code = foreground(argv, session.project.root, session.environment)
    if code != 0:
        stack.refuse_broken_yaml(session.python)
    return code


VERBS: dict[str, Verb] = {
    "bench": bench,
    "clean": clean,
    "destroy": destroy,
    "down": down,
    "ensure": ensure,
    "env": env,
    "lock-bases": lock_bases,
    "preview": preview,
    "schema": schema,
    "services": services,
    "shell": shell,
    "status": status,
    "test": test,
    "up": up,
}
