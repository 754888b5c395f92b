"""Whether something is there, also of names that nothing can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of that name that may be looked at."""
    try:
        return path.exists()
    except OSError:
        # Too long, say: pathlib takes only some of the system's errors for an answer.
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name that may be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False
