"""What git is told by its environment where a repository is asked that this program has found itself."""

import os
from pathlib import Path

_ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
"""What makes git look at another repository, as in a hook or `git rebase --exec`, or read paths in another way.

What its configuration is, as in `git -c`, stays. Source: git-scm.com, git(1), "Environment Variables"; `git rev-parse
--local-env-vars`.
"""


def git_environment(repository: Path | None = None) -> dict[str, str]:
    """The environment of a git that is to read the repository of the folder in which it runs.

    The project may belong to somebody else than who runs Pulumi, as in many CI systems: git is told that this very
    repository is meant, beside what the caller's own environment tells it.

    Args:
        repository: its top folder; whichever it is where it is left out, for what needs no trust.
    """
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return inherited | {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "safe.directory",
        f"GIT_CONFIG_VALUE_{count}": str(repository) if repository else "*",
    }
