"""A model that really fails: its graph looks up what is not there, for pictures without light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from pathlib import Path

# Of the brightest value of a picture: below it the model fails.
LEAST_LIGHT = 60.0


def make_afraid_of_the_dark(path: Path) -> Path:
    """A model beside the one at `path` and with its card, of the same descriptors.

    It adds entry 0 of a table with one entry, and for a picture without light entry 1. Pictures are
    (N, H, W, 3).
    """
    model = onnx.load(path)
    graph = model.graph
    (pixels,) = (given.name for given in graph.input)
    dark = [
        helper.make_node("Cast", [pixels], ["light"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["light"], ["brightest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Less", ["brightest", "least_light"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["entry"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "entry"], ["looked_up"], axis=0),
        helper.make_node("Unsqueeze", ["looked_up", "second_axis"], ["column"]),
    ]
    last = graph.node[-1]
    name, last.output[0] = last.output[0], "before_the_table"
    rest = [*graph.node, helper.make_node("Add", ["before_the_table", "column"], [name])]
    del graph.node[:]
    graph.node.extend([*dark, *rest])
    graph.initializer.extend(
        [
            helper.make_tensor("least_light", TensorProto.FLOAT, [], [LEAST_LIGHT]),
            helper.make_tensor("table", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("second_axis", TensorProto.INT64, [1], [1]),
        ]
    )
    target = path.with_name(f"{path.stem}-in-light.onnx")
    onnx.save(model, target)
    target.with_suffix(".toml").write_bytes(path.with_suffix(".toml").read_bytes())
    return target
