"""A model that costs nothing: the mean colours of squares. It tells made-up places apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, helper, save

if TYPE_CHECKING:
    from pathlib import Path

CARD = """name = "{name}"
licence = "Apache-2.0"
source = "tools/squares_model.py"
dimension = {dimension}
[input]
width = {side}
height = {side}
layout = "nhwc"
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
[threshold]
value = {threshold}
without_geometry = {alone}
calibrated = "on nothing"
"""


def write_model(
    folder: Path,
    name: str = "squares",
    *,
    side: int = 48,
    square: int = 4,
    threshold: float = 0.7,
    alone: float = 0.9,
) -> Path:
    """Write NAME.onnx and its card NAME.toml into a folder; the path of the first.

    Its input is (N, side, side, 3) uint8, its descriptors are the means of squares of `square`
    pixels, less the mean of them all: 3 * (side // square) ** 2 + 1 numbers of unit length.
    `threshold` is that of the card with geometry, `alone` without.
    """
    path = folder / f"{name}.onnx"
    dimension = 3 * (side // square) ** 2 + 1
    pool = {"kernel_shape": [square] * 2, "strides": [square] * 2}
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["squares"], **pool),
        helper.make_node("Flatten", ["squares"], ["flat"], axis=1),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["centred"]),
        # One that is always the same, or a blank picture would have no length.
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["always"]),
        helper.make_node("Concat", ["centred", "always"], ["all"], axis=1),
        helper.make_node("LpNormalization", ["all"], ["descriptors"], axis=1, p=2),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", side, side, 3])
    found = helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["N", dimension])
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    graph = helper.make_graph(nodes, name, [images], [found], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    card = CARD.format(name=name, dimension=dimension, side=side, threshold=threshold, alone=alone)
    path.with_suffix(".toml").write_text(card, encoding="utf-8")
    return path
