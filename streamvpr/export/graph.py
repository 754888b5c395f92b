"""From torch to an ONNX graph that holds the network and nothing of the machine it was made on."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import onnx
import onnxslim
import torch

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from streamvpr.export.descriptor import Descriptor

INPUT, OUTPUT = "images", "descriptors"
OPSET = 18
PRODUCER = "streamvpr"
LARGEST_BATCH = 4096
LONGEST_SIDE = 4096


def to_onnx(module: Descriptor, size: tuple[int, int], *, dynamic_size: bool) -> onnx.ModelProto:
    """images (N, H, W, 3) uint8 to descriptors (N, D) float32, N free, and H and W if `dynamic`.

    `size` is (width, height). Raises ModelError where torch can't export the network.
    """
    width, height = size
    example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    free: dict[int, object] = {0: torch.export.Dim("N", min=1, max=LARGEST_BATCH)}
    if dynamic_size:
        free |= {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    return _convert(module, example, free, [OUTPUT], f"{width}x{height}")


def features_to_onnx(
    module: nn.Module, outputs: Sequence[str], multiple_of: int
) -> onnx.ModelProto:
    """images (N, 1, H, W) uint8, all three free, H and W multiples, to the module's maps.

    Raises ModelError where torch can't export the network.
    """
    example = torch.zeros((2, 1, 3 * multiple_of, 4 * multiple_of), dtype=torch.uint8)
    free: dict[int, object] = {0: torch.export.Dim("N", min=1, max=LARGEST_BATCH)}
    for axis, name in ((2, "rows"), (3, "columns")):
        cells = torch.export.Dim(name, min=1, max=LONGEST_SIDE // multiple_of)
        free[axis] = multiple_of * cells
    return _convert(module, example, free, outputs, "any size")


def finish(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what says where and by what the graph was made, and check the rest."""
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = PRODUCER, ""
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def _convert(
    module: nn.Module,
    example: torch.Tensor,
    free: dict[int, object],
    outputs: Sequence[str],
    size: str,
) -> onnx.ModelProto:
    try:
        model = _export(module, example, free, outputs)
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"torch cannot export this network at {size}: {reason}") from error
    return finish(onnxslim.slim(model))


def _export(
    module: nn.Module, example: torch.Tensor, free: dict[int, object], outputs: Sequence[str]
) -> onnx.ModelProto:
    quiet = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about torch
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes={"images": free},
                verbose=False,
            )
        return program.model_proto
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
