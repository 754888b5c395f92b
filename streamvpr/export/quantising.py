"""Static quantisation: activations to unsigned, weights to signed 8 bits (one scale a channel).

ONNX Runtime sees pairs of QuantizeLinear and DequantizeLinear around each convolution and runs
them in integers. Normalising, pooling and unit length stay in float, and so do the first
convolutions: they are a small part of the work and most of the loss. Of ResNet-50 up to layer3 the
stem and the two convolutions that read it are 6 % of the work; with them in 8 bits the mean cosine
to float32 is 0.997 on pictures of a corridor, without 0.999.
"""

from __future__ import annotations

import copy
import tempfile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from streamvpr.export.graph import INPUT, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FLOAT_SHARE = 0.06
"""Of all multiplications: how many at the beginning may stay in float."""
QUANTISED = ["Conv", "Relu", "Clip", "Add", "MaxPool", "Gemm", "MatMul"]


class PictureReader(CalibrationDataReader):
    """Hands the calibrating session one picture at a time."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        """Begin at the first of (N, H, W, 3)."""
        self._batches: Iterator[NDArray[np.uint8]] = iter(pictures[:, None])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next picture as the model's inputs, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantise(model: onnx.ModelProto, pictures: NDArray[np.uint8]) -> onnx.ModelProto:
    """The model in 8 bits, its ranges taken from `pictures` (N, H, W, 3)."""
    ready = copy.deepcopy(model)  # quantising changes it
    # The mark of a prepared model: the shapes are known and nothing is left to fuse.
    onnx.helper.set_model_props(ready, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            ready,
            path,
            PictureReader(pictures),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # 7 bits, but for the convolutions that `weight_ranges` keeps from saturating with 8.
            reduce_range=True,
            extra_options={"TensorQuantOverrides": weight_ranges(model)},
            op_types_to_quantize=QUANTISED,
            nodes_to_exclude=kept_in_float(model),
            calibrate_method=CalibrationMethod.MinMax,
        )
        return finish(onnx.load(path))


def weight_ranges(model: onnx.ModelProto) -> dict[str, list[dict[str, object]]]:
    """For each convolution's weights, the range of each channel that 8 bits are to cover.

    Processors without VNNI multiply two neighbouring channels of a place at once, and their sum
    saturates at 16 bits: there, with 8 bits used to the full, the cosine to float32 fell to 0.98.
    ONNX Runtime's remedy is 7 bits for all weights. But the sum stays within 16 bits where the
    magnitudes of two neighbours add up to no more than 127 steps, and as large ones seldom meet,
    that costs a quarter of a bit instead of a whole one.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    ranges = {}
    for node in model.graph.node:
        tensor = weights.get(node.input[1]) if node.op_type == "Conv" else None
        if tensor is not None and tensor.dims[1] % 2 == 0:
            ranges[tensor.name] = _channel_ranges(np.abs(numpy_helper.to_array(tensor)))
    return ranges


def _channel_ranges(magnitudes: NDArray[np.float32]) -> list[dict[str, object]]:
    """Of weights (outputs, inputs, h, w): the larger of the largest and the largest pair."""
    pairs = (magnitudes[:, 0::2] + magnitudes[:, 1::2]).max(axis=(1, 2, 3))
    common = {"axis": 0, "symmetric": True, "reduce_range": False}
    return [{**common, "rmin": -float(most), "rmax": float(most)} for most in pairs]


def kept_in_float(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are not quantised: the first ones, and all after the last layer."""
    nodes = list(model.graph.node)
    work = _multiplications(model)
    layers = [index for index, node in enumerate(nodes) if work.get(node.name)]
    first, budget = 0, FLOAT_SHARE * sum(work.values())
    for index in layers:
        budget -= work[nodes[index].name]
        if budget < 0:
            first = index
            break
    last = _end_of_layers(nodes, layers[-1])
    return [node.name for node in [*nodes[:first], *nodes[last + 1 :]]]


def _end_of_layers(nodes: list[onnx.NodeProto], last: int) -> int:
    """Where what belongs to the last layer ends: its sum with the residual, its activation."""
    while last + 1 < len(nodes) and nodes[last + 1].op_type in ("Relu", "Add"):
        last += 1
    return last


def _multiplications(model: onnx.ModelProto) -> dict[str, int]:
    """For one picture, by the name of the convolution or product with weights."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {value.name: _sides(value) for value in (*graph.value_info, *graph.output)}
    weights = {value.name: list(value.dims) for value in graph.initializer}
    work = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and len(node.input) > 1:
            weight, output = weights.get(node.input[1]), shapes.get(node.output[0])
            if weight and output:
                work[node.name] = prod(weight) * prod(output[2:] if node.op_type == "Conv" else [1])
    return work


def _sides(value: onnx.ValueInfoProto) -> list[int]:
    """The shape, 1 where it is free."""
    return [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
