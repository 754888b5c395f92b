"""The pipelines as asynchronous iterators, for programs that embed them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from streamvpr import records
from streamvpr.channel import Channel, ChannelClosed
from streamvpr.config import MatchOptions, RunOptions
from streamvpr.errors import OutputClosed
from streamvpr.running import open_run
from streamvpr.session import open_offline
from streamvpr.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from streamvpr.frames import Decision
    from streamvpr.records import LoopClosure
    from streamvpr.running import Running


async def run(*sources: str, **options: Any) -> AsyncGenerator[LoopClosure]:
    """Loop closures of the sources as they are found; `options` are those of RunOptions.

    Raises StreamVPRError. Leaving the loop early stops the run.
    """
    settings = RunOptions(**options)
    found = _decisions(lambda s: open_run(list(sources), settings, [s]), closures=True)
    async with aclosing(found) as closures:
        async for closure in closures:
            yield records.loop_closure(closure)


async def decide(*sources: str, **options: Any) -> AsyncGenerator[Decision]:
    """The decision on every processed frame of the sources; as `run`."""
    settings = RunOptions(**options)
    async with aclosing(_decisions(lambda s: open_run(list(sources), settings, [s]))) as found:
        async for decision in found:
            yield decision


async def match(database: str, query: str, **options: Any) -> AsyncGenerator[Decision]:
    """The decision on every frame of `query` against `database`; as MatchOptions.

    Writes no files unless `output_dir` is given.
    """
    settings = MatchOptions(**{"output_dir": None, **options})
    async with aclosing(
        _decisions(lambda s: open_offline(database, query, settings, [s]))
    ) as found:
        async for decision in found:
            yield decision


class _ChannelSink(Sink):
    """Hands decisions from the pipeline's thread to the event loop, waiting for room."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, closures: bool) -> None:
        """`closures`: those that are to be reported, instead of all decisions."""
        self.channel: Channel[Decision] = Channel(16)
        self._loop = loop
        self._closures = closures

    def write(self, decision: Decision) -> None:
        if not self._closures:
            self._put(decision)

    def write_closure(self, decision: Decision) -> None:
        if self._closures:
            self._put(decision)

    def _put(self, decision: Decision) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self.channel.put(decision), self._loop).result()
        except ChannelClosed as error:
            raise OutputClosed("the iteration was left") from error


async def _decisions(
    open_session: Callable[[Sink], Running], *, closures: bool = False
) -> AsyncGenerator[Decision]:
    sink = _ChannelSink(asyncio.get_running_loop(), closures=closures)
    session = await asyncio.to_thread(open_session, sink)
    task = asyncio.create_task(session.run())
    task.add_done_callback(lambda _: sink.channel.close())
    try:
        while batch := await sink.channel.get_batch(1):
            yield batch[0]
        await task
    finally:
        session.stop()
        sink.channel.close()
        await asyncio.gather(task, return_exceptions=True)
