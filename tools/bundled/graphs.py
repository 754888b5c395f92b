"""From a backbone to an ONNX graph: pictures in, unit descriptors out.

    images (N, H, W, 3) uint8 -> normalise -> backbone -> GeM -> L2 -> descriptors (N, D) float32

The graph is written node by node, so that it holds nothing but the network: the same weights
give the same bytes, and no path, date or stack trace of the machine that built it gets in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bundled.backbones import Architecture, Backbone, ConvUnit
    from bundled.recipes import Recipe

INPUT, OUTPUT = "images", "descriptors"
OPSET = 17
IR_VERSION = 8
GEM_POWER = 3.0
GEM_EPSILON = 1e-6
PRODUCER = "streamvpr"


@dataclass(frozen=True, slots=True)
class Storage:
    """How the convolutions' weights are kept, and in what they are computed."""

    weights: type[np.floating]
    compute: type[np.floating]


STORAGE = {
    "fp32": Storage(np.float32, np.float32),
    "fp16": Storage(np.float16, np.float16),
    "fp16-weights": Storage(np.float16, np.float32),
    "int8": Storage(np.float32, np.float32),
}
"""By precision; the weights of `int8` are quantised later, from a graph of float32."""


@dataclass(slots=True)
class Feature:
    """A tensor of the graph, (N, C, height, width)."""

    name: str
    height: int
    width: int


class GraphWriter:
    """Collects nodes and constants; every node is named after the tensor it makes."""

    def __init__(self, storage: Storage) -> None:
        """Start an empty graph."""
        self.storage = storage
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Append a node and return the name of its output."""
        made = helper.make_node(operator, inputs, [output], name=output, **attributes)
        self.nodes.append(made)
        return output

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Keep an array, once, and return its name."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def cast(self, source: str, output: str, dtype: type[np.floating]) -> str:
        """Append a conversion to float16 or float32."""
        return self.node(
            "Cast", [source], output, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        )

    def weights(self, name: str, value: NDArray[np.float32]) -> str:
        """Keep a convolution's weights as they are stored, converted where they are used."""
        if self.storage.weights is self.storage.compute:
            return self.constant(name, value.astype(self.storage.weights))
        stored = self.constant(f"{name}_stored", value.astype(self.storage.weights))
        return self.cast(stored, name, self.storage.compute)

    def scalar(self, name: str, value: float, dtype: type[np.floating] = np.float32) -> str:
        """Keep a number."""
        return self.constant(name, np.array(value, dtype))


def build_model(recipe: Recipe, backbone: Backbone) -> onnx.ModelProto:
    """The whole model, in float."""
    width, height = recipe.size
    writer = GraphWriter(STORAGE[recipe.precision])
    feature = Feature(write_normalising(writer, recipe.architecture), height, width)
    write_descriptor(writer, write_backbone(writer, backbone, feature).name, recipe.signed)
    images = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", height, width, 3])
    descriptors = helper.make_tensor_value_info(
        OUTPUT, TensorProto.FLOAT, ["N", dimension(recipe, backbone)]
    )
    graph = helper.make_graph(
        writer.nodes,
        recipe.architecture.name,
        [images],
        [descriptors],
        list(writer.constants.values()),
    )
    return finish_model(graph)


def dimension(recipe: Recipe, backbone: Backbone) -> int:
    """The length of a descriptor."""
    return backbone.channels * (2 if recipe.signed else 1)


def finish_model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """The model around a graph, checked."""
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def write_normalising(writer: GraphWriter, architecture: Architecture) -> str:
    """uint8 (N, H, W, 3) to normalised planes (N, 3, H, W), in float32 whatever follows."""
    planes = writer.node("Transpose", [INPUT], "normalise/planes", perm=[0, 3, 1, 2])
    values = writer.cast(planes, "normalise/values", np.float32)
    mean = np.array(architecture.mean, np.float32).reshape(1, 3, 1, 1)
    scale = 1 / np.array(architecture.std, np.float64).reshape(1, 3, 1, 1)
    mean_name = writer.constant("normalise/mean", mean)
    scale_name = writer.constant("normalise/scale", scale.astype(np.float32))
    centred = writer.node("Sub", [values, mean_name], "normalise/centred")
    scaled = writer.node("Mul", [centred, scale_name], "normalise/scaled")
    if writer.storage.compute is np.float32:
        return scaled
    return writer.cast(scaled, "normalise/narrowed", writer.storage.compute)


