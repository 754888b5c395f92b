"""The places of earlier sessions where the shards of a map hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.cluster.sharded_ring import ShardedRing
from streamvpr.database import PlaceDatabase
from streamvpr.maps.history import order_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.cluster.sharded_ring import Shards
    from streamvpr.frames import Place
    from streamvpr.maps.history import Index
    from streamvpr.retrieval.base import Signature


@dataclass(frozen=True, slots=True)
class Layout:
    """How a map's places are spread over shards."""

    starts: NDArray[np.int64]
    """(S + 1,) first row of each shard, and how many places there are."""
    dimension: int
    lines: dict[tuple[str, str], int]
    """By session and stream, where its first place would stand."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where each of a map's places stands, by row: many processes of a node may share it."""

    orders: NDArray[np.int64]
    """(N,) increasing."""
    positions: NDArray[np.float64] | None
    """(N, 2) degrees of latitude and longitude, NaN where a place has none; None where none has."""

    @classmethod
    def of(cls, index: Index) -> Standing:
        """That of the places of a map."""
        known = not np.isnan(index.positions).all()
        return cls(index.orders, index.positions if known else None)


class ShardedHistory(PlaceDatabase):
    """What a History of the whole map would be, of which this process holds alone where its places
    stand."""

    def __init__(self, shards: Shards, layout: Layout, standing: Standing) -> None:
        """`standing` is that of all places."""
        super().__init__(1, layout.dimension)
        self._sharded = ShardedRing(shards, layout.starts, layout.dimension)
        self._ring = self._sharded
        self.capacity = self._ring.capacity
        self._orders = standing.orders
        self._positions = standing.positions
        self._shards = shards
        self._layout = layout

    @property
    def nbytes(self) -> int:
        """Bytes that this process keeps of it."""
        return 0

    def add(self, place: Place, descriptor: Signature, words: Signature = None) -> None:
        """Not possible: what a run adds to a map is written by a MapWriter."""
        raise TypeError("nothing is added to the places of earlier sessions")

    def order_of(self, place: Place) -> int:
        """Where a place of it stands; places of others stand nowhere: -1."""
        return order_in(self._layout.lines, place)

    def place(self, row: int) -> Place:
        """The place of a row. Raises StoreError where the map cannot be read any more."""
        return self._sharded.kept(row).place

    def pictured(self, place: Place) -> Place:
        """A place of it with its thumbnail, where that was kept. Raises StoreError."""
        # All shards have the same file; the first one answers.
        asked: list[tuple[Any, ...] | None] = [None] * (len(self._layout.starts) - 1)
        asked[0] = (place,)
        return replace(place, thumbnail=self._shards.ask("thumbnail", asked)[0])
