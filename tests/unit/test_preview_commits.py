"""The commits of a preview: those of the build's folder that lie between two images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from commands.previews.commits import NotKnownError, commits_between


def git(folder: Path, *arguments: str) -> str:
    """Run git, as somebody."""
    identity = ["-c", "user.name=A Person", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(name="repository")
def repository_with_commits(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository with three commits, the second one elsewhere, and their hashes."""
    git(tmp_path, "init", "--quiet")
    hashes = []
    for name, subject in (("app", "first"), ("docs", "elsewhere"), ("app", "a | `second` @everyone")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_text(subject)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", subject)
        hashes.append(git(tmp_path, "rev-parse", "HEAD"))
    return tmp_path, hashes


def test_the_commits_of_the_context_lie_between(repository: tuple[Path, list[str]]) -> None:
    folder, hashes = repository
    found = commits_between(folder, "app", hashes[0], f"{hashes[2]}-dirty")
    assert [(it.hash, it.author, it.subject) for it in found.added] == [
        (hashes[2], "A Person", "a | `second` @everyone")
    ]
    assert (found.taken_back, found.uncommitted) == ((), True)


def test_outside_of_git_there_are_no_commits_to_tell(tmp_path: Path) -> None:
    with pytest.raises(NotKnownError, match="is in no commit of this clone"):
        commits_between(tmp_path, None, "a" * 40, "b" * 40)


def test_a_commit_without_a_subject_is_one(repository: tuple[Path, list[str]]) -> None:
    folder, hashes = repository
    (folder / "app" / "file").write_text("fourth")
    git(folder, "commit", "--quiet", "--all", "--allow-empty-message", "-m", "")
    found = commits_between(folder, None, hashes[2], git(folder, "rev-parse", "HEAD"))
    assert [it.subject for it in found.added] == [""]


def test_a_rollback_takes_commits_back(repository: tuple[Path, list[str]]) -> None:
    folder, hashes = repository
    found = commits_between(folder, None, hashes[2], hashes[0])
    assert [it.hash for it in found.taken_back] == [hashes[2], hashes[1]]
    assert found.added == ()


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        ("f" * 40, "is in no commit of this clone: fetch the whole history"),
        ("--output=/tmp/x", "is in no commit of this clone"),
        ("unknown", "does not say which commit it was built from"),
        (None, "does not say which commit it was built from"),
    ],
)
def test_a_commit_that_is_not_there_is_said(
    repository: tuple[Path, list[str]], revision: str | None, told: str
) -> None:
    folder, hashes = repository
    with pytest.raises(NotKnownError, match=told):
        commits_between(folder, "app", revision, hashes[2])
