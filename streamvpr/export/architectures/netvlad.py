"""NetVLAD on VGG-16, under the names of the PyTorch implementation by Nanne van Noord.

Arandjelović, Gronat, Torii, Pajdla and Sivic, NetVLAD: CNN Architecture for Weakly Supervised Place
Recognition, CVPR 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from streamvpr.export.architectures.building import Cut, State, load, shape_of
from streamvpr.export.architectures.pooling import unit

CHANNELS = 512
CENTROIDS = "pool.centroids"
BIAS = "pool.conv.bias"


class NetVLADPooling(nn.Module):
    """Softly assigned residuals to K centroids: (N, C, h, w) to (N, K * C).

    V(k) = sum over places i of a_k(x_i) (x_i - c_k), each V(k) then of length 1. The features come
    in with length 1. The assignment a has weights of its own; a bias only in what that
    implementation calls vladv2, which its published weights are not.
    """

    def __init__(self, clusters: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, clusters, 1, bias=bias)
        self.centroids = nn.Parameter(torch.rand(clusters, CHANNELS))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) to (N, K * C)."""
        features = unit(features)
        assigned = self.conv(features).flatten(2).softmax(1)
        # The sum over residuals, as one product less the centroids times what they were assigned.
        sums = assigned @ features.flatten(2).transpose(1, 2)
        residuals = sums - assigned.sum(2, keepdim=True) * self.centroids
        return unit(residuals.transpose(1, 2)).transpose(1, 2).flatten(1)


class NetVLAD(nn.Module):
    """VGG-16 up to conv5_3, before its ReLU, and the pooling: (N, 3, H, W) to (N, D)."""

    def __init__(self, clusters: int, *, bias: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*list(vgg16(weights=None).features)[:-2])
        self.pool = NetVLADPooling(clusters, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        return self.pool(self.encoder(images))


def build_netvlad(state: State, cut: Cut) -> NetVLAD:
    """The network with as many clusters as the weights have. Raises ModelError."""
    clusters, _ = shape_of(state, CENTROIDS, 2)
    module = make_netvlad(clusters, bias=BIAS in state)
    load(module, state)
    return module


def make_netvlad(clusters: int = 64, *, bias: bool = False) -> NetVLAD:
    """The network with untrained weights."""
    return NetVLAD(clusters, bias=bias)
