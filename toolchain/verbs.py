"""What each verb of ``python3 -m toolchain`` does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from toolchain.environment import Project, shell_exports
from toolchain.services.fleet import running_services, stop_services
from toolchain.session import open_session, provide


def ensure(root: Path, options: argparse.Namespace) -> int:
    """Makes sure of the tools."""
    open_session(root, consent=options.consent)
    return 0


def services(root: Path, options: argparse.Namespace) -> int:
    """Makes sure of tools, keys, services, base images and database."""
    provide(open_session(root, consent=options.consent), options.stack)
    return 0


def env(root: Path, options: argparse.Namespace) -> int:
    """Prints the prepared environment for ``eval``."""
    session = open_session(root, consent=options.consent)
    sys.stdout.write(shell_exports(session.project, session.environment))
    return 0


def down(root: Path, _options: argparse.Namespace) -> int:
    """Ends the services that this checkout started."""
    project = Project.at(root)
    if not running_services(project):
        print("no service of this checkout runs")
    stop_services(project, print)
    return 0


VERBS: dict[str, Callable[[Path, argparse.Namespace], int]] = {
    "ensure": ensure,
    "services": services,
    "env": env,
    "down": down,
}
