"""Images with Java libraries: nothing in a JAR goes unseen, whether or not it says what it is."""

import hashlib
import io
import json
import sqlite3
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.small import (
    DOCKERFILE,
    attempt,
    container_of,
    containers,
    push_database,
    refused,
    repositories,
    small_stack,
)

STACK = "java"
INDEX = "java-db:1"
CVE = "CVE-2021-44228"
SCHEMA = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);
"""
"""Of trivy-java-db, schema 1 (pkg/db/db.go)."""


def jar() -> bytes:
    """A library that does not say what it is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), "Manifest-Version: 1.0\n")
    return content.getvalue()


@pytest.fixture(scope="module")
def stack(checkout: Checkout) -> str:
    """A service with that library, whose index of Java libraries comes from quarantine."""
    files: dict[str, str | bytes] = {
        "Dockerfile": DOCKERFILE.replace("USER 10001", "COPY app.jar /app/\nUSER 10001"),
        "app.jar": jar(),
    }
    source = f"{checkout.quarantine.address}/{INDEX}"
    return small_stack(checkout, STACK, lambda settings: settings["scan"].update(java_database=source), files)


def push_index(checkout: Checkout, folder: Path) -> None:
    """Push an index that knows the library by its digest."""
    database = sqlite3.connect(folder / "trivy-java.db")
    with database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO artifacts VALUES (1, 'org.apache.logging.log4j', 'log4j-core')")
        known = hashlib.sha1(jar(), usedforsecurity=False).digest()
        database.execute("INSERT INTO indices VALUES (1, '2.14.1', ?, 'jar')", (known,))
    database.close()
    made, due = ((datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (0, 3))
    (folder / "metadata.json").write_text(json.dumps({"Version": 1, "UpdatedAt": made, "NextUpdate": due}))
    push_database(checkout, folder, "trivy-java.db", "javadb", INDEX)


def test_a_library_is_never_passed_over_for_want_of_an_index(checkout: Checkout, stack: str) -> None:
    refused(
        attempt(checkout, stack),
        "web-scan-trivy",
        "for linux/amd64 could not be scanned",
        "the index by which Java libraries in images are recognized is missing and cannot be fetched",
        f"{checkout.quarantine.address}/{INDEX}",
        "name a mirror in scan.java_database",
    )
    assert f"{STACK}/web" not in repositories(checkout.private)


def test_a_vulnerable_library_stops_before_publication_though_it_has_no_name(
    checkout: Checkout, stack: str, tmp_path: Path
) -> None:
    push_index(checkout, tmp_path)
    output = refused(attempt(checkout, stack), "Nothing was signed or published")
    row = next(words for words in map(str.split, output.splitlines()) if words[1:2] == [CVE])
    library = "org.apache.logging.log4j:log4j-core"
    assert row == ["CRITICAL", CVE, library, "2.14.1", "2.15.0", "linux/amd64"]
    assert f"{STACK}/web" not in repositories(checkout.private)
    assert containers(checkout, container_of(stack)) == []