def write_backbone(writer: GraphWriter, backbone: Backbone, feature: Feature) -> Feature:
    """The convolutions, each with its batch normalisation folded in."""
    feature = write_unit(writer, backbone.stem, feature, "stem")
    for index, block in enumerate(backbone.blocks):
        before = feature.name
        for name, unit in block.units():
            feature = write_unit(writer, unit, feature, f"blocks/{index}/{name}")
        if block.residual:
            inputs = [before, feature.name]
            feature.name = writer.node("Add", inputs, f"blocks/{index}/sum")
    if backbone.head is not None:
        feature = write_unit(writer, backbone.head, feature, "head")
    return feature


def write_unit(writer: GraphWriter, unit: ConvUnit, feature: Feature, name: str) -> Feature:
    """One padded convolution and, if the unit has it, its ReLU6."""
    conv = fuse_conv_bn_eval(unit.conv, unit.norm)
    pads = unit.padding(feature.height, feature.width)
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    assert conv.bias is not None  # it is what the folding made
    weights = writer.weights(f"{name}/weights", conv.weight.detach().numpy())
    bias = conv.bias.detach().numpy().astype(writer.storage.compute)
    output = writer.node(
        "Conv",
        [feature.name, weights, writer.constant(f"{name}/bias", bias)],
        f"{name}/conv",
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=list(pads),
        group=conv.groups,
    )
    if unit.activated:
        output = write_relu6(writer, output, f"{name}/relu6")
    rows = (feature.height + pads[0] + pads[2] - kernel) // stride + 1
    columns = (feature.width + pads[1] + pads[3] - kernel) // stride + 1
    return Feature(output, rows, columns)


def write_relu6(writer: GraphWriter, source: str, output: str) -> str:
    """Clip to [0, 6]."""
    zero = writer.scalar("relu6/zero", 0.0, writer.storage.compute)
    six = writer.scalar("relu6/six", 6.0, writer.storage.compute)
    return writer.node("Clip", [source, zero, six], output)


def write_descriptor(writer: GraphWriter, source: str, signed: bool) -> None:
    """Generalised mean over the places, then unit length; always in float32."""
    if writer.storage.compute is not np.float32:
        source = writer.cast(source, "gem/source", np.float32)
    clipped = write_parts(writer, source) if signed else write_part(writer, source, "gem/positive")
    power = writer.scalar("gem/power", GEM_POWER)
    raised = writer.node("Pow", [clipped, power], "gem/raised")
    mean = writer.node("GlobalAveragePool", [raised], "gem/mean")
    root = writer.scalar("gem/root", 1 / GEM_POWER)
    pooled = writer.node("Pow", [mean, root], "gem/pooled")
    flat = writer.node("Flatten", [pooled], "gem/flat", axis=1)
    length = writer.node("ReduceL2", [flat], "l2/length", axes=[1], keepdims=1)
    writer.node("Div", [flat, length], OUTPUT)


def write_parts(writer: GraphWriter, source: str) -> str:
    """(N, C, h, w) to (N, 2 C, h, w): the positive part, then the negative one, as positive."""
    positive = write_part(writer, source, "gem/positive")
    negated = writer.node("Neg", [source], "gem/negated")
    negative = write_part(writer, negated, "gem/negative")
    return writer.node("Concat", [positive, negative], "gem/parts", axis=1)


def write_part(writer: GraphWriter, source: str, output: str) -> str:
    """Cut off what is below epsilon."""
    epsilon = writer.scalar("gem/epsilon", GEM_EPSILON)
    return writer.node("Clip", [source, epsilon], output)
