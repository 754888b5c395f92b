"""A run as a recording that Rerun's viewer opens: FILE.rrd."""

from __future__ import annotations

import os
import threading
import uuid
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.errors import StoreError
from streamvpr.sinks.base import Shown, Sink
from streamvpr.sinks.own_file import open_own
from streamvpr.sinks.rerun_drawing import Drawing
from streamvpr.sinks.rerun_loading import load_rerun

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.frames import Decision
    from streamvpr.running import Running
    from streamvpr.sinks.rerun_loading import Recording

PIECE = 2**20
# The SDK keeps some kilobyte in memory for each piece of each entity that it has written, and makes
# one as often as this; a run that is killed loses as much. Its own default is 0.2 s.
BATCH = ("RERUN_FLUSH_TICK_SECS", "5")


class RerunFileSink(Sink):
    """Draws into a file. A viewer can open it while it grows."""

    shows = Shown.FRAMES

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the extra is missing, StoreError for what cannot be written.

        What is in the file is lost when a run begins, and not before.
        """
        os.environ.setdefault(*BATCH)
        self._rerun = load_rerun()
        self._file = _RecordingFile(path)
        self._recording: Recording = None
        self._drawing: Drawing | None = None

    def follow(self, run: Running) -> None:
        """Begin the drawing with what is known of a run."""
        self._recording = self._rerun.recording(uuid.uuid4().hex)
        self._recording.save(self._file.begin())
        self._file.copy()
        self._drawing = Drawing.of_run(self._rerun, self._recording, run)

    def write(self, decision: Decision) -> None:
        """Draw a decision. Raises StoreError."""
        if self._drawing is not None:
            self._drawing.decision(decision)
        self._file.check()

    def write_closure(self, decision: Decision) -> None:
        """Draw a closure. Raises StoreError."""
        if self._drawing is not None:
            self._drawing.closure(decision)
        self._file.check()

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Write down what happened to a stream."""
        if self._drawing is not None and isinstance(event, records.Stream):
            self._drawing.event(event)

    def close(self) -> None:
        """Write what is left. Raises StoreError."""
        if self._recording is not None:
            self._recording.flush()
            self._recording.disconnect()
        self._file.close()
        self._file.check()


class _RecordingFile:
    """A file that the SDK writes to through a pipe: of a full disk it would only tell its log."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreError."""
        self._path = path
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None
        self._file = open_own(path, "ab")

    def begin(self) -> str:
        """Empty it; what the SDK is to open."""
        if self._path.is_file():
            self._file.truncate(0)
        self._outlet, self._inlet = os.pipe()
        return f"/proc/self/fd/{self._inlet}"

    def copy(self) -> None:
        """Copy to the file until the SDK, which has opened the pipe, closes it."""
        os.close(self._inlet)
        self._thread = threading.Thread(target=self._copy, name="streamvpr-rerun", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise StoreError where the file could not be written."""
        if self._error is not None:
            reason = self._error.strerror or str(self._error)
            raise StoreError(f"cannot write {self._path}: {reason}") from self._error

    def close(self) -> None:
        """Close the file once all was copied."""
        if self._thread is not None:
            self._thread.join()
        self._file.close()

    def _copy(self) -> None:
        with os.fdopen(self._outlet, "rb", buffering=0) as outlet:
            while piece := outlet.read(PIECE):
                if self._error is None:
                    self._write(piece)

    def _write(self, piece: bytes) -> None:
        try:
            while piece:
                piece = piece[self._file.write(piece) :]
        except OSError as error:
            self._error = error
