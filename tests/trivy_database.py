"""A database of the scanner that was made, and is due, at a time of the test's choice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOW = datetime.now(UTC)


def stamp(days: float) -> str:
    """A moment this many days ago (or ahead), as trivy writes it."""
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S") + ".123456789Z"


def database(cache: Path, updated: float, following: float) -> None:
    """A database in trivy's cache that was made and is due this many days ago."""
    folder = cache / "db"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trivy.db").write_text("content")
    content = {"Version": 2, "UpdatedAt": stamp(updated), "NextUpdate": stamp(following)}
    (folder / "metadata.json").write_text(json.dumps(content))
