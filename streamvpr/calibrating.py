"""From recordings to a model's thresholds: read, describe, compare, propose."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamvpr import __version__
from streamvpr.calibration import PLACES, RATE, Proposal, count, count_far, propose
from streamvpr.embedding import Threshold, find_model, open_embedder
from streamvpr.embedding.card_file import refuse_bundled, write_threshold
from streamvpr.errors import ConfigError
from streamvpr.keyframes import FrameReader, KeyframeForms, KeyframeMaker
from streamvpr.sampler import Exclusion, StillnessGate
from streamvpr.sources import name_sources, open_source
from streamvpr.views import ViewCollector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.config import CalibrateOptions
    from streamvpr.embedding import Embedder
    from streamvpr.frames import Image
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)

# Fewer are no distribution: a quarter of them, from which the spread comes, would be a handful of
# views that follow each other.
LEAST_VIEWS = 60
LEAST_PAIRS = 100
REPORT_SECONDS = 10.0
# A standard error of more than this share of the way from the median to the threshold is worth
# saying.
DOUBTFUL = 0.2
# Where fewer neighbours reach the threshold, revisits hardly will.
FEW_NEIGHBOURS = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was proposed for a model, and what from."""

    model: str
    path: Path
    """Its ONNX file."""
    device: str
    sources: list[str]
    """What was read, safe to print."""
    frames: int
    """Processed ones; those that show a view again stood still and were not compared."""
    stationary: int
    views: int
    """Those that were compared: at most `streamvpr.views.MOST_VIEWS`, evenly spread."""
    exclude_recent: int
    far: NDArray[np.int64]
    near: NDArray[np.int64]
    """Histograms (BINS,) of the similarities of pairs far apart and of neighbours."""
    proposal: Proposal

    @property
    def pairs(self) -> int:
        """Number of pairs far apart."""
        return int(self.far.sum())

    def as_json(self) -> dict[str, Any]:
        """All but the histograms; similarities rounded to six places."""
        return {
            "model": self.model,
            "device": self.device,
            "sources": self.sources,
            "frames": self.frames,
            "stationary": self.stationary,
            "views": self.views,
            "exclude_recent": self.exclude_recent,
            "pairs": self.pairs,
            "near_pairs": int(self.near.sum()),
            **{key: _rounded(value) for key, value in asdict(self.proposal).items()},
            "method": {
                "value": "median of far pairs, or lower quartile of neighbours where that is less",
                "without_geometry": "normal powers of distances, less alike half mirrored",
                "rate": RATE,
                "places": PLACES,
            },
        }

    def threshold(self) -> Threshold:
        """What goes on the card: four places, and how they were found."""
        found = self.proposal
        error = found.without_geometry_error
        doubt = "" if error is None else f" (standard error {error:.2g})"
        return Threshold(
            value=round(found.value, 4),
            without_geometry=round(found.without_geometry, 4),
            calibrated=(
                f"by streamvpr {__version__} calibrate on {datetime.now(UTC):%Y-%m-%d}, from "
                f"{self.pairs} pairs of {self.views} views of {', '.join(self.sources)}, more than "
                f"{self.exclude_recent} frames apart. value: what half of them reach, or three "
                f"of four neighbours. without_geometry{doubt}: what the best of {PLACES} wrong "
                f"places reaches in at most {RATE:.0%} of queries."
            ),
        )


class Calibrator:
    """A model and the recordings that it is calibrated on, opened."""

    def __init__(
        self, path: Path, embedder: Embedder, sources: list[Source], options: CalibrateOptions
    ) -> None:
        self._path = path
        self._embedder = embedder
        self._sources = sources
        self._options = options
        self._stopping = False

    def stop(self) -> None:
        """Read no more; what was read is calibrated on. From any thread, or a signal's handler."""
        self._stopping = True
        for source in self._sources:
            source.stop()

    def run(self) -> Calibration:
        """Read to the end, close, propose.

        Raises ConfigError where there is too little or nothing moves, ModelError, SourceError.
        """
        frames, collector = self._read()
        _require_views(collector.taken, frames, self._options)
        views = collector.views()
        far = count_far(views, self._options.exclude_recent + 1)
        near = count(views.neighbours)
        _require_pairs(int(far.sum()), len(views), self._options)
        proposal = propose(far, near)
        _remark(proposal)
        return Calibration(
            model=self._embedder.card.name,
            path=self._path,
            device=self._embedder.device,
            sources=[source.path for source in self._sources],
            frames=frames,
            stationary=frames - collector.taken,
            views=len(views),
            exclude_recent=self._options.exclude_recent,
            far=far.sum((0, 1)),
            near=near,
            proposal=proposal,
        )

    def _read(self) -> tuple[int, ViewCollector]:
        """How many frames there were, and the views among them."""
        collector, frames = ViewCollector(), 0
        with _closing(self._sources):
            for number, source in enumerate(self._sources):
                if self._stopping:
                    break
                describer = _Describer(source, self._embedder, self._options)
                for index, descriptor in describer.descriptors():
                    collector.add(descriptor, number, index)
                frames += describer.frames
        return frames, collector


