"""Options of `calibrate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.describing import DescribingOptions
from streamvpr.config.running import DEFAULT_EXCLUDE_RECENT
from streamvpr.parsing import within


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions(DescribingOptions):
    """Thresholds of a model from the user's own recording."""

    exclude_recent: Annotated[
        int,
        Parameter(
            help="Frames more than N processed frames apart are far apart, as in `run`.",
            validator=within(0),
        ),
    ] = DEFAULT_EXCLUDE_RECENT
    plot: Annotated[
        Path | None, Parameter(help="Draw the similarities and both thresholds there.")
    ] = None
    write: Annotated[
        bool,
        Parameter(help="Put both thresholds on the model's card, for later runs.", negative=()),
    ] = False
