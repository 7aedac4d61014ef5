"""What git says of a folder: its last commit, and what was changed since."""

import os
import subprocess
from pathlib import Path

import pulumi

_SALT = "encryptionsalt: "


def last_commit(context: Path) -> tuple[str, int]:
    """The last commit that touched the context, and its time in seconds since 1970.

    A commit elsewhere changes nothing, so it rebuilds nothing. Changes that are not committed add `-dirty`. Outside of
    git, and before the first commit, the revision is `unknown` and the time 0.

    Raises:
        pulumi.RunError: there is a repository, and git cannot read it.
    """
    top = top_level(context)
    if top is None or not git(context, top, "rev-list", "--all", "--max-count=1"):
        return "unknown", 0
    log = git(context, top, "log", "-1", "--format=%H %ct", "--", ".").split()
    if not log:
        return "unknown", 0
    dirty = git(context, top, "status", "--porcelain", "--", ".")
    return log[0] + ("-dirty" if dirty else ""), int(log[1])


def top_level(context: Path) -> Path | None:
    """The folder of the repository that the context is in."""
    folder = context.resolve()
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), None)


def git(folder: Path, top: Path, *arguments: str) -> str:
    """What git says in a folder of the repository at `top`.

    Raises:
        pulumi.RunError: git cannot be run, or cannot read the repository.
    """
    # The project may belong to somebody else than who runs Pulumi, as in many CI systems: git is told that this very
    # repository is meant, beside what the caller's own environment tells it.
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    trusted = {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "safe.directory",
        f"GIT_CONFIG_VALUE_{count}": str(top),
    }
    try:
        ended = subprocess.run(
            ["git", *arguments], cwd=folder, env={**os.environ, **trusted}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise pulumi.RunError(f"{folder}: git cannot be run ({error.strerror}): install git") from error
    if ended.returncode != 0:
        raise pulumi.RunError(f"{folder}: git {arguments[0]} failed in {top}: {ended.stderr.strip()}")
    return ended.stdout.strip()


def changed(project: Path) -> list[str] | None:
    """The files of a project that differ from its last commit, new ones too; None where there is no repository.

    The salt that Pulumi itself adds to a stack's file counts for nothing.

    Raises:
        pulumi.RunError: there is a repository, and git cannot read it.
    """
    top = top_level(project)
    if top is None:
        return None
    entries = git(project, top, "status", "--porcelain", "-z", "--no-renames", "--", ".").split("\0")
    parts = [entry.strip(" ").partition(" ") for entry in entries if entry]
    known = [(state, top / name.lstrip(" ")) for state, _, name in parts]
    files = [path for state, path in known if state != "M" or not _is_salted(project, top, path)]
    return sorted(str(path.relative_to(project.resolve())) for path in files)


def _is_salted(project: Path, top: Path, path: Path) -> bool:
    """Whether all that was added to a file, and nothing was taken away, is Pulumi's salt."""
    lines = git(
        project, top, "diff", "HEAD", "--unified=0", "--no-color", "--no-ext-diff", "--", str(path)
    ).splitlines()
    edits = [line for line in lines if line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- "))]
    return bool(edits) and all(line.startswith(f"+{_SALT}") for line in edits)
