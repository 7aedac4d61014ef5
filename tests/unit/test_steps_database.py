"""The database of the scanner, with a shell script in trivy's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.database import Databases, cache_of, ensure_database
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.running import calls, fails
from tests.trivy_database import database, stamp


def fetching(tool: ToolMaker, cache: Path, updated: float) -> Path:
    """A trivy that fetches a database which was made this many days ago."""
    content = {"Version": 2, "UpdatedAt": stamp(updated), "NextUpdate": stamp(updated - 1)}
    folder = cache / "db"
    return tool(
        "trivy",
        f"mkdir -p {folder}; echo content >{folder}/trivy.db; echo '{json.dumps(content)}' >{folder}/metadata.json",
    )


def test_a_database_that_is_not_due_is_not_fetched(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 1")
    database(cache_of(tmp_path, None), 1, -1)
    assert ensure_database(Databases(tmp_path), 7)["UpdatedAt"] == stamp(1)
    assert calls(path) == []


def test_a_missing_database_is_fetched_from_the_mirror_that_the_settings_name(tool: ToolMaker, tmp_path: Path) -> None:
    mirror = Databases(tmp_path, "localhost:5380/trivy-db:2")
    path = fetching(tool, mirror.cache, 0.5)
    assert ensure_database(mirror, 7)["UpdatedAt"] == stamp(0.5)
    [call] = calls(path)
    assert "--download-db-only" in call
    assert "--db-repository localhost:5380/trivy-db:2" in call


def test_without_a_mirror_the_scanners_own_source_is_used(tool: ToolMaker, tmp_path: Path) -> None:
    path = fetching(tool, cache_of(tmp_path, None), 0.5)
    ensure_database(Databases(tmp_path), 7)
    assert "--db-repository" not in calls(path)[0]


def test_a_database_that_is_due_is_fetched_anew(tool: ToolMaker, tmp_path: Path) -> None:
    database(cache_of(tmp_path, None), 3, 2)
    fetching(tool, cache_of(tmp_path, None), 0.5)
    assert ensure_database(Databases(tmp_path), 7)["UpdatedAt"] == stamp(0.5)


def test_a_missing_database_that_cannot_be_fetched_fails(tool: ToolMaker, tmp_path: Path) -> None:
    tool("trivy", fails("FATAL failed to download vulnerability DB: connection refused"))
    with pytest.raises(StepError) as caught:
        ensure_database(Databases(tmp_path), 7)
    assert "the vulnerability database is missing and cannot be fetched" in str(caught.value)
    assert "connection refused" in str(caught.value)


def test_a_fetch_that_brings_nothing_fails(tool: ToolMaker, tmp_path: Path) -> None:
    tool("trivy", "exit 0")
    with pytest.raises(StepError, match="the vulnerability database is missing"):
        ensure_database(Databases(tmp_path), 7)


@pytest.mark.parametrize("refused", [True, False], ids=["source down", "source has nothing newer"])
def test_a_stale_database_fails_with_its_date_age_and_the_setting(
    tool: ToolMaker, tmp_path: Path, refused: bool
) -> None:
    tool("trivy", fails("connection refused") if refused else "exit 0")
    database(cache_of(tmp_path, None), 9, 8)
    with pytest.raises(StepError) as caught:
        ensure_database(Databases(tmp_path), 7)
    message = str(caught.value)
    assert f"stale: made {stamp(9)[:10]}, 9 days ago" in message
    assert "scan.database_age allows 7" in message
    assert "scan.database" in message
    assert ("connection refused" in message) is refused


def test_a_fetched_database_that_is_stale_itself_fails(tool: ToolMaker, tmp_path: Path) -> None:
    fetching(tool, cache_of(tmp_path, None), 30)
    with pytest.raises(StepError, match="stale"):
        ensure_database(Databases(tmp_path), 7)


def test_an_older_database_within_the_limit_is_used_with_a_warning_when_the_source_is_down(
    tool: ToolMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool("trivy", fails("connection refused"))
    database(cache_of(tmp_path, None), 3, 2)
    assert ensure_database(Databases(tmp_path), 7)["UpdatedAt"] == stamp(3)
    assert "warning: the vulnerability database could not be refreshed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        "not json",
        '{"UpdatedAt": "2026-11-23T00:00:00Z"}',
        '{"UpdatedAt": "x", "NextUpdate": "y"}',
        '{"UpdatedAt": 7, "NextUpdate": 8}',
    ],
)
def test_a_broken_database_counts_as_none(tool: ToolMaker, tmp_path: Path, content: str) -> None:
    tool("trivy", fails("connection refused"))
    database(cache_of(tmp_path, None), 1, -1)
    (cache_of(tmp_path, None) / "db" / "metadata.json").write_text(content)
    with pytest.raises(StepError, match="the vulnerability database is missing"):
        ensure_database(Databases(tmp_path), 7)


def test_a_database_without_content_counts_as_none(tool: ToolMaker, tmp_path: Path) -> None:
    tool("trivy", fails("connection refused"))
    database(cache_of(tmp_path, None), 1, -1)
    (cache_of(tmp_path, None) / "db" / "trivy.db").write_text("")
    with pytest.raises(StepError, match="missing"):
        ensure_database(Databases(tmp_path), 7)


def test_the_longest_name_of_a_source_is_a_folder_too(tmp_path: Path) -> None:
    longest = ["registry.example/" + letter * 235 for letter in "ab"]
    folders = {cache_of(tmp_path, it) for it in longest}
    assert len(folders) == 2
    for folder in folders:
        folder.mkdir()


def test_each_source_has_a_database_of_its_own(tmp_path: Path) -> None:
    sources = [None, "official", "localhost:5380/trivy-db:2", "localhost:5380/trivy-db:3", "localhost:5380-trivy/db:2"]
    folders = [cache_of(tmp_path, source) for source in sources]
    assert len(set(folders)) == len(sources)
    assert {folder.parent for folder in folders} == {tmp_path}
