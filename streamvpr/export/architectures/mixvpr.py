"""MixVPR on ResNet-50.

Ali-bey, Chaib-draa and Giguère, MixVPR: Feature Mixing for Visual Place Recognition, WACV 2023.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models import resnet50

from streamvpr.errors import ModelError
from streamvpr.export.architectures.building import Cut, State, count, load, shape_of

CHANNELS = 1024
"""Of ResNet-50's layer3, after which the network goes on."""
STRIDE = 16
"""Pixels from one place of layer3 to the next."""
LAST = "layer3"
ROW_BIAS = "aggregator.row_proj.bias"


@dataclass(frozen=True, slots=True)
class MixShape:
    """How large the aggregation is; these are the published one's sizes for 4096 dimensions."""

    places: int = 400
    """Of the feature map: 20x20, of pictures of 320x320."""
    hidden: int = 400
    """Width within a mixer."""
    depth: int = 4
    channels: int = 1024
    """After the projection."""
    rows: int = 4
    row_bias: bool = True


class FeatureMixer(nn.Module):
    """Each channel's places mixed by two linear layers, added to it: (N, C, P) to the same."""

    def __init__(self, places: int, hidden: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(places), nn.Linear(places, hidden), nn.ReLU(), nn.Linear(hidden, places)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, P) to the same."""
        return features + self.mix(features)


class MixAggregator(nn.Module):
    """Mixers, then a projection of the channels and one of the places: (N, C, h, w) to (N, D)."""

    def __init__(self, shape: MixShape) -> None:
        super().__init__()
        mixers = (FeatureMixer(shape.places, shape.hidden) for _ in range(shape.depth))
        self.mix = nn.Sequential(*mixers)
        self.channel_proj = nn.Linear(CHANNELS, shape.channels)
        self.row_proj = nn.Linear(shape.places, shape.rows, bias=shape.row_bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to (N, channels * rows)."""
        mixed = self.mix(features.flatten(2))
        projected = self.channel_proj(mixed.transpose(1, 2)).transpose(1, 2)
        return self.row_proj(projected).flatten(1)


class MixVPR(nn.Module):
    """ResNet-50 up to layer3 and the aggregation: (N, 3, H, W) to (N, D)."""

    def __init__(self, shape: MixShape) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"model": _trunk()})
        self.aggregator = MixAggregator(shape)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        return self.aggregator(self.backbone["model"](images))


def build_mixvpr(state: State, cut: Cut) -> MixVPR:
    """The network with the sizes that the weights have. Raises ModelError."""
    shape = find_shape(state)
    _check_size(cut.size, shape.places)
    module = make_mixvpr(shape)
    load(module, state)
    return module


def make_mixvpr(shape: MixShape | None = None) -> MixVPR:
    """The network with untrained weights."""
    return MixVPR(shape or MixShape())


def find_shape(state: State) -> MixShape:
    """The sizes that the weights have. Raises ModelError where they are not of this network."""
    hidden, places = shape_of(state, "aggregator.mix.0.mix.1.weight", 2)
    channels, _ = shape_of(state, "aggregator.channel_proj.weight", 2)
    rows, _ = shape_of(state, "aggregator.row_proj.weight", 2)
    depth = count(state, "aggregator.mix.")
    return MixShape(places, hidden, depth, channels, rows, row_bias=ROW_BIAS in state)


def _trunk() -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in resnet50(weights=None).named_children():
        layers[name] = layer
        if name == LAST:
            break
    return nn.Sequential(layers)


def _check_size(size: tuple[int, int], places: int) -> None:
    """Raises ModelError where pictures of that size have another number of places."""
    columns, rows = (-(-pixels // STRIDE) for pixels in size)
    if columns * rows != places:
        raise ModelError(
            f"the weights mix {places} places, and pictures of {size[0]}x{size[1]} have "
            f"{columns}x{rows}; take the size that they were trained with (320x320 has 400)"
        )
