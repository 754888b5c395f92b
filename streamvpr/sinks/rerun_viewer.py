"""A run in a viewer of Rerun that is listening somewhere, now or later."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from streamvpr import records
from streamvpr.errors import ConfigError
from streamvpr.sinks.base import Shown, Sink
from streamvpr.sinks.endpoint import host_of, port_of, shown_host
from streamvpr.sinks.outgoing import CLOSE_SECONDS, Outgoing
from streamvpr.sinks.rerun_drawing import Drawing
from streamvpr.sinks.rerun_loading import load_rerun

if TYPE_CHECKING:
    from streamvpr.frames import Decision
    from streamvpr.running import Running
    from streamvpr.sinks.rerun_loading import Recording
    from streamvpr.summary import Summary

CONNECT = "connect"
FILE_SUFFIX = ".rrd"
FORM = "FILE.rrd, connect or connect:HOST:PORT"
# Each has its picture, some 50 kB.
MOST_WAITING = 300
# The SDK has a queue of its own.
NO_WINDOW = 2**31
PROBE_SECONDS = 1.0
# Between two tries to find the viewer, and two looks at whether it is still there.
LOOK_EVERY = 2.0

logger = logging.getLogger(__name__)

Stroke = Callable[[Drawing], None]


class Viewer(NamedTuple):
    """Where a viewer listens."""

    host: str = "127.0.0.1"
    port: int = 9876

    def __str__(self) -> str:
        host = shown_host(self.host)
        return f"rerun+http://{host}:{self.port}"


def parse_viewer(destination: str) -> Viewer | None:
    """The viewer of `connect` or `connect:HOST:PORT`; None for a file. Raises ConfigError."""
    word, colon, address = destination.partition(":")
    if word != CONNECT:
        if destination.endswith(FILE_SUFFIX):
            return None
        raise ConfigError(f"--rerun {destination}: that is no recording; write {FORM}")
    if not colon:
        return Viewer()
    try:
        parts = urlsplit(f"//{address}")
        return Viewer(host_of(parts), port_of(parts) or Viewer().port)
    except ValueError as error:
        raise ConfigError(f"--rerun {destination}: {error}; write {FORM}") from None


class RerunViewerSink(Sink):
    """Draws into a viewer, from a thread of its own.

    The SDK waits, without end in places, for a viewer that is not there. So it is looked for before
    the SDK gets to know of it, and what was connected to one that is gone is not touched again.
    """

    shows = Shown.FRAMES

    def __init__(self, viewer: Viewer, *, most: int = MOST_WAITING) -> None:
        """Nothing is connected before `follow`. `most` is how many drawings may wait.

        Raises ConfigError where the extra is missing.
        """
        self._viewer = viewer
        self._rerun = load_rerun()
        # A viewer that was away for a moment goes on where it was.
        self._identity = uuid.uuid4().hex
        self._run: Running | None = None
        self._recording: Recording = None
        self._drawing: Drawing | None = None
        # Drawn and not known to have arrived.
        self._drawn = 0
        self._looked_at: float | None = None
        self._missed = False
        self._outgoing: Outgoing[Stroke] = Outgoing(
            str(viewer), self._draw, window=NO_WINDOW, most=most, items="drawings"
        )

    def follow(self, run: Running) -> None:
        """Look for the viewer from now on."""
        self._run = run
        self._outgoing.start()

    def write(self, decision: Decision) -> None:
        """Draw a decision, as soon as may be."""
        self._outgoing.put(partial(_draw_decision, decision))

    def write_closure(self, decision: Decision) -> None:
        """Draw a closure, as soon as may be."""
        self._outgoing.put(partial(_draw_closure, decision))

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Write down what happened to a stream, as soon as may be."""
        if isinstance(event, records.Stream):
            self._outgoing.put(partial(_draw_event, event))

    def write_summary(self, summary: Summary) -> None:
        """Nothing comes after it: the time that is left begins."""
        self._outgoing.put(self._finish)
        self._outgoing.end(CLOSE_SECONDS)

    def close(self) -> None:
        """Wait a bounded time for what the viewer has not got."""
        self._outgoing.close()
        self._let_go()

    # What follows is done on the thread of the queue.

    def _draw(self, stroke: Stroke) -> None:
        while not self._is_there():
            if self._outgoing.ending or not self._outgoing.pause(LOOK_EVERY):
                self._outgoing.settle(refused=True)
                return
        if self._drawing is not None:
            self._drawn += 1
            stroke(self._drawing)

    def _is_there(self) -> bool:
        """Whether a viewer is connected that was there a moment ago."""
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return self._drawing is not None
        self._looked_at = now
        try:
            socket.create_connection(self._viewer, PROBE_SECONDS).close()
        except OSError as error:
            self._miss(error)
            return False
        if self._drawing is None:
            self._connect()
        return True

    def _connect(self) -> None:
        assert self._run is not None
        self._recording = self._rerun.recording(self._identity)
        self._recording.connect_grpc(f"{self._viewer}/proxy")
        self._drawing = Drawing.of_run(self._rerun, self._recording, self._run)
        self._missed = False
        logger.info("%s: connected", self._viewer)

    def _miss(self, error: OSError) -> None:
        self._let_go()
        # What was drawn has most likely arrived; nobody can tell any more.
        self._outgoing.settle(self._drawn)
        self._drawn = 0
        if not self._missed:
            self._missed = True
            logger.warning(
                "%s: no viewer (%s); drawings wait, and it is looked for again",
                self._viewer,
                error.strerror or error,
            )

    def _finish(self, _: Drawing) -> None:
        """See all that was drawn on its way."""
        try:
            self._recording.flush()
        except RuntimeError as error:
            self._outgoing.settle(self._drawn, refused=True)
            logger.warning("%s: the viewer did not take all: %s", self._viewer, error)
        else:
            self._outgoing.settle(self._drawn)
        self._drawn = 0

    def _let_go(self) -> None:
        """Forget a recording, and keep it: the SDK waits for its viewer where it is freed."""
        if self._recording is not None:
            keep = threading.Thread(target=_keep, args=(self._recording,), daemon=True)
            keep.start()
        self._recording = self._drawing = None


def _keep(_: Recording) -> None:
    """Hold what is given until the process ends."""
    threading.Event().wait()


def _draw_decision(decision: Decision, drawing: Drawing) -> None:
    drawing.decision(decision)


def _draw_closure(decision: Decision, drawing: Drawing) -> None:
    drawing.closure(decision)


def _draw_event(event: records.Stream, drawing: Drawing) -> None:
    drawing.event(event)
