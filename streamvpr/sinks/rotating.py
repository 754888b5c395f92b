"""A file that lines are appended to, and that is set aside when it is large."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from streamvpr.errors import StoreError
from streamvpr.sinks.lines import append_whole
from streamvpr.sinks.own_file import open_own

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path


class RotatingFile:
    """Whole lines only, each handed to the system at once: FILE, and before it FILE.1, FILE.2 ...

    A line is never divided among two files. What a full disk leaves of one is taken back.
    """

    def __init__(self, path: Path, *, most_bytes: int, keep: int) -> None:
        """Open a file to append to it; `keep` is how many are kept of those that were set aside.

        Raises StoreError, also where another run writes to it.
        """
        self._path = path
        self._most_bytes = most_bytes
        self._keep = keep
        self._file, self._size = _open(path)

    def write(self, data: bytes) -> int:
        """Append a line, in a new file where it does not fit. Raises OSError, StoreError."""
        if self._size and self._size + len(data) > self._most_bytes:
            self._rotate()
        self._size += append_whole(self._file, data, self._size)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Close it, for others to write to."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        if not self._keep:
            self._path.unlink()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file, self._size = _open(self._path)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def _open(path: Path) -> tuple[FileIO, int]:
    """A file that is ours alone, and its size; what was cut off before ends with a line end.

    Raises StoreError.
    """
    file = open_own(path, "a+b")
    try:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                size += file.write(b"\n")
    except OSError as error:
        file.close()
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return file, size
