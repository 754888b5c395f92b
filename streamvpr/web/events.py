"""Server-sent events: the records of a run as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from streamvpr.web.board import Board
    from streamvpr.web.lines import Line

# How often it is looked whether there is more: what a reader waits at most. Whoever writes the
# lines wakes nobody.
LOOK_SECONDS = 0.2
# An event of this kind says how the streams do, every so many seconds.
VITALS, VITALS_SECONDS = "vitals", 1.0
# A reader that hears nothing for so long is told that all is well, and one that is gone is found.
SILENCE_SECONDS = 15.0
MOST_AT_ONCE = 200
# What a browser waits before it tries again, in milliseconds.
RETRY = 1000


class EventStream:
    """Answers with lines from where the reader is on, until there are no more or it goes.

    A reader that names the last event it has, as browsers do, goes on from there; what is not there
    any more is said as `missed`. It begins with `hello`, which names the run.
    """

    def __init__(self, board: Board, kinds: frozenset[str]) -> None:
        """`kinds` are the records that are sent; none is all."""
        self._board = board
        self._kinds = kinds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        last = Request(scope).headers.get("last-event-id", "")
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            async for chunk in self._chunks(self._place(last)):
                if leaving.done():
                    return
                # Where the reader does not read, this waits, and holds up nobody else.
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()

    def _place(self, last: str) -> int:
        """Number of the last line that the reader has."""
        run, _, number = last.partition("-")
        if run == self._board.run_id and number.isdecimal():
            return int(number)
        return self._board.lines.newest

    async def _chunks(self, number: int) -> AsyncIterator[bytes]:
        lines = self._board.lines
        yield f'retry: {RETRY}\nevent: hello\ndata: {{"run":"{self._board.run_id}"}}\n\n'.encode()
        silent, due = 0.0, 0.0
        while True:
            ended = lines.ended
            if VITALS in self._kinds and (due := due - LOOK_SECONDS) <= 0:
                silent, due = 0.0, VITALS_SECONDS
                yield self._vitals()
            new = lines.after(number, MOST_AT_ONCE)
            if new:
                missed = new[0].number - number - 1
                number = new[-1].number
                chunk = _missed(missed) + b"".join(map(self._event, filter(self._wanted, new)))
                if chunk:
                    silent = 0.0
                    yield chunk
                if len(new) == MOST_AT_ONCE:
                    continue
            elif ended:
                yield b"event: end\ndata: {}\n\n"
                return
            await asyncio.sleep(LOOK_SECONDS)
            silent += LOOK_SECONDS
            if silent >= SILENCE_SECONDS:
                silent = 0.0
                yield b":\n\n"

    def _wanted(self, line: Line) -> bool:
        return not self._kinds or line.kind in self._kinds

    def _vitals(self) -> bytes:
        """How all streams do now: no record, and for those who ask for it."""
        found = [stream.followed.peek() for stream in self._board.streams]
        return b"event: vitals\ndata: " + msgspec.json.encode(found) + b"\n\n"

    def _event(self, line: Line) -> bytes:
        name = f"id: {self._board.run_id}-{line.number}\nevent: {line.kind}\ndata: ".encode()
        return name + line.data + b"\n\n"


def _missed(count: int) -> bytes:
    return b'event: missed\ndata: {"records":%d}\n\n' % count if count else b""


async def _gone(receive: Receive) -> None:
    """Returns when the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
