"""Files that are there whole, or as they were before."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def draft_of(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` to write to, which takes its place at the end; nothing is left of it
    after an exception. Raises OSError."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
