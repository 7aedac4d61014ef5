"""What every verb starts from: the tools in place, the folders made, the environment prepared."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain.bases import ensure_base_lock
from toolchain.database import ensure_database
from toolchain.environment import Project, create_folders, forbid_logs, link_plugins, prepared_environment
from toolchain.errors import ToolchainError
from toolchain.keys import ensure_keys
from toolchain.progress import Progress
from toolchain.services.emulation import PLATFORMS
from toolchain.services.fleet import exclusive, start_services

PLATFORM = re.compile(r"\blinux/[a-z0-9]+(?:/v\d)?\b")


@dataclass(frozen=True)
class Session:
    """One run of the toolchain in one checkout.

    Attributes:
        project: the checkout.
        environment: the prepared environment.
        python: the interpreter of the project's virtual environment.
        progress: where progress is written.
    """

    project: Project
    environment: dict[str, str]
    python: Path
    progress: Progress

    def tool(self, name: str) -> Path:
        """Makes sure of a tool that is only needed at times, such as trivy-db, and returns its program.

        Raises:
            ToolchainError: it cannot be had.
        """
        from toolchain.tools import ensure_tool

        return ensure_tool(self.project.root, name, report=self.progress)

    def report(self, text: str) -> None:
        """Writes one line of progress."""
        self.progress.note(text)


def refuse_without_root(root: Path) -> None:
    """Refuses anybody but root before half an hour went into tools that nobody could use.

    Args:
        root: the checkout.

    Raises:
        ToolchainError: it is not root; with all that the administrator is to be asked for.
    """
    if os.geteuid() == 0:
        return
    from toolchain.tools import administrators_part

    lacks = administrators_part(root)
    raise ToolchainError(
        "Only root can start the embedded services: BuildKit runs as root, the kernel is taught to run other "
        "platforms, and secret files are given to the users of images. Nothing was changed. What to do: run the "
        "command again as root, or use Docker, builder and registries of your own with plain `pulumi up` (README, "
        "With your own Pulumi, Docker and registries)."
        + (f"\nThis machine also lacks what only its administrator can install:\n{lacks}" if lacks else "")
    )


def open_session(root: Path, *, consent: bool = False) -> Session:
    """Makes sure of the tools and returns the session.

    Args:
        root: the checkout.
        consent: whether the user agrees to changes of the system, such as Debian packages.

    Raises:
        ToolchainError: a tool cannot be had, or a setting is wrong.
    """
    from toolchain.tools import ensure_tools

    project = Project.at(root)
    progress = Progress(sys.stderr)
    tools = ensure_tools(project.root, consent=consent, report=progress)
    create_folders(project)
    link_plugins(project, tools.plugins)
    forbid_logs(project)
    return Session(project, prepared_environment(project, tools.path), tools.python, progress)


def provide(session: Session, stack: str, *, refresh_bases: bool = False) -> None:
    """Makes sure of everything that ``stack`` is built with: keys, services, base images, vulnerability database.

    Args:
        session: the session.
        stack: name of the stack.
        refresh_bases: look every base image up again, also those that are locked.

    Raises:
        ToolchainError: with the part that failed and what to do.
    """
    project, environment, report = session.project, session.environment, session.report
    production = asks_for_production(project, stack)
    made = ensure_keys(project, environment, with_production=production)
    if made:
        report(f"keys: made {', '.join(made)} in {project.keys}")
    start_services(project, environment, report, platforms(project, stack), with_production=production)
    with exclusive(project, report):  # two runs at a time would build in one folder
        ensure_database(project, environment, report, session.tool)
        ensure_base_lock(project, environment, report, session.tool, refresh=refresh_bases)


def platforms(project: Project, stack: str) -> list[str]:
    """Returns the platforms that Slipway builds by default and those that the stack's file names."""
    return sorted({*PLATFORMS, *PLATFORM.findall(_text_of(project, stack))})


def asks_for_production(project: Project, stack: str) -> bool:
    """Tells whether the stack's file names production's own registry."""
    return project.production in project.with_our_ports(_text_of(project, stack))


def _text_of(project: Project, stack: str) -> str:
    path = project.root / "stacks" / f"Pulumi.{stack}.yaml"
    return path.read_text(encoding="utf-8") if path.exists() else ""
