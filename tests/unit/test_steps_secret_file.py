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


@pytest.mark.parametrize("odd", ["link", "open", "grouped", "foreign", "file"])
@pytest.mark.parametrize("anew", [False, True])
def test_a_folder_that_is_not_ours_alone_gets_no_secret(tmp_path: Path, odd: str, anew: bool) -> None:
    folder, elsewhere = tmp_path / "stack", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o711)
    if odd == "link":
        folder.symlink_to(elsewhere)
    elif odd == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod({"open": 0o777, "grouped": 0o775, "foreign": 0o755}[odd])
        os.chown(folder, 12345 if odd == "foreign" else os.geteuid(), -1)
    before = folder.lstat()
    told = rf"^secret file {folder}/db_password: {folder} \([-dl]\S+, of user \d+\) is no folder of user 0 that"
    with pytest.raises(StepError, match=told):
        write_secret(folder / "db_password", SECRET, 10001, anew=anew)
    assert not list(elsewhere.iterdir())
    assert folder.lstat() == before


@pytest.mark.parametrize("odd", ["link", "hard link", "pipe", "folder"])
def test_what_stands_in_the_place_of_a_secret_is_told_and_left_as_it_is(tmp_path: Path, odd: str) -> None:
    path, target = tmp_path / "db_password", tmp_path / "target"
    target.write_text("untouched")
    make = {"link": path.symlink_to, "hard link": path.hardlink_to}.get(odd)
    if make:
        make(target)
    else:
        {"pipe": os.mkfifo, "folder": os.mkdir}[odd](path)
    before = path.lstat(), target.lstat()
    with pytest.raises(StepError, match=rf"^secret file {path}: something else stands there \(") as caught:
        write_secret(path, SECRET, 10001)
    assert (", 2 names" in str(caught.value)) == (odd == "hard link")
    assert (path.lstat(), target.lstat()) == before
    assert target.read_text() == "untouched"


@pytest.mark.parametrize("odd", ["link", "hard link", "pipe"])
def test_what_is_exchanged_while_a_secret_is_opened_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    path, target = tmp_path / "db_password", tmp_path / "target"
    write_secret(path, "old", 10001)
    target.write_text("untouched")
    seen, before = path.lstat(), stat.S_IMODE(target.stat().st_mode)
    path.unlink()
    {"link": path.symlink_to, "hard link": path.hardlink_to}.get(odd, lambda _: os.mkfifo(path))(target)
    monkeypatch.setattr(Path, "lstat", lambda self: seen if self == path else self.stat(follow_symlinks=False))
    with pytest.raises(StepError, match="secret file"):
        write_secret(path, SECRET, 10001)
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode), target.stat().st_uid) == ("untouched", before, 0)


@pytest.mark.parametrize("odd", ["link", "hard link", "pipe", "file"])
def test_what_stands_beside_a_new_secret_is_not_written_to(tmp_path: Path, odd: str) -> None:
    path, beside, target = tmp_path / "db_password", tmp_path / ".db_password.new", tmp_path / "target"
    target.write_text("untouched")
    if odd == "pipe":
        os.mkfifo(beside)
    else:
        {"link": beside.symlink_to, "hard link": beside.hardlink_to}.get(odd, lambda _: beside.touch())(target)
    before = target.stat().st_mode, target.stat().st_uid
    write_secret(path, SECRET, 10001, anew=True)
    assert path.read_text(encoding="utf-8") == SECRET
    assert (path.lstat().st_nlink, stat.S_IMODE(path.lstat().st_mode), path.lstat().st_uid) == (1, 0o400, 10001)
    assert (target.read_text(), (target.stat().st_mode, target.stat().st_uid)) == ("untouched", before)
    assert not beside.exists()


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
