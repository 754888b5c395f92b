"""The two wirings of the parts: online (`run`) and offline (`match`)."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvpr.config import HEALTH_SECONDS, MatchOptions, RunOptions, require_clock
from streamvpr.errors import ConfigError, SourceError, StoreError, StreamVPRError
from streamvpr.kit import Kit
from streamvpr.maps import NewSession, is_map, open_prior
from streamvpr.sinks import PlacesSink, Shown
from streamvpr.sources import name_sources, open_concat, open_source
from streamvpr.sources.address import Kind, parse_address
from streamvpr.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Decision, Described
    from streamvpr.maps import Prior
    from streamvpr.pipeline import Pipeline
    from streamvpr.recognition import Recognizer
    from streamvpr.sinks import ClosureChooser, Sink
    from streamvpr.sinks.counter import ClosureCounter
    from streamvpr.sources import Source
    from streamvpr.stream import Stream
    from streamvpr.watch import Watch

logger = logging.getLogger(__name__)


class Session:
    """One run: pipelines one after the other, and the sinks that their decisions go to."""

    def __init__(
        self,
        pipelines: list[Pipeline],
        databases: list[PlaceDatabase],
        sink: ClosureChooser,
        counter: ClosureCounter,
        settings: dict[str, Any],
        prior: Prior | None = None,
        past: PlaceDatabase | None = None,
    ) -> None:
        """`settings` are those that hold. `prior` is the map that is searched, which is let go of
        at the end. `past` holds the places of `match`."""
        self.settings = settings
        self.past = past
        self._pipelines = pipelines
        self._databases = databases
        self._sink = sink
        self._counter = counter
        self._prior = prior
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
            await asyncio.to_thread(self._close)

    @property
    def stuck_for(self) -> float:
        """Longest time, in seconds, that a stage which waits for nobody has taken for one call."""
        return max(pipeline.stuck_for for pipeline in self._pipelines)

    def _close(self) -> None:
        # First, so that the writer is the last one at the map, and can leave one file behind.
        if self._prior is not None:
            self._prior.close()
        try:
            self._sink.write_summary(self.summary())
        finally:
            self._sink.close()

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
            undescribed=sum(stream.undescribed for stream in self.streams),
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
    prior: Prior | None = None
    try:
        for source in opened:
            require_clock(options, source=source.path, has_clock=source.has_clock)
        kit = kit or Kit(options)
        exclusion = options.exclusion()
        prior = _open_prior(options, kit)
        sinks = list(sinks)
        shown = kit.shown(sinks)
        recognizers = [
            kit.recognizer(exclusion, shown=shown, knows_sessions=prior is not None) for _ in opened
        ]
        _share(recognizers, prior, across=options.shared_places)
        streams = [
            kit.stream(
                source,
                recognizer,
                recognizer.observe,
                exclusion,
                shown=max(shown, Shown.PLACES) if _writes(prior) else shown,
                overflow=options.on_overload,
            )
            for source, recognizer in zip(opened, recognizers, strict=True)
        ]
        sinks = [*sinks, *_places_sinks(prior)]
        output, counter = kit.output(sinks, [source.path for source in opened])
    except BaseException:
        _close(opened)
        _discard(prior)
        raise
    pipeline = kit.pipeline(streams, output, health_every=_health_every(options, streams))
    databases = [r.database for r in recognizers]
    return Session([pipeline], databases, output, counter, kit.effective(), prior)


def open_offline(
    database: str, query: str, options: MatchOptions, sinks: Iterable[Sink]
) -> Session:
    """Each frame of `query` against all frames of `database`, or all places of a map.

    Raises as `open_online`.
    """
    if is_map(Path(database)):
        return _open_against_map(Path(database), query, options, sinks)
    opened: list[Source] = []
    try:
        named = name_sources([database, query])
        _refuse_second_input(named)
        for name, source in named:
            opened.append(open_source(source, name=name, options=options.source_options()))
            _refuse_live(opened[-1])
        kit = Kit(options)
        sinks = list(sinks)
        shown = kit.shown(sinks)
        recognizer = kit.recognizer(None, shown=shown)
        remember = _remember(recognizer, options)
        past = kit.stream(opened[0], recognizer, remember, None, shown=shown)
        present = kit.stream(opened[1], recognizer, recognizer.observe, None, shown=shown)
        places = recognizer.database
        output, counter = kit.output(sinks, [source.path for source in opened], past=places)
    except BaseException:
        _close(opened)
        raise
    pipelines = [kit.pipeline([past], output), kit.pipeline([present], output)]
    return Session(pipelines, [places], output, counter, kit.effective(), past=places)


def _open_against_map(
    path: Path, query: str, options: MatchOptions, sinks: Iterable[Sink]
) -> Session:
    """Each frame of `query` against all places of a map."""
    ((name, address),) = name_sources([query])
    source = open_source(address, name=name, options=options.source_options())
    prior: Prior | None = None
    try:
        _refuse_live(source)
        kit = Kit(options)
        prior = open_prior(path, kit.map_model(), NewSession({}), read_only=True)
        if prior.history is None:
            raise StoreError(f"the map {path} has no places; add some with `run --map`")
        sinks = list(sinks)
        shown = kit.shown(sinks)
        recognizer = kit.recognizer(None, database=prior.history, knows_sessions=True)
        stream = kit.stream(source, recognizer, recognizer.observe, None, shown=shown)
        places = recognizer.database
        output, counter = kit.output(sinks, [str(path), source.path], past=places)
    except BaseException:
        source.close()
        _discard(prior)
        raise
    pipelines = [kit.pipeline([stream], output)]
    return Session(pipelines, [places], output, counter, kit.effective(), prior, past=places)


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


def _share(recognizers: list[Recognizer], prior: Prior | None, *, across: bool) -> None:
    """What each searches besides its own past: those of the others, and earlier sessions."""
    earlier = None if prior is None else prior.history
    for recognizer in recognizers:
        others = [other.database for other in recognizers if across and other is not recognizer]
        recognizer.share(others, earlier)


def _open_prior(options: RunOptions, kit: Kit) -> Prior | None:
    """The map that was asked for. Raises StoreError, ModelError, ConfigError."""
    if options.map is None:
        if options.map_read_only or options.session is not None:
            raise ConfigError("--map-read-only and --session are about a map; give --map FILE")
        return None
    session = NewSession(kit.effective(), options.session)
    return open_prior(options.map, kit.map_model(), session, read_only=options.map_read_only)


def _writes(prior: Prior | None) -> bool:
    return prior is not None and prior.writer is not None


def _places_sinks(prior: Prior | None) -> list[Sink]:
    return [] if prior is None or prior.writer is None else [PlacesSink(prior.writer)]


def _discard(prior: Prior | None) -> None:
    """Let go of a map that was opened in vain."""
    if prior is not None:
        prior.close()
        if prior.writer is not None:
            prior.writer.close()


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
        if not item.undescribed:
            recognizer.remember(item)

    return observe
