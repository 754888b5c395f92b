"""The places of a map as a past that is searched."""

from __future__ import annotations

import contextlib
from bisect import bisect
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from streamvpr.database import PlaceDatabase
from streamvpr.descriptor_ring import DescriptorRing
from streamvpr.errors import StoreError
from streamvpr.frames import Place, Position
from streamvpr.maps.blobs import FEATURE_COLUMNS, real, unpack_descriptors, unpack_features, whole
from streamvpr.maps.file import errors, sound

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.frames import Features, PlaceKey
    from streamvpr.maps.model import MapModel
    from streamvpr.retrieval.base import Signature


# Between two streams so many steps are left free, so that no place of one is a neighbour of the
# other's.
APART = 1000
# Descriptors that are read at once: what the file holds is in memory once only.
READ_AT_ONCE = 8192
# Features that were read lately, 42 kB a place: the same places are looked at frame after frame.
FEATURES_KEPT = 512
# Frames of a hundred years of a fast camera; more is damage.
LARGEST_INDEX = 2**40
LARGEST_NUMBER = 2**63 - 1


class Line(NamedTuple):
    """One stream of one session."""

    session: str
    stream: str
    start: int
    """Where its first place would stand."""


class Index(NamedTuple):
    """Which places a map has, by row."""

    numbers: NDArray[np.int64]
    """(N,) in the file."""
    orders: NDArray[np.int64]
    """(N,) increasing: where they stand."""
    positions: NDArray[np.float64]
    """(N, 2) degrees of latitude and longitude, NaN where a place has none."""
    lines: dict[int, Line]
    """By the stream's number in the file."""


