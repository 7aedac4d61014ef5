"""The commits between two revisions of a service's source, from the repository that the source is in."""

import re
from pathlib import Path

from commands.previews.drafts import revision_of
from commands.previews.report import Commit, Commits

_FORMAT = "%H%x1f%an%x1f%s%x1f%aI%x1e"
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
    # The source of a service may be another repository than the project is in.
    clone = project / context if context and (project / context).is_dir() else project
    for revision, what in ((old, "today's image"), (new, "what would ship")):
        if revision is None:
            raise NotKnownError(f"commits: {what} does not say which commit it was built from")
        if not _HASH.fullmatch(revision) or not _has(clone, revision):
            raise NotKnownError(
                f"commits: {revision[:12]}, which {what} was built from, is in no commit of this clone: "
                "fetch the whole history, as with `fetch-depth: 0`"
            )
    paths = str((project / context).resolve() if context else ".")
    return Commits(
        context=context or ".",
        added=_log(clone, f"{old}..{new}", paths),
        taken_back=_log(clone, f"{new}..{old}", paths),
        uncommitted=dirty,
    )


def _has(project: Path, revision: str) -> bool:
    try:
        _git(project, "cat-file", "-e", f"{revision}^{{commit}}")
    except NotKnownError:
        return False
    return True


def _log(project: Path, span: str, folder: str) -> tuple[Commit, ...]:
    return parsed(_git(project, "log", "--no-show-signature", f"--format={_FORMAT}", span, "--", folder))


def parsed(log: str) -> tuple[Commit, ...]:
    """The commits of a log in our format."""
    entries = (entry.strip("\n").split("\x1f") for entry in log.split("\x1e"))
    return tuple(
        Commit(hash=fields[0], author=fields[1], subject=fields[2], time=fields[3])
        for fields in entries
        if len(fields) == 4
    )


def _git(folder: Path, *arguments: str) -> str:
    from pulumi import RunError

    from components.tree import git, top_level

    try:
        return git(folder, top_level(folder) or folder, "--literal-pathspecs", *arguments)
    except RunError as error:
        raise NotKnownError(f"commits: {error}") from None
