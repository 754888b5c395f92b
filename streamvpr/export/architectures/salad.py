"""SALAD on DINOv2: optimal transport by alternate log-softmaxes, in code of its own.

Izquierdo and Civera, Optimal Transport Aggregation for Visual Place Recognition, CVPR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamvpr.errors import ModelError
from streamvpr.export.architectures.building import Cut, State, load, shape_of
from streamvpr.export.architectures.pooling import unit
from streamvpr.export.architectures.vit import (
    VisionTransformer,
    ViTShape,
    count_patches,
    find_shape,
)

ITERATIONS = 3
"""Of Sinkhorn's algorithm, as the published weights were trained."""
BACKBONE = "backbone.model."


@dataclass(frozen=True, slots=True)
class SALADShape:
    """How large the aggregation is; these are the published one's sizes, for 8448 dimensions."""

    clusters: int = 64
    local: int = 128
    """Of what each cluster gathers."""
    token: int = 256
    """Of the part that stands for the whole picture."""
    hidden: int = 512


class SALAD(nn.Module):
    """Features moved to clusters at the least cost: (N, P, C) and (N, C) to (N, D).

    Each feature has a mass of 1 to give. Each cluster takes 1, and a dustbin, with one score for
    all of them, what is left; what goes there says nothing of the place.
    """

    def __init__(self, channels: int, shape: SALADShape) -> None:
        super().__init__()
        hidden = shape.hidden
        self.token_features = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, shape.token)
        )
        self.cluster_features = _make_mlp(channels, hidden, shape.local)
        self.score = _make_mlp(channels, hidden, shape.clusters)
        self.dust_bin = nn.Parameter(torch.tensor(1.0))

    def forward(self, patches: Tensor, token: Tensor) -> Tensor:
        """Tokens of patches (N, P, C) and of the whole (N, C) to (N, token + local * clusters)."""
        places = patches.transpose(1, 2).unsqueeze(3)
        shares = log_transport(self.score(places).squeeze(3), self.dust_bin).exp()[:, :-1]
        gathered = self.cluster_features(places).squeeze(3) @ shares.transpose(1, 2)
        return torch.cat([unit(self.token_features(token)), unit(gathered).flatten(1)], 1)


class DINOv2SALAD(nn.Module):
    """DINOv2, tuned for places, and the aggregation: (N, 3, H, W) to (N, D)."""

    def __init__(self, backbone: ViTShape, shape: SALADShape) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"model": VisionTransformer(backbone)})
        self.aggregator = SALAD(backbone.width, shape)

    @property
    def transformer(self) -> VisionTransformer:
        """What the weights call the model of the backbone."""
        transformer: VisionTransformer = self.backbone["model"]
        return transformer

    def forward(self, images: Tensor) -> Tensor:
        """Normalised pictures (N, 3, H, W) to (N, D)."""
        tokens = self.transformer(images)
        return self.aggregator(tokens[:, self.transformer.prefix :], tokens[:, 0])


def build_dinov2_salad(state: State, cut: Cut) -> DINOv2SALAD:
    """The network with the sizes that the weights have, for pictures of one size.

    Raises ModelError where the weights are not of it, or such pictures have too few patches.
    """
    backbone, shape = find_shape(state, BACKBONE), find_salad_shape(state)
    _check_size(cut.size, backbone, shape)
    module = make_dinov2_salad(backbone, shape)
    load(module, state)
    module.transformer.fit(cut.size)
    return module


def make_dinov2_salad(backbone: ViTShape, shape: SALADShape | None = None) -> DINOv2SALAD:
    """The network with untrained weights, for pictures of the backbone's own size."""
    return DINOv2SALAD(backbone, shape or SALADShape())


def log_transport(scores: Tensor, dust_bin: Tensor) -> Tensor:
    """Logarithms of what each cluster, and the dustbin last, gets of each feature.

    (N, K, P) and () to (N, K + 1, P). Sinkhorn's algorithm: the rows are scaled to sum up to what
    clusters and dustbin take, then the columns to what a feature gives, and so on. It ends with the
    columns, so that those sums hold exactly and the rows' nearly. In logarithms, scaling to a sum
    of 1 is a log-softmax.
    """
    clusters, places = scores.shape[1:]
    below = (0, 0, 0, 1)
    bin_score = functional.pad(dust_bin.reshape(1, 1, 1), (0, 0, clusters, 0))
    log_mass = torch.tensor([[[0.0]] * clusters + [[log(places - clusters)]]])
    plan = functional.pad(scores, below) + bin_score
    for _ in range(ITERATIONS):
        plan = (plan.log_softmax(2) + log_mass).log_softmax(1)
    return plan


def find_salad_shape(state: State) -> SALADShape:
    """The sizes that the weights have. Raises ModelError where they are not of this network."""
    hidden, _, _, _ = shape_of(state, "aggregator.score.0.weight", 4)
    clusters, _, _, _ = shape_of(state, "aggregator.score.3.weight", 4)
    local, _, _, _ = shape_of(state, "aggregator.cluster_features.3.weight", 4)
    token, _ = shape_of(state, "aggregator.token_features.2.weight", 2)
    return SALADShape(clusters, local, token, hidden)


def _make_mlp(channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers on each place. The second is where training drops values out."""
    first, last = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, outputs, 1)
    return nn.Sequential(first, nn.Identity(), nn.ReLU(), last)


def _check_size(size: tuple[int, int], backbone: ViTShape, shape: SALADShape) -> None:
    """Raises ModelError where no more patches than clusters leave the dustbin nothing."""
    columns, rows = count_patches(size, backbone.patch)
    if columns * rows <= shape.clusters:
        raise ModelError(
            f"pictures of {size[0]}x{size[1]} have {columns}x{rows} patches, and the weights share "
            f"them out among {shape.clusters} clusters, which needs more; take a larger size"
        )
