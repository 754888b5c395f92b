"""From recordings to a vocabulary: read, find features, keep a sample, train."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import ConfigError
from streamvpr.features import analysis_size, open_extractor
from streamvpr.keyframes import FrameReader
from streamvpr.picture_sample import PictureSample
from streamvpr.retrieval.bow import BagOfWords
from streamvpr.retrieval.encoders import ENCODERS
from streamvpr.retrieval.kind import RetrieverKind
from streamvpr.retrieval.parameters import write_parameters
from streamvpr.retrieval.tree_training import train_tree
from streamvpr.retrieval.unit_vectors import clear_descriptors
from streamvpr.retrieval.vocabulary_file import WRITERS, require_ending, write_vocabulary
from streamvpr.retrieval.vocabulary_tree import VocabularyTree
from streamvpr.sources import name_sources, open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamvpr.config import VocabularyOptions
    from streamvpr.retrieval.encoders import Encoder
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)

# A million descriptors, 32 MB of ORB's and 128 of SIFT's; grouping them takes a minute or two.
MOST_PICTURES = 1000
REPORT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TrainedVocabulary:
    """A vocabulary, and what it is from."""

    learned: VocabularyTree | Encoder
    sources: list[str]
    """What was read, safe to print."""
    frames: int
    pictures: int
    """Those that it was trained on: at most MOST_PICTURES, evenly spread."""
    descriptors: int
    """Of those pictures."""

    def write(self, path: Path) -> None:
        """Write what was learned. Raises StoreError."""
        if isinstance(self.learned, VocabularyTree):
            write_vocabulary(self.learned, path)
        else:
            write_parameters(path, self.learned.parameters())

    def as_json(self) -> dict[str, Any]:
        """All but what was learned."""
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
        self._kind = options.feature_kind()
        # In the size in which `run` looks at them.
        self._extractor = open_extractor(self._kind, closely=options.retriever.is_encoder)
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
        count = sum(len(picture) for picture in sample.kept)
        logger.info("training on %d descriptors of %d pictures", count, len(sample.kept))
        learn = self._encoder if self._options.retriever.is_encoder else self._tree
        try:
            learned: VocabularyTree | Encoder = learn(sample)
        except ValueError as error:
            raise ConfigError(
                f"{error}, of {sample.pictures} frames; give a longer recording, or more of it: "
                "--fps 0"
            ) from error
        if not _tells(learned):
            deeper = ", or more --levels" if isinstance(learned, VocabularyTree) else ""
            raise ConfigError(
                f"every word is in each of the {len(sample.kept)} pictures, and tells none of them "
                f"apart; give a longer recording of more than one place{deeper}"
            )
        names = [source.path for source in self._sources]
        return TrainedVocabulary(learned, names, sample.pictures, len(sample.kept), count)

    def _tree(self, sample: PictureSample) -> VocabularyTree:
        return train_tree(
            *sample.table(),
            branching=self._options.branching,
            levels=self._options.levels,
            seed=self._options.seed,
            progress=self._progress,
        )

    def _encoder(self, sample: PictureSample) -> Encoder:
        def tell(_: str, done: int, total: int) -> None:
            if self._progress is not None:
                self._progress(done / total)

        learner = ENCODERS[self._options.retriever.value]
        return learner.learn(sample.kept, self._kind, self._options.seed, tell)

    def _read(self, source: Source, sample: PictureSample) -> None:
        reader = FrameReader(source, fps=self._options.fps)
        while (frame := reader.next()) is not None:
            picture = frame.picture
            size = analysis_size(picture.width, picture.height, self._extractor.largest_side)
            found = self._extractor.extract(picture.gray(*size), picture.width)
            sample.add(np.asarray(clear_descriptors(found), np.uint8))
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

    Raises ConfigError where there is none or one is live, and for what cannot be learned or written
    so; SourceOpenError.
    """
    options.feature_kind()
    require_ending(options.output, WRITERS if options.retriever is RetrieverKind.DBOW else [".npz"])
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


def _tells(learned: VocabularyTree | Encoder) -> bool:
    """Whether any of its words tells pictures apart."""
    if isinstance(learned, VocabularyTree):
        return bool(learned.weights.any())
    return not isinstance(learned, BagOfWords) or bool(learned.rarities.any())
