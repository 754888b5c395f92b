"""The page as one of the places that decisions go to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamvpr.sinks.base import Shown, Sink
from streamvpr.web.application import Application
from streamvpr.web.board import Board
from streamvpr.web.guard import Guard
from streamvpr.web.metrics import Metrics
from streamvpr.web.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream
    from streamvpr.running import Running
    from streamvpr.summary import Summary
    from streamvpr.web.address import Door

logger = logging.getLogger(__name__)


class PageSink(Sink):
    """Notes what there is to see, and serves it."""

    shows = Shown.FRAMES

    def __init__(self, door: Door, token: str | None, *, keep: bool) -> None:
        """Takes over the door. `keep`: whether the page stays when the run is done."""
        self._door = door
        self._token = token
        self._keep = keep
        self._server: Server | None = None
        self._board: Board
        self._metrics: Metrics

    def follow(self, run: Running) -> None:
        """Begin to serve."""
        self._board = Board(run)
        self._metrics = Metrics(self._board)
        app = Application(self._board, self._metrics).routes()
        door = self._door
        guard = Guard(app, token=self._token, names=door.names, port=door.port)
        self._server = Server(guard, door)
        self._server.start()

    def write(self, decision: Decision) -> None:
        """Note a decision."""
        self._board.note(decision)
        self._metrics.note(decision)

    def write_closure(self, decision: Decision) -> None:
        """Note a closure, and its pictures."""
        self._board.note_closure(decision)

    def write_event(self, event: Stream | Health) -> None:
        """Note what happened."""
        self._board.note_event(event)

    def write_summary(self, summary: Summary) -> None:
        """Note that the run is done."""
        self._board.note_summary(summary)

    def close(self) -> None:
        """Serve no more, unless the page is to stay."""
        if self._server is None:
            self._door.close()
            return
        self._board.lines.end()
        if not self._keep:
            self._server.stop()

    def linger(self, wait: Callable[[], None]) -> None:
        """Serve on until the user has seen enough."""
        if self._server is not None and self._keep:
            logger.info("the run is done, and its page stays at %s until Ctrl-C", self._door.url)
            wait()
            self._server.stop()
