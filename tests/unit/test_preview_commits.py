"""The commits of a preview: those of the build's folder that lie between two images."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.previews.commits import NotKnownError, commits_between
from tests.conftest import git


def test_the_commits_of_the_context_lie_between(repository: tuple[Path, list[str]]) -> None:
    folder, hashes = repository
    found = commits_between(folder, "app", hashes[0], f"{hashes[2]}-dirty")
    assert [(it.hash, it.author, it.subject) for it in found.added] == [
        (hashes[2], "A Person", "a | `second` @everyone")
    ]
    assert (found.taken_back, found.uncommitted) == ((), True)


def test_a_source_in_a_repository_of_its_own_has_its_commits_there(
    repository: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, hashes = repository
    project = tmp_path / "a project"
    project.mkdir()
    found = commits_between(project, str(folder / "app"), hashes[0], hashes[2])
    assert [it.hash for it in found.added] == [hashes[2]]
    (project / "link").symlink_to(folder)
    found = commits_between(project, "link/app", hashes[0], hashes[2])
    assert ([it.hash for it in found.added], found.context) == ([hashes[2]], "link/app")


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
