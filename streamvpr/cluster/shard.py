"""A part of a map's places, held by one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.cluster.connection import connected
from streamvpr.cluster.workplace import settle
from streamvpr.descriptor_ring import DescriptorRing, sum_of
from streamvpr.errors import StoreError
from streamvpr.frames import Remembered
from streamvpr.maps.history import Shelf, load_descriptors, load_index
from streamvpr.maps.opening import open_reader

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.cluster.workplace import Workplace
    from streamvpr.frames import Descriptor, Place

    Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """Which of a map's places a shard holds: always the same ones, whatever the map gets."""

    path: Path
    newest: int
    """Number in the file of the last place that the run knows."""
    count: int
    """How many places there are up to that one."""
    start: int
    stop: int
    """Rows of all of those."""


class Shard:
    """The places of a part of a map. Rows are counted from its first one.

    All that it holds comes from the map: one that is started again is the same as before.
    """

    def __init__(
        self, part: Part, centre: Descriptor | None, workplace: Workplace | None = None
    ) -> None:
        """`centre` is the mean of all places where they are searched by code. Nothing is read
        before the first call, which says what is wrong."""
        self._part = part
        self._centre = centre
        self._workplace = workplace
        self._held: _Held | None = None

    def count(self) -> int:
        """How many places it holds. Raises StoreError."""
        return len(self._here().ring)

    def sum(self) -> NDArray[np.float64]:
        """(D,) of its descriptors. Raises StoreError."""
        return self._here().sum

    def scores(self, descriptor: Descriptor, rows: Rows | None = None) -> NDArray[np.float32]:
        """(K,) similarity to the places of rows, or to all. Raises StoreError."""
        ring = self._here().ring
        return ring.scores(descriptor) if rows is None else ring.scores_of(rows, descriptor)

    def nearest(
        self, descriptors: NDArray[np.float32], most: int, end: int
    ) -> tuple[NDArray[np.int32], Rows]:
        """As `DescriptorRing.nearest_by_bits`. Raises StoreError."""
        return self._here().ring.nearest_by_bits(descriptors, most, end)

    def kept(self, row: int) -> Remembered:
        """The place of a row and its descriptor. Raises StoreError."""
        held = self._here()
        return Remembered(held.shelf.place(row), held.ring.vector(row))

    def thumbnail(self, place: Place) -> bytes | None:
        """JPEG of a place of the map. Raises StoreError."""
        return self._here().shelf.thumbnail(place)

    def node(self) -> str:
        """The name of the node that it is on."""
        return connected().here()

    def close(self) -> None:
        """Let go of the map."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def _here(self) -> _Held:
        if self._held is None:
            if self._workplace is not None:
                settle(self._workplace)
            self._held = _Held(self._part, self._centre)
        return self._held


class _Held:
    """What was read of the map."""

    def __init__(self, part: Part, centre: Descriptor | None) -> None:
        self._reader = open_reader(part.path)
        try:
            connection, dimension = self._reader.connection, self._reader.model.dimension
            index = load_index(part.path, connection, part.newest)
            if len(index.numbers) != part.count:
                raise StoreError(
                    f"the map {part.path} had {part.count} places and has {len(index.numbers)} of "
                    "them now; no other program may change it during a run"
                )
            numbers = index.numbers[part.start : part.stop]
            descriptors = load_descriptors(part.path, connection, numbers, dimension)
            self.sum = sum_of(descriptors)
            self.ring = DescriptorRing(*descriptors.shape)
            self.ring.extend(descriptors, centre=centre)
            self.shelf = Shelf(part.path, connection, numbers, index.lines)
        except BaseException:
            self._reader.close()
            raise

    def close(self) -> None:
        self._reader.close()
