"""The card beside an exported model: what it is, where it comes from, how it was tried."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w

from streamvpr.export.architectures.pooling import GeM, SignedGeM, SplitGeM
from streamvpr.export.graph import OPSET

if TYPE_CHECKING:
    from torch import nn

    from streamvpr.embedding import Threshold
    from streamvpr.export.checking import Checks
    from streamvpr.export.weights import Weights
    from streamvpr.networks import Network

Card = dict[str, Any]
"""TOML's tables. Its keys are those of `streamvpr.embedding.card`; the tables `projection` and
`checked` are for people to read."""

PRECISIONS = {
    "fp32": "computed in float32",
    "fp16": "computed in float16",
    "fp16-weights": "weights stored in float16, computed in float32",
    "int8": "computed in 8 bits",
}


@dataclass(frozen=True, slots=True)
class Making:
    """What a model was made of."""

    name: str
    network: Network
    weights: Weights
    size: tuple[int, int]
    dimension: int
    precision: str
    threshold: Threshold
    stage: str | None
    """Where it was cut; None: where that network usually is."""
    fitted_on: int | None
    """Pictures that a projection was learnt from."""
    calibrated_on: int | None
    """Pictures that 8 bits took their ranges from."""
    source: str | None = None
    licence: str | None = None


def make_card(making: Making, module: nn.Module, content: bytes) -> Card:
    """The card of a model whose file holds `content`, before it was tried."""
    network, weights = making.network, making.weights
    card: Card = {
        "name": making.name,
        "file": f"{making.name}.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "description": _description(making),
        "licence": making.licence or f"that of {weights.source}; as published: {network.licence}",
        "source": making.source or weights.source,
        "weights_sha256": weights.sha256,
        "dimension": making.dimension,
        "precision": making.precision,
        "opset": OPSET,
        "input": _input(making),
        "threshold": _threshold(making.threshold),
    }
    power = _gem_power(module)
    if power is not None:
        card["gem_p"] = power
    if making.fitted_on is not None:
        card["projection"] = {"method": "PCA and whitening", "pictures": making.fitted_on}
    if making.calibrated_on is not None:
        card["quantising"] = {"method": "static, QDQ, u8 and s8", "pictures": making.calibrated_on}
    return card


def add_checks(card: Card, checks: Checks) -> Card:
    """The card with what was found when the model was tried."""
    return card | {
        "max_difference": checks.torch.max_difference,
        "checked": {
            "against": "torch, in float32",
            "pictures": checks.pictures,
            "max_difference": checks.torch.max_difference,
            "min_cosine": checks.torch.min_cosine,
            "batches_max_difference": checks.batches,
        },
    }


def render(card: Card) -> str:
    """TOML: values before tables."""
    values = {key: value for key, value in card.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in card.items() if isinstance(value, dict)}
    return tomli_w.dumps(values | tables)


def _description(making: Making) -> str:
    parts = [making.network.description, making.stage or "", PRECISIONS[making.precision]]
    return "; ".join(part for part in parts if part)


def _input(making: Making) -> Card:
    """How pictures go in; mean and std (of 0 to 255) for information: the graph applies them."""
    return {
        "width": making.size[0],
        "height": making.size[1],
        "channels": "rgb",
        "resize": "stretch",
        "mean": list(making.network.mean),
        "std": list(making.network.std),
    }


def _threshold(threshold: Threshold) -> Card:
    values = {"value": threshold.value, "without_geometry": threshold.without_geometry}
    return {key: value for key, value in values.items() if value is not None} | {
        "calibrated": threshold.calibrated
    }


def _gem_power(module: nn.Module) -> float | None:
    kinds = (GeM, SignedGeM, SplitGeM)
    return next((float(m.p) for m in module.modules() if isinstance(m, kinds)), None)
