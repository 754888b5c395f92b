"""Networks that find local features: dense maps of a picture, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.embedding.card import ModelKind, check_file, read_card, require_kind
from streamvpr.embedding.catalog import find_model
from streamvpr.embedding.cores import usable_cores
from streamvpr.embedding.devices import explain, require
from streamvpr.embedding.proof import textured_picture
from streamvpr.embedding.runtime import first_line, load_runtime, open_session
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.embedding.card import ModelCard
    from streamvpr.frames import Image

CELL = 8
"""Pixels of a side of what one descriptor of the map stands for."""
MULTIPLE_OF = 32
"""Of which a picture's width and height must be."""
OUTPUTS = ("descriptors", "keypoints", "reliability")


@dataclass(frozen=True, slots=True)
class FeatureMaps:
    """What a network says of one picture (h, w), float32."""

    descriptors: NDArray[np.float32]
    """(D, h/8, w/8), of length 1 along the first axis."""
    keypoints: NDArray[np.float32]
    """(h, w), 0 to 1: probability of each pixel to be the point of its cell."""
    reliability: NDArray[np.float32]
    """(h/8, w/8), 0 to 1: how likely the descriptor there is to be matched rightly."""


class FeatureNetwork:
    """A model of local features on a device."""

    def __init__(self, session: Any, card: ModelCard, device: str) -> None:
        self.card = card
        self.device = device
        self._session = session
        self._input = session.get_inputs()[0].name

    def maps(self, luma: Image) -> FeatureMaps:
        """The maps of a picture (h, w) uint8, h and w multiples of 32.

        One picture at a time, so that what else there is to do changes nothing. Raises ModelError.
        """
        try:
            found = self._session.run(list(OUTPUTS), {self._input: luma[None, None]})
        except Exception as error:  # onnxruntime raises classes of its C++ side, all of Exception
            raise ModelError(
                f"the model {self.card.name} failed on {self.device} with a picture of "
                f"{luma.shape} {luma.dtype}: {first_line(error)}"
            ) from error
        height, width = luma.shape
        cells = (height // CELL, width // CELL)
        due = [(1, self.card.dimension, *cells), (1, height, width), (1, *cells)]
        shapes = [each.shape for each in found]
        if shapes != due:
            raise ModelError(
                f"the model {self.card.name} gives maps of {shapes} for a picture of "
                f"{luma.shape}, and {due} are due; correct its card or export it again"
            )
        return FeatureMaps(*(each[0] for each in found))


def open_feature_network(model: str, *, device: str = "cpu", threads: int = 0) -> FeatureNetwork:
    """Load a model of local features by name or path, and prove that it runs.

    `device` is cpu, cuda or tensorrt; on the last it runs on CUDA, since pictures come in sizes
    that nobody knows beforehand and an engine takes minutes for each. `threads` is for the CPU, 0
    for all cores that this process may use. Raises ModelError, or ConfigError where ONNX Runtime is
    not installed.
    """
    path = find_model(model)
    card = read_card(path)
    require_kind(path, card, ModelKind.LOCAL_FEATURES)
    check_file(path, card)
    taken = "cpu" if device == "cpu" else "cuda"
    session = _open(path, taken, threads or usable_cores())
    _require_outputs(session, path)
    network = FeatureNetwork(session, card, taken)
    _prove(network)
    return network


def _open(path: Path, device: str, threads: int) -> Any:
    runtime = load_runtime()
    require(runtime, device)
    try:
        return open_session(runtime, path, device, threads=threads)
    except ModelError as error:
        raise error if device == "cpu" else explain(runtime, device, error) from error


def _require_outputs(session: Any, path: Path) -> None:
    given = [output.name for output in session.get_outputs()]
    inputs = [(taken.type, len(taken.shape)) for taken in session.get_inputs()]
    if not set(OUTPUTS) <= set(given) or inputs != [("tensor(uint8)", 4)]:
        raise ModelError(
            f"the model {path} has the outputs {', '.join(given)}; local features need "
            f"{', '.join(OUTPUTS)}, from one input of uint8 (N, 1, H, W): export it again"
        )


def _prove(network: FeatureNetwork) -> None:
    """Run it on a picture. Raises ModelError where that fails, or gives what is no number."""
    maps = network.maps(example(network.card))
    if not all(np.isfinite(each).all() for each in (maps.descriptors, maps.keypoints)):
        raise ModelError(
            f"the model {network.card.name} gives what is not finite on {network.device}; "
            "export it in a higher precision"
        )


def example(card: ModelCard) -> Image:
    """A picture (h, w) uint8 with something to see, of the card's size."""
    return np.ascontiguousarray(textured_picture(card.input.width, card.input.height)[..., 0])
