"""Float16: computed in it, or only stored."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass, TopologicalSortPass
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from streamvpr.export.graph import finish

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = ["Pow", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceLogSumExp", "Exp", "Log", "Sqrt"]
"""What leaves float16's range or digits: powers and sums over all places, lengths."""


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model computed in float16, but for its ends: normalising, powers, sums, lengths."""
    ready = copy.deepcopy(model)  # converting changes it
    converted = convert_float_to_float16(
        ready,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *KEPT],
        node_block_list=_ends(model),
    )
    _keep_what_was_wide(converted.graph)
    ordered = ir.serde.deserialize_model(converted)
    RemoveUnusedNodesPass()(ordered)
    TopologicalSortPass()(ordered)  # the conversion puts some of its nodes in the wrong place
    return finish(ir.serde.serialize_model(ordered))


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its weights stored in float16 and computed in float32: half the file."""
    halved = copy.deepcopy(model)
    graph = halved.graph
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    wanted = {node.input[1] for node in layers if len(node.input) > 1}
    casts = []
    for tensor in graph.initializer:
        if tensor.name in wanted and tensor.data_type == TensorProto.FLOAT:
            name = tensor.name
            stored = _in_half(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(stored, f"{name}_stored"))
            cast = helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)
            cast.name = f"widen_{name}"
            casts.append(cast)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return finish(halved)


def _keep_what_was_wide(graph: onnx.GraphProto) -> None:
    """Undo the way from float32 through float16 to float32 between two nodes that are kept.

    The conversion makes it, and a power of more than 65504 does not survive it.
    """
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    for widening in casts.values():
        narrowing = casts.get(widening.input[0])
        if narrowing is not None and _target(narrowing) == TensorProto.FLOAT16:
            widening.input[0] = narrowing.input[0]


def _target(cast: onnx.NodeProto) -> int:
    """The type that a Cast node makes."""
    return int(helper.get_node_attr_value(cast, "to"))


def _in_half(weights: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.asarray(weights, np.float16)


def _ends(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes before the first layer and after the last one."""
    nodes = list(model.graph.node)
    layers = [i for i, node in enumerate(nodes) if node.op_type in ("Conv", "Gemm", "MatMul")]
    return [node.name for node in [*nodes[: layers[0]], *nodes[layers[-1] + 1 :]]]
