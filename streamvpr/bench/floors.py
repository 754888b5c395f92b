"""What a frame must cost at the least: the model, decoding and one read of the past, each alone."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.bench.spent import NOTHING, Rate, now, time_work
from streamvpr.embedding.proof import textured_picture
from streamvpr.keyframes import FrameReader
from streamvpr.session import open_sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.config import RunOptions
    from streamvpr.embedding import Embedder

# What a small model does sooner is repeated: it would say more of the clock than of the model.
LEAST_SECONDS = 0.1
# Times that the past is read in a turn.
READS = 20
# Beyond every cache a byte is a byte: a larger ring is read in part, and the rest reckoned.
MOST_BYTES = 256 * 1024 * 1024


class BareSession:
    """The very ONNX Runtime session of a run, on pictures that lie ready in its own form."""

    def __init__(self, embedder: Embedder, batch: int) -> None:
        """The session is run once, so that its memory is there. Raises ModelError."""
        size = embedder.card.input
        self.batch = batch
        self._call = embedder.bare([textured_picture(size.width, size.height)] * batch)
        self._call()

    def run(self, frames: int, go_on: Callable[[], None]) -> Rate:
        """So many frames, or a few more; `go_on` is called before each batch, and may raise."""
        done, began, spent = 0, now(), NOTHING
        while done < frames or spent.wall < LEAST_SECONDS:
            go_on()
            self._call()
            done += self.batch
            spent = now() - began
        return Rate(done, spent)


def decode_alone(
    sources: list[str], options: RunOptions, most: int | None, go_on: Callable[[], None]
) -> Rate:
    """The frames that a run reads, `most` of each source, read and let go. Raises SourceError."""
    frames = 0
    readers = [FrameReader(source, fps=options.fps) for source in open_sources(sources, options)]
    began = now()
    try:
        for reader in readers:
            reader.most = most
            while reader.next() is not None:
                go_on()
                frames += 1
        return Rate(frames, now() - began)
    finally:
        for reader in readers:
            reader.close()


def read_places(places: int, dimension: int) -> float:
    """Seconds in which as many descriptors are read once, and multiplied with one of a query."""
    most = max(1, MOST_BYTES // (dimension * np.float32().itemsize))
    rows = min(places, most)
    # Written to: pages that never were would all be one page of zeros.
    kept = np.full((rows, dimension), 0.5, np.float32)
    query, scores = np.ones(dimension, np.float32), np.empty(rows, np.float32)
    np.dot(kept, query, out=scores)
    taken = [time_work(lambda: np.dot(kept, query, out=scores)).wall for _ in range(READS)]
    return median(taken) * places / rows
