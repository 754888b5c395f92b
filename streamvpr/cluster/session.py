"""A run whose streams are read by the nodes of a cluster, as the driver has it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from streamvpr.errors import StreamVPRError
from streamvpr.frames import Decision
from streamvpr.mixer import Mixer
from streamvpr.stage import Stage
from streamvpr.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.cluster.crew import Crew
    from streamvpr.cluster.exchange import Emitted
    from streamvpr.cluster.remote_stream import RemoteStream
    from streamvpr.sinks import ClosureChooser
    from streamvpr.sinks.counter import ClosureCounter

logger = logging.getLogger(__name__)


class ClusterSession:
    """Streams elsewhere, and the sinks here.

    Where all are on disk their decisions are mixed one by one, as a single process mixes frames:
    what is emitted and in which order depends on nothing but the input.
    """

    def __init__(
        self,
        streams: Sequence[RemoteStream],
        crew: Crew,
        sink: ClosureChooser,
        counter: ClosureCounter,
        settings: dict[str, Any],
    ) -> None:
        """Takes over all of them. `settings` are those that hold."""
        self.settings = settings
        self.past = None
        self.streams = streams
        self._crew = crew
        self._sink = sink
        self._counter = counter
        self._emitting = Stage("emit")
        self._failure: StreamVPRError | None = None
        self._closed = False
        self._began = time.perf_counter()

    def stop(self) -> None:
        """Read no more; what was read is finished and emitted."""
        if self._closed:
            # There is nobody to tell, and Ray would start a cluster of its own to do so.
            return
        for stream in self.streams:
            stream.stop()

    async def run(self) -> None:
        """Run to the end, and close the sinks whatever happens. Raises StreamVPRError."""
        self._began = time.perf_counter()
        mixer = Mixer(self.streams)
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._crew.watch())
                for stream in self.streams:
                    group.create_task(self._pull(stream))
                await group.create_task(self._emit_all(mixer))
                watching.cancel()
        finally:
            await asyncio.shield(asyncio.to_thread(self._close))
        if self._failure is not None:
            raise self._failure
        lost = [stream.error for stream in self.streams if stream.error is not None]
        if lost and len(lost) == len(self.streams):
            raise lost[0]

    @property
    def stuck_for(self) -> float:
        """Longest time, in seconds, that a stage which waits for nobody has taken for one call."""
        return max(stream.tally.stuck_for for stream in self.streams)

    def summary(self) -> Summary:
        """What was done so far; of an actor that was started again, in its present life."""
        tallies = [stream.tally for stream in self.streams]
        busy: dict[str, float] = {}
        for tally in tallies:
            for name, seconds in tally.busy.items():
                busy[name] = busy.get(name, 0.0) + seconds
        return Summary(
            frames=sum(tally.processed for tally in tallies),
            closures=self._counter.closures,
            places=sum(tally.places for tally in tallies),
            skipped=sum(tally.skipped for tally in tallies),
            dropped=sum(tally.dropped for tally in tallies),
            undescribed=sum(tally.undescribed for tally in tallies),
            seconds=time.perf_counter() - self._began,
            # An actor emits to the driver, and waits for it.
            busy={**busy, "emit": self._emitting.busy},
        )

    async def _pull(self, stream: RemoteStream) -> None:
        try:
            await stream.pull()
        except StreamVPRError as error:
            self._fail(error)
        if stream.error is not None and len(self.streams) > 1:
            logger.error("%s is lost: %s", stream.name, stream.error)

    async def _emit_all(self, mixer: Mixer[RemoteStream]) -> None:
        try:
            while self._sink.open and (taken := await mixer.take()):
                _, turn = taken
                if turn is not None:
                    await self._emitting.call(self._emit, turn)
        finally:
            mixer.close()

    def _emit(self, turn: list[Emitted]) -> None:
        for item in turn:
            try:
                if isinstance(item, Decision):
                    self._sink.write(item)
                else:
                    self._sink.write_event(item)
            except StreamVPRError as error:
                self._fail(error)

    def _fail(self, error: StreamVPRError) -> None:
        """No more is read; what is on its way still goes to the sinks that work."""
        if self._failure is None:
            self._failure = error
        self.stop()

    def _close(self) -> None:
        self._closed = True
        self._emitting.shut_down()
        try:
            # Before the sinks: the one that writes the map is the last one at it, then.
            self._crew.end()
            try:
                self._sink.write_summary(self.summary())
            finally:
                self._sink.close()
        finally:
            self._crew.connection.close()
