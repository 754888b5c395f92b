"""XFeat (Potje et al., CVPR 2024): where a picture has points, and what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamvpr.export.architectures.building import load
from streamvpr.export.architectures.pooling import unit

if TYPE_CHECKING:
    from streamvpr.export.architectures.building import State

CELL = 8
"""Pixels of a side of what one descriptor stands for."""
MULTIPLE_OF = 32
"""Of which width and height must be: the coarsest maps are a 32nd of the picture."""
# What a picture's variance is kept from zero by, for values of 0 to 1: a third of a grey level.
LEAST_VARIANCE = 1e-5
UNUSED = ("fine_matcher",)
"""Refines matches of dense descriptors; points have no need of it."""

Maps = tuple[Tensor, Tensor, Tensor]


class XFeat(nn.Module):
    """Luma (N, 1, H, W) uint8, H and W multiples of 32, to three maps, float32.

    `descriptors` (N, 64, H/8, W/8) of length 1 along the second axis; `keypoints` (N, H, W), the
    probability of each pixel to be the point of its cell of 8 by 8, which has one or none;
    `reliability` (N, H/8, W/8), 0 to 1: how likely such a descriptor is to be matched rightly.
    Module names are those of the published weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(
            _Layer(1, 4), _Layer(4, 8, stride=2), _Layer(8, 8), _Layer(8, 24, stride=2)
        )
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, 64, stride=2), _Layer(64, 64), _Layer(64, 64, 1))
        self.block4 = nn.Sequential(_Layer(64, 64, stride=2), _Layer(64, 64), _Layer(64, 64))
        self.block5 = nn.Sequential(
            _Layer(64, 128, stride=2), _Layer(128, 128), _Layer(128, 128), _Layer(128, 64, 1)
        )
        self.block_fusion = nn.Sequential(_Layer(64, 64), _Layer(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap_head = nn.Sequential(
            _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid()
        )
        self.keypoint_head = nn.Sequential(
            *(_Layer(64, 64, 1) for _ in range(3)), nn.Conv2d(64, CELL * CELL + 1, 1)
        )

    def forward(self, images: Tensor) -> Maps:
        """The maps of luma images (N, 1, H, W) uint8."""
        luma = _standardised(images.float() / 255)
        fine = self.block3(self.block2(self.block1(luma) + self.skip1(luma)))
        middle = self.block4(fine)
        coarse = self.block5(middle)
        fused = self.block_fusion(fine + _enlarged(middle, 2) + _enlarged(coarse, 4))
        # The last of a cell's 65 classes says that it has no point.
        classes = self.keypoint_head(functional.pixel_unshuffle(luma, CELL)).softmax(dim=1)
        keypoints = functional.pixel_shuffle(classes[:, :-1], CELL)
        return unit(fused), keypoints.squeeze(1), self.heatmap_head(fused).squeeze(1)


class _Layer(nn.Module):
    """Convolution, batch normalisation without a gain of its own, and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, affine=False),
            nn.ReLU(),
        )

    def forward(self, planes: Tensor) -> Tensor:
        found: Tensor = self.layer(planes)
        return found


def build_xfeat(state: State) -> XFeat:
    """The network with its weights, ready to run. Raises ModelError where they are another's."""
    module = XFeat()
    load(module, state, unused=UNUSED)
    module.eval().requires_grad_(False)
    return module


def _standardised(luma: Tensor) -> Tensor:
    """Each picture with mean 0 and variance 1."""
    centred = luma - luma.mean(dim=(2, 3), keepdim=True)
    variance = (centred * centred).mean(dim=(2, 3), keepdim=True)
    return centred * torch.rsqrt(variance + LEAST_VARIANCE)


def _enlarged(planes: Tensor, factor: int) -> Tensor:
    return functional.interpolate(planes, scale_factor=float(factor), mode="bilinear")
