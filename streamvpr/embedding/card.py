"""A model's card: the TOML beside an ONNX file that says what it is and what it expects."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = (
    'name = "my-model", licence = "...", source = "...", dimension = 512, '
    "[input] width = 384, height = 384, [threshold] value = 0.8, without_geometry = 0.9"
)


class InputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures that a model takes: uint8, (batch, height, width, 3), stretched to size.

    `mean` and `std` (of values 0 to 255) tell what the graph itself subtracts and divides by; the
    program hands over plain pixels.
    """

    width: int
    height: int
    channels: str = "rgb"
    resize: str = "stretch"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine similarities from which on a place is a candidate, and how they were found.

    A number means nothing for another model, so a card may leave both out.
    """

    value: float | None = None
    """With geometry deciding afterwards: low enough to lose no true candidate. None: geometry
    looks at all candidates."""
    without_geometry: float | None = None
    """Where similarity alone decides: high enough to make no false one. None: it can't decide."""
    calibrated: str = ""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is, expects and gives."""

    name: str
    licence: str
    source: str
    dimension: int
    input: InputSpec
    threshold: Threshold = Threshold()
    description: str = ""
    file: str = ""
    sha256: str = ""
    precision: str = "fp32"
    weights_sha256: str = ""
    gem_p: float | None = None
    opset: int | None = None
    max_difference: float | None = None
    """Largest absolute difference to the network that it was exported from."""


def card_path(model: Path) -> Path:
    """Where the card of an ONNX file is looked for."""
    return model.with_suffix(".toml")


def read_card(model: Path) -> ModelCard:
    """The checked card of the ONNX file `model`. Raises ModelError."""
    path = card_path(model)
    try:
        card = msgspec.toml.decode(path.read_bytes(), type=ModelCard)
    except FileNotFoundError as error:
        raise ModelError(f"the model {model} has no card; write {path} with: {TEMPLATE}") from error
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError, ValueError) as error:
        raise ModelError(f"cannot read the model card {path}: {error}") from error
    _check(card, path)
    return card


def check_file(model: Path, card: ModelCard) -> None:
    """Raise ModelError where the file is not the one that the card describes."""
    if not card.sha256:
        return
    try:
        found = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the model {model}: {error.strerror}") from error
    if found != card.sha256:
        raise ModelError(
            f"the model {model} is not the one on its card: sha256 {found[:16]}… and not "
            f"{card.sha256[:16]}…; fetch or export it again"
        )


def _check(card: ModelCard, path: Path) -> None:
    if card.dimension < 1 or card.input.width < 1 or card.input.height < 1:
        raise ModelError(f"{path}: dimension, width and height must be 1 or more")
    if card.input.channels != "rgb" or card.input.resize != "stretch":
        raise ModelError(
            f"{path}: channels {card.input.channels!r} with resize {card.input.resize!r} is not "
            "supported; this version feeds 'rgb', 'stretch'"
        )
    for value in (card.threshold.value, card.threshold.without_geometry):
        if value is not None and not -1 <= value <= 1:
            raise ModelError(f"{path}: threshold {value} is no cosine similarity (-1 to 1)")
