"""From trained weights to a model file and its card: the whole way, read aloud."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.embedding.catalog import user_folder
from streamvpr.embedding.cores import usable_cores
from streamvpr.embedding.runtime import load_runtime, open_session
from streamvpr.errors import ConfigError
from streamvpr.export import cards
from streamvpr.export.architectures import build
from streamvpr.export.architectures.building import Cut
from streamvpr.export.checking import check
from streamvpr.export.descriptor import Descriptor
from streamvpr.export.graph import INPUT, OUTPUT, to_onnx
from streamvpr.export.halving import halve, halve_weights
from streamvpr.export.options import parse_size
from streamvpr.export.pictures import noise, photographs, read_pictures, spread
from streamvpr.export.projection import fit_projection
from streamvpr.export.quantising import quantise
from streamvpr.export.strides import strides_in_1x1
from streamvpr.export.weights import fetch_weights, read_weights
from streamvpr.export.writing import write_tried
from streamvpr.networks import UNKNOWN, calibrated_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    import torch
    from numpy.typing import NDArray

    from streamvpr.export.options import ExportOptions
    from streamvpr.export.weights import Weights
    from streamvpr.export.writing import Exported
    from streamvpr.networks import Network

logger = logging.getLogger(__name__)

MOST_CALIBRATING = 128
"""Pictures that 8 bits take their ranges from; more change little and cost minutes."""
MOST_FITTING = 8192
CHECKED = 4
"""Pictures of each kind that the file is tried on."""


def export_network(network: Network, options: ExportOptions) -> Exported:
    """Read the weights, build, fit, convert, try, write.

    Raises ConfigError, ModelError, SourceError, StoreError.
    """
    size = choose_size(network, options)
    _require_pictures(options)
    weights = fetch_weights(network) if options.weights is None else read_weights(options.weights)
    module = _build(network, weights, Cut(size, options.stage, options.stride_in_1x1))
    descriptor = Descriptor(module, network.mean, network.std)
    fitted_on = None
    if options.dim is not None and options.fit is not None:
        descriptor, fitted_on = _project(descriptor, network, options, size)
    logger.info("exporting %s at %dx%d", network.name, *size)
    model = to_onnx(descriptor, size, dynamic_size=options.dynamic_size)
    model, calibrated_on = _convert(model, options, size)
    dimension = _dimension(descriptor, size)
    known = calibrated_threshold(weights.fingerprint, dimension)
    making = cards.Making(
        name=options.name or default_name(network, options),
        network=network,
        weights=weights,
        size=size,
        dimension=dimension,
        precision=options.precision.value,
        threshold=known if options.dim is None else UNKNOWN,
        stage=options.stage,
        fitted_on=fitted_on,
        calibrated_on=calibrated_on,
        source=options.source,
        licence=options.licence,
    )
    return _write(making, descriptor, model, options)


def choose_size(network: Network, options: ExportOptions) -> tuple[int, int]:
    """(width, height): what was asked for, where the network takes it. Raises ConfigError."""
    size = asked_size(options) or network.size
    if network.fixed_size and size != network.size:
        raise ConfigError(f"--size: {network.name} holds for {_shown(network.size)} only")
    if any(side % network.multiple_of for side in size):
        raise ConfigError(
            f"--size {_shown(size)}: {network.name} needs multiples of {network.multiple_of}"
        )
    if options.dynamic_size and not network.dynamic_size:
        raise ConfigError(f"--dynamic-size: {network.name} is built for one size")
    return size


def asked_size(options: ExportOptions) -> tuple[int, int] | None:
    """--size as (width, height). Raises ConfigError."""
    try:
        return None if options.size is None else parse_size(options.size)
    except ValueError as error:
        raise ConfigError(f"--size: {error}") from error


def default_name(network: Network, options: ExportOptions) -> str:
    """The network's, and what differs from its plain export."""
    parts = [network.name, options.stage or ""]
    size = asked_size(options)
    if size is not None and size != network.size:
        parts.append(_shown(size))
    if options.dim is not None:
        parts.append(str(options.dim))
    if options.precision.value != "fp32":
        parts.append(options.precision.value)
    return "-".join(part for part in parts if part)


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _require_pictures(options: ExportOptions) -> None:
    needs = "--dim" if options.dim is not None else ""
    if options.precision.value == "int8":
        needs = "--precision int8"
    if needs and options.fit is None:
        raise ConfigError(f"{needs} learns from your own pictures: give --fit FOLDER")
    if options.fit is not None and not needs:
        raise ConfigError(
            f"--fit {options.fit} is for --dim and --precision int8; give one of them"
        )


def _build(network: Network, weights: Weights, cut: Cut) -> torch.nn.Module:
    if network.name == "resnet50-gem" and cut.stride_in_1x1 is None:
        cut = replace(cut, stride_in_1x1=strides_in_1x1(weights.state, cut, network))
    return build(network.name, weights.state, cut)


def _project(
    descriptor: Descriptor, network: Network, options: ExportOptions, size: tuple[int, int]
) -> tuple[Descriptor, int]:
    """The descriptor with a projection fitted on the user's pictures, and their number."""
    rows = list(_describe(descriptor, str(options.fit), size))
    projection = fit_projection(np.concatenate(rows), int(options.dim or 0))
    return Descriptor(descriptor.network, network.mean, network.std, projection), len(rows)


def _describe(
    descriptor: Descriptor, fit: str, size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Descriptors (1, D) of the pictures to fit on, by ONNX Runtime: twice as fast as torch."""
    model = to_onnx(descriptor, size, dynamic_size=False)
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "unprojected.onnx"
        path.write_bytes(model.SerializeToString())
        session = open_session(load_runtime(), path, "cpu", threads=usable_cores())
        for number, picture in enumerate(read_pictures(fit, size)):
            if number == MOST_FITTING:
                logger.warning("--fit %s: taking the first %d pictures", fit, MOST_FITTING)
                return
            if number and number % 100 == 0:
                logger.info("described %d pictures of %s", number, fit)
            yield session.run([OUTPUT], {INPUT: picture[None]})[0]


def _convert(
    model: onnx.ModelProto, options: ExportOptions, size: tuple[int, int]
) -> tuple[onnx.ModelProto, int | None]:
    precision = options.precision.value
    if precision == "int8":
        pictures = spread(read_pictures(str(options.fit), size), MOST_CALIBRATING)
        logger.info("calibrating 8 bits on %d pictures", len(pictures))
        return quantise(model, pictures), len(pictures)
    if precision == "fp16":
        return halve(model), None
    return (halve_weights(model) if precision == "fp16-weights" else model), None


def _dimension(descriptor: Descriptor, size: tuple[int, int]) -> int:
    width, height = size
    return int(descriptor.describe(np.zeros((1, height, width, 3), np.uint8)).shape[1])


def _write(
    making: cards.Making, descriptor: Descriptor, model: onnx.ModelProto, options: ExportOptions
) -> Exported:
    content = model.SerializeToString(deterministic=True)
    card = cards.make_card(making, descriptor, content)
    return write_tried(
        content,
        card,
        options.output or user_folder(),
        lambda path: check(path, descriptor, _pictures(making.size, options), making.precision),
    )


def _pictures(size: tuple[int, int], options: ExportOptions) -> NDArray[np.uint8]:
    kinds = [photographs(CHECKED, size)]
    # Noise is nothing that 8 bits were calibrated on, nor have to do well on.
    if options.precision.value != "int8":
        kinds.append(noise(CHECKED, size))
    if options.fit is not None:
        kinds.append(spread(read_pictures(options.fit, size), CHECKED))
    return np.concatenate(kinds)
