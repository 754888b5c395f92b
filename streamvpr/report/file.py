"""Files of an output folder, any of which may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def read_if_there(path: Path) -> bytes | None:
    """What is in a file; None where there is none. Raises StoreError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
