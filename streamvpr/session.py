"""The two wirings of the parts: online (`run`) and offline (`match`)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from streamvpr.calibrated import of_camera, open_camera
from streamvpr.config import (
    HEALTH_SECONDS,
    MatchOptions,
    RunOptions,
    require_clock,
    require_sequence,
)
from streamvpr.database import PlaceDatabase
from streamvpr.embedding import open_embedder
from streamvpr.errors import ConfigError, SourceError, StreamVPRError
from streamvpr.features import open_extractor
from streamvpr.geometry import Verifier
from streamvpr.geometry.chance import ChanceInliers
from streamvpr.judge import Judge
from streamvpr.keyframes import FrameReader, KeyframeForms, KeyframeMaker
from streamvpr.pipeline import Pipeline
from streamvpr.recognition import Recognizer, SearchOptions
from streamvpr.sampler import StillnessGate
from streamvpr.sinks import ClosureChooser, Fanout, FolderSink
from streamvpr.sources import name_sources, open_concat, open_source
from streamvpr.sources.address import Kind, parse_address
from streamvpr.stream import Stream
from streamvpr.summary import ClosureCounter, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamvpr.channel import Overflow
    from streamvpr.config import RecognitionOptions
    from streamvpr.embedding import Embedder, ModelCard
    from streamvpr.features import FeatureExtractor
    from streamvpr.frames import Decision, Described
    from streamvpr.sampler import Exclusion
    from streamvpr.sinks import Sink
    from streamvpr.sources import Source
    from streamvpr.watch import Watch

# Every cosine similarity reaches it.
NO_THRESHOLD = -1.0

logger = logging.getLogger(__name__)


class Session:
    """One run: pipelines one after the other, and the sinks that their decisions go to."""

    def __init__(
        self,
        pipelines: list[Pipeline],
        databases: list[PlaceDatabase],
        sink: ClosureChooser,
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

    def watch(self, watch: Watch) -> None:
        """Let every call of every stage be done by `watch`. Before `run`."""
        for pipeline in self._pipelines:
            pipeline.watch(watch)

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
                    await pipeline.run()
        finally:
            await asyncio.to_thread(self._sink.close)

    @property
    def stuck_for(self) -> float:
        """Longest time, in seconds, that a stage which waits for nobody has taken for one call."""
        return max(pipeline.stuck_for for pipeline in self._pipelines)

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
            dropped=sum(stream.buffer.dropped for stream in self.streams),
            seconds=time.perf_counter() - self._began,
            busy=busy,
        )


def open_online(
    sources: list[str], options: RunOptions, sinks: Iterable[Sink], *, kit: Kit | None = None
) -> Session:
    """Each frame of each source against the past of its own stream.

    `kit` is one of the same options, where several runs share it: its model is opened once. Raises
    ConfigError, ModelError, StoreError, and SourceOpenError where no source at all can be opened.
    """
    opened = open_sources(sources, options)
    try:
        for source in opened:
            require_clock(options, source=source.path, has_clock=source.has_clock)
        kit = kit or Kit(options)
        exclusion = options.exclusion()
        previews = options.output_dir is not None
        recognizers = [kit.recognizer(exclusion) for _ in opened]
        if options.shared_places:
            _share(recognizers)
        streams = [
            kit.stream(
                source,
                recognizer,
                recognizer.observe,
                exclusion,
                previews=previews,
                overflow=options.on_overload,
            )
            for source, recognizer in zip(opened, recognizers, strict=True)
        ]
        output, counter = kit.output(sinks, [source.path for source in opened])
    except BaseException:
        _close(opened)
        raise
    pipeline = kit.pipeline(streams, output, health_every=_health_every(options, streams))
    return Session([pipeline], [r.database for r in recognizers], output, counter)


def open_offline(
    database: str, query: str, options: MatchOptions, sinks: Iterable[Sink]
) -> Session:
    """Each frame of `query` against all frames of `database`. Raises as `open_online`."""
    opened: list[Source] = []
    try:
        named = name_sources([database, query])
        _refuse_second_input(named)
        for name, source in named:
            opened.append(open_source(source, name=name, options=options.source_options()))
            _refuse_live(opened[-1])
        kit = Kit(options)
        recognizer = kit.recognizer(None)
        previews = options.output_dir is not None
        remember = _remember(recognizer, options)
        past = kit.stream(opened[0], recognizer, remember, None, previews=previews)
        present = kit.stream(opened[1], recognizer, recognizer.observe, None, previews=previews)
        output, counter = kit.output(sinks, [source.path for source in opened])
    except BaseException:
        _close(opened)
        raise
    pipelines = [kit.pipeline([past], output), kit.pipeline([present], output)]
    return Session(pipelines, [recognizer.database], output, counter)


class Kit:
    """The parts of a run, made from its options; of one run after the other."""

    def __init__(self, options: RecognitionOptions) -> None:
        """Open what they have in common, the model above all. Raises ConfigError, ModelError."""
        require_sequence(options)
        self._options = options
        self._camera = open_camera(options)
        self._embedder: Embedder = open_embedder(
            options.model,
            device=options.device,
            threads=options.threads,
            batch_size=options.batch_size,
        )
        card = self._embedder.card
        note = self._embedder.note
        why = f" (not on cuda: {note})" if note else ""
        logger.info("model %s on %s%s", card.name, self._embedder.device, why)
        self._sim_threshold = _sim_threshold(options, card)
        self._extractor = self._open_extractor() if options.verify_geom else None

    def _open_extractor(self) -> FeatureExtractor:
        options = self._options
        return open_extractor(
            options.feature_kind(), device=self._embedder.device, threads=options.threads
        )

    @property
    def embedder(self) -> Embedder:
        """The model on its device."""
        return self._embedder

    def recognizer(self, exclusion: Exclusion | None) -> Recognizer:
        """What decides on the frames of a new stream; `exclusion` None: of a fixed database."""
        options = self._options
        verifier = Verifier(
            least_matches=options.min_inliers,
            reproj_thresh=options.reproj_thresh,
            seed=options.seed,
            geometry=options.geometry,
            camera=self._camera,
        )
        judge = Judge(
            sim_threshold=self._sim_threshold,
            min_inliers=options.min_inliers,
            verifier=verifier if options.verify_geom else None,
            min_overlap=options.min_overlap,
            chance=ChanceInliers(options.feature_kind()) if options.chance else None,
        )
        return Recognizer(
            PlaceDatabase(options.capacity, self._embedder.card.dimension),
            judge,
            exclusion=exclusion,
            search=SearchOptions(
                top_k=options.top_k,
                sequence_length=options.sequence_length,
                bidirectional=options.bidirectional,
                centre=options.centre,
                normalise=options.normalise,
                neighbours=options.neighbours,
                support=options.support,
                seed=options.seed,
            ),
        )

    def stream(
        self,
        source: Source,
        recognizer: Recognizer,
        observe: Callable[[Described], Decision | None],
        exclusion: Exclusion | None,
        *,
        previews: bool,
        overflow: Overflow | None = None,
    ) -> Stream:
        """A source on its way to what decides on its frames."""
        size = self._embedder.card.input
        options = self._options
        forms = KeyframeForms(
            size.width,
            size.height,
            analysed_side=None if self._extractor is None else self._extractor.largest_side,
            thumbnail=previews,
        )
        gate = None if exclusion is None else StillnessGate(exclusion)
        database = recognizer.database
        return Stream(
            FrameReader(source, fps=options.fps),
            KeyframeMaker(source.name, forms, gate),
            of_camera(self._camera, observe),
            places=lambda: (len(database), database.nbytes),
            overflow=overflow,
        )

    def pipeline(
        self, streams: list[Stream], sink: ClosureChooser, *, health_every: float | None = None
    ) -> Pipeline:
        """Streams through the model to where decisions go."""
        return Pipeline(
            streams,
            embedder=self._embedder,
            extractor=self._extractor,
            sink=sink,
            batch_size=self._options.batch_size,
            health_every=health_every,
        )

    def output(
        self, sinks: Iterable[Sink], paths: list[str]
    ) -> tuple[ClosureChooser, ClosureCounter]:
        """Where decisions go: the sinks given, a counter, and the output folder."""
        counter = ClosureCounter()
        served: list[Sink] = [counter, *sinks]
        folder = self._options.output_dir
        if folder is not None:
            served.append(
                FolderSink(
                    folder,
                    settings=self._effective(),
                    sources=paths,
                    sim_threshold=self._sim_threshold,
                )
            )
        return ClosureChooser(Fanout(served), self._options.emit), counter

    def _effective(self) -> dict[str, Any]:
        settings = self._options.effective()
        settings["model"] = self._options.model or self._embedder.card.name
        settings["device"] = self._embedder.device
        settings["sim-threshold"] = self._sim_threshold
        return settings


def _sim_threshold(options: RecognitionOptions, card: ModelCard) -> float:
    """Least similarity of a candidate: what was asked for, else what the model's card says."""
    if options.sim_threshold is not None:
        return options.sim_threshold
    threshold = card.threshold
    remedy = "`streamvpr calibrate` proposes one from your own video"
    if options.verify_geom:
        if threshold.value is None:
            logger.warning(
                "no threshold on the card of %s: geometry decides; %s", card.name, remedy
            )
        return NO_THRESHOLD if threshold.value is None else threshold.value
    if threshold.without_geometry is None:
        raise ConfigError(
            f"--no-verify-geom: the card of {card.name} has no threshold.without_geometry, and a "
            f"guess would make false loops; give --sim-threshold ({remedy})"
        )
    return threshold.without_geometry


