"""From trained weights to a model of local features and its card."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamvpr.embedding import ModelKind, open_feature_network
from streamvpr.embedding.catalog import user_folder
from streamvpr.embedding.feature_network import OUTPUTS
from streamvpr.errors import ConfigError, ModelError
from streamvpr.export.architectures.xfeat import build_xfeat
from streamvpr.export.cards import PRECISIONS
from streamvpr.export.checking import Agreement, Checks
from streamvpr.export.graph import OPSET, features_to_onnx
from streamvpr.export.halving import halve, halve_weights
from streamvpr.export.options import Precision
from streamvpr.export.pictures import noise, photographs
from streamvpr.export.weights import fetch_weights, read_weights
from streamvpr.export.writing import write_tried

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray
    from torch import nn

    from streamvpr.embedding import FeatureNetwork
    from streamvpr.export.cards import Card
    from streamvpr.export.options import ExportOptions
    from streamvpr.export.weights import Weights
    from streamvpr.export.writing import Exported
    from streamvpr.networks import Network

    Luma = NDArray[np.uint8]
    """(h, w)."""

logger = logging.getLogger(__name__)

CHECKED = 4
"""Pictures of each kind and size that the file is tried on."""
OTHER_SIZE = (352, 288)
"""(width, height) that it is tried at besides the card's: the file takes any."""
BOUNDS = {
    Precision.FP32: Agreement(max_difference=1e-3, min_cosine=0.99999),
    Precision.FP16: Agreement(max_difference=5e-2, min_cosine=0.999),
    Precision.FP16_WEIGHTS: Agreement(max_difference=2e-2, min_cosine=0.999),
}
"""By precision; a model beyond its bound is not written. The largest differences are of a point's
probability, which is an exponential and so moves more than what it is taken of."""
REFUSED = ("stage", "stride_in_1x1", "size", "dim", "fit")
"""Options that mean nothing to these networks."""


def export_features(network: Network, options: ExportOptions) -> Exported:
    """Read the weights, build, convert, try, write.

    Raises ConfigError, ModelError, StoreError.
    """
    _refuse(network, options)
    weights = fetch_weights(network) if options.weights is None else read_weights(options.weights)
    module = build_xfeat(weights.state)
    logger.info("exporting %s", network.name)
    model = _convert(features_to_onnx(module, OUTPUTS, network.multiple_of), options.precision)
    content = model.SerializeToString(deterministic=True)
    card = _card(network, weights, options, content)
    sizes = (network.size, OTHER_SIZE)
    return write_tried(
        content,
        card,
        options.output or user_folder(),
        lambda path: check(path, module, _pictures(sizes), options.precision),
    )


def check(path: Path, module: nn.Module, images: Sequence[Luma], precision: Precision) -> Checks:
    """Try the model file, with its card, on luma pictures. Raises ModelError."""
    found = open_feature_network(str(path), device="cpu")
    agreement = _worst([_compare(found, module, image) for image in images])
    bound = BOUNDS[precision]
    if not agreement.within(bound):
        raise ModelError(
            f"{precision}: ONNX Runtime differs from torch by {agreement.max_difference:.2g} "
            f"(cosine {agreement.min_cosine:.5f}), and {bound.max_difference:g} (cosine "
            f"{bound.min_cosine:g}) is the most; take a higher precision"
        )
    # Pictures go in one by one, so that batches make no difference.
    return Checks(pictures=len(images), torch=agreement, batches=0.0)


def _refuse(network: Network, options: ExportOptions) -> None:
    given = [name for name in REFUSED if getattr(options, name) is not None]
    if options.dynamic_size:
        given.append("dynamic_size")
    if options.precision is Precision.INT8:
        given.append("precision int8")
    if given:
        raise ConfigError(
            f"--{given[0].replace('_', '-')}: {network.name} finds local features in pictures of "
            "any size, in fp32, fp16 or fp16-weights; leave the option out"
        )


def _convert(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    if precision is Precision.FP16:
        return halve(model)
    return halve_weights(model) if precision is Precision.FP16_WEIGHTS else model


def _card(network: Network, weights: Weights, options: ExportOptions, content: bytes) -> Card:
    precision = options.precision.value
    usual = network.name if precision == "fp32" else f"{network.name}-{precision}"
    name = options.name or usual
    published = f"that of {weights.source}; as published: {network.licence}"
    return {
        "name": name,
        "file": f"{name}.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "kind": ModelKind.LOCAL_FEATURES.value,
        "description": f"{network.description}; {PRECISIONS[precision]}",
        "licence": options.licence or published,
        "source": options.source or weights.source,
        "weights_sha256": weights.sha256,
        "dimension": int(network.dimension.split()[0]),
        "precision": precision,
        "opset": OPSET,
        "input": {"width": network.size[0], "height": network.size[1], "channels": "luma"},
    }


def _pictures(sizes: Sequence[tuple[int, int]]) -> list[Luma]:
    """The green of photographs and of noise: luma for these purposes."""
    stacks = [make(CHECKED, size) for size in sizes for make in (photographs, noise)]
    return [np.ascontiguousarray(image[..., 1]) for stack in stacks for image in stack]


def _compare(found: FeatureNetwork, module: nn.Module, image: Luma) -> Agreement:
    """The maps of the file and of torch: most difference of a number, least cosine of a cell."""
    maps = found.maps(image)
    with torch.no_grad():
        known = [each[0].numpy() for each in module(torch.from_numpy(image)[None, None])]
    pairs = list(zip((maps.descriptors, maps.keypoints, maps.reliability), known, strict=True))
    cosines = (pairs[0][0].astype(np.float64) * pairs[0][1]).sum(axis=0)
    return Agreement(max(float(np.abs(a - b).max()) for a, b in pairs), float(cosines.min()))


def _worst(found: Sequence[Agreement]) -> Agreement:
    return Agreement(max(f.max_difference for f in found), min(f.min_cosine for f in found))
