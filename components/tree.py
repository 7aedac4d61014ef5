"""What git says of a folder: its last commit, and what was changed since."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.dockerignore import FILE as DOCKERIGNORE
from components.dockerignore import Dockerignore
from components.git_environment import git_environment

_IGNORED = "!!"
_NAMED = 5
"""How many changed files a person is told of."""
_SHALLOW = (
    "{context}: this clone is shallow, and its oldest commit ({commit}) stands for all before it: which commit touched "
    "the context last is not known, so that each new clone may build another image from the same source. "
    "Fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` (GitHub) and `GIT_DEPTH: 0` (GitLab)."
)
_SALT = "encryptionsalt: "


def last_commit(context: Path, dockerfile: str = "Dockerfile") -> tuple[str, int]:
    """The last commit that touched the context, and its time in seconds since 1970.

    A commit elsewhere changes nothing, so it rebuilds nothing. What the builder gets and no commit holds adds `-dirty`.
    Outside of git, and before the first commit, the revision is `unknown` and the time 0.

    Args:
        context: the folder that is sent to the builder.
        dockerfile: the Dockerfile, relative to the context.

    Raises:
        pulumi.RunError: there is a repository, and git cannot read it.
    """
    top = top_level(context)
    if top is None:
        return "unknown", 0
    paths = [".", *_beside(context, dockerfile, top)]
    try:
        log = git(context, top, "log", "-1", "--no-show-signature", "--format=%H %ct %P", "--", *paths).split()
    except pulumi.RunError:
        # Before the first commit git calls it an error that there is none.
        if git(context, top, "rev-list", "--all", "--max-count=1"):
            raise
        return "unknown", 0
    if not log:
        return "unknown", 0
    commit, when, *parents = log
    if not parents and git(context, top, "rev-parse", "--is-shallow-repository") == "true":
        pulumi.log.warn(_SHALLOW.format(context=context, commit=commit[:7]))
    return commit + ("-dirty" if uncommitted(context, dockerfile) else ""), int(when)


def uncommitted(context: Path, dockerfile: str = "Dockerfile") -> list[str] | None:
    """What a build takes from a context that is in no commit, relative to the context; None outside of git.

    That is what git calls changed or new, whatever .dockerignore says of it, and of what git ignores the files that the
    builder gets all the same: a change to them changes the image. Of a stack's file to which Pulumi has added its salt
    the same holds.

    Args:
        context: the folder that is sent to the builder.
        dockerfile: the Dockerfile, relative to the context.

    Raises:
        pulumi.RunError: there is a repository, and git cannot read it.
    """
    top = top_level(context)
    if top is None:
        return None
    folder, dockerfile = context.resolve(), _relative(context, dockerfile)
    ignore = Dockerignore.of(context, dockerfile)
    always = {dockerfile, f"{dockerfile}{DOCKERIGNORE}", DOCKERIGNORE}  # read even where .dockerignore leaves them out
    found = set()
    for state, name in _status(context, top, "--ignored=matching", "--", ".", *_beside(context, dockerfile, top)):
        # Where git knows nothing below the folder above the context, it names that folder.
        path = os.path.relpath(top / name, folder) if not folder.is_relative_to(top / name) else "."
        if state.strip() == "M" and ignore.leaves_out(path) and _is_salted(context, top, top / name):
            continue
        found.add(ignore.sent(context, path) if state == _IGNORED and path not in always else path)
    return sorted(path for path in found if path)


def _relative(context: Path, dockerfile: str) -> str:
    """A Dockerfile's path in its context, `../…` where it lies outside."""
    return os.path.relpath(context.resolve() / dockerfile, context.resolve())


def _beside(context: Path, dockerfile: str, top: Path) -> list[str]:
    """What a build reads outside of its context, for git: a Dockerfile that lies there, and its .dockerignore."""
    path = _relative(context, dockerfile)
    files = [path, f"{path}{DOCKERIGNORE}"] if path.startswith("../") else []
    return [f":(literal){it}" for it in files if (context.resolve() / it).resolve().is_relative_to(top)]


def top_level(context: Path) -> Path | None:
    """The folder of the repository that the context is in."""
    folder = context.resolve()
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), None)


def git(folder: Path, top: Path, *arguments: str) -> str:
    """What git says in a folder of the repository at `top`.

    Raises:
        pulumi.RunError: git cannot be run, or cannot read the repository.
    """
    try:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=git_environment(top),
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",  # a file's name may be any bytes
            check=False,
        )
    except OSError as error:
        raise pulumi.RunError(f"{folder}: git cannot be run ({error.strerror}): install git") from error
    if ended.returncode != 0:
        raise pulumi.RunError(f"{folder}: git {arguments[0]} failed in {top}: {ended.stderr.strip()}")
    return ended.stdout.rstrip("\n")


def _status(folder: Path, top: Path, *flags: str) -> list[tuple[str, str]]:
    """What differs from the last commit: its state in two letters, and its path below `top`.

    What git says does not depend on the user's own settings. A new folder is one entry: its files need not be counted.
    """
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=none")
    entries = git(folder, top, "status", *options, *flags).split("\0")
    return [(entry[:2], entry[3:]) for entry in entries if entry]


def changed(project: Path) -> list[str] | None:
    """The files of a project that differ from its last commit, new ones too; None where there is no repository.

    The salt that Pulumi itself adds to a stack's file counts for nothing.

    Raises:
        pulumi.RunError: there is a repository, and git cannot read it.
    """
    top = top_level(project)
    if top is None:
        return None
    known = [(state.strip(), top / name) for state, name in _status(project, top, "--", ".")]
    files = [path for state, path in known if state != "M" or not _is_salted(project, top, path)]
    return sorted(str(path.relative_to(project.resolve())) for path in files)


def named(files: Sequence[str]) -> str:
    """The first few of these files and how many more there are, without a character that a terminal would obey."""
    told = ", ".join(files[:_NAMED]) + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in told)


def _is_salted(project: Path, top: Path, path: Path) -> bool:
    """Whether all that was added to a file, and nothing was taken away, is Pulumi's salt."""
    lines = git(
        project, top, "diff", "HEAD", "--unified=0", "--no-color", "--no-ext-diff", "--", str(path)
    ).splitlines()
    edits = [line for line in lines if line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- "))]
    return bool(edits) and all(line.startswith(f"+{_SALT}") for line in edits)
