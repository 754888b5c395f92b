"""DINOv2 as published, without training for places, and the generalised mean of its patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.export.architectures.building import Cut, State, load
from streamvpr.export.architectures.pooling import SignedGeM
from streamvpr.export.architectures.vit import VisionTransformer, ViTShape, find_shape

if TYPE_CHECKING:
    from torch import Tensor

GEM_KEY = "gem.p"


class DINOv2GeM(VisionTransformer):
    """The tokens of the patches after the last norm, and their mean: (N, 3, H, W) to (N, C)."""

    def __init__(self, shape: ViTShape) -> None:
        super().__init__(shape)
        self.gem = SignedGeM()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, C)."""
        return self.gem(super().forward(images)[:, self.prefix :])


def build_dinov2_gem(state: State, cut: Cut) -> DINOv2GeM:
    """The network with the sizes that the weights have, for pictures of one size.

    p is from the weights (key gem.p), else 3. Raises ModelError.
    """
    module = make_dinov2_gem(find_shape(state))
    load(module, {GEM_KEY: module.gem.p.detach(), **state})
    module.fit(cut.size)
    return module


def make_dinov2_gem(shape: ViTShape) -> DINOv2GeM:
    """The network with untrained weights, for pictures of its own size."""
    return DINOv2GeM(shape)
