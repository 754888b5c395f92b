"""The card that a model without one needs, as far as its ONNX file tells."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.embedding.card import TEMPLATE, card_path
from streamvpr.embedding.preprocess import PixelForm
from streamvpr.embedding.proof import UNIT_TOLERANCE, textured_picture
from streamvpr.embedding.runtime import open_plain
from streamvpr.embedding.signature import read_signature
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from streamvpr.embedding.signature import Signature

# What most networks of this kind were trained with, where the file does not say: ImageNet's.
SIDE = 224
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Sketch:
    """Lines of a card, each valid TOML by itself, and the keys that are no more than a guess."""

    lines: list[str]
    guessed: list[str]


def missing_card(runtime: ModuleType, model: Path) -> ModelError:
    """The error for a model without a card: what to write where, ready to be pasted."""
    path = card_path(model)
    try:
        sketch = draw(runtime, model)
    except ModelError as error:
        return ModelError(f"the model {model} has no card {path} ({TEMPLATE}), and {error}")
    command = f"printf '%s\\n' {shlex.join(sketch.lines)} > {shlex.quote(str(path))}"
    check = f", then check {', '.join(sketch.guessed)}" if sketch.guessed else ""
    return ModelError(f"the model {model} has no card; write {path}: {command}{check}")


def draw(runtime: ModuleType, model: Path) -> Sketch:
    """The card of an ONNX file as far as the file and a run of it tell. Raises ModelError."""
    session = open_plain(runtime, model)
    signature = read_signature(session, model)
    layout = signature.layout or "nchw"
    height, width = (side or SIDE for side in signature.size(layout))
    form = PixelForm(height, width, signature.dtype, layout, mean=MEAN, std=STD)
    dimension, normalised = _try(session, signature, form)
    values: dict[str, Any] = {
        "name": model.stem,
        "licence": "unknown",
        "source": "unknown",
        "dimension": dimension or 512,
        "input.width": width,
        "input.height": height,
    }
    if not normalised:
        values["normalised"] = False
    if signature.layout is None:
        values["input.layout"] = layout
    if signature.dtype != "uint8":
        values |= {"input.mean": MEAN, "input.std": STD}
    # JSON writes these as TOML does.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return Sketch(lines, _guesses(signature, dimension))


def _guesses(signature: Signature, dimension: int | None) -> list[str]:
    """Keys of which the file says nothing."""
    open_ones = {
        "dimension": dimension is None,
        "input.width": None in signature.size(signature.layout or "nchw"),
        "input.height": None in signature.size(signature.layout or "nchw"),
        "input.layout": signature.layout is None,
        "input.mean": signature.dtype != "uint8",
        "input.std": signature.dtype != "uint8",
    }
    return ["licence", "source", *(key for key, is_open in open_ones.items() if is_open)]


def _try(session: Any, signature: Signature, form: PixelForm) -> tuple[int | None, bool]:
    """Dimension of the first output, and whether it is of length 1, by running the model once."""
    name, known = next(iter(signature.outputs.items()))
    images = [textured_picture(form.width, form.height)] * (signature.batch or 1)
    try:
        (found,) = session.run([name], {signature.input: form.batch(images)})
        first = np.asarray(found[0], np.float64).reshape(-1)
    except Exception:  # classes of onnxruntime's C++ side; a guess of the size was wrong, then
        return known, True
    return known or len(first), abs(float(np.linalg.norm(first)) - 1) <= UNIT_TOLERANCE