class History(PlaceDatabase):
    """The places of earlier sessions. None is added, none is evicted.

    Descriptors are in memory; what else is known of a place is read when it is a candidate.
    """

    def __init__(
        self,
        shelf: Shelf,
        descriptors: NDArray[np.float32],
        orders: NDArray[np.int64],
        positions: NDArray[np.float64] | None = None,
    ) -> None:
        """`descriptors` (N, D) and increasing `orders` (N,) of N places, 1 or more.

        `positions` (N, 2): degrees of latitude and longitude, NaN where a place has none.
        """
        count, dimension = descriptors.shape
        self._vectors = DescriptorRing(count, dimension)
        self._vectors.extend(descriptors)
        super().__init__(count, dimension, self._vectors)
        self._orders[:] = orders
        self._positions = positions
        self._shelf = shelf

    @property
    def nbytes(self) -> int:
        """Bytes of descriptors and their codes; the rest is in the file."""
        return self._vectors.nbytes

    def add(self, place: Place, descriptor: Signature, words: Signature = None) -> None:
        """Not possible: what a run adds to a map is written by a MapWriter."""
        raise TypeError("nothing is added to the places of earlier sessions")

    def order_of(self, place: Place) -> int:
        """Where a place of it stands; places of others stand nowhere: -1."""
        return self._shelf.order_of(place)

    def place(self, row: int) -> Place:
        """The place of a row. Raises StoreError where the file cannot be read any more."""
        return self._shelf.place(row)

    def key(self, row: int) -> PlaceKey:
        """Session, stream and index of the place of a row; nothing is read."""
        line, order = self.line(row), int(self._orders[row])
        return line.session, line.stream, order - line.start

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(N,) of its places in the file, by row."""
        return self._shelf.numbers

    def line(self, row: int) -> Line:
        """The stream of the session that the place of a row is of."""
        return self._shelf.line(int(self._orders[row]))

    def similarity(self, row: int, other: int) -> float:
        """Cosine of the descriptors of two rows."""
        return self.exact_score(row, self._vectors.vector(other))

    def alike(self, row: int, among: NDArray[np.bool_], most: int, apart: int) -> list[int]:
        """Up to `most` rows, of those `among` (N,), that are most similar to a row, best first.

        None that stands within `apart` of it.
        """
        descriptor = self._vectors.vector(row)
        rows = self.shortlist(descriptor).rows
        rows = rows[among[rows] & (np.abs(self._orders[rows] - self._orders[row]) > apart)]
        scores = self.scores(descriptor, rows)
        return [int(rows[at]) for at in np.argsort(-scores, kind="stable")[:most]]

    def pictured(self, place: Place) -> Place:
        """A place of it with its thumbnail, where that was kept. Raises StoreError."""
        return replace(place, thumbnail=self._shelf.thumbnail(place))


class Shelf:
    """What a map file holds of places besides descriptors, read on demand."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        numbers: NDArray[np.int64],
        lines: dict[int, Line],
    ) -> None:
        """`numbers` (N,) of the places in the file, by row; `lines` by the stream's number."""
        self._path = path
        self._connection = connection
        self.numbers = numbers
        self._lines = lines
        self._by_start = sorted(lines.values(), key=lambda line: line.start)
        self._starts = starts_of(lines)
        self.place = lru_cache(FEATURES_KEPT)(self._read)

    def order_of(self, place: Place) -> int:
        """Where a place stands; -1 where it is not one of these."""
        return order_in(self._starts, place)

    def line(self, order: int) -> Line:
        """The stream that stands there."""
        return self._by_start[bisect(self._by_start, order, key=lambda line: line.start) - 1]

    def thumbnail(self, place: Place) -> bytes | None:
        """JPEG of a place."""
        with errors(self._path, "read"), sound(self._path):
            row = self._connection.execute(
                "SELECT jpeg FROM thumbnail JOIN place ON thumbnail.place = place.id"
                " JOIN stream ON place.stream = stream.id"
                " JOIN session ON stream.session = session.id"
                " WHERE session.name = ? AND stream.name = ? AND place.idx = ?",
                place.key,
            ).fetchone()
            return None if row is None else memoryview(row[0]).tobytes()

    def _read(self, row: int) -> Place:
        number = int(self.numbers[row])
        with errors(self._path, "read"):
            found = self._connection.execute(
                "SELECT stream, idx, time, path, width, wall_time, latitude, longitude, altitude"
                " FROM place WHERE id = ?",
                (number,),
            ).fetchone()
        if found is None:
            raise StoreError(f"the map {self._path} has no place {number} any more")
        with sound(self._path):
            return self._place(number, *found)

    def _place(self, number: int, stream: int, index: int, *known: Any) -> Place:
        time, path, width, wall_time, *position = known
        line = self._lines[stream]
        return Place(
            stream=line.stream,
            index=index,
            time=real(time),
            path=path,
            width=whole(width),
            features=self._features(number),
            thumbnail=None,
            session=line.session,
            wall_time=real(wall_time),
            position=_position(*position),
        )

    def _features(self, number: int) -> Features | None:
        with errors(self._path, "read"):
            row = self._connection.execute(
                f"SELECT {FEATURE_COLUMNS} FROM local WHERE place = ?", (number,)
            ).fetchone()
        return None if row is None else unpack_features(row)


def starts_of(lines: dict[int, Line]) -> dict[tuple[str, str], int]:
    """By session and stream, where its first place would stand."""
    return {(line.session, line.stream): line.start for line in lines.values()}


def order_in(starts: dict[tuple[str, str], int], place: Place) -> int:
    """Where a place stands; -1 where it is of none of those streams."""
    start = starts.get((place.session or "", place.stream))
    return -1 if start is None else start + place.index


def load_history(path: Path, connection: sqlite3.Connection, model: MapModel) -> History | None:
    """All places of a map; None where there are none. Raises StoreError."""
    with _one_view(path, connection):
        index = _read_index(connection)
        if not len(index.numbers):
            return None
        descriptors = _read_descriptors(connection, index.numbers, model.dimension)
    shelf = Shelf(path, connection, index.numbers, index.lines)
    return History(shelf, descriptors, index.orders, index.positions)


def load_index(path: Path, connection: sqlite3.Connection, newest: int | None = None) -> Index:
    """Which places a map has, without their descriptors. Raises StoreError.

    `newest` is the number of the last one that counts; None: all do.
    """
    with _one_view(path, connection):
        return _read_index(connection, newest)


