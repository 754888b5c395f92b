"""A model's card: the TOML beside an ONNX file that says what it is and what it expects."""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from streamvpr.errors import ModelError
from streamvpr.toml_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

# The least that a card says, for whoever writes one without the ONNX file at hand.
TEMPLATE = (
    'name = "my-model", licence = "...", source = "...", dimension = 512, '
    "input.width = 384, input.height = 384"
)
LAYOUTS = ("nhwc", "nchw")
# Beyond these a number is a slip of the pen that would take the machine's memory.
LONGEST_SIDE = 4096
MOST_DIMENSIONS = 65536


class ModelKind(StrEnum):
    """What a model makes of a picture, and with that what runs it."""

    PLACES = "places"
    """One descriptor of the whole picture: `--model`."""
    LOCAL_FEATURES = "local-features"
    """Points and what they look like: `--local-features`."""


CHANNELS = {ModelKind.PLACES: ("rgb", "bgr"), ModelKind.LOCAL_FEATURES: ("luma",)}


class InputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures that a model takes, stretched to size.

    Type and layout stand in the ONNX file; `layout` is for one that leaves them open. `mean` and
    `std` (red, green, blue; of values 0 to 255) are what the graph itself subtracts and divides by
    where it takes uint8, and what the program does where it takes floating point. A model of local
    features takes pictures of any size; this is the one that it is tried with.
    """

    width: int
    height: int
    channels: str = "rgb"
    resize: str = "stretch"
    layout: str = ""
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
    kind: ModelKind = ModelKind.PLACES
    description: str = ""
    output: str = ""
    """Name of the output that holds the descriptors; the first where it is empty."""
    normalised: bool = True
    """Whether the graph gives descriptors of length 1; else the program makes them so."""
    half: bool = True
    """Whether TensorRT may compute in half precision."""
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
        card = msgspec.convert(read_toml(path), ModelCard)
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
    found = file_sha256(model)
    if found != card.sha256:
        raise ModelError(
            f"the model {model} is not the one on its card: sha256 {found[:16]}… and not "
            f"{card.sha256[:16]}…; fetch or export it again"
        )


def require_kind(model: Path, card: ModelCard, kind: ModelKind) -> None:
    """Raise ModelError where the model is for something else."""
    if card.kind is kind:
        return
    if card.kind is ModelKind.LOCAL_FEATURES:
        raise ModelError(
            f"the model {model} finds local features and describes no places; it is for "
            "--local-features, and `streamvpr models` lists those for --model"
        )
    raise ModelError(
        f"the model {model} describes places and finds no local features; its card says so with "
        f"kind = {card.kind.value!r}, and {kind.value!r} is due"
    )


def file_sha256(model: Path) -> str:
    """The checksum of a file. Raises ModelError."""
    try:
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the model {model}: {error.strerror}") from error


def _check(card: ModelCard, path: Path) -> None:
    _check_sizes(card, path)
    _check_pixels(card.input, CHANNELS[card.kind], path)
    for value in (card.threshold.value, card.threshold.without_geometry):
        if value is not None and not -1 <= value <= 1:
            raise ModelError(f"{path}: threshold {value} is no cosine similarity (-1 to 1)")


def _check_sizes(card: ModelCard, path: Path) -> None:
    size = card.input
    if card.dimension < 1 or size.width < 1 or size.height < 1:
        raise ModelError(f"{path}: dimension, width and height must be 1 or more")
    if max(size.width, size.height) > LONGEST_SIDE or card.dimension > MOST_DIMENSIONS:
        raise ModelError(
            f"{path}: input {size.width}x{size.height} with dimension {card.dimension} is too "
            f"large; at most {LONGEST_SIDE} a side and {MOST_DIMENSIONS} dimensions"
        )


def _check_pixels(size: InputSpec, channels: tuple[str, ...], path: Path) -> None:
    if size.channels not in channels or size.resize != "stretch":
        raise ModelError(
            f"{path}: channels {size.channels!r} with resize {size.resize!r} is not supported; "
            f"write one of {', '.join(channels)} and 'stretch'"
        )
    if size.layout and size.layout not in LAYOUTS:
        raise ModelError(f"{path}: layout {size.layout!r} is none of {', '.join(LAYOUTS)}")
    for name, values in (("mean", size.mean), ("std", size.std)):
        if values and (len(values) != 3 or not all(map(math.isfinite, values))):
            raise ModelError(f"{path}: {name} {list(values)} must be three finite numbers")
    if any(value <= 0 for value in size.std):
        raise ModelError(f"{path}: std {list(size.std)} must be above 0")
