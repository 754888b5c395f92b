"""8 bits: what stays in float, and weights whose sums fit into 16 bits on every processor."""

# ruff: noqa: E402  # the extra is not there where the program is only used: skipping comes first

from __future__ import annotations

import itertools

import numpy as np
import pytest

for _module in ("torch", "onnx", "onnxslim", "onnxruntime"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import onnx
from onnx import TensorProto, helper, numpy_helper

from streamvpr.export.quantising import kept_in_float, quantise

CHANNELS = (3, 8, 16, 16)
SIDE = 16
LARGEST_SUM = 2**15 - 1
LARGEST_ACTIVATION = 255


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    """Three convolutions with much in the last, a mean, and a length."""
    chance = np.random.default_rng(0)
    nodes = [
        helper.make_node("Transpose", ["images"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["at0"], "cast", to=TensorProto.FLOAT),
    ]
    weights = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(CHANNELS)):
        size = 1 if index == 0 else 3
        # Heavy tails, as trained weights have them.
        values = chance.standard_t(3, (outputs, inputs, size, size)).astype(np.float32)
        weights.append(numpy_helper.from_array(values / 30, f"weights{index}"))
        names = [f"at{index}", f"weights{index}"], [f"conv{index}"], f"conv{index}"
        nodes.append(helper.make_node("Conv", *names, kernel_shape=[size, size]))
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [f"at{index + 1}"], f"relu{index}"))
    nodes += [
        helper.make_node("GlobalAveragePool", ["at3"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("LpNormalization", ["flat"], ["descriptors"], "length", axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["N", CHANNELS[-1]])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture(scope="module")
def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    pictures = np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    return quantise(model, pictures)


def test_the_beginning_and_the_end_stay_in_float(model: onnx.ModelProto) -> None:
    kept = kept_in_float(model)
    assert kept == ["planes", "cast", "conv0", "relu0", "pool", "flatten", "length"]


def test_no_two_neighbours_saturate(quantised: onnx.ModelProto) -> None:
    found = [
        np.abs(numpy_helper.to_array(tensor).astype(int))
        for tensor in quantised.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(found) == 2
    for weights in found:
        pairs = weights[:, 0::2] + weights[:, 1::2]
        assert pairs.max() * LARGEST_ACTIVATION <= LARGEST_SUM
        # 7 bits would leave half of the range empty.
        assert np.median(weights.max(axis=(1, 2, 3))) > 64
        assert weights.max() > 90


def test_the_model_is_left_as_it_was(model: onnx.ModelProto, quantised: onnx.ModelProto) -> None:
    assert not [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert [node for node in quantised.graph.node if node.op_type == "QuantizeLinear"]
