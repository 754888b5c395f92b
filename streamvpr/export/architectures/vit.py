"""DINOv2's vision transformer, with or without registers.

Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024; Darcet, Oquab,
Mairal and Bojanowski, Vision Transformers Need Registers, ICLR 2024.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamvpr.errors import ModelError
from streamvpr.export.architectures.building import State, count, shape_of

HEAD = 64
"""Width of an attention head, in all sizes of the network."""
EPSILON = 1e-6
"""Of the layer norms."""
WIDENING = 4
"""Of the two layers after the attention."""
SPARE = 0.1
"""What DINOv2 adds to a grid's sides before it stretches the positions to it."""


@dataclass(frozen=True, slots=True)
class ViTShape:
    """How large a transformer is."""

    width: int
    """Of a token."""
    depth: int
    """Blocks."""
    registers: int = 0
    patch: int = 14
    """Pixels along a side."""
    side: int = 37
    """Patches along a side of the square pictures for which there are positions: 518 pixels."""


SMALL = ViTShape(384, 12)
BASE = ViTShape(768, 12)
LARGE = ViTShape(1024, 24)


class Attention(nn.Module):
    """Of all tokens to all tokens, in heads: (N, T, C) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, C) to the same."""
        count, width = tokens.shape[1:]
        mixed = self.qkv(tokens).reshape(-1, count, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        queries, keys, values = mixed[0] * HEAD**-0.5, mixed[1], mixed[2]
        weights = (queries @ keys.transpose(2, 3)).softmax(3)
        return self.proj((weights @ values).transpose(1, 2).reshape(-1, count, width))


class LayerScale(nn.Module):
    """A factor for each channel: (N, T, C) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, C) to the same."""
        return tokens * self.gamma


class Block(nn.Module):
    """Attention and two layers on each token, each added to what came in: (N, T, C) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, EPSILON) for _ in range(2))
        self.ls1, self.ls2 = LayerScale(width), LayerScale(width)
        self.attn = Attention(width)
        wide, narrow = nn.Linear(width, WIDENING * width), nn.Linear(WIDENING * width, width)
        self.mlp = nn.Sequential(OrderedDict(fc1=wide, act=nn.GELU(), fc2=narrow))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, C) to the same."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class VisionTransformer(nn.Module):
    """Pictures (N, 3, H, W) to tokens (N, 1 + registers + places, C), after the last norm."""

    def __init__(self, shape: ViTShape) -> None:
        super().__init__()
        self.shape = shape
        width, patch = shape.width, shape.patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + shape.side**2, width))
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, shape.registers, width))
        # Training hides patches behind it; it is here since the published files have it.
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, patch, patch)))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(width, EPSILON)

    @property
    def prefix(self) -> int:
        """How many tokens stand before those of the patches."""
        return 1 + self.shape.registers

    def fit(self, size: tuple[int, int]) -> None:
        """Stretch the positions to pictures (width, height), once and for all.

        Raises ModelError where that is no multiple of the patches.
        """
        columns, rows = count_patches(size, self.shape.patch)
        # Those with registers were trained with another way of stretching than those without.
        smooth = bool(self.shape.registers)
        positions = stretch_positions(self.pos_embed.detach(), (rows, columns), smooth=smooth)
        self.pos_embed = nn.Parameter(positions)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, T, C)."""
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        # Empty places for the tokens in front, and what stands there added with the positions:
        # repeating those tokens for each picture would make the graph ask how many there are.
        tokens = functional.pad(patches, (0, 0, self.prefix, 0)) + self._start()
        return self.norm(self.blocks(tokens))

    def _start(self) -> Tensor:
        """(1, T, C): what is the same in every picture. Registers have no position."""
        first = self.cls_token + self.pos_embed[:, :1]
        registers = [self.register_tokens] if self.shape.registers else []
        return torch.cat([first, *registers, self.pos_embed[:, 1:]], 1)


def stretch_positions(positions: Tensor, grid: tuple[int, int], *, smooth: bool) -> Tensor:
    """(1, 1 + side * side, C) to (1, 1 + rows * columns, C), as DINOv2 does it.

    Bicubic; smoothed and to the grid exactly for networks with registers, else by factors with a
    little to spare, which also sets where the samples are taken. The same grid is left alone.
    """
    side = isqrt(positions.shape[1] - 1)
    if grid == (side, side):
        return positions
    square = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if smooth:
        stretched = functional.interpolate(square, size=grid, mode="bicubic", antialias=True)
    else:
        factors = tuple((each + SPARE) / side for each in grid)
        stretched = functional.interpolate(square, scale_factor=factors, mode="bicubic")
    return torch.cat([positions[:, :1], stretched.flatten(2).transpose(1, 2)], 1)


def count_patches(size: tuple[int, int], patch: int) -> tuple[int, int]:
    """(columns, rows) of pictures (width, height). Raises ModelError for no multiple of a patch."""
    if any(pixels < patch or pixels % patch for pixels in size):
        near = "x".join(str(max(round(pixels / patch), 1) * patch) for pixels in size)
        raise ModelError(
            f"pictures of {size[0]}x{size[1]} do not divide into the patches of {patch}x{patch} "
            f"that the network sees; take {near}"
        )
    return size[0] // patch, size[1] // patch


def find_shape(state: State, prefix: str = "") -> ViTShape:
    """The sizes that the weights have. Raises ModelError where they are of no such transformer."""
    width, _, patch, _ = shape_of(state, f"{prefix}patch_embed.proj.weight", 4)
    _, positions, _ = shape_of(state, f"{prefix}pos_embed", 3)
    side = isqrt(max(positions - 1, 0))
    if side**2 != positions - 1 or width % HEAD:
        raise ModelError(
            f"the weights have {prefix}pos_embed with {positions} positions of width {width}, and "
            f"the network needs a square number and one, of a width that {HEAD} divides"
        )
    registers = f"{prefix}register_tokens"
    more = shape_of(state, registers, 3)[1] if registers in state else 0
    return ViTShape(width, count(state, f"{prefix}blocks."), more, patch, side)
