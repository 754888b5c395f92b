"""A file that one run at a time writes to."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Literal

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path


def open_own(path: Path, mode: Literal["ab", "a+b"]) -> FileIO:
    """Open a file as it is, locked until it is closed, to append to it.

    Raises StoreError, also where another run writes to it.
    """
    try:
        file = path.open(mode, buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise
    except BlockingIOError as error:
        raise StoreError(
            f"{path} is being written by another run; give each run a file of its own"
        ) from error
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return file
