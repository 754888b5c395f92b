"""What a stream's actor has for the driver."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.channel import Channel, ChannelClosed
from streamvpr.cluster.exchange import Said
from streamvpr.errors import OutputClosed
from streamvpr.sinks.base import Shown, Sink

if TYPE_CHECKING:
    from streamvpr.cluster.exchange import Emitted
    from streamvpr.frames import Decision

# Decisions that are ready and wait for the driver: a bound on how far a stream runs ahead.
AHEAD = 64
MOST_AT_ONCE = 16
# After so long without anything a batch is empty: the driver learns how the stage in hand does.
LONGEST_SECONDS = 1.0


class Outbox(logging.Handler, Sink):
    """A sink that keeps what the driver has not taken yet; and takes down what is logged.

    A batch is kept until the next one is asked for: an answer that was lost is given again. What a
    stream that is read again has told before, is not told twice.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, told: int, *, remembered: bool, shown: Shown
    ) -> None:
        """`told`: decisions and events that are passed over. `remembered`: whether somebody writes
        down what is remembered of them; `shown` what somebody wants to see of them."""
        super().__init__()
        self._loop = loop
        self._passed_over = told
        self._remembered = remembered
        self._shown = shown
        self._channel: Channel[Emitted | Said] = Channel(AHEAD)
        self._serial = 0
        self._last: list[Emitted | Said] = []

    @property
    def ended(self) -> bool:
        """Whether nothing comes after the last batch."""
        return self._channel.closed and not len(self._channel)

    async def take(self, serial: int) -> tuple[int, list[Emitted | Said]]:
        """The batch after that number, and its own."""
        if serial < self._serial:
            return self._serial, self._last
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._channel.wait()
        except TimeoutError:
            self._last = []
        else:
            self._last = await self._channel.get_batch(MOST_AT_ONCE)
        self._serial += 1
        return self._serial, self._last

    def write(self, decision: Decision) -> None:
        """Keep a decision, waiting for room. Raises OutputClosed."""
        if not self._is_told():
            self._put(lean(decision, remembered=self._remembered, shown=self._shown))

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Keep what happened, or how the stream does. Raises OutputClosed."""
        # How often it is said how a stream does, depends on the clock: it does not count.
        if isinstance(event, records.Health) or not self._is_told():
            self._put(event)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the log; what is read again has said it before."""
        if not self._passed_over:
            said = Said(record.name, record.levelno, record.getMessage())
            self._loop.call_soon_threadsafe(self._push, said)

    def close(self) -> None:
        """Nothing comes any more. In the event loop."""
        self._channel.close()
        super().close()

    def _is_told(self) -> bool:
        told = self._passed_over > 0
        self._passed_over -= told
        return told

    def _push(self, said: Said) -> None:
        if len(self._channel) < 2 * AHEAD:
            self._channel.push(said)

    def _put(self, item: Emitted) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._channel.put(item), self._loop).result()
        except ChannelClosed as error:
            raise OutputClosed("the driver asks for nothing any more") from error


def lean(decision: Decision, *, remembered: bool, shown: Shown) -> Decision:
    """A decision without what no sink looks at: most of its bytes.

    `remembered`: whether places are written down. `shown`: what somebody wants to see.
    """
    match, query = decision.match, decision.query
    if match is not None:
        thumbnail = match.place.thumbnail if decision.accepted else None
        place = replace(match.place, features=None, thumbnail=thumbnail)
        match = replace(match, place=place)
    pictured = decision.accepted or (remembered and decision.remembered is not None)
    if shown is not Shown.FRAMES and not pictured:
        query = replace(query, thumbnail=None)
    kept = decision.remembered if remembered else None
    descriptor = None if shown is Shown.NOTHING else decision.descriptor
    return replace(decision, query=query, match=match, remembered=kept, descriptor=descriptor)
