"""The web server beside a run, on a thread and an event loop of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import setproctitle
import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from streamvpr.web.address import Door

logger = logging.getLogger(__name__)

THREAD = "page"
# Readers beyond so many are told to come later: each costs a buffer.
MOST_CONNECTIONS = 256
# How long the last events may take to be read at the end.
GOODBYE_SECONDS = 1
JOIN_SECONDS = 3.0
# What reads and writes HTTP below the server; its errors are about what came.
PROTOCOL = "h11"


class Server:
    """Serves an application until it is stopped."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        """Takes over the door."""
        self._door = door
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GOODBYE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name=THREAD, daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        _tame_log()
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; whoever reads events gets the last ones. Returns within seconds."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        self._door.close()

    def _serve(self) -> None:
        # What `top -H` calls it.
        setproctitle.setthreadtitle(THREAD)
        try:
            self._server.run(self._door.sockets)
        except Exception:
            # The run is worth more than its page.
            logger.exception("the live page has failed, and the run goes on without it")


def _tame_log() -> None:
    """Errors of the server go where ours go; what strangers send to a port is none."""
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.handlers = [_Forward()]


class _Forward(logging.Handler):
    """Says what failed in a line of our own log; where, is for whoever debugs it."""

    def emit(self, record: logging.LogRecord) -> None:
        error = None if record.exc_info is None else record.exc_info[1]
        if type(error).__module__.partition(".")[0] == PROTOCOL:
            # A request that breaks off where an answer is on its way, and is none of ours.
            logger.debug("the live page: %s", error)
            return
        cause = "" if error is None else f": {type(error).__name__}: {error}"
        logger.error("the live page: %s%s", record.getMessage().strip(), cause)
        logger.debug("it failed", exc_info=record.exc_info)
