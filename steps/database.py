"""Keep trivy's databases fresh: fetched when their own schedule says so.

A vulnerability database that is too old is refused. The index of Java libraries, by which a JAR without a name in it is
recognized, is first fetched where there is a JAR: it has several hundred megabytes.
Source: trivy.dev, "Databases".
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from steps.tool import StepError, ToolError, elapsed, say
from steps.trivy import trivy

_VULNERABILITIES = "db/trivy.db"
_JAVA = "java-db/trivy-java.db"
_JAVA_AGE = 7
"""Days after which an index of Java libraries that cannot be refreshed is worth a warning."""
_READABLE = 100
"""Characters of a text that a folder is named by: a file system takes 255 bytes, a repository may have as many."""
_ADVICE = "Make the database's source reachable, or name a mirror in scan.database."


@dataclass(frozen=True)
class Databases:
    """What trivy looks things up in: where it comes from, and where it is kept."""

    folder: Path
    """Folder with the databases of each source."""
    vulnerabilities: str | None = None
    """OCI artifact of the vulnerability database; trivy's official one if left out."""
    java: str | None = None
    """OCI artifact of the index of Java libraries; trivy's official one if left out."""

    @property
    def cache(self) -> Path:
        """trivy's cache folder for the source: trivy itself would go on with the database of the source before."""
        return cache_of(self.folder, self.vulnerabilities)

    @property
    def java_cache(self) -> Path:
        """The same for the index of Java libraries."""
        return cache_of(self.folder, self.java)


def cache_of(folder: Path, repository: str | None) -> Path:
    """trivy's cache folder for one source."""
    return folder / ("official" if repository is None else folder_name(repository))


def folder_name(text: str) -> str:
    """A name for a folder, which no other text has."""
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', text)[:_READABLE]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def ensure_database(databases: Databases, maximum_age: float) -> dict[str, Any]:
    """Make sure of a vulnerability database that is young enough, and return what it says of itself.

    Args:
        databases: where it is kept, and where to fetch it from.
        maximum_age: days since the database was made.

    Returns:
        trivy's metadata: `UpdatedAt`, `NextUpdate`, `Version`.

    Raises:
        StepError: there is none, or it is older than allowed, and no newer one can be had.
    """
    cache, source = databases.cache, databases.vulnerabilities
    flags = ["--download-db-only", *(["--db-repository", source] if source else [])]
    found, refused = _fresh(
        "the vulnerability database", cache / _VULNERABILITIES, flags, lambda: _metadata(cache / _VULNERABILITIES)
    )
    if found is None:
        raise StepError(f"the vulnerability database is missing and cannot be fetched:\n{refused}\n{_ADVICE}")
    age = _age(found)
    if age < -timedelta(days=1):
        raise StepError(
            f"the vulnerability database is dated {found['UpdatedAt'][:10]}, in the future: check the clock"
        )
    if age > timedelta(days=maximum_age):
        reason = refused or "  the source offers nothing newer"
        raise StepError(
            f"the vulnerability database is stale: made {found['UpdatedAt'][:10]}, {age.days} days ago; "
            f"scan.database_age allows {maximum_age:g}. A newer one could not be had:\n{reason}\n"
            f"{_ADVICE}"
        )
    if refused:
        say(f"warning: the vulnerability database could not be refreshed, it is {age.days} days old:\n{refused}")
    return found


def ensure_java_index(databases: Databases) -> None:
    """Make sure of an index of Java libraries.

    Raises:
        StepError: there is none, and none can be had.
    """
    source = databases.java
    flags = ["--download-java-db-only", *(["--java-db-repository", source] if source else [])]
    found, refused = _fresh(
        "the index of Java libraries", databases.java_cache / _JAVA, flags, lambda: java_index(databases)
    )
    if found is None:
        raise StepError(
            "the index by which Java libraries in images are recognized is missing and cannot be fetched:\n"
            f"{refused}\nMake its source reachable, or name a mirror in scan.java_database."
        )
    age = _age(found)
    if refused and age > timedelta(days=_JAVA_AGE):
        say(f"warning: the index of Java libraries could not be refreshed, it is {age.days} days old:\n{refused}")


