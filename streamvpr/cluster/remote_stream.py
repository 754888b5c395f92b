"""A stream that an actor reads, as the driver sees it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamvpr import records
from streamvpr.channel import Channel, ChannelClosed
from streamvpr.cluster.connection import ActorGone, shown_node
from streamvpr.cluster.exchange import Emitted, Facts, Reached, Request, Said, Tally
from streamvpr.errors import SourceError, SourceLost
from streamvpr.frames import Arrival, Decision, StreamEvent, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.cluster.connection import Connection
    from streamvpr.cluster.exchange import Batch

# Turns that wait for those of other streams.
TURNS = 32
# Between two tries to reach an actor that is being started again.
AGAIN_SECONDS = 0.5
# An actor that died so many times without anything new in between is not waited for again.
MOST_LOSSES = 3

logger = logging.getLogger(__name__)


class RemoteStream:
    """Takes what an actor decides, in order, each once, whatever becomes of the actor.

    A turn is what comes up to a decision, and at last what comes after the last one.
    """

    def __init__(
        self,
        connection: Connection,
        actor: Any,
        name: str,
        facts: Facts,
        begin: Callable[[Any, Reached], Any],
    ) -> None:
        """`actor` is a SourceActor, which Ray starts again where it is lost; `begin` tells it to go
        on from there, and is a call of it."""
        self.name = name
        self.facts = facts
        self.tally = Tally()
        self.error: SourceError | None = None
        self.buffer: Channel[list[Emitted]]
        self._connection = connection
        self._actor = actor
        self._begin = begin
        self._reached = Reached()
        self._life, self._serial, self._node = "", 0, ""
        self._away = False
        self._losses, self._told_at_loss = 0, -1
        self._state: str | None = None
        self._reconnects = 0

    @property
    def span(self) -> float | None:
        """Seconds (or images, where there is no clock) to be read; None where unknown."""
        return self.facts.span

    @property
    def on_disk(self) -> bool:
        """Whether its frames are there as soon as they are asked for."""
        return self.facts.on_disk

    @property
    def live(self) -> bool:
        """Whether it goes on without us."""
        return self.facts.live

    def peek(self) -> records.Health:
        """How it does, as far as its actor's last batch tells: no latencies, and nothing of what
        is on its way."""
        tally = self.tally
        return records.Health(
            stream=self.name,
            wall_time=records.rfc3339(time.time()),
            state=self._state,
            frames_in=tally.processed + tally.dropped + tally.skipped,
            processed=tally.processed,
            undescribed=tally.undescribed,
            left_out=0,
            dropped=records.Dropped(overload=tally.dropped, damaged=tally.skipped),
            queued=0,
            latency_p50_ms=None,
            latency_p95_ms=None,
            reconnects=self._reconnects,
            places=tally.places,
            places_bytes=0,
            resident_bytes=None,
        )

    def open_buffer(self, on_change: Callable[[], None], /) -> None:
        """Make the buffer of turns; in the event loop that uses it."""
        self.buffer = Channel(TURNS, on_change=on_change)

    def stop(self) -> None:
        """Read no more; what was read is finished. An actor that is gone has nothing to stop."""
        self._actor.stop.remote()

    async def pull(self) -> None:
        """Take all turns. Raises StreamVPRError where the run cannot go on."""
        turn: list[Emitted] = []
        try:
            ended = False
            while not ended:
                batch = await self._next()
                for item in self._received(batch):
                    turn.append(item)
                    if isinstance(item, Decision) or not self.on_disk:
                        await self.buffer.put(turn)
                        turn = []
                ended = batch.ended
            if turn:
                await self.buffer.put(turn)
            if batch.error is not None:
                raise batch.error
        except ChannelClosed:
            pass
        except SourceError as error:
            self.error = error
        finally:
            self.buffer.close()

    async def _next(self) -> Batch:
        """The next batch, from the actor or whoever comes in its place."""
        while True:
            request = Request(self._life, self._serial)
            try:
                batch: Batch = await self._connection.answer(self._actor.take.remote(request))
                if not batch.begun:
                    await self._connection.answer(self._begin(self._actor, self._reached))
            except ActorGone as gone:
                if not self._away:
                    self._away = True
                    self._count_loss(gone)
                    await self._say_lost()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self._away = False
            if not batch.begun:
                continue
            if batch.life != self._life and self._life:
                logger.debug("stream %s goes on, on %s", self.name, shown_node(batch.node))
            self._life, self._serial, self._node = batch.life, batch.serial, batch.node
            return batch

    def _count_loss(self, gone: ActorGone) -> None:
        """Raise SourceLost where whoever comes would die of the same again."""
        told = self._reached.told
        self._losses = self._losses + 1 if told == self._told_at_loss else 1
        self._told_at_loss = told
        if gone.for_good or self._losses > MOST_LOSSES:
            raise SourceLost(
                f"cannot read {self.facts.path} on: its actor died {self._losses} times after "
                f"frame {self._reached.index}: {gone}",
                url=self.facts.path,
            ) from gone

    async def _say_lost(self) -> None:
        """What is gone, and what becomes of the stream."""
        logger.warning(
            "stream %s: its actor on %s is lost; it is started again where there is room, %s",
            self.name,
            shown_node(self._node),
            self._plan(),
        )
        if self.facts.live:
            event = StreamEvent(
                StreamState.LOST,
                time=self._reached.time,
                wall_time=time.time(),
                cause=f"{shown_node(self._node)} is lost",
            )
            record = records.stream(
                event,
                stream=self.name,
                path=self.facts.path,
                frames=self._reached.index + 1,
                skipped=self.tally.skipped,
            )
            self._note_state(record)
            await self.buffer.put([record])

    def _plan(self) -> str:
        if self.facts.live:
            return "and goes on with what is seen then; docs/scaling.md says what is lost"
        return (
            f"and {self.facts.path} is read again from the beginning: what comes after frame "
            f"{self._reached.index} is new"
        )

    def _received(self, batch: Batch) -> list[Emitted]:
        """What goes to the sinks of a batch, noted as being here."""
        self.tally = batch.tally
        items: list[Emitted] = []
        for item in batch.items:
            if isinstance(item, Said):
                logging.getLogger(item.logger).log(item.level, "%s", item.message)
            elif isinstance(item, Decision):
                items.append(self._note(item))
            else:
                told = self._reached.told + isinstance(item, records.Stream)
                self._note_state(item)
                self._reached = replace(self._reached, told=told)
                items.append(item)
        return items

    def _note_state(self, record: records.Stream | records.Health) -> None:
        if isinstance(record, records.Stream):
            self._state = record.state
            self._reconnects += record.state == "reconnected"

    def _note(self, decision: Decision) -> Decision:
        """A decision that is here now: on this machine's clock."""
        query, reached = decision.query, self._reached
        loop_id = -1 if decision.loop_id is None else decision.loop_id
        origin = reached.origin
        if query.arrival is not None and query.time is not None and origin is None:
            origin = query.arrival.taken - query.time
        self._reached = Reached(
            reached.told + 1, query.index, max(reached.loop_id, loop_id), query.time, origin
        )
        if query.arrival is None or decision.latency is None:
            return decision
        arrival = Arrival(time.monotonic() - decision.latency, query.arrival.taken)
        return replace(decision, query=replace(query, arrival=arrival))
