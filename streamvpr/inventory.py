"""What models are here, what each costs on this machine, and where it came from."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.embedding import list_models, open_embedder
from streamvpr.errors import StreamVPRError

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.embedding import Embedder

RUNS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One model."""

    name: str
    path: str
    megabytes: float
    dimension: int | None = None
    input: str | None = None
    precision: str | None = None
    device: str | None = None
    milliseconds: float | None = None
    """Median of a few frames, one at a time, on the device that `auto` takes."""
    licence: str | None = None
    source: str | None = None
    error: str | None = None
    """Why it cannot be used."""


def take() -> list[Entry]:
    """Look at every model, and run it."""
    return [_entry(path) for path in list_models()]


def as_json(entries: list[Entry]) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(asdict(entry)) for entry in entries)


def as_text(entries: list[Entry]) -> str:
    """For people."""
    if not entries:
        return "no models here; `streamvpr doctor` says where they are looked for"
    return "\n\n".join(_text(entry) for entry in entries)


def _entry(path: Path) -> Entry:
    megabytes = _megabytes(path)
    try:
        embedder = open_embedder(str(path))
        milliseconds = _cost(embedder)
    except StreamVPRError as error:
        return Entry(path.stem, str(path), megabytes, error=str(error))
    card = embedder.card
    return Entry(
        name=path.stem,
        path=str(path),
        megabytes=megabytes,
        dimension=card.dimension,
        input=f"{card.input.width}x{card.input.height}",
        precision=card.precision,
        device=embedder.device,
        milliseconds=milliseconds,
        licence=card.licence,
        source=card.source,
    )


def _megabytes(path: Path) -> float:
    """Size of a file; 0 for a link to nowhere."""
    try:
        return round(path.stat().st_size / 1e6, 2)
    except OSError:
        return 0.0


def _cost(embedder: Embedder) -> float:
    size = embedder.card.input
    image = np.full((size.height, size.width, 3), 127, np.uint8)
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        embedder.embed([image])
        seconds.append(time.perf_counter() - began)
    return round(median(seconds) * 1e3, 1)


def _text(entry: Entry) -> str:
    if entry.error is not None:
        return f"{entry.name}\n  cannot be used: {entry.error}"
    return (
        f"{entry.name}\n"
        f"  {entry.dimension}-d from {entry.input}, {entry.precision}, {entry.megabytes} MB, "
        f"{entry.milliseconds} ms a frame on {entry.device}\n"
        f"  {entry.licence}; {entry.source}\n"
        f"  {entry.path}"
    )
