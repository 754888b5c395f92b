"""Models that are here: what each costs on this machine, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamvpr.embedding import ModelKind, list_models, open_embedder, open_feature_network
from streamvpr.embedding.card import card_path, read_card
from streamvpr.errors import StreamVPRError
from streamvpr.speed import measure, measure_features

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.embedding import Embedder, FeatureNetwork


@dataclass(frozen=True, slots=True)
class Model:
    """One file, or why it cannot be used."""

    type: str = field(default="model", init=False)
    name: str
    path: str
    megabytes: float
    kind: ModelKind = ModelKind.PLACES
    """What it is for: `--model`, or `--local-features`."""
    dimension: int | None = None
    input: str | None = None
    precision: str | None = None
    device: str | None = None
    milliseconds: float | None = None
    """Median of a few frames, one at a time, on the device that `auto` takes; of local features on
    the CPU."""
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
    what = "" if model.kind is ModelKind.PLACES else "local features for --local-features, "
    return (
        f"{model.name}\n"
        f"  {what}{model.dimension}-d from {model.input}, {model.precision}, {model.megabytes} MB, "
        f"{model.milliseconds} ms a frame on {model.device}\n"
        f"  {model.licence}; {model.source}\n"
        f"  {model.path}"
    )


def _look(path: Path) -> Model:
    megabytes = _megabytes(path)
    kind = ModelKind.PLACES
    try:
        if _finds_features(path):
            kind = ModelKind.LOCAL_FEATURES
            network = open_feature_network(str(path), device="cpu")
            return _describe(path, network, measure_features(network))
        embedder = open_embedder(str(path))
        return _describe(path, embedder, measure(embedder))
    except StreamVPRError as error:
        return Model(path.stem, str(path), megabytes, kind, error=str(error))


def _finds_features(path: Path) -> bool:
    """Whether the card says so; one that is missing says that it describes places."""
    has_card = card_path(path).exists()
    return has_card and read_card(path).kind is ModelKind.LOCAL_FEATURES


def _describe(path: Path, opened: Embedder | FeatureNetwork, seconds: float) -> Model:
    card = opened.card
    return Model(
        name=path.stem,
        path=str(path),
        megabytes=_megabytes(path),
        kind=card.kind,
        dimension=card.dimension,
        input=f"{card.input.width}x{card.input.height}",
        precision=card.precision,
        device=opened.device,
        milliseconds=round(seconds * 1e3, 1),
        licence=card.licence,
        source=card.source,
    )


def _megabytes(path: Path) -> float:
    """Size of a file; 0 for a link to nowhere."""
    try:
        return round(path.stat().st_size / 1e6, 2)
    except OSError:
        return 0.0