def open_calibrator(sources: list[str], options: CalibrateOptions) -> Calibrator:
    """Open the recordings and the model.

    Raises ConfigError where a source is live or `--write` can't work, ModelError, SourceOpenError.
    """
    path = find_model(options.model)
    if options.write:
        refuse_bundled(path)
    opened: list[Source] = []
    try:
        _open(sources, options, opened)
        embedder = open_embedder(options.model, device=options.device, threads=options.threads)
    except BaseException:
        with _closing(opened):
            raise
    logger.info("model %s on %s", embedder.card.name, embedder.device)
    return Calibrator(path, embedder, opened, options)


def write_card(calibration: Calibration) -> None:
    """Put the proposal on the model's card. Raises ConfigError, ModelError, StoreError."""
    card = write_threshold(calibration.path, calibration.threshold())
    logger.info("wrote both thresholds to %s; runs with this model use them now", card)


class _Describer:
    """Reads one recording to its end and describes every new view."""

    def __init__(self, source: Source, embedder: Embedder, options: CalibrateOptions) -> None:
        size = embedder.card.input
        forms = KeyframeForms((size.width, size.height), analysed_side=None, thumbnail=False)
        # As in a run: a view that still stands is no place of its own.
        gate = StillnessGate(Exclusion(gap=options.exclude_recent + 1))
        self.frames = 0
        self._reader = FrameReader(source, fps=options.fps)
        self._maker = KeyframeMaker(source.name, forms, gate)
        self._embedder = embedder
        self._batch_size = options.batch_size
        self._reported = time.monotonic()

    def descriptors(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Index and descriptor of every frame that shows a new view, in order."""
        batch: list[tuple[int, Image]] = []
        for index, image in self._moving():
            batch.append((index, image))
            if len(batch) == self._batch_size:
                yield from self._described(batch)
                batch = []
        if batch:
            yield from self._described(batch)

    def _moving(self) -> Iterator[tuple[int, Image]]:
        while (frame := self._reader.next()) is not None:
            keyframe = self._maker.make(frame)
            self.frames += 1
            self._report()
            if keyframe.model_input is not None:
                yield keyframe.index, keyframe.model_input

    def _described(
        self, batch: list[tuple[int, Image]]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        indices, images = zip(*batch, strict=True)
        yield from zip(indices, self._embedder.embed(images), strict=True)

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            logger.info("%d frames of %s", self.frames, self._reader.source.name)


def _open(sources: list[str], options: CalibrateOptions, opened: list[Source]) -> None:
    """Open them into `opened`, which holds what was opened where this raises, too."""
    if not sources:
        raise ConfigError("no source given; name a video file or a folder of images")
    for name, address in name_sources(sources):
        opened.append(open_source(address, name=name, options=options.source_options()))
        _refuse_live(opened[-1])


@contextmanager
def _closing(sources: list[Source]) -> Iterator[None]:
    """Close all of them afterwards."""
    try:
        yield
    finally:
        for source in sources:
            source.close()


def _refuse_live(source: Source) -> None:
    if source.live:
        raise ConfigError(
            f"calibrate needs recordings with an end, and {source.path} is live; record some "
            f"minutes first: ffmpeg -i {source.path} -t 600 -c copy recording.mkv"
        )


def _require_views(views: int, frames: int, options: CalibrateOptions) -> None:
    if views >= LEAST_VIEWS:
        return
    if frames >= LEAST_VIEWS:
        raise ConfigError(
            f"only {views} of {frames} frames show a new view, and calibrating needs "
            f"{LEAST_VIEWS}: the camera stands still or moves slowly; give a longer recording of "
            "one that moves"
        )
    remedy = (
        "a longer recording" if options.fps == 0 else "a longer recording, or more of it: --fps 0"
    )
    raise ConfigError(
        f"{frames} frames, of which {views} show a new view, and calibrating needs {LEAST_VIEWS}; "
        f"give {remedy}"
    )


def _require_pairs(pairs: int, views: int, options: CalibrateOptions) -> None:
    if pairs < LEAST_PAIRS:
        raise ConfigError(
            f"{pairs} pairs of {views} views are more than --exclude-recent "
            f"{options.exclude_recent} frames apart, and calibrating needs {LEAST_PAIRS}; "
            "give a longer recording, or a smaller --exclude-recent"
        )


def _remark(found: Proposal) -> None:
    """Say what a person should know before believing the numbers."""
    if found.quartile_near is not None and found.quartile_near < found.median_far:
        logger.warning(
            "frames that follow each other are hardly more alike than those far apart, and value "
            "is low for it; a higher --fps tells more"
        )
    if found.near_share is not None and found.near_share < FEW_NEIGHBOURS:
        logger.warning(
            "only %.0f %% of the frames that follow each other reach without_geometry %.3f: "
            "similarity alone will close few loops with this model here; leave geometry on",
            100 * found.near_share,
            found.without_geometry,
        )
    error = found.without_geometry_error
    if error is not None and error > DOUBTFUL * (found.without_geometry - found.median_far):
        logger.warning(
            "without_geometry is uncertain by ±%.2g; a longer recording tells more", error
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
