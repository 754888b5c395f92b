"""The two backbones, as published, in plain torch: tables of stages and one module for both.

Shapes: (N, 3, H, W) float32 in, (N, C, h, w) float32 out, h and w about H / 32 and W / 32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_CHANNELS = 1280
STEM_CHANNELS = 32


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; only the first of them may have a stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True, slots=True)
class Architecture:
    """A published network: its stages, how it pads, and the names its checkpoint uses."""

    name: str
    description: str
    stages: tuple[Stage, ...]
    same_padding: bool
    """Pad as TensorFlow's SAME does (the odd pixel at the end), or by half a kernel all around."""
    norm_epsilon: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    renames: tuple[tuple[str, str], ...]
    """Regular expressions that turn a checkpoint's keys into those of `Backbone`."""
    unused: frozenset[str] = frozenset()
    """The checkpoint's keys that a descriptor has no use for."""


EFFICIENTNET_LITE0 = Architecture(
    name="efficientnet-lite0-gem",
    description="EfficientNet-Lite0, trained on ImageNet",
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
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
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
    unused=frozenset({"_fc.weight", "_fc.bias"}),
)

_LAST_BLOCK = 17

MOBILENETV2 = Architecture(
    name="mobilenetv2-gem",
    description="MobileNetV2, trained on ImageNet",
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
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    renames=(
        (r"^features\.0\.0\.", "stem.conv."),
        (r"^features\.0\.1\.", "stem.norm."),
        (rf"^features\.{_LAST_BLOCK + 1}\.0\.", "head.conv."),
        (rf"^features\.{_LAST_BLOCK + 1}\.1\.", "head.norm."),
        (r"^features\.1\.conv\.0\.", "blocks.0.depthwise.conv."),
        (r"^features\.1\.conv\.1\.", "blocks.0.depthwise.norm."),
        (r"^features\.1\.conv\.3\.", "blocks.0.project.conv."),
        (r"^features\.1\.conv\.4\.", "blocks.0.project.norm."),
        *((rf"^features\.{i}\.", f"blocks.{i - 1}.") for i in range(2, _LAST_BLOCK + 1)),
        (r"\.conv\.0\.", ".expand.conv."),
        (r"\.conv\.1\.", ".expand.norm."),
        (r"\.conv\.3\.", ".depthwise.conv."),
        (r"\.conv\.4\.", ".depthwise.norm."),
        (r"\.conv\.6\.", ".project.conv."),
        (r"\.conv\.7\.", ".project.norm."),
    ),
)

ARCHITECTURES = {each.name: each for each in (EFFICIENTNET_LITE0, MOBILENETV2)}


@dataclass(frozen=True, slots=True)
class ConvShape:
    """What a convolution needs to know besides its weights."""

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    activated: bool = True


class ConvUnit(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Padding, convolution, batch normalisation and, unless the unit is linear, ReLU6."""

    def __init__(self, architecture: Architecture, shape: ConvShape) -> None:
        """Make the unit with untrained weights."""
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


class Block(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """An inverted residual: widen (if at all), filter each channel, narrow, add the input."""

    def __init__(self, architecture: Architecture, stage: Stage, inputs: int, stride: int) -> None:
        """Make the block with untrained weights."""
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


class Backbone(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Stem, blocks and, unless it is left out, the 1x1 head."""

    def __init__(self, architecture: Architecture) -> None:
        """Make the network with untrained weights."""
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


def load_backbone(architecture: Architecture, state: dict[str, Tensor]) -> Backbone:
    """The backbone with these weights; any missing or unknown key is an error."""
    missing = architecture.unused - state.keys()
    if missing:
        raise ValueError(f"the checkpoint lacks {sorted(missing)}")
    backbone = Backbone(architecture)
    kept = {key: value for key, value in state.items() if key not in architecture.unused}
    backbone.load_state_dict({rename(architecture, k): v for k, v in kept.items()}, strict=True)
    backbone.eval().requires_grad_(False)
    return backbone


def rename(architecture: Architecture, key: str) -> str:
    """A checkpoint's key in the words of `Backbone`."""
    for pattern, replacement in architecture.renames:
        key = re.sub(pattern, replacement, key)
    return key
