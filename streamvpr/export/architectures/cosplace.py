"""CosPlace and EigenPlaces: one network, trained in two ways, on one of five backbones.

Berton, Masone and Caputo, Rethinking Visual Geo-localization for Large-Scale Applications, CVPR
2022; Berton, Trivigno, Caputo and Masone, EigenPlaces: Training Viewpoint Robust Models for Visual
Place Recognition, ICCV 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torchvision import models

from streamvpr.errors import ModelError
from streamvpr.export.architectures.building import Cut, State, count, load, shape_of
from streamvpr.export.architectures.pooling import GeM, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

RESNETS = {
    (2, 2, 2, 2): "resnet18",
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (3, 8, 36, 3): "resnet152",
}
"""By how many blocks their four stages have."""
STAGES = range(4, 8)
"""Where those stand among a ResNet's layers."""
LAST_OF_VGG16 = "backbone.28.weight"
PROJECTION = "aggregation.3.weight"


class CosPlace(nn.Module):
    """Features of length 1 in each place, their generalised mean, and a linear layer.

    (N, 3, H, W) to (N, D).
    """

    def __init__(self, layers: Iterable[nn.Module], channels: int, dimension: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*layers)
        # The third is where the published network drops the two axes that GeM here does not keep.
        pooling = Unit(), GeM(), nn.Identity()
        self.aggregation = nn.Sequential(*pooling, nn.Linear(channels, dimension))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        return self.aggregation(self.backbone(images))


def build_cosplace(state: State, cut: Cut) -> CosPlace:
    """The network with the backbone and dimension that the weights have. Raises ModelError."""
    dimension, _ = shape_of(state, PROJECTION, 2)
    module = make_cosplace(find_backbone(state), dimension)
    load(module, state)
    return module


def make_cosplace(backbone: str, dimension: int) -> CosPlace:
    """The network with untrained weights on a backbone that `find_backbone` may name."""
    network = getattr(models, backbone)(weights=None)
    if backbone == "vgg16":
        # Up to conv5_3 and no further: the published network ends before its ReLU and pooling.
        return CosPlace(list(network.features)[:-2], network.features[-3].out_channels, dimension)
    return CosPlace(list(network.children())[:-2], network.fc.in_features, dimension)


def find_backbone(state: State) -> str:
    """Which of torchvision's networks the weights stand on. Raises ModelError for others."""
    if LAST_OF_VGG16 in state:
        return "vgg16"
    blocks = tuple(count(state, f"backbone.{stage}.") for stage in STAGES)
    if blocks in RESNETS:
        return RESNETS[blocks]
    raise ModelError(
        f"the weights lack {LAST_OF_VGG16}, which VGG-16 has, and have {blocks} blocks under "
        f"backbone.4 to backbone.7, which none of {', '.join(RESNETS.values())} has; are they of "
        "CosPlace or EigenPlaces?"
    )
