"""The networks in torch, under the names that their published checkpoints use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.errors import ModelError
from streamvpr.export.architectures.cosplace import build_cosplace
from streamvpr.export.architectures.dinov2 import build_dinov2_gem
from streamvpr.export.architectures.mixvpr import build_mixvpr
from streamvpr.export.architectures.mobile import build_efficientnet_lite0, build_mobilenetv2
from streamvpr.export.architectures.netvlad import build_netvlad
from streamvpr.export.architectures.resnet import build_resnet50_gem
from streamvpr.export.architectures.salad import build_dinov2_salad

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from streamvpr.export.architectures.building import Cut, State

BUILDERS: dict[str, Callable[[State, Cut], nn.Module]] = {
    "resnet50-gem": build_resnet50_gem,
    "efficientnet-lite0-gem": build_efficientnet_lite0,
    "mobilenetv2-gem": build_mobilenetv2,
    "cosplace": build_cosplace,
    "eigenplaces": build_cosplace,
    "mixvpr": build_mixvpr,
    "netvlad": build_netvlad,
    "dinov2-gem": build_dinov2_gem,
    "dinov2-salad": build_dinov2_salad,
}
"""By the network's name: from a checkpoint's tensors to a module (N, 3, H, W) -> (N, D)."""


def build(name: str, state: State, cut: Cut) -> nn.Module:
    """The network with its weights, ready to run: normalised pictures (N, 3, H, W) to (N, D).

    Raises ModelError where the weights are not that network's.
    """
    module = BUILDERS[name](state, cut)
    return module.eval().requires_grad_(False)


__all__ = ["BUILDERS", "ModelError", "build"]
