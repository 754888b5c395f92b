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


def generalised_mean(features: Tensor, p: Tensor | float) -> Tensor:
    """(N, C, h, w) to (N, C): the mean of the powers, and the root of that."""
    return features.clamp(min=EPSILON).pow(p).mean((2, 3)).pow(1.0 / p)


def unit(vectors: Tensor) -> Tensor:
    """(N, D) to rows of length 1."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12)
