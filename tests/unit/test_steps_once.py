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


def test_an_answer_is_kept_for_some_minutes_and_for_its_owner_alone(here: Path) -> None:
    assert asked({"answer": 1}) == asked({"answer": 2}) == {"answer": 1}
    [file] = kept(here)
    assert file.stat().st_mode & 0o777 == 0o600
    old = time.time() - MOST_SECONDS - 1
    os.utime(file, (old, old))
    assert asked({"answer": 3}) == {"answer": 3}


def test_old_answers_are_removed(here: Path) -> None:
    asked({})
    [file] = kept(here)
    old = time.time() - MOST_SECONDS - 1
    os.utime(file, (old, old))
    once_a_run({"digest": "b"}, dict, lambda _: True)
    assert file not in kept(here)


def test_the_answer_of_another_user_is_not_taken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked({"answer": 1})
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert asked({"answer": 2}) == {"answer": 2}


def test_a_file_that_is_broken_is_no_answer(here: Path) -> None:
    asked({"answer": 1})
    kept(here)[0].write_text(json.dumps({"answer": 1})[:-3])
    assert asked({"answer": 2}) == {"answer": 2}
