"""Networks that can be exported: what they would cost here, and how to get them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamvpr.inventory.arithmetic import multiply_adds_per_second
from streamvpr.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamvpr.embedding import ModelKind
    from streamvpr.networks import Network

# Of what matrix products reach. Measured on two idle cores with AVX-512: all of it by a ResNet-50,
# 0.7 by networks of depthwise convolutions (EfficientNet-Lite0, MobileNetV2), which wait for
# memory; a ViT-S lies between. So this is right to within a quarter on such a machine, and what
# else runs there adds its share.
EFFICIENCY = 0.85
CHECKPOINT = re.compile(r"[\w.-]+\.(?:pth|pt|ckpt|safetensors)\b")


@dataclass(frozen=True, slots=True)
class Offer:
    """One network."""

    type: str = field(default="network", init=False)
    name: str
    description: str
    licence: str
    """Of the weights."""
    dimension: str
    """A number, or what it depends on."""
    input: str
    megabytes: float
    """Of the exported file in float32."""
    milliseconds: float
    """A frame on this CPU in float32: an estimate from arithmetic alone."""
    checkpoint: str
    """Where the weights are."""
    command: str
    """What exports it."""
    kind: ModelKind
    """What the exported model is for."""
    exported: tuple[str, ...]
    """Models that are here already and bear its name."""


def find_offers(models: Iterable[str]) -> list[Offer]:
    """Every network that is known, with those of the `models` that were made of it."""
    rate = multiply_adds_per_second()
    known = list(models)
    return [_offer(network, known, rate) for network in NETWORKS]


def estimate(gigaflops: float, rate: float) -> float:
    """Milliseconds for so many 10^9 multiplications with additions; `rate` is those a second."""
    return gigaflops * 1e9 / (rate * EFFICIENCY) * 1e3


def show_offer(offer: Offer) -> str:
    """For people."""
    here = f"exported here already: {', '.join(offer.exported)}\n  " if offer.exported else ""
    return (
        f"{offer.name}\n"
        f"  {offer.description}\n"
        f"  dimension {offer.dimension}; from {offer.input}, {offer.megabytes} MB, "
        f"about {offer.milliseconds:.0f} ms a frame on this CPU in float32\n"
        f"  licence of the weights: {offer.licence}\n"
        f"  weights: {offer.checkpoint}\n"
        f"  {here}{offer.command}"
    )


def _offer(network: Network, models: list[str], rate: float) -> Offer:
    return Offer(
        name=network.name,
        description=network.description,
        licence=network.licence,
        dimension=network.dimension,
        input=f"{network.size[0]}x{network.size[1]}",
        megabytes=network.megabytes,
        milliseconds=round(estimate(network.gigaflops, rate), 1),
        checkpoint=network.checkpoint,
        command=_command(network),
        kind=network.kind,
        exported=tuple(name for name in dict.fromkeys(models) if _is_of(name, network.name)),
    )


def _command(network: Network) -> str:
    if network.torchvision or network.packaged:
        return f"streamvpr export {network.name}"
    found = CHECKPOINT.search(network.checkpoint)
    return f"streamvpr export {network.name} --weights {found[0] if found else 'FILE'}"


def _is_of(model: str, network: str) -> bool:
    return model == network or model.startswith(f"{network}-")
