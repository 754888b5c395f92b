"""The whole model in torch: from plain pixels to unit descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from streamvpr.export.architectures.pooling import unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.export.projection import Projection

Triple = tuple[float, float, float]


class Descriptor(nn.Module):
    """Normalising, the network, a projection where there is one, and unit length.

    Images (N, H, W, 3), uint8, RGB, to (N, D), float32.
    """

    def __init__(
        self, network: nn.Module, mean: Triple, std: Triple, projection: Projection | None = None
    ) -> None:
        """`mean` and `std` are of values 0 to 255."""
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(std).view(1, 3, 1, 1))
        self.projection = None if projection is None else _as_layer(projection)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, D)."""
        planes = images.permute(0, 3, 1, 2).float()
        vectors = unit(self.network((planes - self.mean) * self.scale))
        return vectors if self.projection is None else unit(self.projection(vectors))

    def describe(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of pictures (N, H, W, 3), one at a time: memory is that of one."""
        with torch.no_grad():
            rows = [self(torch.from_numpy(image)[None]) for image in images]
        found: NDArray[np.float32] = torch.cat(rows).numpy()
        return found


def _as_layer(projection: Projection) -> nn.Linear:
    """y = matrix (x - mean), as one layer."""
    layer = nn.Linear(*projection.matrix.shape[::-1])
    layer.weight.data = torch.from_numpy(projection.matrix)
    layer.bias.data = torch.from_numpy(-projection.matrix @ projection.mean)
    return layer
