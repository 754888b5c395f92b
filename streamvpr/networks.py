"""The trained networks that `streamvpr export` knows: what they are, not how they are built."""

from __future__ import annotations

from dataclasses import dataclass

from streamvpr.embedding.card import Threshold

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Network:
    """A network with published weights."""

    name: str
    """What `export` calls it."""
    description: str
    """One line, with the paper."""
    licence: str
    """Of the weights, which the user fetches."""
    checkpoint: str
    """Where to get them."""
    dimension: str
    """Of the descriptor: a number, or what it depends on."""
    size: tuple[int, int] = (384, 384)
    """(width, height) of the pictures it is fed unless told otherwise."""
    multiple_of: int = 1
    """What width and height must be multiples of."""
    fixed_size: bool = False
    """Whether the weights hold for `size` only."""
    dynamic_size: bool = True
    """Whether one file can take pictures of any size."""
    torchvision: str = ""
    """The weights that torchvision downloads, by its name for them."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    """Of values 0 to 255, RGB."""
    megabytes: float = 0.0
    """Of the exported file in float32."""
    gigaflops: float = 0.0
    """Multiplications and additions for one picture of `size`, in 10^9."""


NETWORKS = (
    Network(
        name="resnet50-gem",
        description="ResNet-50 (He et al. 2015), trained on ImageNet; generalised mean (GeM)",
        licence="BSD-3-Clause (torchvision's IMAGENET1K_V2)",
        checkpoint="torchvision downloads it; or --weights with any of torchvision's names",
        dimension="1024 (layer3) or 2048 (layer4)",
        torchvision="ResNet50_Weights.IMAGENET1K_V2",
    ),
)


THRESHOLDS: dict[tuple[str, str | None], Threshold] = {}
"""By the sha256 of the weights' file and where the network was cut: what was measured with them."""


def calibrated_threshold(weights_sha256: str, stage: str | None) -> Threshold:
    """The thresholds of these weights; without numbers where nobody has measured them."""
    return THRESHOLDS.get(
        (weights_sha256, stage),
        Threshold(calibrated="not yet; `streamvpr calibrate` proposes them from your own video"),
    )


def find_network(name: str) -> Network | None:
    """The network of that name."""
    return next((network for network in NETWORKS if network.name == name), None)
