"""Options of `bench`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.running import RunOptions
from streamvpr.parsing import within


@dataclass(frozen=True, kw_only=True)
class BenchOptions(RunOptions):
    """A run that is measured. All that `run` takes, so that its --config can be measured, too."""

    fps: Annotated[
        float | None,
        Parameter(
            help="Frames a second of stream time that are processed; 0 is every frame.",
            validator=within(0),
        ),
    ] = 0.0
    output_dir: Annotated[
        Path | None,
        Parameter(
            help="Measure what a run with one costs. It is written to a temporary folder instead, "
            "and removed."
        ),
    ] = None
    frames: Annotated[
        int,
        Parameter(
            help="Most frames of each source that are processed in a turn; 0 for all.",
            validator=within(0),
        ),
    ] = 120
    repeats: Annotated[
        int,
        Parameter(
            help="Turns in which all is measured, one thing after the other.",
            validator=within(1, 1000),
        ),
    ] = 3
    against: Annotated[
        Path | None,
        Parameter(help="What `bench --json` printed before: say what is faster now, and slower."),
    ] = None
