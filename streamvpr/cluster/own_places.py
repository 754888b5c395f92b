"""What a stream's lost actor had remembered, as far as it is in the run's map."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Remembered
from streamvpr.maps.history import APART, Shelf, load_descriptors, load_index, starts_of
from streamvpr.maps.opening import open_reader

if TYPE_CHECKING:
    from pathlib import Path


def read_own_places(path: Path, session: str, stream: str, most: int) -> list[Remembered]:
    """The newest places of a stream of the session that is being written, oldest first.

    Raises StoreError.
    """
    with closing(open_reader(path)) as reader:
        connection = reader.connection
        index = load_index(path, connection)
        starts = starts_of(index.lines)
        start = starts.get((session, stream))
        if start is None:
            return []
        later = [other for other in starts.values() if other > start]
        end = min(later) if later else int(index.orders[-1]) + APART
        first, last = np.searchsorted(index.orders, (start, end)).tolist()
        rows = slice(max(first, last - most), last)
        numbers = index.numbers[rows]
        found = load_descriptors(path, connection, numbers, reader.model.dimension)
        shelf = Shelf(path, connection, numbers, index.lines)
        places = [replace(shelf.place(row), session=None) for row in range(len(numbers))]
    return [Remembered(p, d) for p, d in zip(places, found, strict=True)]
