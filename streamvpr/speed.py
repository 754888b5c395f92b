"""How long a model takes for a picture."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from streamvpr.embedding.proof import textured_picture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamvpr.embedding import Embedder
    from streamvpr.frames import Image

MOST_RUNS = 5
# Seconds. Enough for all runs of a small model, and for one of a large one.
ENOUGH = 0.5
# A batch that is expected to take longer is left out.
LONGEST = 5.0


def measure_batches(embedder: Embedder, sizes: Iterable[int]) -> dict[int, float | None]:
    """Milliseconds a picture by batch size; None where that would have taken too long."""
    found: dict[int, float | None] = {}
    expected = 0.0
    for size in sizes:
        if expected * size > LONGEST:
            found[size] = None
            continue
        expected = measure(embedder, size)
        found[size] = float(f"{expected * 1e3:.3g}")
    return found


def measure(embedder: Embedder, size: int = 1) -> float:
    """Seconds a picture in batches of that size: median of a few runs, or of one that is long.

    Raises ModelError.
    """
    batch = [textured_picture(embedder.card.input.width, embedder.card.input.height)] * size
    # The first run of a size fetches the memory for it.
    first = _time(embedder, batch)
    if first > ENOUGH:
        return first / size
    taken = [_time(embedder, batch)]
    while len(taken) < MOST_RUNS and sum(taken) < ENOUGH:
        taken.append(_time(embedder, batch))
    return median(taken) / size


def _time(embedder: Embedder, batch: list[Image]) -> float:
    began = time.perf_counter()
    embedder.embed(batch)
    return time.perf_counter() - began
