"""Descriptors less what all of a stream's pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Descriptor

# Below this nothing of a descriptor is left but rounding.
LEAST_SQUARE = 1e-6


class Centring:
    """The mean of the descriptors that a stream has kept, taken off before they are compared.

    (Jégou and Chum, ECCV 2012, without their whitening.) The kept descriptors stay as they are:
    products with the mean give the same similarities, for one more read of the past.
    """

    changes = True
    """Whether other descriptors are compared than those that are kept."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None
        self._count = 0

    def add(self, descriptor: Descriptor) -> None:
        """Take the descriptor (D,) of a place that is kept."""
        if self._sum is None:
            self._sum = np.zeros(len(descriptor), np.float64)
        self._sum += descriptor
        self._count += 1

    def scores(
        self, database: PlaceDatabase, descriptor: Descriptor, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """(K,) cosines of the query to the places of rows (None: of all), less the mean so far."""
        plain = database.scores(descriptor, rows)
        if self._sum is None:
            return plain
        mean = (self._sum / self._count).astype(np.float32)
        square = float(mean @ mean)
        shared, own = database.scores(mean, rows), float(mean @ descriptor)
        products = plain - shared - own + square
        squares = np.maximum(1 - 2 * shared + square, LEAST_SQUARE)
        return np.asarray(
            products / np.sqrt(squares * max(1 - 2 * own + square, LEAST_SQUARE)), np.float32
        )


class Uncentred:
    """Descriptors as they are."""

    changes = False

    def add(self, descriptor: Descriptor) -> None:
        """Nothing is learned of it."""

    def scores(
        self, database: PlaceDatabase, descriptor: Descriptor, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """(K,) cosines of the query to the places of rows (None: of all)."""
        return database.scores(descriptor, rows)
