"""Which slot of a ring holds which row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


class RowRing:
    """The newest `capacity` of all that was ever added; rows are counted from the oldest."""

    reaches_one = False
    """Whether two views of one place are nearly 1 alike."""

    def __init__(self, capacity: int) -> None:
        """Raises ValueError for less than 1."""
        if capacity < 1:
            raise ValueError(f"capacity {capacity} must be 1 or more")
        self.capacity = capacity
        self.added = 0
        """How many were ever added."""

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    @property
    def first(self) -> int:
        """Number of the oldest, counted from the first ever added."""
        return self.added - len(self)

    def slot(self, row: int) -> int:
        """Where the ring keeps a row; the one behind the last is where the next goes."""
        return (self.first + row) % self.capacity

    def slots(self, rows: Rows) -> Rows:
        """(K,) where the ring keeps rows (K,)."""
        slots = rows + self.slot(0)
        slots[slots >= self.capacity] -= self.capacity
        return slots