def open_sources(sources: list[str], options: RunOptions) -> list[Source]:
    """What `open_online` reads. Raises ConfigError, and SourceError where none can be opened."""
    if not sources:
        raise ConfigError("no source given; name a video file or a folder of images")
    named = name_sources(sources)
    how = options.source_options()
    if options.concat:
        return [open_concat([source for _, source in named], name=named[0][0], options=how)]
    _refuse_second_input(named)
    opened: list[Source] = []
    errors: list[SourceError] = []
    for name, source in named:
        try:
            opened.append(open_source(source, name=name, options=how))
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


def _share(recognizers: list[Recognizer]) -> None:
    for recognizer in recognizers:
        recognizer.share([other.database for other in recognizers if other is not recognizer])


def _health_every(options: RunOptions, streams: list[Stream]) -> float | None:
    seconds = options.health_every
    if seconds is None:
        seconds = HEALTH_SECONDS if any(stream.live for stream in streams) else 0.0
    return seconds or None


def _refuse_second_input(named: list[tuple[str, str]]) -> None:
    kinds = [parse_address(source).kind for _, source in named]
    if kinds.count(Kind.STANDARD_INPUT) > 1:
        raise ConfigError("- is named more than once; standard input can be read only once")


def _refuse_live(source: Source) -> None:
    if source.live:
        raise ConfigError(
            f"match needs videos with an end, and {source.path} is live; "
            "use `run`, or record it first"
        )


def _close(sources: list[Source]) -> None:
    for source in sources:
        source.close()


def _remember(
    recognizer: Recognizer, options: MatchOptions
) -> Callable[[Described], Decision | None]:
    def observe(item: Described) -> None:
        if len(recognizer.database) == options.capacity:
            raise ConfigError(
                f"the database has more than --capacity {options.capacity} places; raise it, "
                "or process fewer with --fps"
            )
        recognizer.remember(item)

    return observe
