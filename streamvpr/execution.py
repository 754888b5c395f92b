"""Running a session as a program does: signals, progress, summary, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NoReturn, TypeVar

from streamvpr.config import DestinationOptions
from streamvpr.destinations import open_destinations
from streamvpr.errors import OutputClosed, StoreError, StreamVPRError
from streamvpr.sinks import Fanout, JsonLinesSink, Sink
from streamvpr.sinks.progress import OutputBesideProgress, ProgressSink
from streamvpr.sources.address import as_text
from streamvpr.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Console

    from streamvpr.config import RecognitionOptions
    from streamvpr.running import Running

logger = logging.getLogger(__name__)

R = TypeVar("R")

INTERRUPTED = 130
# Threads that may be left waiting in a library are called so at the beginning.
OPENING, READING = "streamvpr-open", "streamvpr-decode"
# How long a second Ctrl-C waits for outputs to be finished before it ends the process.
FORCED_EXIT_SECONDS = 3.0


def execute(
    open_session: Callable[[list[Sink]], Running],
    options: RecognitionOptions,
    console: Console,
    *,
    progress: bool,
    destinations: DestinationOptions | None = None,
) -> int:
    """Run a session with its records on standard output; the exit code.

    `destinations` is where they go besides.

    The first SIGINT or SIGTERM drains and stops, the second SIGINT cancels. Raises StreamVPRError.
    """
    if sys.stdout is None:
        raise StoreError("standard output is closed; send it to a file, or to /dev/null")
    output = sys.stdout.buffer
    bars = ProgressSink(console) if progress and console.is_terminal else None
    beside = bars is not None and sys.stdout.isatty()
    stream = OutputBesideProgress(output, bars) if beside and bars is not None else output
    sinks: list[Sink] = [JsonLinesSink(stream, options.records)]
    if bars is not None:
        sinks.append(bars)
    sinks += open_destinations(destinations or DestinationOptions(), options)
    session = _opened(open_session, sinks)
    if session is None:
        return 0
    for sink in sinks:
        sink.follow(session)
    try:
        code = asyncio.run(_run(session))
    except OutputClosed:
        discard_output()
        code = 0
    finally:
        logger.info("%s", session.summary())
    if code == 0:
        for sink in sinks:
            sink.linger(_wait_for_signal)
    return code


def _opened(open_session: Callable[[list[Sink]], Running], sinks: list[Sink]) -> Running | None:
    """The session; None as `open_stoppably`.

    Where it is not opened, the sinks are closed, which nobody else would do.
    """
    session: Running | None = None
    try:
        session = open_stoppably(lambda: open_session(sinks))
    finally:
        if session is None:
            with contextlib.suppress(StreamVPRError):
                Fanout(sinks).close()
    return session


class _Stopped(Exception):
    """A signal came before anything was opened."""


def open_stoppably(opening: Callable[[], R]) -> R | None:
    """What `opening` opens; None where SIGINT or SIGTERM came before that was done.

    A pipe on which nothing comes, a server that does not answer, a model that takes minutes: no
    signal ends what a library waits for. So a thread of its own does it, and is left to itself
    then: see `leave`. Raises as `opening`. On the main thread.
    """
    opened: Future[R] = Future()
    thread = threading.Thread(target=_settle, args=(opened, opening), name=OPENING, daemon=True)

    def stop() -> None:
        raise _Stopped

    try:
        with stopped_by_signals(stop, saying="ending, nothing was read yet"):
            thread.start()
            return opened.result()
    except _Stopped:
        return None


def _settle(outcome: Future[R], work: Callable[[], R]) -> None:
    try:
        result = work()
    except BaseException as error:
        outcome.set_exception(error)
    else:
        outcome.set_result(result)


async def _run(session: Running) -> int:
    notifier = Notifier()
    task = asyncio.ensure_future(session.run())
    alive = asyncio.ensure_future(_keep_alive(session, notifier))
    # The model is loaded; a camera that is down is no reason to call the service failed.
    notifier.send("READY=1")
    with _signals(session, task, notifier):
        try:
            await task
        except asyncio.CancelledError:
            return INTERRUPTED
        finally:
            alive.cancel()
            notifier.close()
    return 0


async def _keep_alive(session: Running, notifier: Notifier) -> None:
    """Tell the watchdog that the run goes on, as long as no stage hangs in one call.

    Waiting for a camera, or for whoever reads the output, is no hanging.
    """
    patience = notifier.watchdog_seconds
    while patience is not None:
        if session.stuck_for < patience:
            notifier.send("WATCHDOG=1")
        await asyncio.sleep(patience / 3)


@contextlib.contextmanager
def _signals(session: Running, task: asyncio.Future[None], notifier: Notifier) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    interrupts = 0

    def on_signal(number: signal.Signals) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1 or number != signal.SIGINT:
            logger.info("%s: finishing what was read; Ctrl-C again ends at once", number.name)
            notifier.send("STOPPING=1")
            session.stop()
            return
        # A thread inside the model or the decoder cannot be cancelled; it gets this long.
        timer = threading.Timer(FORCED_EXIT_SECONDS, os._exit, (INTERRUPTED,))
        timer.daemon = True
        timer.start()
        task.cancel()

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def stopped_by_signals(
    stop: Callable[[], None], *, saying: str = "going on with what was read"
) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `stop`, the next acts as if nobody looked out for it.

    `saying` is what the user is told then.

    For work on the main thread; `execute` is for what runs in an event loop.
    """

    def on_signal(number: int, _: FrameType | None) -> None:
        logger.info("%s: %s", signal.Signals(number).name, saying)
        restore()
        stop()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in handled}
    try:
        yield
    finally:
        restore()


def leave(code: int) -> NoReturn:
    """End the process, where need be without those who wait for a camera that says nothing.

    The interpreter would join their threads first: until the camera's time-out, or for ever.
    """
    if any(thread.name.startswith((OPENING, READING)) for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        os._exit(code)
    sys.exit(code)


def _wait_for_signal() -> None:
    over = threading.Event()
    with stopped_by_signals(over.set, saying="going on with the end"):
        over.wait()


def discard_output() -> None:
    """Point standard output nowhere, so that flushing it at exit cannot fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def print_text(text: str) -> None:
    """Write to standard output; a reader that has gone is no error. Raises StoreError."""
    try:
        sys.stdout.write(as_text(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        discard_output()
        raise StoreError(f"cannot write to standard output: {error.strerror}") from error
