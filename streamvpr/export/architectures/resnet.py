"""ResNet-50 with GeM, from torchvision's parts: weights as published for classifying, cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torchvision.models import resnet50

from streamvpr.errors import ModelError
from streamvpr.export.architectures.building import Cut, State, load
from streamvpr.export.architectures.pooling import POWER, GeM

if TYPE_CHECKING:
    from torchvision.models import ResNet

STAGES = ("layer1", "layer2", "layer3", "layer4")
STRIDED = ("layer2", "layer3", "layer4")
GEM_KEY = "gem.p"


class ResNetGeM(nn.Module):
    """A ResNet up to a stage, and the generalised mean of what it says: (N, 3, H, W) to (N, D)."""

    def __init__(self, resnet: ResNet, stage: str) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = resnet.conv1, resnet.bn1, resnet.relu
        self.maxpool = resnet.maxpool
        kept = STAGES[: STAGES.index(stage) + 1]
        for name in kept:
            setattr(self, name, getattr(resnet, name))
        self.kept = kept
        self.gem = GeM()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for name in self.kept:
            features = getattr(self, name)(features)
        return self.gem(features)


def build_resnet50_gem(state: State, cut: Cut) -> ResNetGeM:
    """ResNet-50 with GeM of p from the weights (key gem.p), else 3. Raises ModelError."""
    module = make_resnet50_gem(
        choose_stage(state, cut.stage), stride_in_1x1=bool(cut.stride_in_1x1)
    )
    unused = ["fc.", *(f"{stage}." for stage in STAGES if stage not in module.kept)]
    load(module, {GEM_KEY: _power(), **state}, unused=unused)
    return module


def make_resnet50_gem(stage: str, *, stride_in_1x1: bool = False) -> ResNetGeM:
    """The network with untrained weights."""
    resnet = resnet50(weights=None)
    if stride_in_1x1:
        stride_first(resnet)
    return ResNetGeM(resnet, stage)


def stride_first(resnet: ResNet) -> None:
    """Make torchvision's ResNet (v1.5) one of 2015 (v1), as its first weights were trained.

    There the stride stands on the first 1x1 convolution of a stage, and the pooling after the stem
    has no border but counts the rest at the end.
    """
    for name in STRIDED:
        block = getattr(resnet, name)[0]
        block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
    resnet.maxpool = nn.MaxPool2d(3, 2, 0, ceil_mode=True)


def choose_stage(state: State, wanted: str | None) -> str:
    """The last stage to keep: the one asked for, else the last one of the last two that is there.

    Raises ModelError where the weights do not have it.
    """
    there = [stage for stage in STAGES[2:] if any(key.startswith(f"{stage}.") for key in state)]
    if wanted is None and there:
        return there[-1]
    if wanted in there:
        return wanted
    raise ModelError(
        f"the weights have no {wanted or 'layer3'} (they have {', '.join(there) or 'neither'} of "
        "layer3 and layer4); are they of a ResNet-50, under torchvision's names?"
    )


def _power() -> Tensor:
    return GeM(POWER).p.detach()
