"""MobileNetV2 and EfficientNet-Lite0: tables of stages, and one module for both.

Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018; Tan and Le,
EfficientNet, ICML 2019, in its variant for small devices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from streamvpr.errors import ConfigError, ModelError
from streamvpr.export.architectures.building import Cut, State, load
from streamvpr.export.architectures.pooling import GeM, SplitGeM

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_CHANNELS = 1280
STEM_CHANNELS = 32
STAGES = ("signed", "features", "head")
"""What is pooled: both signs of the last block, its positive part, or what the 1x1 head makes of
it. The last block is linear: half of what it says is negative, which the usual mean cuts off."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; only the first of them may have a stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True, slots=True)
class Naming:
    """How a family of checkpoints names the tensors."""

    marker: str
    """A key that only these have."""
    renames: tuple[tuple[str, str], ...]
    """Regular expressions that turn their keys into those of `Backbone`."""
    unused: tuple[str, ...] = ()
    """Beginnings of keys that a descriptor has no use for."""

    def rename(self, key: str) -> str:
        """A checkpoint's key in the words of `Backbone`."""
        for pattern, replacement in self.renames:
            key = re.sub(pattern, replacement, key)
        return key


@dataclass(frozen=True, slots=True)
class Architecture:
    """A published network: its stages, how it pads, and the names its checkpoints use."""

    stages: tuple[Stage, ...]
    same_padding: bool
    """Pad as TensorFlow's SAME does (the odd pixel at the end), or by half a kernel all around."""
    norm_epsilon: float
    namings: tuple[Naming, ...]


EFFICIENTNET_LITE0 = Architecture(
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 40, 2, 2, kernel=5),
        Stage(6, 80, 3, 2),
        Stage(6, 112, 3, 1, kernel=5),
        Stage(6, 192, 4, 2, kernel=5),
        Stage(6, 320, 1, 1),
    ),
    same_padding=True,
    norm_epsilon=1e-3,
    namings=(
        Naming(
            marker="_conv_stem.weight",
            renames=(
                (r"^_conv_stem\.", "stem.conv."),
                (r"^_bn0\.", "stem.norm."),
                (r"^_conv_head\.", "head.conv."),
                (r"^_bn1\.", "head.norm."),
                (r"^_blocks\.", "blocks."),
                (r"\._expand_conv\.", ".expand.conv."),
                (r"\._bn0\.", ".expand.norm."),
                (r"\._depthwise_conv\.", ".depthwise.conv."),
                (r"\._bn1\.", ".depthwise.norm."),
                (r"\._project_conv\.", ".project.conv."),
                (r"\._bn2\.", ".project.norm."),
            ),
            unused=("_fc.",),
        ),
    ),
)

_LAST_BLOCK = 17
_ENDS = (
    (r"^features\.0\.0\.", "stem.conv."),
    (r"^features\.0\.1\.", "stem.norm."),
    (rf"^features\.{_LAST_BLOCK + 1}\.0\.", "head.conv."),
    (rf"^features\.{_LAST_BLOCK + 1}\.1\.", "head.norm."),
)
_BLOCKS = tuple((rf"^features\.{i}\.", f"blocks.{i - 1}.") for i in range(2, _LAST_BLOCK + 1))

TORCHVISION = Naming(
    marker="features.1.conv.0.0.weight",
    renames=(
        *_ENDS,
        (r"^features\.1\.conv\.0\.0\.", "blocks.0.depthwise.conv."),
        (r"^features\.1\.conv\.0\.1\.", "blocks.0.depthwise.norm."),
        (r"^features\.1\.conv\.1\.", "blocks.0.project.conv."),
        (r"^features\.1\.conv\.2\.", "blocks.0.project.norm."),
        *_BLOCKS,
        (r"\.conv\.0\.0\.", ".expand.conv."),
        (r"\.conv\.0\.1\.", ".expand.norm."),
        (r"\.conv\.1\.0\.", ".depthwise.conv."),
        (r"\.conv\.1\.1\.", ".depthwise.norm."),
        (r"(blocks\.\d+)\.conv\.2\.", r"\1.project.conv."),
        (r"(blocks\.\d+)\.conv\.3\.", r"\1.project.norm."),
    ),
    unused=("classifier.",),
)
"""torchvision's, since its blocks have their activation inside a unit."""

FLAT = Naming(
    marker="features.1.conv.3.weight",
    renames=(
        *_ENDS,
        (r"^features\.1\.conv\.0\.", "blocks.0.depthwise.conv."),
        (r"^features\.1\.conv\.1\.", "blocks.0.depthwise.norm."),
        (r"^features\.1\.conv\.3\.", "blocks.0.project.conv."),
        (r"^features\.1\.conv\.4\.", "blocks.0.project.norm."),
        *_BLOCKS,
        (r"\.conv\.0\.", ".expand.conv."),
        (r"\.conv\.1\.", ".expand.norm."),
        (r"\.conv\.3\.", ".depthwise.conv."),
        (r"\.conv\.4\.", ".depthwise.norm."),
        (r"\.conv\.6\.", ".project.conv."),
        (r"\.conv\.7\.", ".project.norm."),
    ),
    unused=("classifier.",),
)
"""That of the first ports to torch, one list of layers a block."""

