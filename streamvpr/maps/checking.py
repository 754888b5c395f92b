"""Whether a map is whole: the file, what its tables say of each other, and every value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.encoded import decode
from streamvpr.errors import StoreError
from streamvpr.frames import Position
from streamvpr.maps.blobs import real, unpack_descriptors, unpack_features, whole
from streamvpr.maps.file import errors
from streamvpr.maps.history import LARGEST_INDEX
from streamvpr.maps.opening import open_reader
from streamvpr.maps.rows import LOCAL_COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

# More of the same says nothing new.
MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """What was found."""

    places: int
    faults: list[str]
    """At most MOST_FAULTS."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "whole": not self.faults}


def check_map(path: Path) -> Check:
    """Read everything that a map holds. Raises StoreError for what is no map at all."""
    reader = open_reader(path)
    faults: list[str] = []
    try:
        with errors(path, "read"):
            faults += _of_the_file(reader.connection)
            places = reader.connection.execute("SELECT count(*) FROM place").fetchone()[0]
            if not faults:
                faults += _of_the_values(reader.connection, reader.model.dimension)
    finally:
        reader.close()
    return Check(places, faults[:MOST_FAULTS])


def _of_the_file(connection: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds wrong."""
    found = [row[0] for row in connection.execute(f"PRAGMA integrity_check({MOST_FAULTS})")]
    orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(MOST_FAULTS)
    faults = [] if found == ["ok"] else found
    return faults + [f"row {number} of {table} belongs to nothing" for table, number, *_ in orphans]


def _of_the_values(connection: sqlite3.Connection, dimension: int) -> list[str]:
    faults: list[str] = []
    rows = connection.execute(
        "SELECT place.id, idx, time, wall_time, latitude, longitude, altitude, path, place.width,"
        f" place.descriptor, jpeg, {LOCAL_COLUMNS} FROM place"
        " LEFT JOIN local ON local.place = place.id"
        " LEFT JOIN thumbnail ON thumbnail.place = place.id"
    )
    for number, *known in rows:
        try:
            _require_place(*known[:8])
            _require_blobs(known[8], known[9], known[10:], dimension)
        except (StoreError, ValueError, TypeError) as error:
            faults.append(f"place {number}: {error}")
        if len(faults) >= MOST_FAULTS:
            break
    return faults


def _require_place(index: Any, time: Any, wall_time: Any, *others: Any) -> None:
    latitude, longitude, altitude, path, width = others
    real(time), real(wall_time), whole(width)
    if latitude is not None:
        Position(latitude, longitude, altitude)
    if not (isinstance(index, int) and 0 <= index < LARGEST_INDEX and isinstance(path, str)):
        raise StoreError(f"index {index!r:.40} of {path!r:.40} cannot be")


def _require_blobs(descriptor: Any, jpeg: Any, features: list[Any], dimension: int) -> None:
    unpack_descriptors([descriptor], dimension)
    if features[0] is not None:
        unpack_features(tuple(features))
    if jpeg is not None and decode(jpeg) is None:
        raise StoreError("its thumbnail is no picture")
