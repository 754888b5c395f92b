"""A progress bar on a terminal: rate and time left."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, BinaryIO

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from streamvpr import records
    from streamvpr.frames import Decision, Keyframe
    from streamvpr.running import Running


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        frames = int(task.fields["frames"])
        rate = f"{frames / elapsed:.1f}" if elapsed > 0 else "-"
        return Text(f"{frames} frames, {rate}/s", style="progress.data.speed")


class ProgressSink(Sink):
    """One bar a stream; counts frames by their stream time, or number without one."""

    REDRAW_SECONDS = 0.1

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[closures]} loops"),
            console=console,
            transient=True,
            # Drawn when a decision comes and by no thread of its own, so that it can step aside.
            auto_refresh=False,
        )
        self._drawn = 0.0
        self._tasks: dict[str, Task] = {}
        self._origins: dict[str, float] = {}

    def follow(self, run: Running) -> None:
        """Show the streams of a run."""
        for stream in run.streams:
            task = self._progress.add_task(stream.name, total=stream.span, frames=0, closures=0)
            self._tasks[stream.name] = self._progress.tasks[task]
        self._progress.start()

    def write(self, decision: Decision) -> None:
        """Move the bar of the decision's stream on."""
        task, query = self._tasks[decision.query.stream], decision.query
        self._progress.update(
            task.id,
            completed=self._done(query),
            frames=query.index + 1,
        )
        now = time.monotonic()
        if now - self._drawn >= self.REDRAW_SECONDS:
            self._drawn = now
            self._progress.refresh()

    def _done(self, query: Keyframe) -> float:
        if query.time is None:
            return query.index + 1
        return query.time - self._origins.setdefault(query.stream, query.time)

    def write_closure(self, decision: Decision) -> None:
        """Count a closure that is reported."""
        task = self._tasks[decision.query.stream]
        self._progress.update(task.id, closures=task.fields["closures"] + 1)

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Fill the bar of a stream that ended."""
        if event.state == "ended":
            task = self._tasks[event.stream]
            self._progress.update(task.id, completed=task.total or task.completed)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bars off the screen while something else is written there."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()


class OutputBesideProgress:
    """A binary stream that shares its terminal with the bars."""

    def __init__(self, stream: BinaryIO, progress: ProgressSink) -> None:
        self._stream = stream
        self._progress = progress

    def write(self, data: bytes) -> int:
        """Write and flush with the bars out of the way."""
        with self._progress.hidden():
            written = self._stream.write(data)
            self._stream.flush()
        return written

    def flush(self) -> None:
        """Nothing is held back."""
