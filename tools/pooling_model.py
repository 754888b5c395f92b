"""A model that costs next to nothing, for what is measured beside it: mean colours of squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, helper, save

if TYPE_CHECKING:
    from pathlib import Path

SIDE, SQUARE = 52, 4
POOLED = 3 * (SIDE // SQUARE) ** 2
CARD = f"""
name = "pooling"
licence = "Apache-2.0"
source = "tools/pooling_model.py"
dimension = {POOLED + 1}
[input]
width = {SIDE}
height = {SIDE}
[threshold]
value = 0.7
without_geometry = 0.9
"""


def write_model(folder: Path) -> Path:
    """Write it and its card into a folder. Raises OSError."""
    path = folder / "pooling.onnx"
    pool = {"kernel_shape": [SQUARE, SQUARE], "strides": [SQUARE, SQUARE]}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], **pool),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["centred"]),
        # A blank picture is a unit vector too: one more dimension is always 1.
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["always"]),
        helper.make_node("Concat", ["centred", "always"], ["all"], axis=1),
        helper.make_node("LpNormalization", ["all"], ["descriptor"], axis=1, p=2),
    ]
    pixels, descriptor = ["batch", SIDE, SIDE, 3], ["batch", POOLED + 1]
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels)],
        [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, descriptor)],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    path.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    return path
