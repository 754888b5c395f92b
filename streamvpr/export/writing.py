"""Putting a model and its card where they belong, once they have been tried."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.errors import StoreError
from streamvpr.export import cards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamvpr.export.checking import Checks


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    model: Path
    card: Path
    dimension: int
    megabytes: float
    checks: Checks


def write_tried(
    content: bytes, card: cards.Card, folder: Path, check: Callable[[Path], Checks]
) -> Exported:
    """Try the files where nobody looks for them, then move them to where they belong.

    Raises what `check` raises, and StoreError.
    """
    name = card["name"]
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as made:
            path = Path(made) / f"{name}.onnx"
            path.write_bytes(content)
            path.with_suffix(".toml").write_text(cards.render(card), encoding="utf-8")
            checks = check(path)
            text = cards.render(cards.add_checks(card, checks))
            path.with_suffix(".toml").write_text(text, encoding="utf-8")
            for suffix in (".onnx", ".toml"):
                os.replace(path.with_suffix(suffix), folder / f"{name}{suffix}")  # noqa: PTH105
    target = folder / f"{name}.onnx"
    megabytes = round(len(content) / 1e6, 2)
    return Exported(target, target.with_suffix(".toml"), card["dimension"], megabytes, checks)


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror or error}; "
            "check the folder and the space on its disk, or give another --output"
        ) from error
