"""How long a model takes for a picture."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from streamvpr.embedding.feature_network import example
from streamvpr.embedding.proof import textured_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamvpr.embedding import Embedder, FeatureNetwork

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
    return _median(lambda: embedder.embed(batch)) / size


def measure_features(network: FeatureNetwork) -> float:
    """Seconds for a picture of the card's size: as `measure`. Raises ModelError."""
    picture = example(network.card)
    return _median(lambda: network.maps(picture))


def _median(run: Callable[[], object]) -> float:
    # The first run of a size fetches the memory for it.
    first = _time(run)
    if first > ENOUGH:
        return first
    taken = [_time(run)]
    while len(taken) < MOST_RUNS and sum(taken) < ENOUGH:
        taken.append(_time(run))
    return median(taken)


def _time(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
