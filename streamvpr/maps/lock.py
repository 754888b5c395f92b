"""One writer at a time."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


class WriterLock:
    """Held from opening a map to write to closing it, by this process alone.

    SQLite locks a file for the length of a transaction; this is for a whole run. It is a file of
    its own beside the map, since closing one's second handle of the map would let go of SQLite's
    locks, too. The kernel lets go of it when the process dies, however it does.
    """

    def __init__(self, path: Path) -> None:
        """Lock the map at `path`, there or not. Raises StoreError where another process has it."""
        self._path = path.with_name(path.name + "-lock")
        try:
            self._handle = self._locked(path)
        except OSError as error:
            raise StoreError(f"cannot write the map {path}: {error.strerror}") from error

    def release(self) -> None:
        """Let others write. Again and again is the same as once."""
        if self._handle is None:
            return
        # Still held: nobody can have locked it meanwhile.
        self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None

    def _locked(self, path: Path) -> int | None:
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(handle, 32).decode("ascii", "replace").strip()
                os.close(handle)
                raise StoreError(
                    f"the map {path} is being written by another process"
                    f"{f' ({owner})' if owner else ''}; wait for its end, give another map, or "
                    "--map-read-only"
                ) from None
            except OSError:
                os.close(handle)
                raise
            if self._is_there(handle):
                os.truncate(handle, 0)
                os.write(handle, str(os.getpid()).encode())
                return handle
            # Its owner took it away between our opening and locking it.
            os.close(handle)

    def _is_there(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False
