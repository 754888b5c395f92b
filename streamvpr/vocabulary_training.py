"""From recordings to a vocabulary: read, find features, keep a sample, train."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import ConfigError
from streamvpr.features import OrbExtractor, analysis_size
from streamvpr.keyframes import FrameReader
from streamvpr.picture_sample import PictureSample
from streamvpr.retrieval.tree_training import train_tree
from streamvpr.sources import name_sources, open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.config import VocabularyOptions
    from streamvpr.retrieval.vocabulary_tree import VocabularyTree
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)

# A million descriptors, 32 MB; grouping them takes a minute or two.
MOST_PICTURES = 1000
REPORT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TrainedVocabulary:
    """A vocabulary, and what it is from."""

    tree: VocabularyTree
    sources: list[str]
    """What was read, safe to print."""
    frames: int
    pictures: int
    """Those that it was trained on: at most MOST_PICTURES, evenly spread."""
    descriptors: int
    """Of those pictures."""

    def as_json(self) -> dict[str, Any]:
        """All but the tree itself."""
        return {
            "sources": self.sources,
            "frames": self.frames,
            "pictures": self.pictures,
            "descriptors": self.descriptors,
        }


class VocabularyTrainer:
    """The recordings that a vocabulary is trained on, opened."""

    def __init__(
        self,
        sources: list[Source],
        options: VocabularyOptions,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """`progress` gets the share of the training that is done, 0 to 1."""
        self._sources = sources
        self._options = options
        self._progress = progress
        self._extractor = OrbExtractor()
        self._stopping = False
        self._reported = time.monotonic()

    def stop(self) -> None:
        """Read no more; what was read is trained on. From any thread, or a signal's handler."""
        self._stopping = True
        for source in self._sources:
            source.stop()

    def read(self) -> PictureSample:
        """Read to the end and close. Raises SourceError."""
        sample = PictureSample(MOST_PICTURES, self._options.seed)
        with ExitStack() as closing:
            for source in self._sources:
                closing.callback(source.close)
            for source in self._sources:
                if self._stopping:
                    break
                self._read(source, sample)
        return sample

    def train(self, sample: PictureSample) -> TrainedVocabulary:
        """The vocabulary of what was read. Raises ConfigError where that is too little."""
        descriptors, pictures = sample.table()
        options = self._options
        logger.info("training on %d descriptors of %d pictures", len(pictures), sample.kept)
        try:
            tree = train_tree(
                descriptors,
                pictures,
                branching=options.branching,
                levels=options.levels,
                seed=options.seed,
                progress=self._progress,
            )
        except ValueError as error:
            raise ConfigError(
                f"{error}, of {sample.pictures} frames; give a longer recording, or more of it: "
                "--fps 0"
            ) from error
        if not tree.weights.any():
            raise ConfigError(
                f"every word is in each of the {sample.kept} pictures, and tells none of them "
                "apart; give a longer recording of more than one place, or more --levels"
            )
        names = [source.path for source in self._sources]
        return TrainedVocabulary(tree, names, sample.pictures, sample.kept, len(descriptors))

    def _read(self, source: Source, sample: PictureSample) -> None:
        reader = FrameReader(source, fps=self._options.fps)
        while (frame := reader.next()) is not None:
            picture = frame.picture
            size = analysis_size(picture.width, picture.height, self._extractor.largest_side)
            found = self._extractor.extract(picture.gray(*size), picture.width)
            sample.add(np.asarray(found.descriptors, np.uint8))
            self._report(sample, source)

    def _report(self, sample: PictureSample, source: Source) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            logger.info("%d frames, now of %s", sample.pictures, source.name)


def open_trainer(
    sources: list[str],
    options: VocabularyOptions,
    progress: Callable[[float], None] | None = None,
) -> VocabularyTrainer:
    """Open the recordings.

    Raises ConfigError where there is none or one is live, SourceOpenError.
    """
    if not sources:
        raise ConfigError("no source given; name a video file or a folder of images")
    with ExitStack() as closing:
        opened: list[Source] = []
        for name, address in name_sources(sources):
            source = open_source(address, name=name, options=options.source_options())
            closing.callback(source.close)
            opened.append(source)
            _refuse_live(source)
        # All are open: whoever reads them closes them.
        closing.pop_all()
    return VocabularyTrainer(opened, options, progress)


def _refuse_live(source: Source) -> None:
    if source.live:
        raise ConfigError(
            f"a vocabulary needs recordings with an end, and {source.path} is live; record some "
            f"minutes first: ffmpeg -i {source.path} -t 600 -c copy recording.mkv"
        )
