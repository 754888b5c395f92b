"""Static quantisation: activations to unsigned, weights to signed 8 bits (one scale a channel).

Normalising, the first blocks, GeM and L2 stay in float; ONNX Runtime sees pairs of
QuantizeLinear and DequantizeLinear around each convolution and runs them in integers.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from bundled.graphs import INPUT, PRODUCER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

FLOAT_PREFIXES = (
    *("normalise/", "gem/", "l2/", "descriptors"),
    *("stem/", "blocks/0/", "blocks/1/", "blocks/2/"),
)
"""What stays in float32: all that is no convolution, and the first blocks. Those are few weights
and lose most: with them in 8 bits the smallest cosine to float32 was 0.86, without 0.98."""


class PictureReader(CalibrationDataReader):  # type: ignore[misc]  # the base is untyped
    """Hands the calibrating session one picture at a time."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        """Begin at the first of (N, H, W, 3)."""
        self.batches: Iterator[NDArray[np.uint8]] = iter(pictures[:, None])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next picture as the model's inputs, None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}


def quantise(model: onnx.ModelProto, pictures: NDArray[np.uint8]) -> onnx.ModelProto:
    """The model in 8 bits, its ranges taken from `pictures`."""
    ready = copy.deepcopy(model)  # quantising changes it
    # The mark of a prepared model: here all shapes are known and nothing is left to fuse.
    onnx.helper.set_model_props(ready, {"onnx.quant.pre_process": "onnxruntime.quant"})
    kept = [node.name for node in model.graph.node if node.name.startswith(FLOAT_PREFIXES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            ready,
            path,
            PictureReader(pictures),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # 7 bits: processors without VNNI saturate sums of 8-bit products
            nodes_to_exclude=kept,
            calibrate_method=CalibrationMethod.MinMax,
        )
        quantised = onnx.load(path)
    quantised.producer_name, quantised.producer_version = PRODUCER, ""
    del quantised.metadata_props[:]
    return quantised
