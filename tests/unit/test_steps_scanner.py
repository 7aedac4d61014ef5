"""What the scanner keeps between scans, and the index of Java libraries, with a shell script in trivy's place."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path

import pytest

from steps.database import Databases
from steps.database import java_index as known_index
from steps.scanner import scan_image
from steps.tool import StepError, ToolError
from tests.conftest import ToolMaker
from tests.running import calls, fails
from tests.trivy_database import stamp

NAME = "driftwood/web linux/amd64"
NO_INDEX = "FATAL Unable to initialize the Java DB: '--skip-java-db-update' cannot be specified on the first run"
BROKEN = "FATAL scan error: unable to initialize cache: unable to open cache DB: invalid database"


def java_index(databases: Databases, updated: float, following: float) -> None:
    """An index of Java libraries that was made and is due this many days ago."""
    folder = databases.java_cache / "java-db"
    folder.mkdir(parents=True, exist_ok=True)
    write_index(folder / "trivy-java.db")
    (folder / "metadata.json").write_text(json.dumps({"UpdatedAt": stamp(updated), "NextUpdate": stamp(following)}))


def write_index(path: Path) -> None:
    """An index of one library."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as index:
        index.execute("CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)")
        index.execute("CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)")
        index.execute("INSERT INTO artifacts VALUES (1, 'org.apache.logging.log4j', 'log4j-core')")
        index.execute("INSERT INTO indices VALUES (1, '2.14.1', x'01', 'jar')")
    index.close()


def cache_of_call(call: str) -> Path:
    words = call.split()
    return Path(words[words.index("--cache-dir") + 1])


def backend_of(call: str) -> str:
    words = call.split()
    return words[words.index("--cache-backend") + 1]


