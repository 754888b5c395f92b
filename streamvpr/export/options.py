"""What `streamvpr export` can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - read by cyclopts at run time
from typing import Annotated

from cyclopts import Parameter

from streamvpr.parsing import within

SMALLEST_SIDE, LARGEST_SIDE = 32, 4096


class Precision(StrEnum):
    """In what the model computes."""

    FP32 = "fp32"
    FP16 = "fp16"
    FP16_WEIGHTS = "fp16-weights"
    INT8 = "int8"


def parse_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT as (width, height). Raises ValueError."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    sides = tuple(int(side) for side in found.groups()) if found else (0, 0)
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(
            f'"{text}" is no size; write WIDTHxHEIGHT, each {SMALLEST_SIDE} to {LARGEST_SIDE}'
        )
    return sides[0], sides[1]


def a_size(_: type, value: str | None) -> None:
    """A cyclopts validator of WIDTHxHEIGHT."""
    if value is not None:
        parse_size(value)


def file_name(_: type, value: str | None) -> None:
    """A cyclopts validator of a model's name."""
    if value is not None and not re.fullmatch(r"\w[\w.+-]*", value):
        raise ValueError("Must be a plain name: letters, digits, . _ + -")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is made of a network, and where it goes."""

    weights: Annotated[
        Path | None,
        Parameter(
            help="Checkpoint: .pth or .safetensors. Default: what torchvision downloads, where it "
            "has the network."
        ),
    ] = None
    output: Annotated[
        Path | None,
        Parameter(help="Folder for the model and its card. Default: where --model finds it."),
    ] = None
    name: Annotated[
        str | None,
        Parameter(
            help="Of the files. Default: made of the network and what is unusual.",
            validator=file_name,
        ),
    ] = None
    stage: Annotated[
        str | None,
        Parameter(
            help="Where the network is cut: layer3 or layer4 of a ResNet; head, features or signed "
            "of a MobileNetV2 or EfficientNet-Lite0. Default: the last one that the weights have; "
            "signed."
        ),
    ] = None
    stride_in_1x1: Annotated[
        bool | None,
        Parameter(
            name="--stride-in-1x1",
            negative="--no-stride-in-1x1",
            n_tokens=0,
            help="The ResNet is one of 2015 (v1), with its strides in the 1x1 convolutions. "
            "Default: found out from the weights.",
        ),
    ] = None
    size: Annotated[
        str | None,
        Parameter(
            help="WIDTHxHEIGHT of the pictures that it is fed. Default: what the network was made "
            "for.",
            validator=a_size,
        ),
    ] = None
    dynamic_size: Annotated[
        bool,
        Parameter(help="Leave the size free in the file; --size goes to the card.", negative=()),
    ] = False
    precision: Annotated[
        Precision,
        Parameter(help="fp32, fp16, fp16-weights (stored so, computed in fp32), int8."),
    ] = Precision.FP32
    dim: Annotated[
        int | None,
        Parameter(
            help="Project to so many dimensions, by PCA and whitening fitted on --fit.",
            validator=within(1),
        ),
    ] = None
    fit: Annotated[
        str | None,
        Parameter(help="Your own pictures, a folder or a video: for --dim and int8."),
    ] = None
    source: Annotated[str | None, Parameter(help="Where the weights are from, for the card.")] = (
        None
    )
    licence: Annotated[str | None, Parameter(help="Of the weights, for the card.")] = None
