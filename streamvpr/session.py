"""The two wirings of the parts: online (`run`) and offline (`match`)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from streamvpr import records
from streamvpr.config import MatchOptions, RunOptions, require_clock
from streamvpr.database import PlaceDatabase
from streamvpr.embedding import open_embedder
from streamvpr.errors import ConfigError, SourceError, StreamVPRError
from streamvpr.keyframes import KeyframeForms, KeyframeReader
from streamvpr.pipeline import Pipeline, Stream
from streamvpr.recognition import Judge, Recognizer
from streamvpr.sampler import StillnessGate
from streamvpr.sinks import Fanout, FolderSink
from streamvpr.sources import Clip, name_sources, open_concat, open_source
from streamvpr.summary import ClosureCounter, Summary
from streamvpr.verification import FeatureExtractor, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from streamvpr.config import RecognitionOptions
    from streamvpr.embedding import Embedder
    from streamvpr.frames import Described
    from streamvpr.sampler import Exclusion
    from streamvpr.sinks import Sink
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)


class Session:
    """One run: pipelines one after the other, and the sinks that their decisions go to."""

    def __init__(
        self,
        pipelines: list[Pipeline],
        databases: list[PlaceDatabase],
        sink: Fanout,
        counter: ClosureCounter,
    ) -> None:
        self._pipelines = pipelines
        self._databases = databases
        self._sink = sink
        self._counter = counter
        self._stopping = False
        self._began = time.perf_counter()

    @property
    def streams(self) -> list[Stream]:
        """All streams, in the order in which they are read."""
        return [stream for pipeline in self._pipelines for stream in pipeline.streams]

    def stop(self) -> None:
        """Read no more; what was read is finished and emitted."""
        self._stopping = True
        for pipeline in self._pipelines:
            pipeline.stop()

    async def run(self) -> None:
        """Run to the end, and close the sinks whatever happens. Raises StreamVPRError."""
        self._began = time.perf_counter()
        try:
            for pipeline in self._pipelines:
                if not self._stopping:
                    await self._run_one(pipeline)
        finally:
            await asyncio.to_thread(self._sink.close)

    def summary(self) -> Summary:
        """What was done so far."""
        busy: dict[str, float] = {}
        for pipeline in self._pipelines:
            for name, seconds in pipeline.busy.items():
                busy[name] = busy.get(name, 0.0) + seconds
        return Summary(
            frames=sum(stream.processed for stream in self.streams),
            closures=self._counter.closures,
            places=sum(len(database) for database in self._databases),
            skipped=sum(stream.reader.source.skipped for stream in self.streams),
            seconds=time.perf_counter() - self._began,
            busy=busy,
        )

    async def _run_one(self, pipeline: Pipeline) -> None:
        await asyncio.to_thread(self._announce, pipeline, "started")
        try:
            await pipeline.run()
        except SourceError:
            await asyncio.to_thread(self._announce, pipeline, "ended")
            raise
        await asyncio.to_thread(self._announce, pipeline, "ended")

    def _announce(self, pipeline: Pipeline, state: Literal["started", "ended"]) -> None:
        for stream in pipeline.streams:
            self._sink.write_stream(_event(stream, "lost" if stream.error else state))


def open_online(sources: list[str], options: RunOptions, sinks: Iterable[Sink]) -> Session:
    """Each frame of each source against the past of its own stream.

    Raises ConfigError, ModelError, StoreError, and SourceOpenError where no source at all can be
    opened.
    """
    opened = _open_sources(sources, options)
    try:
        for source in opened:
            require_clock(options, source=source.path, has_clock=source.has_clock)
        kit = _Kit(options)
        exclusion = options.exclusion()
        previews = options.output_dir is not None
        recognizers = [kit.recognizer(exclusion) for _ in opened]
        streams = [
            Stream(kit.reader(source, exclusion, previews=previews), recognizer.observe)
            for source, recognizer in zip(opened, recognizers, strict=True)
        ]
        fanout, counter = kit.fanout(sinks, [source.path for source in opened])
    except BaseException:
        _close(opened)
        raise
    pipeline = kit.pipeline(streams, fanout)
    return Session([pipeline], [r.database for r in recognizers], fanout, counter)


def open_offline(
    database: str, query: str, options: MatchOptions, sinks: Iterable[Sink]
) -> Session:
    """Each frame of `query` against all frames of `database`. Raises as `open_online`."""
    clip = Clip(options.start, options.duration)
    opened: list[Source] = []
    try:
        for name, source in name_sources([database, query]):
            opened.append(
                open_source(source, name=name, clip=clip, video_stream=options.video_stream)
            )
        kit = _Kit(options)
        recognizer = kit.recognizer(None)
        previews = options.output_dir is not None
        past = Stream(
            kit.reader(opened[0], None, previews=previews), _remember(recognizer, options)
        )
        present = Stream(kit.reader(opened[1], None, previews=previews), recognizer.observe)
        fanout, counter = kit.fanout(sinks, [source.path for source in opened])
    except BaseException:
        _close(opened)
        raise
    pipelines = [kit.pipeline([past], fanout), kit.pipeline([present], fanout)]
    return Session(pipelines, [recognizer.database], fanout, counter)


class _Kit:
    """The parts of a run, made from its options."""

    def __init__(self, options: RecognitionOptions) -> None:
        self._options = options
        self._embedder: Embedder = open_embedder(
            options.model, device=options.device, threads=options.threads
        )
        card = self._embedder.card
        logger.info("model %s on %s", card.name, self._embedder.device)
        default = card.threshold.value if options.verify_geom else card.threshold.without_geometry
        self._sim_threshold = default if options.sim_threshold is None else options.sim_threshold

    def recognizer(self, exclusion: Exclusion | None) -> Recognizer:
        options = self._options
        verifier = Verifier(
            least_matches=options.min_inliers,
            reproj_thresh=options.reproj_thresh,
            seed=options.seed,
        )
        judge = Judge(
            sim_threshold=self._sim_threshold,
            min_inliers=options.min_inliers,
            verifier=verifier if options.verify_geom else None,
        )
        return Recognizer(
            PlaceDatabase(options.capacity, self._embedder.card.dimension),
            judge,
            top_k=options.top_k,
            exclusion=exclusion,
        )

    def reader(
        self, source: Source, exclusion: Exclusion | None, *, previews: bool
    ) -> KeyframeReader:
        size = self._embedder.card.input
        options = self._options
        return KeyframeReader(
            source,
            fps=options.fps,
            forms=KeyframeForms(
                size.width, size.height, gray=options.verify_geom, thumbnail=previews
            ),
            gate=None if exclusion is None else StillnessGate(exclusion),
        )

    def pipeline(self, streams: list[Stream], fanout: Fanout) -> Pipeline:
        return Pipeline(
            streams,
            embedder=self._embedder,
            extractor=FeatureExtractor() if self._options.verify_geom else None,
            sink=fanout,
            batch_size=self._options.batch_size,
        )

    def fanout(self, sinks: Iterable[Sink], paths: list[str]) -> tuple[Fanout, ClosureCounter]:
        counter = ClosureCounter()
        folder = self._options.output_dir
        if folder is None:
            return Fanout([counter, *sinks]), counter
        settings = self._effective()
        made = FolderSink(
            folder, settings=settings, sources=paths, sim_threshold=self._sim_threshold
        )
        return Fanout([counter, *sinks, made]), counter

    def _effective(self) -> dict[str, Any]:
        settings = self._options.effective()
        settings["model"] = self._options.model or self._embedder.card.name
        settings["device"] = self._embedder.device
        settings["sim-threshold"] = self._sim_threshold
        return settings


def _open_sources(sources: list[str], options: RunOptions) -> list[Source]:
    if not sources:
        raise ConfigError("no source given; name a video file or a folder of images")
    clip = Clip(options.start, options.duration)
    named = name_sources(sources)
    if options.concat:
        paths = [source for _, source in named]
        return [open_concat(paths, name=named[0][0], clip=clip, video_stream=options.video_stream)]
    opened: list[Source] = []
    errors: list[SourceError] = []
    for name, source in named:
        try:
            opened.append(
                open_source(source, name=name, clip=clip, video_stream=options.video_stream)
            )
        except SourceError as error:
            errors.append(error)
        except StreamVPRError:
            _close(opened)
            raise
    if not opened:
        raise errors[0]
    for failure in errors:
        logger.error("%s", failure)
    return opened


def _close(sources: list[Source]) -> None:
    for source in sources:
        source.close()


def _remember(recognizer: Recognizer, options: MatchOptions) -> Callable[[Described], None]:
    def observe(item: Described) -> None:
        if len(recognizer.database) == options.capacity:
            raise ConfigError(
                f"the database has more than --capacity {options.capacity} places; raise it, "
                "or process fewer with --fps"
            )
        recognizer.remember(item)

    return observe


def _event(stream: Stream, state: Literal["started", "ended", "lost"]) -> records.Stream:
    return records.Stream(
        stream=stream.name,
        state=state,
        path=stream.reader.source.path,
        frames=stream.processed,
        skipped=stream.reader.source.skipped,
        message=None if stream.error is None else str(stream.error),
    )
