"""Models that are here: what each costs on this machine, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamvpr.embedding import list_models, open_embedder
from streamvpr.errors import StreamVPRError
from streamvpr.speed import measure

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Model:
    """One file, or why it cannot be used."""

    type: str = field(default="model", init=False)
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


def find_models() -> list[Model]:
    """Look at every model, and run it."""
    return [_look(path) for path in list_models()]


def show_model(model: Model) -> str:
    """For people."""
    if model.error is not None:
        return f"{model.name}\n  cannot be used: {model.error}"
    return (
        f"{model.name}\n"
        f"  {model.dimension}-d from {model.input}, {model.precision}, {model.megabytes} MB, "
        f"{model.milliseconds} ms a frame on {model.device}\n"
        f"  {model.licence}; {model.source}\n"
        f"  {model.path}"
    )


def _look(path: Path) -> Model:
    megabytes = _megabytes(path)
    try:
        embedder = open_embedder(str(path))
        milliseconds = round(measure(embedder) * 1e3, 1)
    except StreamVPRError as error:
        return Model(path.stem, str(path), megabytes, error=str(error))
    card = embedder.card
    return Model(
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
