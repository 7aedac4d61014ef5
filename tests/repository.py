"""A git repository for tests, with a service in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class Repository:
    """A git repository with a service in it and something beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = folder / "web"
        self.context.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str, when: int = 0) -> str:
        """Run git; a commit is made at this second since 1970."""
        who = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        dates = {f"GIT_{role}_DATE": f"{when} +0000" for role in ("AUTHOR", "COMMITTER")}
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **who, **dates}
        ended = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return ended.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file, and the folders that it is in."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self, path: str, when: int) -> str:
        """Change a file, commit it at this second, and return the commit."""
        with (self.folder / path).open("a") as file:
            file.write(f"{when}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", path, when=when)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(name="repository")
def service_in_git(tmp_path: Path) -> Repository:
    """A repository with one commit that touched the service."""
    repository = Repository(tmp_path / "repository")
    repository.commit("web/app.py", 1_700_000_000)
    return repository
