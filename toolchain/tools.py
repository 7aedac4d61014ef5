"""Makes sure of everything that Slipway runs on: decides where each tool comes from, and installs what is missing.

In this order for each tool: the one on PATH when its version is accepted; the vendor's release when its site answers
within seconds; else a build from pinned Go modules, or a package of the distribution. What must change the system is
listed before anything is changed, and needs root or consent.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.pins import load, machine
from toolchain.progress import Progress
from toolchain.stamp import Stamp, Tools
from toolchain.store import Store, cache_folder

if TYPE_CHECKING:
    from toolchain.install import Installation

__all__ = ["ToolchainError", "Tools", "ensure_tool", "ensure_tools"]


def ensure_tools(project: Path, *, consent: bool = False, report: Progress) -> Tools:
    """Makes sure of all tools, the plugins and the virtual environment of the checkout ``project``.

    With everything in place this only looks whether it is still there, in a fraction of a second.

    Args:
        project: the checkout.
        consent: whether the user agreed to changes of the system, made through sudo where this is not root.
        report: where progress goes.

    Raises:
        ToolchainError: something is missing that cannot be installed; one message, which says what to do.
    """
    project = project.resolve()
    stamp = Stamp(project, Store(cache_folder(), machine()))
    return stamp.read() or _installation(stamp, report).everything(consent=consent)


def ensure_tool(project: Path, name: str, *, consent: bool = False, report: Progress) -> Path:
    """Makes sure of one tool, also of one that is only needed at times, and returns its program.

    Args:
        project: the checkout.
        name: the tool's name in the pins, such as trivy-db.
        consent: as for all tools.
        report: where progress goes.

    Raises:
        ToolchainError: there is no such pin, or the tool cannot be installed.
    """
    stamp = Stamp(project.resolve(), Store(cache_folder(), machine()))
    installation = _installation(stamp, report)
    pin = installation.pins.tools.get(name)
    if pin is None:
        raise ToolchainError(f"{name}: no such tool: the pins know {', '.join(installation.pins.tools)}")
    return installation.one(pin, consent=consent)


def administrators_part(project: Path) -> str:
    """Returns the list of what only the administrator can install, with the commands for it; empty for nothing.

    Args:
        project: the checkout.
    """
    stamp = Stamp(project.resolve(), Store(cache_folder(), machine()))
    return "" if stamp.read() else _installation(stamp, Progress(sys.stderr)).administrators_part()


def _installation(stamp: Stamp, report: Progress) -> "Installation":
    # Imported only now: a run with everything in place needs none of it.
    from toolchain.install import Installation

    return Installation(stamp, load(stamp.pins), report, os.environ)
