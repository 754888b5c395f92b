"""What every retriever has in common: how a frame is described, and how the past is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import FeatureKind, Features

    Rows = NDArray[np.int64]

Signature = Any
"""What a retriever finds a place by: a descriptor (D,) float32 of length 1, or something of its own
with a `similarity` to another of its kind."""


def compare(one: Signature, others: Sequence[Signature]) -> NDArray[np.float32]:
    """(K,) similarity of one to each of others (K,), by themselves."""
    if isinstance(one, np.ndarray) and one.dtype == np.float32:
        return np.asarray(np.stack(others) @ one, np.float32)
    return np.array([one.similarity(other) for other in others], np.float32)


class Index(Protocol):
    """The signatures of the newest `capacity` places, searched by similarity.

    Rows are counted from the oldest that is kept. Similarities are 0 (nothing in common) to 1, or
    cosines; the same whatever was evicted before. As long as nothing is added, several threads may
    ask at once.
    """

    capacity: int
    added: int
    """How many were ever added."""
    reaches_one: bool
    """Whether two views of one place are nearly 1 alike, as a network's descriptors are."""

    def __len__(self) -> int: ...

    @property
    def first(self) -> int:
        """Number of the oldest, counted from the first ever added."""

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""

    def slot(self, row: int) -> int:
        """Where a ring of that capacity keeps a row; behind the last is where the next goes."""

    def slots(self, rows: Rows) -> Rows:
        """(K,) the same of rows (K,)."""

    def add(self, signature: Signature) -> None:
        """Keep that of the newest place; of a full ring the oldest one is let go of. Raises
        ValueError for one of another kind."""

    def scores(self, signature: Signature) -> NDArray[np.float32]:
        """(N,) similarity to all, oldest first."""

    def scores_of(self, rows: Rows, signature: Signature) -> NDArray[np.float32]:
        """(K,) similarity to those of increasing rows (K,)."""

    def exact_score(self, row: int, signature: Signature) -> float:
        """Similarity to that of a row, the same whatever else is kept."""

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Similarities (N,) of one query on a scale on which 1 is the same view."""


class LocalRetriever(Protocol):
    """Describes frames by their local features."""

    name: str
    """As options, settings and maps name it."""
    kind: FeatureKind
    """The features that it takes."""
    dimension: int
    """D where it gives descriptors (D,) as a network does; 0 where it gives something else."""

    def describe(self, features: Features) -> Signature:
        """What places are found by, of the features of one picture: none, too."""

    def open_index(self, capacity: int) -> Index:
        """An empty index of its signatures."""