def java_index(databases: Databases) -> dict[str, Any] | None:
    """What the index of Java libraries says of itself; None where there is none, or one that cannot be read.

    trivy passes over a library that it cannot look up, so a broken index has to be found out before.
    """
    file = databases.java_cache / _JAVA
    found = _metadata(file)
    if found is None:
        return None
    stamp = f"{file.stat().st_size} {file.stat().st_mtime_ns}"
    checked = databases.java_cache / "java-db.checked"
    if not (checked.is_file() and checked.read_text() == stamp):  # it takes seconds, once
        if not _is_whole(file):
            return None
        checked.write_text(stamp)
    return found | {"file": stamp}


def _is_whole(index: Path) -> bool:
    import sqlite3  # only here: most images hold no Java

    try:
        with closing(sqlite3.connect(f"file:{quote(str(index))}?mode=ro", uri=True)) as opened:
            [whole] = opened.execute("PRAGMA quick_check(1)").fetchone()
            known = opened.execute(
                "SELECT 1 FROM indices i JOIN artifacts a ON a.id = i.artifact_id LIMIT 1"
            ).fetchone()
    except sqlite3.Error:
        return False
    return bool(whole == "ok" and known)


@contextmanager
def in_use(databases: Databases) -> Iterator[None]:
    """Keep both databases as they are for the time of a scan: trivy puts a new one in place of the old."""
    with _locked(databases.cache, fcntl.LOCK_SH), _locked(databases.java_cache, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(cache: Path, how: int) -> Iterator[None]:
    """Services are scanned side by side; one of them fetches, and none of them scans meanwhile."""
    cache.mkdir(parents=True, exist_ok=True)
    with Path(cache, "slipway.lock").open("a+") as lock:
        fcntl.flock(lock, how)
        yield


def _fresh(
    what: str, database: Path, flags: Sequence[str], read: Callable[[], dict[str, Any] | None]
) -> tuple[dict[str, Any] | None, str]:
    """Fetch a database where there is none or it is due; what it says of itself then, and why it could not be had."""
    cache, refused = database.parent.parent, ""
    found = read()
    if _is_due(found):
        with _locked(cache, fcntl.LOCK_EX):
            found = read()  # another service's scan may have fetched it meanwhile
            if _is_due(found):
                if found is None:  # it may be broken, and trivy goes by the date beside it alone
                    (database.parent / "metadata.json").unlink(missing_ok=True)
                refused = _fetch(what, cache, flags)
                found = read()
    return found, refused


def _is_due(found: dict[str, Any] | None) -> bool:
    return found is None or datetime.now(UTC) >= _moment(found["NextUpdate"])


def _age(found: dict[str, Any]) -> timedelta:
    return datetime.now(UTC) - _moment(found["UpdatedAt"])


def _metadata(database: Path) -> dict[str, Any] | None:
    """What the database says of itself; None where there is none, or one that is broken."""
    try:
        content: dict[str, Any] = json.loads((database.parent / "metadata.json").read_text())
        for key in ("UpdatedAt", "NextUpdate"):
            _moment(content[key])
        return content if database.stat().st_size else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _moment(text: str) -> datetime:
    """trivy writes nanoseconds, Python reads microseconds."""
    whole, _, _ = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC)


def _fetch(what: str, cache: Path, flags: Sequence[str]) -> str:
    """Fetch it; why that did not work, or nothing."""
    try:
        with elapsed(f"fetched {what}"):
            trivy(["image", *flags, "--quiet", "--skip-version-check", "--cache-dir", cache])
    except ToolError as error:
        return str(error)
    return ""
