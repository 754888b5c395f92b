"""One source on one node, from its frames to decisions: a Pipeline of one stream."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.cluster.connection import connected
from streamvpr.cluster.embedding import remote_embedder
from streamvpr.cluster.exchange import Batch, Facts, Tally
from streamvpr.cluster.outbox import Outbox
from streamvpr.cluster.own_places import read_own_places
from streamvpr.cluster.resumed import ResumedSource
from streamvpr.cluster.sharded_history import ShardedHistory
from streamvpr.cluster.shards import RemoteShards
from streamvpr.cluster.workplace import settle
from streamvpr.config import Emit
from streamvpr.errors import StreamVPRError
from streamvpr.kit import Kit
from streamvpr.sinks import ClosureChooser, Fanout, Shown
from streamvpr.sources import open_concat, open_source

if TYPE_CHECKING:
    from streamvpr.cluster.exchange import Reached, Request
    from streamvpr.cluster.sharded_history import Layout, Standing
    from streamvpr.cluster.workplace import Workplace
    from streamvpr.config import RunOptions
    from streamvpr.database import PlaceDatabase
    from streamvpr.pipeline import Pipeline
    from streamvpr.recognition import Recognizer
    from streamvpr.sources import Source


@dataclass(frozen=True, slots=True)
class Task:
    """What an actor is to read, and how."""

    name: str
    sources: list[str]
    """One; several are the files of one recording."""
    options: RunOptions
    workplace: Workplace
    knows_sessions: bool
    """Whether there is a map."""
    session: str | None
    """Under which name the driver writes down what is remembered; None: it does not."""
    shown: Shown
    """What the driver's sinks want to see."""
    log_level: int


@dataclass(frozen=True, slots=True)
class Around:
    """The actors that one works with."""

    models: list[tuple[str, Any]]
    """EmbeddingActors, and the nodes that they are on; those to prefer first."""
    shards: list[Any]
    layout: Layout | None
    """None where there is no map, or none of its places."""
    health_every: float | None


class SourceActor:
    """Reads one source, and keeps what the driver has not taken yet.

    Started again, it reads the source again from the beginning and says what is new to the driver;
    of a live one it goes on with an empty past of its own.
    """

    def __init__(self, task: Task) -> None:
        """Nothing is opened before it is asked for, which says what is wrong."""
        self._task = task
        self._connection = connected()
        self._life = uuid.uuid4().hex
        self._source: Source | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopped = False
        self._error: StreamVPRError | None = None

    async def facts(self) -> Facts:
        """Open the source. Raises SourceOpenError, ConfigError, DeviceError."""
        source = await asyncio.to_thread(self._open)
        return Facts(source.path, source.has_clock, source.live, source.on_disk, source.span)

    async def begin(self, around: Around, reached: Reached, standing: Standing | None) -> None:
        """Read on from where the stream was. `standing` is that of all places of the map.

        Raises StreamVPRError. Again and again is the same as once.
        """
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin(around, reached, standing))
        await asyncio.shield(self._beginning)

    async def take(self, request: Request) -> Batch:
        """What comes next."""
        here = self._connection.here()
        if self._running is None:
            return Batch(self._life, here, 0, [], Tally(), ended=False, begun=False)
        known = request.life == self._life
        serial, items = await self._outbox.take(request.serial if known else 0)
        ended = self._outbox.ended
        if ended:
            # What was no StreamVPRError is a bug, and is raised here.
            await self._running
        error = self._error if ended else None
        return Batch(self._life, here, serial, items, self._tally(), ended=ended, error=error)

    async def stop(self) -> None:
        """Read no more; what was read is finished."""
        self._stopped = True
        if self._running is not None:
            self._pipeline.stop()

    def _open(self) -> Source:
        if self._source is None:
            settle(self._task.workplace)
            name, sources, options = self._task.name, self._task.sources, self._task.options
            how = options.source_options()
            if options.concat:
                self._source = open_concat(sources, name=name, options=how)
            else:
                self._source = open_source(sources[0], name=name, options=how)
        return self._source

    async def _begin(self, around: Around, reached: Reached, standing: Standing | None) -> None:
        source = await asyncio.to_thread(self._open)
        told = 0 if source.live else reached.told
        loop = asyncio.get_running_loop()
        self._outbox = Outbox(
            loop, told, remembered=self._task.session is not None, shown=self._task.shown
        )
        await asyncio.to_thread(self._assemble, source, around, reached, standing)
        log = logging.getLogger("streamvpr")
        log.setLevel(self._task.log_level)
        log.addHandler(self._outbox)
        self._running = asyncio.create_task(self._run())

    def _assemble(
        self,
        source: Source,
        around: Around,
        reached: Reached,
        standing: Standing | None,
    ) -> None:
        """The parts of a run of one stream. Raises StreamVPRError."""
        task, options = self._task, self._task.options
        model = self._nearest(around.models)
        # Networks beside the model run here, where no GPU was asked for.
        opened = self._connection.get(model.opened.remote())
        kit = Kit(options, remote_embedder(self._connection, model, opened, "cpu"))
        exclusion = options.exclusion()
        # What has an end begins at its beginning, and tells nothing twice.
        resumes = source.live and reached.index >= 0
        recognizer = kit.recognizer(
            exclusion,
            shown=task.shown,
            knows_sessions=task.knows_sessions,
            first_loop=reached.loop_id + 1 if resumes else 0,
        )
        if resumes:
            source = ResumedSource(source, reached)
            self._recall(recognizer)
        recognizer.share([], self._history(around, standing))
        stream = kit.stream(
            source,
            recognizer,
            recognizer.observe,
            exclusion,
            shown=task.shown if task.session is None else max(task.shown, Shown.PLACES),
            overflow=options.on_overload,
            first=reached.index + 1 if resumes else 0,
        )
        self._stream, self._database = stream, recognizer.database
        sink = ClosureChooser(Fanout([self._outbox]), Emit.ALL)
        self._pipeline: Pipeline = kit.pipeline([stream], sink, health_every=around.health_every)

    def _nearest(self, models: list[tuple[str, Any]]) -> Any:
        """One of this node where there is one."""
        here = self._connection.here()
        near = [model for node, model in models if node == here]
        return near[0] if near else models[0][1]

    def _history(self, around: Around, standing: Standing | None) -> PlaceDatabase | None:
        if around.layout is None or standing is None:
            return None
        shards = RemoteShards(self._connection, around.shards)
        return ShardedHistory(shards, around.layout, standing)

    def _recall(self, recognizer: Recognizer) -> None:
        """What the run's map has of this stream. Raises StoreError."""
        task, path = self._task, self._task.options.map
        if path is not None and task.session is not None:
            capacity = task.options.capacity
            for remembered in read_own_places(path, task.session, task.name, capacity):
                recognizer.recall(remembered)

    async def _run(self) -> None:
        try:
            if not self._stopped:
                await self._pipeline.run()
        except StreamVPRError as error:
            self._error = error
        finally:
            logging.getLogger("streamvpr").removeHandler(self._outbox)
            self._outbox.close()

    def _tally(self) -> Tally:
        stream, pipeline = self._stream, self._pipeline
        return Tally(
            stream.processed,
            len(self._database),
            stream.reader.source.skipped,
            stream.dropped,
            pipeline.busy,
            pipeline.stuck_for,
            stream.undescribed,
        )
