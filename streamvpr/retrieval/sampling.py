"""Local descriptors to learn from: as many as memory is meant to take, of all pictures alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.unit_vectors import NUMBERS, unit_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import FeatureKind

# 128 numbers of 4 bytes each: 100 MB.
MOST_SAMPLED = 200_000

Progress = Callable[[str, int, int], None]
"""What is being learned, how many steps of it are done, and of how many."""


def sampled(
    pictures: Sequence[NDArray[np.generic]],
    kind: FeatureKind,
    seed: int,
    most: int = MOST_SAMPLED,
) -> NDArray[np.float32]:
    """(S, d) vectors of up to `most` of all pictures' descriptors, drawn without regard to which.

    `pictures` has (N, ...) descriptors of each, as `Features` keeps them. Raises ValueError where
    there are none.
    """
    counts = [len(picture) for picture in pictures]
    if not sum(counts):
        raise ValueError("there are no features to learn from")
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.permutation(sum(counts))[:most])
    found = np.empty((len(chosen), NUMBERS[kind]), np.float32)
    begin = done = 0
    for picture, count in zip(pictures, counts, strict=True):
        stop = int(np.searchsorted(chosen, begin + count))
        found[done:stop] = unit_vectors(picture[chosen[done:stop] - begin], kind)
        begin, done = begin + count, stop
    return found


def unheard(what: str, done: int, total: int) -> None:
    """The progress that nobody asked for."""