def test_what_was_found_in_layers_is_kept_for_the_next_scan_of_that_name(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    databases = Databases(tmp_path, "db.example/trivy-db:2")
    for name in (NAME, NAME, "driftwood/web linux/arm64"):
        scan_image(databases, name, ["name"])
    first, second, other = calls(path)
    assert cache_of_call(first) == cache_of_call(second) != cache_of_call(other)
    assert {backend_of(call) for call in (first, second, other)} == {"fs"}
    assert (cache_of_call(first) / "db").readlink() == databases.cache / "db"
    assert (cache_of_call(first) / "java-db").readlink() == databases.java_cache / "java-db"


def test_the_databases_are_those_of_the_scan_whoever_scanned_that_name_before(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    scan_image(Databases(tmp_path), NAME, ["name"])
    another = Databases(tmp_path, "db.example/trivy-db:2", "db.example/java:1")
    scan_image(another, NAME, ["name"])
    assert (cache_of_call(calls(path)[1]) / "db").readlink() == another.cache / "db"
    assert (cache_of_call(calls(path)[1]) / "java-db").readlink() == another.java_cache / "java-db"


def test_a_scan_of_the_same_name_at_the_same_time_keeps_nothing(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    scan_image(Databases(tmp_path), NAME, ["name"])
    kept = cache_of_call(calls(path)[0])
    with (kept / "slipway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scan_image(Databases(tmp_path), NAME, ["name"])
    meanwhile = calls(path)[1]
    assert backend_of(meanwhile) == "memory"
    assert cache_of_call(meanwhile) != kept
    assert not cache_of_call(meanwhile).exists(), "it is gone with the scan"


def test_a_broken_memory_of_layers_is_thrown_away_and_the_scan_made_without(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", f'case "$*" in *"--cache-backend fs"*) {fails(BROKEN)};; esac')
    scan_image(Databases(tmp_path), NAME, ["name"])
    fanal = cache_of_call(calls(path)[0]) / "fanal"
    fanal.mkdir()
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert [backend_of(call) for call in calls(path)] == ["fs", "memory", "fs", "memory"]
    assert not fanal.exists()


def test_what_is_kept_has_a_bound(tool: ToolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tool("trivy", "exit 0")
    scan_image(Databases(tmp_path), NAME, ["name"])
    kept = cache_of_call(calls(path)[0]) / "fanal" / "fanal.db"
    kept.parent.mkdir()
    kept.write_text("0123456789")
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert kept.exists()
    monkeypatch.setattr("steps.scanner._LARGEST", 9)
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert not kept.exists()


def test_another_failure_is_told_at_once_and_the_next_scan_begins_with_nothing(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    fanal = remembered(path, Databases(tmp_path))
    tool("trivy", fails("panic: page 3 already freed"))
    with pytest.raises(ToolError, match="page 3 already freed"):
        scan_image(Databases(tmp_path), NAME, ["name"])
    assert len(calls(path)) == 2
    assert not fanal.exists()


def remembered(path: Path, databases: Databases) -> Path:
    """Scan once, and return the folder of what was kept."""
    scan_image(databases, NAME, ["name"])
    fanal = cache_of_call(calls(path)[-1]) / "fanal"
    fanal.mkdir()
    return fanal


def test_another_index_of_java_libraries_begins_with_nothing(tool: ToolMaker, tmp_path: Path) -> None:
    """trivy recognizes a library while it looks through the layer: what it missed then it would miss for good."""
    path = tool("trivy", "exit 0")
    java_index(Databases(tmp_path), 2, -1)
    fanal = remembered(path, Databases(tmp_path))
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert fanal.exists(), "the same index finds the same"
    java_index(Databases(tmp_path), 0, -3)
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert not fanal.exists()


def test_another_trivy_begins_with_nothing(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    fanal = remembered(path, Databases(tmp_path))
    os.utime(path, (0, 0))
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert not fanal.exists()


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"", None], ids=["rubbish", "nothing", "no library"])
def test_an_index_that_knows_nothing_is_fetched_anew(tool: ToolMaker, tmp_path: Path, content: bytes | None) -> None:
    """trivy passes over each library that a broken index cannot tell it."""
    databases = Databases(tmp_path)
    path = indexing(tool, databases)
    java_index(databases, 1, -2)
    file = databases.java_cache / "java-db" / "trivy-java.db"
    if content is None:
        with sqlite3.connect(file) as index:
            index.execute("DELETE FROM indices")
        index.close()
    else:
        file.write_bytes(content)
    scan_image(databases, NAME, ["name"])
    assert ["--download-java-db-only" in call for call in calls(path)] == [True, False]
    assert known_index(databases)


@pytest.mark.parametrize("java", [None, "db.example/java:1"], ids=["one folder", "two folders"])
def test_no_database_is_replaced_while_a_scan_reads_it(tool: ToolMaker, tmp_path: Path, java: str | None) -> None:
    databases = Databases(tmp_path, None, java)
    locks = [databases.cache / "slipway.lock", databases.java_cache / "slipway.lock"]
    path = tool(
        "trivy", "\n".join(f'flock --nonblock {lock} true && echo {lock} >>"$0.free"' for lock in locks) + "\ntrue"
    )
    scan_image(databases, NAME, ["name"])
    assert len(calls(path)) == 1
    assert not Path(f"{path}.free").exists()


def test_an_index_of_the_same_date_with_other_content_begins_with_nothing(tool: ToolMaker, tmp_path: Path) -> None:
    path = tool("trivy", "exit 0")
    java_index(Databases(tmp_path), 2, -1)
    fanal = remembered(path, Databases(tmp_path))
    os.utime(Databases(tmp_path).java_cache / "java-db" / "trivy-java.db", (0, 0))
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert not fanal.exists()


def indexing(tool: ToolMaker, databases: Databases) -> Path:
    """A trivy that scans only where there is an index of Java libraries, and fetches one."""
    folder = databases.java_cache / "java-db"
    made = json.dumps({"UpdatedAt": stamp(0), "NextUpdate": stamp(-3)})
    source = databases.folder / "source.db"
    databases.folder.mkdir(exist_ok=True)
    write_index(source)
    return tool(
        "trivy",
        f"""case "$*" in *--download-java-db-only*)
        [ -e {folder}/metadata.json ] && grep -q "$(date +%Y)" {folder}/metadata.json && exit 0  # by the date alone
        mkdir -p {folder}; cp {source} {folder}/trivy-java.db; echo '{made}' >{folder}/metadata.json; exit 0;; esac
        [ -e {folder}/trivy-java.db ] || {{ {fails(NO_INDEX)}; }}""",
    )


def test_the_index_of_java_libraries_is_fetched_where_an_image_needs_it(tool: ToolMaker, tmp_path: Path) -> None:
    databases = Databases(tmp_path, java="db.example/java:1")
    path = indexing(tool, databases)
    scan_image(databases, NAME, ["name"])
    refused, fetched, scanned = calls(path)
    assert "--java-db-repository db.example/java:1" in fetched
    assert refused.split()[5:] == scanned.split()[5:]  # after the settings and the ignore file, made each time
    scan_image(databases, NAME, ["name"])
    assert len(calls(path)) == 4, "it is not due"


def test_without_a_mirror_the_index_comes_from_the_scanners_own_source(tool: ToolMaker, tmp_path: Path) -> None:
    path = indexing(tool, Databases(tmp_path))
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert "--java-db-repository" not in calls(path)[1]


def test_an_index_that_is_due_is_fetched_anew(tool: ToolMaker, tmp_path: Path) -> None:
    path = indexing(tool, Databases(tmp_path))
    java_index(Databases(tmp_path), 4, 1)
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert "--download-java-db-only" in calls(path)[0]
    assert len(calls(path)) == 2


def test_an_index_that_cannot_be_had_stops_the_scan_with_what_to_do(tool: ToolMaker, tmp_path: Path) -> None:
    answer = f'case "$*" in *--download-java-db-only*) {fails("connection refused")};; esac; {fails(NO_INDEX)}'
    tool("trivy", answer)
    with pytest.raises(StepError) as caught:
        scan_image(Databases(tmp_path), NAME, ["name"])
    assert "the index by which Java libraries in images are recognized is missing" in str(caught.value)
    assert "connection refused" in str(caught.value)
    assert "scan.java_database" in str(caught.value)


@pytest.mark.parametrize(("age", "warned"), [(5, False), (9, True)])
def test_an_older_index_is_used_where_no_newer_one_can_be_had(
    tool: ToolMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str], age: int, warned: bool
) -> None:
    tool("trivy", f'case "$*" in *--download-java-db-only*) {fails("connection refused")};; esac')
    java_index(Databases(tmp_path), age, age - 3)
    scan_image(Databases(tmp_path), NAME, ["name"])
    assert ("the index of Java libraries could not be refreshed" in capsys.readouterr().err) is warned
