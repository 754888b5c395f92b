"""How the parts are wired: every frame goes one way, each stage on a thread of its own.

    read ──> mix ──> describe ──> recognize ──> emit
    (one a stream)   (model beside local features)

`Pipeline.run` reads aloud what happens. A stage that fails closes what it reads from, so that the
stages before it stop, and what it writes to, so that those after it finish what they have: nothing
already found is lost. Bounded channels between them keep memory flat whatever is slow.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from streamvpr.channel import Channel, ChannelClosed
from streamvpr.errors import SourceError, StreamVPRError
from streamvpr.frames import Decision, Described, Keyframe

if TYPE_CHECKING:
    from streamvpr.embedding import Embedder
    from streamvpr.frames import Features
    from streamvpr.keyframes import KeyframeReader
    from streamvpr.sinks import Fanout
    from streamvpr.verification import FeatureExtractor

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

Observe = Callable[[Described], Decision | None]
"""What is done with a described keyframe of a stream, in order; None is nothing to report."""


@dataclass(slots=True)
class Stream:
    """One stream on its way through the pipeline."""

    reader: KeyframeReader
    observe: Observe
    processed: int = 0
    error: SourceError | None = None

    @property
    def name(self) -> str:
        """Names the stream in records."""
        return self.reader.source.name


@dataclass(slots=True)
class Stage:
    """A thread for one blocking library, and the seconds that it worked."""

    name: str
    busy: float = 0.0
    _executor: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"streamvpr-{self.name}")

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` on the stage's thread."""

        def timed() -> R:
            began = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.busy += time.perf_counter() - began

        return await asyncio.get_running_loop().run_in_executor(self._executor, timed)

    def shut_down(self) -> None:
        """Join the thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class Pipeline:
    """Streams through one embedder to decisions.

    Finite streams are mixed in turn, frame by frame, so that the order of what is emitted depends
    on nothing but the input.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        embedder: Embedder,
        extractor: FeatureExtractor | None,
        sink: Fanout,
        batch_size: int = 8,
    ) -> None:
        """`extractor` is None where geometry is off. `sink` is written on one thread, in order."""
        self.streams = streams
        self._embedder = embedder
        self._extractor = extractor
        self._sink = sink
        self._batch_size = batch_size
        self._stopping = False
        self._failure: StreamVPRError | None = None
        self._embedding = Stage("embed")
        self._extracting = Stage("features")
        self._recognizing = Stage("recognize")
        self._emitting = Stage("emit")
        self._reading = [Stage(f"decode-{stream.name}") for stream in streams]
        # Enough to keep the model busy while the next batch is decoded; a frame is 0.4 MB.
        self._read: list[Channel[Keyframe]] = [Channel(2) for _ in streams]
        self._keyframes: Channel[tuple[Stream, Keyframe]] = Channel(batch_size)
        self._described: Channel[tuple[Stream, Described]] = Channel(2 * batch_size)
        self._decisions: Channel[Decision] = Channel(64)

    def stop(self) -> None:
        """Read no more; what was read is finished and emitted."""
        self._stopping = True

    @property
    def busy(self) -> dict[str, float]:
        """Seconds that each stage worked; they overlap."""
        return {
            "decode": sum(stage.busy for stage in self._reading),
            "embed": self._embedding.busy,
            "features": self._extracting.busy,
            "search and verify": self._recognizing.busy,
            "emit": self._emitting.busy,
        }

    async def run(self) -> None:
        """Run to the end of all streams, or to `stop`.

        Raises the StreamVPRError of a stage that failed, or of the sources where all were lost.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for stream, stage, channel in zip(
                    self.streams, self._reading, self._read, strict=True
                ):
                    group.create_task(self._read_stream(stream, stage, channel))
                group.create_task(self._mix())
                group.create_task(self._describe_all())
                group.create_task(self._recognize_all())
                group.create_task(self._emit_all())
        finally:
            # Joining waits for the call in hand; not on the event loop, which others need.
            await asyncio.shield(asyncio.to_thread(self._join_threads))
        if self._failure is not None:
            raise self._failure
        lost = [stream.error for stream in self.streams if stream.error is not None]
        if lost and len(lost) == len(self.streams):
            raise lost[0]

    async def _read_stream(self, stream: Stream, stage: Stage, channel: Channel[Keyframe]) -> None:
        try:
            while not self._stopping:
                keyframe = await stage.call(stream.reader.next)
                if keyframe is None:
                    break
                await channel.put(keyframe)
        except ChannelClosed:
            pass
        except SourceError as error:
            stream.error = error
            if len(self.streams) > 1:
                logger.error("%s is lost: %s", stream.name, error)
        finally:
            channel.close()
            await stage.call(stream.reader.close)

    async def _mix(self) -> None:
        """One keyframe of each stream in turn."""
        sources = list(zip(self.streams, self._read, strict=True))
        try:
            while sources:
                for source in list(sources):
                    stream, channel = source
                    for keyframe in await channel.get_batch(1):
                        await self._keyframes.put((stream, keyframe))
                        break
                    else:
                        sources.remove(source)
        except ChannelClosed:
            pass
        finally:
            for channel in self._read:
                channel.close()
            self._keyframes.close()

    async def _describe_all(self) -> None:
        try:
            while batch := await self._keyframes.get_batch(self._batch_size):
                described = await self._describe([keyframe for _, keyframe in batch])
                for (stream, _), item in zip(batch, described, strict=True):
                    await self._described.put((stream, item))
        except ChannelClosed:
            pass
        except StreamVPRError as error:
            self._fail(error)
        finally:
            self._keyframes.close()
            self._described.close()

    async def _describe(self, keyframes: list[Keyframe]) -> list[Described]:
        """Descriptors and local features of a batch, both at once."""
        moved = [keyframe for keyframe in keyframes if keyframe.model_input is not None]
        found: dict[int, Described] = {}
        if moved:
            images = [k.model_input for k in moved if k.model_input is not None]
            descriptors, features = await asyncio.gather(
                self._embedding.call(self._embedder.embed, images),
                self._extracting.call(self._extract, moved),
            )
            found = {
                id(k): Described(_without_arrays(k), d, f)
                for k, d, f in zip(moved, descriptors, features, strict=True)
            }
        return [found.get(id(k)) or Described(k, None, None) for k in keyframes]

    def _extract(self, keyframes: list[Keyframe]) -> list[Features | None]:
        extractor = self._extractor
        return [
            None if extractor is None or k.gray is None else extractor.extract(k.gray, k.width)
            for k in keyframes
        ]

    async def _recognize_all(self) -> None:
        try:
            while batch := await self._described.get_batch(1):
                for stream, item in batch:
                    decision = await self._recognizing.call(stream.observe, item)
                    stream.processed += 1
                    if decision is not None:
                        await self._decisions.put(decision)
        except ChannelClosed:
            pass
        except StreamVPRError as error:
            self._fail(error)
        finally:
            self._described.close()
            self._decisions.close()

    async def _emit_all(self) -> None:
        try:
            while self._sink.open and (batch := await self._decisions.get_batch(16)):
                await self._emitting.call(self._emit, batch)
        finally:
            self._decisions.close()

    def _emit(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            try:
                self._sink.write(decision)
            except StreamVPRError as error:
                # No more is read; what is on its way still goes to the sinks that work.
                self._fail(error)
                self.stop()

    def _fail(self, error: StreamVPRError) -> None:
        if self._failure is None:
            self._failure = error

    def _join_threads(self) -> None:
        for stage in self._stages():
            stage.shut_down()

    def _stages(self) -> list[Stage]:
        rest = [self._embedding, self._extracting, self._recognizing, self._emitting]
        return [*self._reading, *rest]


def _without_arrays(keyframe: Keyframe) -> Keyframe:
    """Let go of the pictures (0.7 MB) that nobody needs once they are described."""
    return replace(keyframe, model_input=None, gray=None)
