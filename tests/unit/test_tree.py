"""What git says of a context: its last commit, and what a build would take that is in no commit."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
import pytest

from components.tree import changed, last_commit, named, uncommitted
from tests.repository import Repository, service_in_git

__all__ = ["service_in_git"]


def test_revision_and_time_are_those_of_the_last_commit_that_touched_the_context(repository: Repository) -> None:
    touched = repository.commit("web/app.py", 1_700_000_100)
    repository.commit("README.md", 1_700_000_200)
    assert last_commit(repository.context) == (touched, 1_700_000_100)


@pytest.mark.parametrize("path", ["app.py", "new.py"])
def test_what_is_not_committed_is_said_of_the_revision(repository: Repository, path: str) -> None:
    clean, when = last_commit(repository.context)
    (repository.context / path).write_text("changed")
    assert last_commit(repository.context) == (f"{clean}-dirty", when)


def test_a_context_that_was_never_committed_is_unknown(repository: Repository) -> None:
    other = repository.folder / "other"
    other.mkdir()
    assert last_commit(other) == ("unknown", 0)


def test_a_repository_without_any_commit_is_unknown(tmp_path: Path) -> None:
    assert last_commit(Repository(tmp_path / "new").context) == ("unknown", 0)


def test_a_checkout_of_another_user_is_read_all_the_same(repository: Repository) -> None:
    before = last_commit(repository.context)
    other = os.geteuid() + 12345
    if os.geteuid() == 0:  # nobody else can give a folder away; for them the commit is simply read
        for path in (repository.folder, *repository.folder.rglob("*")):
            os.chown(path, other, other)
    assert last_commit(repository.context) == before != ("unknown", 0)


def test_a_repository_that_git_cannot_read_is_told_in_gits_words(repository: Repository) -> None:
    (repository.folder / ".git" / "config").write_text("[core\n")
    with pytest.raises(pulumi.RunError, match=r"git rev-list failed in .*: fatal: bad config line"):
        last_commit(repository.context)


def test_a_repository_on_a_machine_without_git_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository.context))
    with pytest.raises(pulumi.RunError, match="git cannot be run"):
        last_commit(repository.context)


def test_a_dockerfile_outside_of_the_context_is_part_of_the_revision(repository: Repository) -> None:
    touched = repository.commit("web.Dockerfile", 1_700_000_100)
    repository.commit("README.md", 1_700_000_200)
    assert last_commit(repository.context, "../web.Dockerfile") == (touched, 1_700_000_100)
    assert last_commit(repository.context)[1] == 1_700_000_000
    path = repository.folder / "web.Dockerfile"
    path.write_text("changed")
    assert uncommitted(repository.context, "../web.Dockerfile") == ["../web.Dockerfile"]
    assert uncommitted(repository.context, str(path.resolve())) == ["../web.Dockerfile"]


@pytest.mark.parametrize(("ignore", "found"), [("stacks\n", []), ("", ["stacks/Pulumi.release.yaml"])])
def test_pulumis_salt_counts_where_the_builder_gets_it(repository: Repository, ignore: str, found: list[str]) -> None:
    repository.write("stacks/Pulumi.release.yaml", "config: {}\n")
    repository.write(".dockerignore", f"{ignore}.git\n")
    repository.commit("web/app.py", 1_700_000_100)
    repository.write("stacks/Pulumi.release.yaml", "config: {}\nencryptionsalt: v1:x\n")
    assert uncommitted(repository.folder) == found
    repository.write("stacks/Pulumi.release.yaml", "config: {a: b}\n")
    assert uncommitted(repository.folder) == ["stacks/Pulumi.release.yaml"]


def test_a_clean_context_has_nothing_that_is_in_no_commit(repository: Repository) -> None:
    (repository.folder / "beside").write_text("not committed")
    assert uncommitted(repository.context) == []
    assert uncommitted(repository.folder) == ["beside"]


def test_outside_of_git_nobody_knows_what_is_committed(tmp_path: Path) -> None:
    assert uncommitted(tmp_path) is None


def test_changed_new_removed_and_staged_files_are_named(repository: Repository) -> None:
    for name in (" leading", "removed.py", "staged.py"):
        repository.write(f"web/{name}", "x")
    repository.commit("web/trailing ", 1_700_000_100)
    repository.write("web/ leading", "changed")
    repository.write("web/trailing ", "changed")
    repository.write("web/staged.py", "changed")
    repository.git("add", "web/staged.py")
    (repository.context / "removed.py").unlink()
    repository.write("web/new/one.py", "x")
    assert uncommitted(repository.context) == [" leading", "new", "removed.py", "staged.py", "trailing "]


def test_a_name_that_is_no_text_is_no_obstacle(repository: Repository) -> None:
    repository.write("web/.gitignore", "*.tmp\n")
    repository.commit("web/app.py", 1_700_000_100)
    Path(os.fsdecode(os.fsencode(repository.context) + b"/caf\xe9.tmp")).write_text("x")
    assert uncommitted(repository.context) == ["caf\udce9.tmp"]
    assert named(["caf\udce9.tmp", "a\x1b[31m"]) == r"caf\udce9.tmp, a\x1b[31m"


@pytest.mark.parametrize(
    ("key", "value", "change"),
    [("status.showUntrackedFiles", "no", "new.py"), ("status.relativePaths", "false", "app.py")],
)
def test_what_is_not_committed_does_not_depend_on_the_users_settings(
    repository: Repository, key: str, value: str, change: str
) -> None:
    repository.git("config", key, value)
    repository.write(f"web/{change}", "changed")
    assert uncommitted(repository.context) == [change]
    assert last_commit(repository.context)[0].endswith("-dirty")
    assert changed(repository.folder) == [f"web/{change}"]


def ignoring(repository: Repository, *patterns: str, docker: str | None = None) -> None:
    """Commit a .gitignore with these patterns, and a .dockerignore."""
    repository.write(".gitignore", "\n".join(patterns))
    if docker is not None:
        repository.write("web/.dockerignore", docker)
    repository.commit("web/app.py", 1_700_000_100)


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_the_repository_is_that_of_the_context_whatever_git_runs_this(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = Repository(tmp_path / "other")
    other.commit("web/app.py", 1_700_000_500)
    inside = {"GIT_DIR": ".git", "GIT_WORK_TREE": ".", "GIT_INDEX_FILE": ".git/index"}[name]
    monkeypatch.setenv(name, str(other.folder / inside))
    assert last_commit(repository.context) == (repository.git("rev-parse", "HEAD"), 1_700_000_000)
    assert changed(repository.folder) == []


def test_a_signed_commit_is_read_whatever_the_user_wants_to_see_of_it(repository: Repository, tmp_path: Path) -> None:
    plain = repository.git("cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n none\n -----END PGP SIGNATURE-----"
    (tmp_path / "commit").write_text(f"{plain[0]}\n{signature}\n\n{plain[2]}\n")
    signed = repository.git("hash-object", "-t", "commit", "-w", str(tmp_path / "commit"))
    repository.git("reset", "--hard", "--quiet", signed, when=1_700_000_200)
    repository.git("config", "log.showSignature", "true")
    assert last_commit(repository.context) == (signed, 1_700_000_000)


def test_a_shallow_clone_says_that_its_oldest_commit_stands_for_others(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", told.append)
    last_commit(repository.context)
    assert not told, "the first commit of all is no guess"
    newest = repository.commit("README.md", 1_700_000_100)
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(clone), when=1_700_000_200)
    assert last_commit(clone / "web") == (newest, 1_700_000_100)
    [warning] = told
    assert f"web: this clone is shallow, and its oldest commit ({newest[:7]}) stands for all before it" in warning
    assert "fetch-depth: 0" in warning


def test_what_git_ignores_and_the_builder_gets_is_in_no_commit(repository: Repository) -> None:
    ignoring(repository, "*.log", "generated/")
    repository.write("web/logs/today.log", "x")
    repository.write("web/generated/b.py", "x")
    repository.write("web/generated/a.py", "x")
    assert uncommitted(repository.context) == ["generated/a.py", "logs/today.log"]
    assert last_commit(repository.context)[0].endswith("-dirty")


@pytest.mark.parametrize(
    "docker", ["**/__pycache__\n.venv\n", "*\n!*.py\n!driftwood/*.py\n", "**/*.pyc\n.venv/**\n", "**\n!driftwood/**.py"]
)
def test_what_neither_git_nor_the_builder_takes_counts_for_nothing(repository: Repository, docker: str) -> None:
    ignoring(repository, "__pycache__", ".venv", docker=docker)
    repository.write("web/driftwood/__pycache__/web.pyc", "x")
    repository.write("web/.venv/lib/module.py", "x")
    assert uncommitted(repository.context) == []
    repository.write("web/driftwood/web.py", "x")
    assert uncommitted(repository.context) == ["driftwood"]


def test_a_file_that_dockerignore_brings_back_from_an_ignored_folder_counts(repository: Repository) -> None:
    ignoring(repository, "build/", docker="build\n!build/out/app.js\n")
    repository.write("web/build/cache/app.js", "x")
    assert uncommitted(repository.context) == []
    repository.write("web/build/out/app.js", "x")
    assert uncommitted(repository.context) == ["build/out/app.js"]


def test_a_committed_file_that_changed_counts_even_where_the_builder_does_not_get_it(repository: Repository) -> None:
    ignoring(repository, docker="*\n!app.py\n")
    repository.write("web/.dockerignore", "*\n!app.py\n!key.pem\n")
    assert uncommitted(repository.context) == [".dockerignore"]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.dockerignore", ".dockerignore"])
def test_what_says_how_to_build_counts_even_where_it_is_left_out(repository: Repository, name: str) -> None:
    ignoring(repository, name)
    repository.write("web/.dockerignore", "*\n")
    repository.git("add", "--force", "web/.dockerignore")
    repository.commit("web/app.py", 1_700_000_100)
    repository.write(f"web/{name}", "*\n# changed\n")
    assert uncommitted(repository.context) == [name]


def test_a_dockerfile_beside_the_context_counts(repository: Repository) -> None:
    repository.commit("Dockerfile", 1_700_000_100)
    repository.write("Dockerfile", "FROM scratch")
    assert uncommitted(repository.context) == []
    assert uncommitted(repository.context, "../Dockerfile") == ["../Dockerfile"]
    assert uncommitted(repository.context, "../../Dockerfile") == [], "that one is in no repository"


def test_a_context_that_git_knows_nothing_of_is_in_no_commit(repository: Repository) -> None:
    repository.write("new/other/app.py", "x")
    assert uncommitted(repository.folder / "new" / "other") == ["."]
    ignoring(repository, "new/")
    assert uncommitted(repository.folder / "new" / "other") == ["app.py"]
    assert uncommitted(Repository(repository.folder.parent / "empty").context) == []
