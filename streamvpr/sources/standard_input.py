"""Standard input as something that FFmpeg reads from, and that can be told to end."""

from __future__ import annotations

import os
import select
import threading


class StandardInput:
    """The bytes of a descriptor, by default 0; `stop` ends a read that waits.

    FFmpeg's own `pipe:` reads without an end in sight: after Ctrl-C the program would wait for the
    next byte.
    """

    # PyAV keeps what it knows of a file by its name.
    name = "-"

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._stopped, self._stop = os.pipe()
        self._told = False
        # A descriptor that was closed in between may be another file's by then.
        self._ending = threading.Lock()

    def read(self, most: int) -> bytes:
        """Up to `most` bytes as soon as there are any; empty at the end."""
        ready, _, _ = select.select([self._descriptor, self._stopped], [], [])
        if self._stopped in ready:
            return b""
        return os.read(self._descriptor, most)

    def stop(self) -> None:
        """End the stream. From any thread; nothing is to end once it is closed."""
        with self._ending:
            if not self._told:
                self._told = True
                os.write(self._stop, b"\0")

    def close(self) -> None:
        """Let go of what `stop` needs; standard input itself belongs to the process. Idempotent."""
        with self._ending:
            self._told = True
            if self._stop >= 0:
                os.close(self._stop)
                os.close(self._stopped)
                self._stop = self._stopped = -1