def load_descriptors(
    path: Path, connection: sqlite3.Connection, numbers: NDArray[np.int64], dimension: int
) -> NDArray[np.float32]:
    """(N, D) of the places of numbers (N,). Raises StoreError."""
    with _one_view(path, connection):
        return _read_descriptors(connection, numbers, dimension)


def _position(latitude: Any, longitude: Any, altitude: Any) -> Position | None:
    if latitude is None or longitude is None:
        return None
    return Position(latitude, longitude, altitude)


@contextlib.contextmanager
def _one_view(path: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """Read the same file all along, whatever others write meanwhile."""
    with errors(path, "read"), sound(path):
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("COMMIT")


def _read_index(connection: sqlite3.Connection, newest: int | None = None) -> Index:
    last = LARGEST_NUMBER if newest is None else newest
    lines = _read_lines(connection, last)
    numbers, streams, indices = _read_numbers(connection, last)
    orders = indices + np.array([lines[s].start for s in streams.tolist()], np.int64)
    order = np.argsort(orders, kind="stable")
    positions = _read_positions(connection, last)
    return Index(numbers[order], orders[order], positions[order], lines)


def _read_lines(connection: sqlite3.Connection, last: int) -> dict[int, Line]:
    """The streams by their number in the file, in the order of their sessions."""
    rows = connection.execute(
        "SELECT stream.id, session.name, stream.name, max(place.idx) FROM stream"
        " JOIN session ON stream.session = session.id JOIN place ON place.stream = stream.id"
        " WHERE place.id <= ?"
        " GROUP BY stream.id ORDER BY session.began, session.id, stream.id",
        (last,),
    ).fetchall()
    lines: dict[int, Line] = {}
    start = 0
    for number, session, stream, newest in rows:
        lines[number] = Line(session, stream, start)
        start += newest + APART
    return lines


def _read_numbers(
    connection: sqlite3.Connection, last: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(N,) each: numbers of the places, of their streams, and their indices."""
    rows = connection.execute(
        "SELECT id, stream, idx FROM place WHERE id <= ? ORDER BY id", (last,)
    ).fetchall()
    found = np.array(rows, np.int64).reshape(-1, 3)
    if len(found) and not 0 <= found[:, 2].min() <= found[:, 2].max() < LARGEST_INDEX:
        raise ValueError(f"a place has an index that is none of 0 to {LARGEST_INDEX}")
    return found[:, 0], found[:, 1], found[:, 2]


def _read_positions(connection: sqlite3.Connection, last: int) -> NDArray[np.float64]:
    """(N, 2) in the order of the places' numbers, NaN where there is none."""
    rows = connection.execute(
        "SELECT latitude, longitude FROM place WHERE id <= ? ORDER BY id", (last,)
    ).fetchall()
    return np.array(rows, np.float64).reshape(-1, 2)


def _read_descriptors(
    connection: sqlite3.Connection, numbers: NDArray[np.int64], dimension: int
) -> NDArray[np.float32]:
    """(N, D) of the places of numbers (N,), 1 or more; read as they lie in the file."""
    found = np.empty((len(numbers), dimension), np.float32)
    rows = np.argsort(numbers)
    wanted = numbers[rows]
    cursor = connection.execute(
        "SELECT id, descriptor FROM place WHERE id BETWEEN ? AND ? ORDER BY id",
        (int(wanted[0]), int(wanted[-1])),
    )
    done = 0
    while read := cursor.fetchmany(READ_AT_ONCE):
        ids = np.array([number for number, _ in read])
        at = np.searchsorted(wanted, ids)
        among = np.flatnonzero(wanted[at] == ids)
        blobs = [read[i][1] for i in among.tolist()]
        found[rows[at[among]]] = unpack_descriptors(blobs, dimension)
        done += len(blobs)
    if done < len(numbers):
        raise ValueError(f"{len(numbers) - done} places are gone")
    return found
