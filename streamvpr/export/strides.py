"""Where a ResNet's strides stand, found out from its weights.

ResNets of 2015 (v1) halve the picture in the first 1x1 convolution of a stage, torchvision's (v1.5)
in the 3x3 one behind it. The weights have the same names and shapes, and the wrong reading gives
descriptors that are merely worse. But each batch normalisation remembers the variance of every
channel while it was trained: fed with photographs, the right reading finds the same proportions.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from streamvpr.export.architectures.resnet import build_resnet50_gem
from streamvpr.export.pictures import photographs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.export.architectures.building import Cut, State
    from streamvpr.networks import Network

logger = logging.getLogger(__name__)

SIDE = 224
"""Pixels: what such networks are trained on."""
PICTURES = 8
CLEAR = 1.05
"""Ratio of the two misfits from which on the answer is believed. Of real weights of 2015 it was 1.1
to 1.4 on photographs of all kinds."""
AFTER = ("layer2.", "layer3.")
"""What the two readings see differently."""
SILENT = 1e-3
"""Channels with so little of the median variance say nothing."""


def strides_in_1x1(state: State, cut: Cut, network: Network) -> bool:
    """Whether the weights are of a v1 ResNet-50; where they don't tell, they are taken for v1.5."""
    images = normalised(photographs(PICTURES, (SIDE, SIDE)), network)
    first, later = (_misfit(state, cut, images, v1=v1) for v1 in (True, False))
    if later > CLEAR * first:
        logger.info("the weights are of a ResNet with strides in its 1x1 convolutions (v1)")
        return True
    if first <= CLEAR * later:
        logger.warning(
            "cannot tell whether the weights have their strides in the 1x1 convolutions (v1); "
            "taking them for torchvision's (v1.5), say --stride-in-1x1 if that is wrong"
        )
    return False


def normalised(images: NDArray[np.uint8], network: Network) -> Tensor:
    """Pictures (N, H, W, 3) as the network is fed them, (N, 3, H, W)."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (network.mean, network.std))
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std


def _misfit(state: State, cut: Cut, images: Tensor, *, v1: bool) -> float:
    """How far the channels' variances are from those remembered, but for a common factor."""
    module = build_resnet50_gem(state, replace(cut, stride_in_1x1=v1)).eval()
    found: list[float] = []
    for name, norm in module.named_modules():
        if isinstance(norm, nn.BatchNorm2d) and name.startswith(AFTER):
            norm.register_forward_hook(_listener(found))
    with torch.no_grad():
        module(images)
    return sum(found) / len(found)


def _listener(found: list[float]) -> Callable[[nn.BatchNorm2d, tuple[Tensor], Tensor], None]:
    def listen(norm: nn.BatchNorm2d, inputs: tuple[Tensor], _: Tensor) -> None:
        remembered = norm.running_var
        heard = remembered > SILENT * remembered.median()
        variances = inputs[0].var((0, 2, 3)).clamp(min=1e-12)
        found.append(float(torch.log(variances / remembered)[heard].std()))

    return listen
