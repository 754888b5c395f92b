"""The turns: a run and what it is held against, by turns, so that a busy machine hits all alike."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.bench.floors import BareSession, decode_alone, read_places
from streamvpr.bench.serial import OneAtATime
from streamvpr.bench.spent import time_work
from streamvpr.bench.turn import InTurn, Ran, Reading, Turn
from streamvpr.demo import flight
from streamvpr.errors import ConfigError
from streamvpr.frames import Verdict
from streamvpr.kit import Kit
from streamvpr.media import encode_video
from streamvpr.session import open_online, open_sources
from streamvpr.sinks import JsonLinesSink, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.config import BenchOptions
    from streamvpr.embedding import Embedder
    from streamvpr.frames import Decision
    from streamvpr.session import Session
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)

# Frames a second of the flight that is made where no source is given: its 24 s are 120 frames.
FLIGHT_FPS = 5
# Of a run before the first turn, which brings libraries and memory to where later ones find them.
WARM_UP_FRAMES = 16


class _Interrupted(Exception):
    """What was being measured is not finished, and not wanted any more."""


@dataclass(slots=True)
class Emitted(Sink):
    """A sink that counts what a run emits, and keeps what its streams are."""

    frames: int = 0
    still: int = 0
    streams: list[records.Stream] = field(default_factory=list)
    """The records of their beginnings."""

    def write(self, decision: Decision) -> None:
        """Count the frame of a decision."""
        self.frames += 1
        self.still += decision.verdict is Verdict.STATIONARY

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Keep the beginning of a stream."""
        if isinstance(event, records.Stream) and event.state == "connected":
            self.streams.append(event)


class Bench:
    """A run, opened to be measured again and again."""

    def __init__(self, sources: list[str], options: BenchOptions, folder: Path) -> None:
        """Open the model and look at the sources; what is written goes to `folder`.

        Raises ConfigError where they cannot be read again and again, ModelError, SourceError.
        """
        self.options = options
        self.made = not sources
        """Whether the source is a flight that was made for it."""
        self.streams: list[records.Stream] = []
        """How the streams began in the last run."""
        self._sources = sources or [_make_flight(folder)]
        self._how = _writing_to(folder, options)
        self._most = options.frames or None
        self._stopping = False
        self._session: Session | None = None
        for source in open_sources(self._sources, self._how):
            source.close()
            _require_on_disk(source)
        self._kit = Kit(self._how)

    @property
    def embedder(self) -> Embedder:
        """The model on its device."""
        return self._kit.embedder

    def stop(self) -> None:
        """Measure no more; the turns that are finished count. From a signal's handler, too."""
        self._stopping = True
        if self._session is not None:
            self._session.stop()

    def turns(self) -> list[Turn]:
        """Warm up, and measure; fewer turns, or none, after `stop`.

        Raises ConfigError where there is no frame to measure, and what a run raises.
        """
        turns: list[Turn] = []
        try:
            self._run(min(WARM_UP_FRAMES, self._most or WARM_UP_FRAMES))
            bare = [BareSession(self.embedder, batch) for batch in self._batches()]
            for number in range(self.options.repeats):
                logger.info("turn %d of %d", number + 1, self.options.repeats)
                turns.append(self._turn(bare))
        except _Interrupted:
            logger.info("%d of %d turns are finished", len(turns), self.options.repeats)
        return turns

    def _batches(self) -> list[int]:
        """One picture by itself, and as many as a run hands over at most."""
        return sorted({1, self.options.batch_size})

    def _turn(self, bare: list[BareSession]) -> Turn:
        run = self._run(self._most)
        # Half as many for each size of batch: together they take about as long as the run.
        frames = -(-run.embedded // 2)
        dimension = self.embedder.card.dimension
        return Turn(
            run=run,
            bare={session.batch: session.run(frames, self._go_on) for session in bare},
            serial=self._run_serially(),
            decoding=decode_alone(self._sources, self._how, self._most, self._go_on),
            reading=Reading(
                at_end=read_places(run.places, dimension),
                full=read_places(self.options.capacity, dimension),
            ),
        )

    def _run(self, most: int | None) -> Ran:
        """As `streamvpr run`, all stages at once. Raises ConfigError where it has no frames."""
        with self._opened(most) as (session, emitted):
            spent = time_work(lambda: asyncio.run(session.run()))
        self._go_on()
        summary = session.summary()
        self.streams = emitted.streams
        if not emitted.frames:
            raise ConfigError(f"no frame of {', '.join(self._sources)} is processed; check --start")
        return Ran(
            frames=emitted.frames,
            still=emitted.still,
            closures=summary.closures,
            places=summary.places,
            spent=spent,
            busy=summary.busy,
        )

    def _run_serially(self) -> InTurn:
        """The same run, one stage at a time."""
        with self._opened(self._most) as (session, emitted):
            watch = OneAtATime(lambda: emitted.frames)
            session.watch(watch)
            spent = time_work(lambda: asyncio.run(session.run()))
        self._go_on()
        return InTurn(spent, watch.stages)

    @contextmanager
    def _opened(self, most: int | None) -> Iterator[tuple[Session, Emitted]]:
        """A session whose output goes nowhere, and what counts its frames."""
        emitted = Emitted()
        with Path(os.devnull).open("wb") as nowhere:
            sinks: list[Sink] = [emitted, JsonLinesSink(nowhere, self.options.records)]
            session = open_online(self._sources, self._how, sinks, kit=self._kit)
            for stream in session.streams:
                stream.reader.most = most
            self._session = session
            self._go_on()
            gc.collect()
            yield session, emitted

    def _go_on(self) -> None:
        if self._stopping:
            raise _Interrupted


@contextmanager
def own_folder() -> Iterator[Path]:
    """Where a run that is measured writes to, until all is done."""
    # Somebody whom a signal has left behind may be writing to it.
    with tempfile.TemporaryDirectory(prefix="streamvpr-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _writing_to(folder: Path, options: BenchOptions) -> BenchOptions:
    """The options of one process with their output in a folder of our own, and a map that is only
    searched: those of a real run stay as they are."""
    if options.cluster is not None:
        logger.warning("bench measures this process: --cluster %s is left out", options.cluster)
        options = replace(options, cluster=None)
    if options.map is not None:
        options = replace(options, map_read_only=True, session=None)
    if options.output_dir is None:
        return options
    return replace(options, output_dir=folder / "output")


def _require_on_disk(source: Source) -> None:
    """Raise ConfigError for what cannot be read twice, or where another machine is measured."""
    if source.on_disk:
        return
    what = "live" if source.live else "not a file on this machine"
    raise ConfigError(
        f"bench reads its source again and again, and {source.path} is {what}; "
        "record some minutes of it first: ffmpeg -i SOURCE -t 600 -c copy recording.mkv"
    )


def _make_flight(folder: Path) -> str:
    video = folder / "flight.mp4"
    logger.info("no source given: making a flight of 24 s that comes back")
    encode_video(video, flight(FLIGHT_FPS), fps=FLIGHT_FPS)
    return str(video)
