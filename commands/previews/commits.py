"""The commits between two revisions of a service's source, from the repository that the project is in."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from commands.previews.drafts import revision_of
from commands.previews.report import Commit, Commits

_FORMAT = "%H%x1f%an%x1f%aI%x1f%s%x1e"
_HASH = re.compile(r"[0-9a-f]{7,64}")


class NotKnownError(Exception):
    """Something that a preview cannot know, in words for a person."""


def commits_between(project: Path, context: str | None, before: str | None, after: str | None) -> Commits:
    """The commits that would ship, and those that would be taken back.

    Args:
        project: folder of the project.
        context: the folder that the service is built from; None for the whole project.
        before: revision of today's image.
        after: revision of what would ship.

    Raises:
        NotKnownError: a revision is missing, or this clone does not have it.
    """
    (old, _), (new, dirty) = revision_of(before), revision_of(after)
    for revision, what in ((old, "today's image"), (new, "what would ship")):
        if revision is None:
            raise NotKnownError(f"commits: {what} does not say which commit it was built from")
        if not _HASH.fullmatch(revision) or not _has(project, revision):
            raise NotKnownError(
                f"commits: {revision[:12]}, which {what} was built from, is not in this clone: "
                "fetch the whole history, as with `fetch-depth: 0`"
            )
    folder = context or "."
    return Commits(
        context=folder,
        added=_log(project, f"{old}..{new}", folder),
        taken_back=_log(project, f"{new}..{old}", folder),
        uncommitted=dirty,
    )


def _has(project: Path, revision: str) -> bool:
    return _git(project, "cat-file", "-e", f"{revision}^{{commit}}").returncode == 0


def _log(project: Path, span: str, folder: str) -> tuple[Commit, ...]:
    ended = _git(project, "log", "--no-show-signature", f"--format={_FORMAT}", span, "--", folder)
    if ended.returncode:
        raise NotKnownError(f"commits: git log {span} failed: {ended.stderr.strip()}")
    return parsed(ended.stdout)


def parsed(log: str) -> tuple[Commit, ...]:
    """The commits of a log in our format."""
    commits = []
    for entry in log.split("\x1e"):
        fields = entry.strip("\n").split("\x1f")
        if len(fields) == 4:
            commits.append(Commit(hash=fields[0], author=fields[1], time=fields[2], subject=fields[3]))
    return tuple(commits)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The project may belong to somebody else than who runs the preview, as in many CI systems; it is only read.
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    trusted = {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "safe.directory",
        f"GIT_CONFIG_VALUE_{count}": "*",
    }
    command: Sequence[str] = ["git", "--literal-pathspecs", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **trusted},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise NotKnownError(f"commits: git cannot be run ({error.strerror}): install git") from error
