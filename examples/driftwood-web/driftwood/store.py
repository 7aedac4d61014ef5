"""The tide table: a small SQLite file, made when the service starts and opened read-only from then on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TypedDict

SCHEMA = Path(__file__).with_name("tides.sql")


class Tide(TypedDict):
    """One row: high water at one station."""

    station: str
    name: str
    high_water: str
    height_metres: float


class TideStore:
    """Reads of the tide table; every read opens the file anew, so it may be used from any thread."""

    def __init__(self, path: Path) -> None:
        """Takes the path of a table that `create` made."""
        self._uri = f"{path.resolve().as_uri()}?mode=ro"

    @classmethod
    def create(cls, path: Path) -> TideStore:
        """Makes the file, which must not exist yet, and fills it from the package's `tides.sql`."""
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA.read_text(encoding="utf-8"))
        return cls(path)

    def stations(self) -> list[tuple[str, str]]:
        """Returns each station's identifier and name, by name."""
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            return connection.execute("SELECT station, name FROM tides ORDER BY name").fetchall()

    def tide(self, station: str) -> Tide | None:
        """Returns the station's row; None where the table has none."""
        query = "SELECT station, name, high_water, height_metres FROM tides WHERE station = ?"
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            row = connection.execute(query, (station,)).fetchone()
        if row is None:
            return None
        return Tide(station=row[0], name=row[1], high_water=row[2], height_metres=row[3])
