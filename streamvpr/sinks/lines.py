"""A file of lines that is begun anew."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path


class LineFile:
    """Whole lines, each handed to the system at once; one that is cut off is taken back."""

    def __init__(self, path: Path) -> None:
        """Begin the file, and let go of what was in it. Raises OSError."""
        self._file = path.open("wb", buffering=0)
        self._size = 0

    def write(self, data: bytes) -> int:
        """Append a line. Raises OSError."""
        self._size += append_whole(self._file, data, self._size)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Close it."""
        self._file.close()


def append_whole(file: FileIO, data: bytes, size: int) -> int:
    """Append to a file of so many bytes; what a full disk leaves is taken back. Raises OSError."""
    written = file.write(data)
    if written < len(data):
        file.truncate(size)
        file.seek(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
    return written