MOBILENETV2 = Architecture(
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 32, 3, 2),
        Stage(6, 64, 4, 2),
        Stage(6, 96, 3, 1),
        Stage(6, 160, 3, 2),
        Stage(6, 320, 1, 1),
    ),
    same_padding=False,
    norm_epsilon=1e-5,
    namings=(TORCHVISION, FLAT),
)


@dataclass(frozen=True, slots=True)
class ConvShape:
    """What a convolution needs to know besides its weights."""

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    activated: bool = True


class ConvUnit(nn.Module):
    """Padding, convolution, batch normalisation and, unless the unit is linear, ReLU6."""

    def __init__(self, architecture: Architecture, shape: ConvShape) -> None:
        super().__init__()
        self.same_padding = architecture.same_padding
        self.activated = shape.activated
        self.conv = nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            shape.stride,
            groups=shape.inputs if shape.depthwise else 1,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(shape.outputs, eps=architecture.norm_epsilon)

    def padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) for an input of this size."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if not self.same_padding:
            return (kernel // 2,) * 4
        rows, columns = (same_padding(each, kernel, stride) for each in (height, width))
        return rows[0], columns[0], rows[1], columns[1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, h, w)."""
        top, left, bottom, right = self.padding(x.shape[2], x.shape[3])
        x = self.norm(self.conv(functional.pad(x, (left, right, top, bottom))))
        return functional.relu6(x) if self.activated else x


class Block(nn.Module):
    """An inverted residual: widen (if at all), filter each channel, narrow, add the input."""

    def __init__(self, architecture: Architecture, stage: Stage, inputs: int, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expand = None
        if stage.expansion != 1:
            self.expand = ConvUnit(architecture, ConvShape(inputs, wide))
        filters = ConvShape(wide, wide, stage.kernel, stride, depthwise=True)
        self.depthwise = ConvUnit(architecture, filters)
        narrow = ConvShape(wide, stage.channels, activated=False)
        self.project = ConvUnit(architecture, narrow)
        self.residual = stride == 1 and inputs == stage.channels

    def units(self) -> Iterator[tuple[str, ConvUnit]]:
        """The block's convolutions with their names, in order."""
        named = ("expand", self.expand), ("depthwise", self.depthwise), ("project", self.project)
        return ((name, unit) for name, unit in named if unit is not None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, channels, h, w)."""
        y = x
        for _, unit in self.units():
            y = unit(y)
        return x + y if self.residual else y


class Backbone(nn.Module):
    """Stem, blocks and, unless it is left out, the 1x1 head."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.stem = ConvUnit(architecture, ConvShape(3, STEM_CHANNELS, 3, 2))
        blocks, channels = [], STEM_CHANNELS
        for stage in architecture.stages:
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(Block(architecture, stage, channels, stride))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head: ConvUnit | None = ConvUnit(architecture, ConvShape(channels, HEAD_CHANNELS))

    @property
    def channels(self) -> int:
        """The width of what `forward` returns."""
        last = self.head if self.head is not None else self.blocks[-1].project
        return int(last.conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), normalised, to (N, channels, h, w)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x if self.head is None else self.head(x)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME along one axis: (before, after), the odd pixel after."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class MobileGeM(nn.Module):
    """A backbone and the generalised mean of what it says: (N, 3, H, W) to (N, D)."""

    def __init__(self, backbone: Backbone, gem: nn.Module) -> None:
        super().__init__()
        self.backbone, self.gem = backbone, gem

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        return self.gem(self.backbone(images))


def build_efficientnet_lite0(state: State, cut: Cut) -> MobileGeM:
    """EfficientNet-Lite0 with GeM. Raises ModelError, ConfigError."""
    return build_mobile(EFFICIENTNET_LITE0, state, cut)


def build_mobilenetv2(state: State, cut: Cut) -> MobileGeM:
    """MobileNetV2 with GeM. Raises ModelError, ConfigError."""
    return build_mobile(MOBILENETV2, state, cut)


def build_mobile(architecture: Architecture, state: State, cut: Cut) -> MobileGeM:
    """The network with its weights, pooled as `cut.stage` says."""
    stage = cut.stage or STAGES[0]
    if stage not in STAGES:
        raise ConfigError(f"--stage {stage}: this network has {', '.join(STAGES)}")
    backbone = Backbone(architecture)
    naming = _find_naming(architecture, state)
    kept = {key: value for key, value in state.items() if not key.startswith(naming.unused)}
    load(backbone, {naming.rename(key): value for key, value in kept.items()})
    if stage != "head":
        backbone.head = None
    return MobileGeM(backbone, SplitGeM() if stage == "signed" else GeM())


def _find_naming(architecture: Architecture, state: State) -> Naming:
    for naming in architecture.namings:
        if naming.marker in state:
            return naming
    markers = " or ".join(naming.marker for naming in architecture.namings)
    raise ModelError(f"the weights lack {markers}; are they of this network?")
