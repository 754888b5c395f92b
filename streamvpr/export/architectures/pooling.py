"""From features to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 1e-6
POWER = 3.0


class GeM(nn.Module):
    """Generalised mean over the places of each channel: (N, C, h, w) to (N, C).

    Radenović et al., Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2018: between
    the average (p = 1) and the maximum (p without bound), for values that are not negative.
    """

    def __init__(self, p: float = POWER) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C)."""
        return generalised_mean(features, self.p)


class SplitGeM(nn.Module):
    """Generalised means of the positive and the negative part: (N, C, h, w) to (N, 2 C).

    For features of both signs in convolutional networks: each channel is two, one for what is above
    zero and one for what is below, and nothing that the network says is cut off.
    """

    def __init__(self, p: float = POWER) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to (N, 2 C)."""
        return generalised_mean(torch.cat([features, -features], dim=1), self.p)


class SignedGeM(nn.Module):
    """Generalised mean of values of both signs: (N, places, C) to (N, C).

    GeM stands on values that are not negative, as a ReLU leaves them; what a transformer's last
    layer norm leaves has both signs. Clamping, as GeM does, would drop the negative half of the
    evidence, and the power of the magnitude would call opposite features alike. So each value
    keeps its sign through power and root. For p = 3 that is the plain cube and cube root, with
    which Keetha et al., AnyLoc: Towards Universal Visual Place Recognition, RA-L 2023 pool DINOv2
    unless told otherwise; and it leaves C dimensions, where two halves side by side need 2 C.
    """

    def __init__(self, p: float = POWER) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, places, C) to (N, C)."""
        return signed_power(signed_power(tokens, self.p).mean(1), 1.0 / self.p)


class Unit(nn.Module):
    """`unit` as a layer."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, D, ...) to the same, of length 1 along D."""
        return unit(vectors)


def signed_power(values: Tensor, p: Tensor | float) -> Tensor:
    """The power of the magnitude, with the sign of the value."""
    return values.sign() * values.abs().pow(p)


def generalised_mean(features: Tensor, p: Tensor | float) -> Tensor:
    """(N, C, h, w) to (N, C): the mean of the powers, and the root of that."""
    return features.clamp(min=EPSILON).pow(p).mean((2, 3)).pow(1.0 / p)


def unit(vectors: Tensor) -> Tensor:
    """(N, D), or (N, D, ...) with a vector in each place, to vectors of length 1 along D."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
