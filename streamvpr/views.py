"""Views of recordings, evenly thinned so that memory is bounded however long they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.thinning import Thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor

# All pairs of so many are compared in seconds; their descriptors of 1024 numbers are 20 MB.
MOST_VIEWS = 5000


@dataclass(frozen=True, slots=True)
class Views:
    """What was kept, in order."""

    descriptors: NDArray[np.float32]
    """(N, D), rows of length 1."""
    recordings: NDArray[np.int64]
    """(N,) numbers of the recordings that they are from."""
    indices: NDArray[np.int64]
    """(N,) indices among the processed frames of their recording."""
    neighbours: NDArray[np.float32]
    """(M,) cosine similarities of frames that follow each other and both show a new view."""

    def __len__(self) -> int:
        return len(self.indices)


class ViewCollector:
    """Takes described frames in order, and keeps up to `most` of them, spread over all.

    Where there are more, every second one is let go, and from then on every second one taken. The
    similarities of neighbours are thinned in the same way.
    """

    def __init__(self, most: int = MOST_VIEWS) -> None:
        self._kept: Thinned[tuple[Descriptor, int, int]] = Thinned(most)
        self._neighbours: Thinned[float] = Thinned(most)
        self._newest: tuple[Descriptor, int, int] | None = None

    @property
    def taken(self) -> int:
        """How many frames were added, kept or not."""
        return self._kept.taken

    def add(self, descriptor: Descriptor, recording: int, index: int) -> None:
        """Take the next view: its (D,) descriptor, its recording, its index there."""
        if self._newest is not None and self._newest[1:] == (recording, index - 1):
            self._neighbours.add(float(descriptor @ self._newest[0]))
        self._newest = descriptor, recording, index
        self._kept.add(self._newest)

    def views(self) -> Views:
        """What was kept up to now, at least one view."""
        descriptors, recordings, indices = zip(*self._kept.items, strict=True)
        return Views(
            np.stack(descriptors),
            np.array(recordings, np.int64),
            np.array(indices, np.int64),
            np.array(self._neighbours.items, np.float32),
        )
