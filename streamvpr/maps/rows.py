"""Rows of places, as they are written and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamvpr.maps.blobs import FEATURE_COLUMNS, pack_descriptor, pack_features

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from streamvpr.frames import Descriptor, Place
    from streamvpr.maps.blobs import FeatureRow

PLACE_COLUMNS = "idx, time, wall_time, latitude, longitude, altitude, path, width, descriptor"
PLACE_VALUES = PLACE_COLUMNS.count(",") + 1

# Those of the table of local features, where it is joined to others.
LOCAL_COLUMNS = ", ".join(f"local.{column}" for column in FEATURE_COLUMNS.split(", "))


class PlaceRow(NamedTuple):
    """A place, its local features and its thumbnail as they stand in a file."""

    place: tuple[object, ...]
    """The values of PLACE_COLUMNS."""
    features: FeatureRow | None
    jpeg: bytes | None


def row_of_place(place: Place, descriptor: Descriptor, thumbnail: bytes | None) -> PlaceRow:
    """What is written of a place."""
    seen = place.position
    position = (None,) * 3 if seen is None else (seen.latitude, seen.longitude, seen.altitude)
    return PlaceRow(
        (
            place.index,
            place.time,
            place.wall_time,
            *position,
            place.path,
            place.width,
            pack_descriptor(descriptor),
        ),
        None if place.features is None else pack_features(place.features),
        thumbnail,
    )


def insert(connection: sqlite3.Connection, stream: int, row: PlaceRow) -> None:
    """Add a place to a stream."""
    number = connection.execute(
        f"INSERT INTO place (stream, {PLACE_COLUMNS}) VALUES ({_marks(1 + len(row.place))})",
        (stream, *row.place),
    ).lastrowid
    if row.features is not None:
        connection.execute(
            f"INSERT INTO local (place, {FEATURE_COLUMNS})"
            f" VALUES ({_marks(1 + len(row.features))})",
            (number, *row.features),
        )
    if row.jpeg is not None:
        connection.execute("INSERT INTO thumbnail (place, jpeg) VALUES (?, ?)", (number, row.jpeg))


def insert_stream(connection: sqlite3.Connection, session: int, name: str) -> int:
    """Add a stream to a session; its number."""
    added = connection.execute(
        "INSERT INTO stream (session, name) VALUES (?, ?)", (session, name)
    ).lastrowid
    assert added is not None
    return added


def rows_after(connection: sqlite3.Connection, stream: int, index: int) -> Iterator[PlaceRow]:
    """The places of a stream behind an index, in order, read one by one."""
    places = ", ".join(f"place.{column}" for column in PLACE_COLUMNS.split(", "))
    cursor = connection.execute(
        f"SELECT {places}, jpeg, {LOCAL_COLUMNS} FROM place"
        " LEFT JOIN local ON local.place = place.id"
        " LEFT JOIN thumbnail ON thumbnail.place = place.id"
        " WHERE stream = ? AND idx > ? ORDER BY idx",
        (stream, index),
    )
    for row in cursor:
        place, (jpeg, *features) = row[:PLACE_VALUES], row[PLACE_VALUES:]
        yield PlaceRow(place, None if features[0] is None else tuple(features), jpeg)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
