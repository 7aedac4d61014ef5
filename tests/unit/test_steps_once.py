"""What one run of Pulumi has verified: nobody else is told, a bad answer is not kept, and an old one is asked again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from steps import once
from steps.once import MOST_SECONDS, once_a_run

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import json, sys
from pathlib import Path
from steps.once import once_a_run

def ask():
    with Path("asked").open("a") as asked:
        asked.write("once\\n")
    return {"problem": sys.argv[2]}

print(json.dumps(once_a_run({"digest": sys.argv[1]}, ask, lambda answer: not answer["problem"])))
"""


@pytest.fixture(name="engine")
def an_engine(tmp_path: Path) -> Path:
    """A program by the name of Pulumi's, which runs a shell script."""
    return Path(shutil.copy(shutil.which("dash") or shutil.which("bash") or "/bin/sh", tmp_path / "pulumi"))


def run(engine: Path, *questions: tuple[str, str], **environment: str) -> int:
    """How often it was asked altogether when one run asks these questions: a digest, and the problem that is found."""
    asks = [f"'{sys.executable}' -c \"$ASK\" '{digest}' '{problem}'" for digest, problem in questions]
    # The last command would take the shell's place.
    script = "; ".join([*asks, "true"])
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "ASK": ASK, **environment}
    subprocess.run([engine, "-c", script], cwd=engine.parent, env=given, check=True, capture_output=True)
    asked = engine.parent / "asked"
    return len(asked.read_text().splitlines()) if asked.exists() else 0


def test_one_run_asks_once(engine: Path) -> None:
    assert run(engine, ("a", ""), ("a", "")) == 1


def test_another_question_is_asked_too(engine: Path) -> None:
    assert run(engine, ("a", ""), ("b", "")) == 2


def test_another_run_asks_again(engine: Path) -> None:
    run(engine, ("a", ""))
    assert run(engine, ("a", "")) == 2


def test_what_runs_without_pulumi_asks_each_time(engine: Path) -> None:
    shell = Path(shutil.copy(engine, engine.parent / "shell"))
    assert run(shell, ("a", ""), ("a", "")) == 2


def test_a_problem_is_asked_about_again(engine: Path) -> None:
    assert run(engine, ("a", "not signed"), ("a", "not signed")) == 2


@pytest.fixture(name="here")
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, in which one run of Pulumi works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(once, "_run", lambda: "1:1")
    return tmp_path


def asked(answer: dict[str, Any]) -> dict[str, Any]:
    """What is known once this is asked for."""
    return once_a_run({"digest": "a"}, lambda: answer, lambda _: True)


def kept(folder: Path) -> list[Path]:
    return list((folder / once.FOLDER).iterdir())


def test_another_run_with_the_same_id_is_another_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked({"answer": 1})
    monkeypatch.setattr(once, "_run", lambda: "1:2")
    assert asked({"answer": 2}) == {"answer": 2}


def test_a_run_is_known_by_the_moment_of_its_start(engine: Path) -> None:
    tell = f"'{sys.executable}' -c 'from steps.once import _run; print(_run())'; true"
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([engine, "-c", tell], env=given, stdout=subprocess.PIPE, text=True) as shell:
        start = Path(f"/proc/{shell.pid}/stat").read_text().rpartition(")")[2].split()[19]
        assert shell.stdout
        assert shell.stdout.read().strip() == f"{shell.pid}:{start}"


@pytest.mark.parametrize("seconds", [-MOST_SECONDS - 1, 60])
def test_an_answer_that_is_old_or_of_tomorrow_is_asked_for_again(here: Path, seconds: float) -> None:
    asked({"answer": 1})
    [file] = kept(here)
    os.utime(file, (time.time() + seconds,) * 2)
    assert asked({"answer": 2}) == {"answer": 2}


def test_an_answer_counts_for_its_own_question_only(here: Path) -> None:
    asked({"answer": 1})
    [file] = kept(here)
    once_a_run({"digest": "b"}, lambda: {"answer": 2}, lambda _: True)
    other = next(path for path in kept(here) if path != file)
    file.rename(other)
    assert once_a_run({"digest": "b"}, lambda: {"answer": 3}, lambda _: True) == {"answer": 3}


@pytest.mark.parametrize("odd", ["link", "dangling", "file", "open"])
def test_a_folder_that_is_not_ours_alone_is_not_used_and_not_touched(here: Path, odd: str) -> None:
    elsewhere = here / "elsewhere"
    folder = here / once.FOLDER
    folder.parent.mkdir(parents=True)
    if odd == "link":
        elsewhere.mkdir()
    if odd in ("link", "dangling"):
        folder.symlink_to(elsewhere)
    elif odd == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert asked({"answer": 1}) == {"answer": 1}
    assert asked({"answer": 2}) == {"answer": 2}
    assert not (elsewhere.exists() and list(elsewhere.iterdir()))


def test_what_somebody_else_put_there_stays(here: Path) -> None:
    folder = here / once.FOLDER
    folder.mkdir(mode=0o700, parents=True)
    (folder / "thesis.txt").touch()
    (folder / "folder").mkdir()
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert asked({"answer": 1}) == asked({"answer": 2}) == {"answer": 1}
    assert {"thesis.txt", "folder"} < {path.name for path in folder.iterdir()}


def test_an_answer_that_cannot_be_kept_is_an_answer(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(once, "_keep", full)
    assert asked({"answer": 1}) == {"answer": 1}


def test_an_answer_is_kept_for_its_owner_alone(here: Path) -> None:
    assert asked({"answer": 1}) == asked({"answer": 2}) == {"answer": 1}
    [file] = kept(here)
    assert file.stat().st_mode & 0o777 == 0o600


def test_old_answers_are_removed(here: Path) -> None:
    asked({})
    [file] = kept(here)
    old = time.time() - MOST_SECONDS - 1
    os.utime(file, (old, old))
    once_a_run({"digest": "b"}, dict, lambda _: True)
    assert file not in kept(here)


def test_the_answer_of_another_user_is_not_taken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked({"answer": 1})
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert asked({"answer": 2}) == {"answer": 2}


def test_a_file_that_is_broken_is_no_answer(here: Path) -> None:
    asked({"answer": 1})
    kept(here)[0].write_text(json.dumps({"answer": 1})[:-3])
    assert asked({"answer": 2}) == {"answer": 2}
