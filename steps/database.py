"""Keep trivy's vulnerability database fresh: fetched when its own schedule says so, refused when it is too old."""

import fcntl
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from steps.tool import StepError, ToolError, elapsed, say
from steps.trivy import trivy

_ADVICE = "Make the database's source reachable, or name a mirror in scan.database."


def cache_of(folder: Path, repository: str | None) -> Path:
    """trivy's cache folder for one source: trivy itself would go on with the database of the source before."""
    if repository is None:
        return folder / "official"
    return (
        folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', repository)}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}"
    )


def ensure_database(cache: Path, repository: str | None, maximum_age: float) -> dict[str, Any]:
    """Make sure of a database that is young enough, and return what it says of itself.

    Args:
        cache: trivy's cache folder; the database lives in its `db` folder.
        repository: OCI artifact to fetch it from; None for trivy's official one.
        maximum_age: days since the database was made.

    Returns:
        trivy's metadata: `UpdatedAt`, `NextUpdate`, `Version`.

    Raises:
        StepError: there is none, or it is older than allowed, and no newer one can be had.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with Path(cache, "slipway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # services are scanned side by side; one of them fetches
        found = _metadata(cache)
        refused = ""
        if found is None or datetime.now(UTC) >= _moment(found["NextUpdate"]):
            refused = _fetch(cache, repository)
            found = _metadata(cache)
    if found is None:
        raise StepError(f"the vulnerability database is missing and cannot be fetched:\n{refused}\n{_ADVICE}")
    age = datetime.now(UTC) - _moment(found["UpdatedAt"])
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


def _metadata(cache: Path) -> dict[str, Any] | None:
    """What the database says of itself; None where there is none, or one that is broken."""
    try:
        content: dict[str, Any] = json.loads(Path(cache, "db", "metadata.json").read_text())
        for key in ("UpdatedAt", "NextUpdate"):
            _moment(content[key])
        return content if Path(cache, "db", "trivy.db").stat().st_size else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _moment(text: str) -> datetime:
    """trivy writes nanoseconds, Python reads microseconds."""
    whole, _, _ = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC)


def _fetch(cache: Path, repository: str | None) -> str:
    command: list[str | Path] = ["image", "--download-db-only", "--quiet", "--skip-version-check"]
    command += ["--cache-dir", cache, *(["--db-repository", repository] if repository else [])]
    try:
        with elapsed("fetched the vulnerability database"):
            trivy(command)
    except ToolError as error:
        return str(error)
    return ""
