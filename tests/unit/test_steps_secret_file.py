"""A secret as a file on the host: its owner's alone, never followed elsewhere, and gone without a trace."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from steps.secret_file import remove_secret, write_secret
from steps.tool import StepError
from tests.running import run_step_program

SECRET = "s3cret\nwith two lines, ü"


def test_a_secret_file_is_its_owners_alone_and_holds_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "stack" / "web" / "db_password"
    written = write_secret(path, SECRET, 10001)
    assert (written["path"], written["owner"]) == (str(path), 10001)
    about = path.stat()
    assert stat.S_IMODE(about.st_mode) == 0o400
    assert (about.st_uid, about.st_gid) == (10001, 10001)
    assert path.read_text(encoding="utf-8") == SECRET
    assert not stat.S_IMODE(path.parent.stat().st_mode) & 0o066  # nobody else lists or changes it


def test_a_shorter_secret_leaves_nothing_of_the_longer_one_and_the_mount_stays(tmp_path: Path) -> None:
    path = tmp_path / "db_password"
    write_secret(path, "a long secret", 10001)
    before = path.stat().st_ino
    write_secret(path, "short", 10002)
    assert path.read_text() == "short"
    assert (path.stat().st_ino, path.stat().st_uid) == (before, 10002)


@pytest.fixture(name="unprivileged")
def folder_of_somebody_who_is_not_root() -> Iterator[Path]:
    """A folder of another user, whose rights this process has meanwhile."""
    owner = os.geteuid() or 12345
    with TemporaryDirectory(dir="/tmp") as name:
        os.chown(name, owner, owner)
        before = os.geteuid(), os.getegid()
        os.setegid(owner)
        os.seteuid(owner)
        try:
            yield Path(name)
        finally:
            os.seteuid(before[0])
            os.setegid(before[1])


def test_who_is_not_root_replaces_a_secret_of_his_own(unprivileged: Path) -> None:
    path = unprivileged / "stack" / "db_password"
    write_secret(path, "a long secret", os.geteuid(), anew=True)
    before = path.stat().st_ino
    write_secret(path, "short", os.geteuid())
    assert path.read_text() == "short"
    assert (path.stat().st_ino, stat.S_IMODE(path.stat().st_mode)) == (before, 0o400)


def test_a_link_in_the_place_of_a_secret_is_never_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    link = tmp_path / "db_password"
    link.symlink_to(target)
    with pytest.raises(StepError, match="secret file"):
        write_secret(link, SECRET, 10001)
    assert target.read_text() == "untouched"
    assert target.stat().st_uid == os.geteuid()


def test_a_secret_is_removed_with_the_folders_that_it_leaves_empty(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first, second = (folder / "stack" / "web" / name for name in ("a", "b"))
    write_secret(first, SECRET, 10001)
    write_secret(second, SECRET, 10001)
    remove_secret(first)
    assert second.exists()
    remove_secret(second)
    assert not (folder / "stack").exists()
    remove_secret(second)  # once more is no mistake


def as_pulumi_runs_it(path: Path, verb: str, printed: str | None = None) -> str:
    """Run the program with what it printed the last time, as the command provider hands it on; what it prints now."""
    before = {} if printed is None else {"PULUMI_COMMAND_STDOUT": printed}
    ended = run_step_program("secret_file", [verb, "--path", path, "--owner", "10001"], SECRET, environment=before)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("lost", [False, True])
def test_a_secret_that_is_replaced_is_there_after_the_old_one_is_deleted(tmp_path: Path, lost: bool) -> None:
    path = tmp_path / "stack" / "db_password"
    first = as_pulumi_runs_it(path, "write")
    if lost:  # its number may be given to the next file
        path.unlink()
    second = as_pulumi_runs_it(path, "write")
    as_pulumi_runs_it(path, "remove", first)
    assert path.read_text(encoding="utf-8") == SECRET
    third = as_pulumi_runs_it(path, "write", second)
    as_pulumi_runs_it(path, "remove", third)
    assert not path.parent.exists()


def test_a_new_value_is_written_in_place_and_one_of_a_new_resource_beside(tmp_path: Path) -> None:
    path = tmp_path / "db_password"
    printed = as_pulumi_runs_it(path, "write")
    with path.open() as mounted:
        as_pulumi_runs_it(path, "write", printed)
        assert os.fstat(mounted.fileno()).st_ino == path.stat().st_ino
        as_pulumi_runs_it(path, "write")
        assert os.fstat(mounted.fileno()).st_ino != path.stat().st_ino
    assert [it.name for it in tmp_path.iterdir()] == ["db_password"]


@pytest.mark.parametrize("printed", ['{"owner": 10001, "path": "/x"}', "[]", "no JSON", ""])
def test_what_an_earlier_release_has_written_is_removed_all_the_same(tmp_path: Path, printed: str) -> None:
    path = tmp_path / "db_password"
    as_pulumi_runs_it(path, "write")
    as_pulumi_runs_it(path, "remove", printed)
    assert not path.exists()


@pytest.mark.parametrize("verb", ["write", "remove"])
def test_a_secret_that_cannot_be_written_or_removed_is_told_without_its_value(tmp_path: Path, verb: str) -> None:
    (tmp_path / "db_password" / "inside").mkdir(parents=True)
    ended = run_step_program("secret_file", [verb, "--path", tmp_path / "db_password"], SECRET)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: secret file {tmp_path}/db_password: ")
    assert "Traceback" not in ended.stderr
    assert "s3cret" not in ended.stderr


def test_as_a_program_it_says_where_the_secret_is_and_never_what(tmp_path: Path) -> None:
    path = tmp_path / "db_password"
    ended = run_step_program("secret_file", ["write", "--path", path, "--owner", "10001"], SECRET)
    printed = json.loads(ended.stdout)
    assert (printed["path"], printed["owner"]) == (str(path), 10001)
    assert "s3cret" not in ended.stdout + ended.stderr
    assert path.read_text(encoding="utf-8") == SECRET
    ended = run_step_program("secret_file", ["remove", "--path", path])
    assert (ended.returncode, path.exists()) == (0, False)


def test_the_line_ends_of_a_secret_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "db_password"
    run_step_program("secret_file", ["write", "--path", path, "--owner", "10001"], "a\r\nb\rc\r\nd\n")
    assert path.read_bytes() == b"a\r\nb\rc\r\nd\n"
