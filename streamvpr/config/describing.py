"""Options of every command that describes the frames of sources with a model."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.reading import ReadingOptions
from streamvpr.parsing import within


class Device(StrEnum):
    """What runs the model."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model runs, and on what."""

    model: Annotated[
        str | None,
        Parameter(
            help="Name from `streamvpr models`, or path to .onnx with its card (.toml) beside it. "
            "Default: the bundled one."
        ),
    ] = None
    device: Annotated[
        Device,
        Parameter(
            help="Where the model runs; anything but auto fails where it cannot. auto: cuda where "
            "it runs, else cpu; tensorrt only where asked for, since building its engine takes "
            "minutes."
        ),
    ] = Device.AUTO
    threads: Annotated[
        int,
        Parameter(help="CPU threads of the model; 0 for all cores.", validator=within(0, 1024)),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class DescribingOptions(ReadingOptions, ModelOptions):
    """How many frames go to the model together."""

    batch_size: Annotated[
        int,
        Parameter(
            help="Most frames that go to the model together: at once on a GPU, one after the other "
            "on a CPU. Never changes what is printed.",
            validator=within(1, 1024),
        ),
    ] = 8
