"""How the parts are wired: every frame goes one way, each stage on a thread of its own.

    read ──> [buffer] ──> mix ──> describe ──> recognize ──> emit
    (one a stream)     (keyframes)  (model beside local features)

`Pipeline.run` reads aloud what happens. A stage that fails closes what it reads from, so that the
stages before it stop, and what it writes to, so that those after it finish what they have: nothing
already found is lost. Bounded channels between them keep memory flat whatever is slow. The buffers
alone may drop, and only what is live: a camera does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.channel import Channel, ChannelClosed
from streamvpr.errors import SourceError, StreamVPRError
from streamvpr.frames import Decision, Described, Keyframe, StreamEvent, StreamState
from streamvpr.mixer import Mixer
from streamvpr.patience import PatientEmbedder
from streamvpr.sources import report_nothing
from streamvpr.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.embedding import Embedder
    from streamvpr.frames import Descriptor, Features
    from streamvpr.local_features import LocalDescriber
    from streamvpr.retrieval.base import Signature
    from streamvpr.sinks.closures import ClosureChooser
    from streamvpr.stream import Stream
    from streamvpr.watch import Watch

logger = logging.getLogger(__name__)

Emitted = Decision | records.Stream | records.Health

DECISIONS = 64
# How long a reader gets to end after `stop`. One that waits for a camera takes until the time-out,
# and whoever stops a run does not wait for that.
LAST_READ_SECONDS = 0.5
# Events that may wait beside the decisions, where whoever reads the output has stopped reading.
MOST_EVENTS = 1000


class Pipeline:
    """Streams through one embedder to decisions.

    Each keeps its order. Where all are on disk they are mixed frame by frame, so that the order of
    what is emitted depends on nothing but the input.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        embedder: Embedder | None,
        local: LocalDescriber | None,
        sink: ClosureChooser,
        batch_size: int = 8,
        health_every: float | None = None,
    ) -> None:
        """`embedder` is None where no network runs, `local` where nobody wants local features.

        `sink` is written on one thread, in order. `health_every` is the time between two health
        records of each stream in seconds; None is none.
        """
        self.streams = streams
        self._model = None if embedder is None else PatientEmbedder(embedder)
        self._local = local
        self._sink = sink
        self._batch_size = batch_size
        self._health_every = health_every
        self._stopping = False
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: StreamVPRError | None = None
        self._preparing = Stage("prepare")
        self._embedding = Stage("embed")
        self._extracting = Stage("features")
        self._recognizing = Stage("recognize")
        self._emitting = Stage("emit")
        self._reading = [Stage(f"decode-{stream.name}") for stream in streams]
        self._by_name = {stream.name: stream for stream in streams}
        self._mixer = Mixer(streams)
        live = any(stream.live for stream in streams)
        # What waits here is not dropped any more: of live streams no more than one frame each.
        ahead = min(batch_size, len(streams)) if live else batch_size
        self._keyframes: Channel[tuple[Stream, Keyframe | None]] = Channel(ahead)
        self._described: Channel[tuple[Stream, Described | None]] = Channel(
            ahead if live else 2 * batch_size
        )
        self._decisions: Channel[Emitted] = Channel(DECISIONS)

    def stop(self) -> None:
        """Read no more; what was read is finished and emitted. From any thread."""
        self._stopping = True
        for stream in self.streams:
            stream.reader.source.stop()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is over, and its loop closed
                self._loop.call_soon_threadsafe(self._stopped.set)

    def watch(self, watch: Watch) -> None:
        """Let every call of every stage be done by `watch`. Before `run`."""
        for stage in self._stages():
            stage.watch = watch

    @property
    def busy(self) -> dict[str, float]:
        """Seconds that each stage worked; they overlap. Waiting for a camera is no work."""
        readers = zip(self.streams, self._reading, strict=True)
        decoding = [stage.busy for stream, stage in readers if stream.reader.source.on_disk]
        return {
            **({"decode": sum(decoding)} if decoding else {}),
            "prepare": self._preparing.busy,
            "embed": self._embedding.busy,
            "features": self._extracting.busy,
            "search and verify": self._recognizing.busy,
            "emit": self._emitting.busy,
        }

    @property
    def stuck_for(self) -> float:
        """Longest time, in seconds, that a stage which waits for nobody has taken for one call."""
        stages = (self._preparing, self._embedding, self._extracting, self._recognizing)
        return max(stage.stuck_for for stage in stages)

    async def run(self) -> None:
        """Run to the end of all streams, or to `stop`.

        Raises the StreamVPRError of a stage that failed, or of the sources where all were lost.
        """
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for stream, stage in zip(self.streams, self._reading, strict=True):
                    reading = group.create_task(self._read_stream(stream, stage))
                    group.create_task(self._end_reading(reading, stage))
                group.create_task(self._mix())
                group.create_task(self._describe_all())
                group.create_task(self._recognize_all())
                health = group.create_task(self._report_health())
                await group.create_task(self._emit_all())
                health.cancel()
                self._stopped.set()
        finally:
            # Joining waits for the call in hand; not on the event loop, which others need.
            await asyncio.shield(asyncio.to_thread(self._join_threads))
        if self._failure is not None:
            raise self._failure
        lost = [stream.error for stream in self.streams if stream.error is not None]
        if lost and len(lost) == len(self.streams):
            raise lost[0]

    async def _read_stream(self, stream: Stream, stage: Stage) -> None:
        loop = asyncio.get_running_loop()

        def report(event: StreamEvent) -> None:
            skipped = stream.reader.source.skipped
            loop.call_soon_threadsafe(self._announce, stream, event, skipped)

        stream.reader.source.report = report
        try:
            await self._read_all(stream, stage)
            await stage.call(stream.reader.close)
        except asyncio.CancelledError:
            stream.reader.source.report = report_nothing
            stage.leave(stream.reader.close)
            raise

    async def _read_all(self, stream: Stream, stage: Stage) -> None:
        try:
            while not self._stopping:
                frame = await stage.call(stream.reader.next)
                if frame is None:
                    break
                await stream.buffer.put(frame)
        except ChannelClosed:
            pass
        except SourceError as error:
            stream.error = error
            if stream.state is not StreamState.LOST:
                event = StreamEvent(StreamState.LOST, cause=str(error))
                self._announce(stream, event, stream.reader.source.skipped)
            if len(self.streams) > 1:
                logger.error("%s is lost: %s", stream.name, error)
        except StreamVPRError as error:
            self._fail(error)
            self.stop()
        finally:
            stream.buffer.close()

    async def _end_reading(self, reading: asyncio.Task[None], stage: Stage) -> None:
        """After `stop`, leave a reader that waits for a camera; one that waits for us does not."""
        await self._stopped.wait()
        while not reading.done():
            await asyncio.wait([reading], timeout=LAST_READ_SECONDS)
            if stage.stuck_for >= LAST_READ_SECONDS:
                reading.cancel()

    async def _mix(self) -> None:
        """One frame of each stream in turn, as keyframes."""
        try:
            while taken := await self._mixer.take():
                stream, frame = taken
                keyframe = None
                if frame is not None:
                    keyframe = await self._preparing.call(stream.maker.make, frame)
                await self._keyframes.put((stream, keyframe))
        except ChannelClosed:
            pass
        finally:
            # Also a reader that waits for a camera which may never come back is to end.
            self.stop()
            self._mixer.close()
            self._keyframes.close()

    async def _describe_all(self) -> None:
        try:
            while batch := await self._keyframes.get_batch(self._batch_size):
                described = await self._describe([keyframe for _, keyframe in batch])
                for (stream, _), item in zip(batch, described, strict=True):
                    await self._described.put((stream, item))
            if self._model is not None:
                self._model.finish()
        except ChannelClosed:
            pass
        except StreamVPRError as error:
            self._fail(error)
        finally:
            self._keyframes.close()
            self._described.close()

    async def _describe(self, keyframes: list[Keyframe | None]) -> list[Described | None]:
        """Descriptors and local features of a batch, both at once; None is a stream's end."""
        moved = [k for k in keyframes if k is not None and k.has_arrays]
        found: dict[int, Described] = {}
        if moved:
            descriptors, local = await asyncio.gather(
                self._embed(moved), self._extracting.call(self._describe_locally, moved)
            )
            found = {
                id(k): Described(_without_arrays(k), descriptor, features, words)
                for k, descriptor, (features, words) in zip(moved, descriptors, local, strict=True)
                if self._model is None or descriptor is not None
            }
        return [None if k is None else found.get(id(k)) or _bare(k) for k in keyframes]

    async def _embed(self, keyframes: list[Keyframe]) -> list[Descriptor | None]:
        if self._model is None:
            return [None] * len(keyframes)
        images = [k.model_input for k in keyframes if k.model_input is not None]
        return await self._embedding.call(self._model.embed, images)

    def _describe_locally(
        self, keyframes: list[Keyframe]
    ) -> list[tuple[Features | None, Signature]]:
        local = self._local
        return [(None, None) if local is None else local.describe(k) for k in keyframes]

    async def _recognize_all(self) -> None:
        try:
            while batch := await self._described.get_batch(1):
                for stream, item in batch:
                    await self._recognize(stream, item)
        except ChannelClosed:
            pass
        except StreamVPRError as error:
            self._fail(error)
        finally:
            self._described.close()
            self._decisions.close()

    async def _recognize(self, stream: Stream, item: Described | None) -> None:
        for event, skipped in stream.due(at_end=item is None):
            await self._decisions.put(stream.take_event(event, skipped))
        if item is None:
            if self._health_every is not None:
                await self._decisions.put(await self._recognizing.call(stream.health))
            end = stream.take_event(stream.end(), stream.reader.source.skipped)
            await self._decisions.put(end)
            return
        decision = await self._recognizing.call(stream.observe, item)
        stream.processed += 1
        stream.undescribed += item.undescribed
        stream.last_time = item.keyframe.time
        if decision is not None:
            await self._decisions.put(decision)

    async def _report_health(self) -> None:
        while self._health_every is not None:
            await asyncio.sleep(self._health_every)
            for stream in self.streams:
                health = await self._recognizing.call(stream.health)
                # Nothing comes after a stream's end, which may have come meanwhile.
                if stream.state is not StreamState.ENDED:
                    self._push(health)

    async def _emit_all(self) -> None:
        try:
            while self._sink.open and (batch := await self._decisions.get_batch(16)):
                await self._emitting.call(self._emit, batch)
        finally:
            self._decisions.close()

    def _emit(self, items: list[Emitted]) -> None:
        for item in items:
            try:
                if isinstance(item, Decision):
                    self._sink.write(self._timed(item))
                else:
                    self._sink.write_event(item)
            except StreamVPRError as error:
                # No more is read; what is on its way still goes to the sinks that work.
                self._fail(error)
                self.stop()

    def _timed(self, decision: Decision) -> Decision:
        """The decision with the time that it took, where there is somebody waiting."""
        arrival = decision.query.arrival
        if arrival is None:
            return decision
        latency = time.monotonic() - arrival.monotonic
        self._by_name[decision.query.stream].note_latency(latency)
        return replace(decision, latency=latency)

    def _announce(self, stream: Stream, event: StreamEvent, skipped: int) -> None:
        """Tell what happened: of a camera at once, else at its place among the decisions."""
        if stream.live:
            self._push(stream.take_event(event, skipped))
        else:
            stream.held.append((event, skipped))

    def _push(self, record: records.Stream | records.Health) -> None:
        """Emit a record beside the decisions: it neither waits for them nor holds anything up."""
        if len(self._decisions) < DECISIONS + MOST_EVENTS:
            self._decisions.push(record)

    def _fail(self, error: StreamVPRError) -> None:
        if self._failure is None:
            self._failure = error

    def _join_threads(self) -> None:
        for stage in self._stages():
            stage.shut_down()

    def _stages(self) -> list[Stage]:
        rest = [self._preparing, self._embedding, self._extracting]
        return [*self._reading, *rest, self._recognizing, self._emitting]


def _bare(keyframe: Keyframe) -> Described:
    """A keyframe of which nothing is known: it stands still, or could not be described."""
    return Described(_without_arrays(keyframe), None, None)


def _without_arrays(keyframe: Keyframe) -> Keyframe:
    """Let go of the pictures (0.7 MB) that nobody needs once they are described."""
    return replace(keyframe, model_input=None, gray=None)
