"""Queries against the past, each pair's similarity: a revisit is a line beside the diagonal."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.base import compare
from streamvpr.thinning import Thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Decision, Keyframe, PlaceKey
    from streamvpr.retrieval.base import Signature

# As many as a picture of a page's width can show; they are 650 kB of descriptors of 640 numbers.
MOST = 256


@dataclass(frozen=True, slots=True)
class Similarities:
    """A similarity matrix as it is now."""

    values: NDArray[np.float32]
    """(R, C) cosine similarities; NaN where a place is newer than the query, and was none then."""
    queries: NDArray[np.int64]
    """(R,) increasing: indices of the queries among the processed frames of their stream."""
    places: tuple[PlaceKey, ...]
    """C keys of places: session (None: this run's own), stream, index."""


class SimilarityMatrix:
    """The similarities of the queries of one stream to their past, evenly thinned to bound both.

    Online the past are the queries themselves. Each query that is kept costs one product with
    those kept before; thinning lets go of rows and columns, and computes nothing again. Frames in
    which the view stands still have no descriptor, and no row. Decisions may be added on one thread
    and the matrix be read on another.
    """

    def __init__(self, most: int = MOST, *, past: PlaceDatabase | None = None) -> None:
        """`past` holds the places that the columns are, where those are fixed when the first query
        is decided on, as in `match`."""
        self._most = most
        self._past = past
        self._columns: _Columns | None = None
        self._rows: Thinned[_Row] = Thinned(most)
        self._lock = threading.Lock()

    def add(self, decision: Decision) -> None:
        """Take the next decision of the stream."""
        if decision.descriptor is not None:
            with self._lock:
                self._add(decision.query, decision.descriptor)

    def read(self) -> Similarities:
        """The matrix up to now: (R, C), each `most` at most and 0 before the first decision."""
        with self._lock:
            rows = list(self._rows.items)
            parts = [row.similarities for row in rows]
            places = self._places()
        values = np.full((len(rows), len(places)), np.nan, np.float32)
        for at, part in enumerate(parts):
            values[at, : len(part)] = part
        return Similarities(values, np.array([row.index for row in rows], np.int64), places)

    def _add(self, query: Keyframe, descriptor: Signature) -> None:
        row = _Row(query.stream, query.index, descriptor)
        if self._rows.takes_next:
            row.similarities = self._compare(descriptor)
        if self._rows.add(row) and self._past is None:
            for kept in self._rows.items:
                kept.similarities = kept.similarities[::2].copy()

    def _compare(self, descriptor: Signature) -> NDArray[np.float32]:
        if self._past is None:
            kept = [row.descriptor for row in self._rows.items]
            return compare(descriptor, [*kept, descriptor])
        if self._columns is None:
            self._columns = _columns(self._past, self._most)
        return self._past.scores(descriptor, self._columns.rows)

    def _places(self) -> tuple[PlaceKey, ...]:
        if self._past is None:
            return tuple((None, row.stream, row.index) for row in self._rows.items)
        return () if self._columns is None else self._columns.places


@dataclass(slots=True)
class _Row:
    """A query that is kept."""

    stream: str
    index: int
    descriptor: Signature
    similarities: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    """(K,) to the first K columns."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Places of a fixed past."""

    rows: NDArray[np.int64]
    """(C,) where the past keeps them."""
    places: tuple[PlaceKey, ...]


def _columns(past: PlaceDatabase, most: int) -> _Columns:
    """Up to `most` places, evenly spread."""
    step = max(1, -(-len(past) // most))
    rows = np.arange(0, len(past), step)
    return _Columns(rows, tuple(past.key(row) for row in rows.tolist()))
