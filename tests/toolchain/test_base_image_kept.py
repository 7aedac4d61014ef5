"""The stand-in that is kept for other checkouts, with a small program in the place of crane."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from toolchain import bases
from toolchain.base_image import build
from toolchain.base_image.kept import Kept
from toolchain.bases import ensure_base_lock
from toolchain.environment import Project

DIGEST = "sha256:" + "1f" * 32
# Notes what it is told. What it pulls is a layout of one index; what is called broken can be neither pulled nor pushed.
CRANE = f"""#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in *broken*) echo "MANIFEST_UNKNOWN" >&2; exit 1;; esac
if [ "$1" = pull ]; then
    mkdir "$5" && echo '{json.dumps({"manifests": [{"digest": DIGEST}]})}' >"$5/index.json"
fi
"""


class Shelf:
    """What is kept, what crane was told, and what was said."""

    def __init__(self, folder: Path) -> None:
        (folder / "bin").mkdir()
        self.crane = folder / "bin" / "crane"
        self.crane.write_text(CRANE)
        self.crane.chmod(0o755)
        self._calls = folder / "calls"
        self.environment = {"PATH": f"{self.crane.parent}:/usr/bin:/bin", "CALLS": str(self._calls)}
        self.said: list[str] = []
        self.kept = Kept(folder / "cache", self.environment, self.said.append)
        self.folder = self.kept.folder

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def age(self, hours: float) -> None:
        (index,) = self.folder.glob("layout-*/index.json")
        then = time.time() - hours * 3600
        os.utime(index, (then, then))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_nothing_is_pushed_where_nothing_is_kept(shelf: Shelf) -> None:
    assert shelf.kept.push("localhost:5380/base/python", "3.12-slim") is None
    assert shelf.calls == []


def test_what_was_kept_is_pushed_to_another_registry_with_its_digest(shelf: Shelf) -> None:
    with shelf.kept.locked():
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
        pushed = shelf.kept.push("localhost:6380/base/python", "3.12-slim")
    assert pushed == f"localhost:6380/base/python@{DIGEST}"
    assert shelf.calls[-1].endswith(" localhost:6380/base/python:3.12-slim")
    assert shelf.said == []


@pytest.mark.parametrize("hours", [25, -1], ids=["of yesterday", "of the future"])
def test_what_is_not_of_today_is_not_pushed(shelf: Shelf, hours: float) -> None:
    with shelf.kept.locked():
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
    shelf.age(hours)
    assert shelf.kept.push("localhost:6380/base/python", "3.12-slim") is None


def test_a_changed_recipe_is_another_image_and_takes_the_place_of_the_old_one(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.kept.locked():
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
        (tmp_path / "recipe").mkdir()
        (tmp_path / "recipe" / "Dockerfile").write_text("FROM scratch\n")
        monkeypatch.setattr("toolchain.base_image.kept._RECIPE", tmp_path / "recipe")
        assert shelf.kept.push("localhost:6380/base/python", "3.12-slim") is None
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
    assert len(list(shelf.folder.glob("layout-*"))) == 1
    assert shelf.kept.push("localhost:6380/base/python", "3.12-slim")


def test_what_cannot_be_kept_or_pushed_is_told_and_stops_nothing(shelf: Shelf) -> None:
    with shelf.kept.locked():
        shelf.kept.keep(f"localhost:5380/broken@{DIGEST}")
        assert shelf.said.pop() == "not kept for other checkouts (MANIFEST_UNKNOWN)"
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
        assert shelf.kept.push("localhost:6380/broken", "3.12-slim") is None
    assert "cannot be used (MANIFEST_UNKNOWN)" in shelf.said.pop()


@pytest.fixture(name="built")
def builds_of_the_stand_in(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The repositories for which it was built, with a build that only notes them; quarantine holds what was pushed."""
    built: list[str] = []

    def note(*, repository: str, **_others: object) -> str:
        built.append(repository)
        return f"{repository}@{DIGEST}"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "build_base_image", note)
    monkeypatch.setattr(bases, "manifest_digest", lambda _host, _path, digest: digest)
    (shelf.crane.parent / "buildctl").symlink_to("/bin/true")
    return built


def lock(shelf: Shelf, root: Path, *, refresh: bool = False) -> str:
    """The base image that a checkout locks where the official one is out of reach."""
    project = Project(root)
    project.state.mkdir(parents=True, exist_ok=True)
    locked = ensure_base_lock(
        project, shelf.environment, shelf.said.append, Path, refresh=refresh, reachable=lambda _host: False
    )
    return locked["python:3.12-slim"]


def test_a_second_checkout_gets_what_the_first_one_has_built(shelf: Shelf, tmp_path: Path, built: list[str]) -> None:
    first, second = lock(shelf, tmp_path / "one"), lock(shelf, tmp_path / "two")
    assert first == second
    assert built == ["localhost:5380/base/python"]
    assert any("a stand-in that was built within the last day takes its place" in line for line in shelf.said)


def test_lock_bases_builds_it_anew(shelf: Shelf, tmp_path: Path, built: list[str]) -> None:
    lock(shelf, tmp_path / "one")
    lock(shelf, tmp_path / "one", refresh=True)
    assert len(built) == 2


def test_what_the_registry_calls_by_another_digest_is_built(
    shelf: Shelf, tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(shelf, tmp_path / "one")
    monkeypatch.setattr(bases, "manifest_digest", lambda _host, _path, _digest: None)
    lock(shelf, tmp_path / "two")
    assert len(built) == 2


def test_a_cache_that_takes_nothing_stops_no_build(shelf: Shelf) -> None:
    with shelf.kept.locked():
        (shelf.folder / "partial").symlink_to("nowhere")
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
        (shelf.folder / "partial").unlink()
        (shelf.folder / "partial").touch()
        shelf.kept.keep(f"localhost:5380/base/python@{DIGEST}")
    assert shelf.said and all(line.startswith("not kept for other checkouts (") for line in shelf.said)
