"""`streamvpr report`: a page of what a run left in its output folder."""

from __future__ import annotations

import logging
from pathlib import Path  # noqa: TC003 - read by cyclopts at run time
from typing import Annotated

from cyclopts import Parameter

from streamvpr.execution import print_text
from streamvpr.parsing import within

logger = logging.getLogger(__name__)


def report(
    folder: Annotated[
        Path, Parameter(help="What --output-dir named, or a folder that `match` wrote.")
    ],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(help="Where the page goes. Default: report.html in the folder.")
    ] = None,
    ground_truth: Annotated[
        list[Path] | None,
        Parameter(
            help="CSV with query_idx,match_idx: right pairs, for precision and recall. Of several "
            "streams one for all, or again and again, one each.",
            negative=(),
        ),
    ] = None,
    gps_radius: Annotated[
        float | None,
        Parameter(
            help="Instead: right are frames within METRES of each other by their own positions.",
            validator=within(above=0.0),
        ),
    ] = None,
    exclude: Annotated[
        list[int] | None,
        Parameter(
            help="Only pairs with query_idx - match_idx > N count. Default: the exclusion of the "
            "run.",
            negative=(),
        ),
    ] = None,
) -> int:
    """One HTML page of a run, which opens from disk: signal, matrix, loops, figures."""
    from streamvpr.report import write_report

    written = write_report(
        folder,
        output,
        ground_truth=ground_truth or [],
        gps_radius=gps_radius,
        exclude=exclude or [],
    )
    logger.info("the page has %.1f MB; a browser opens it from disk", written.stat().st_size / 1e6)
    print_text(str(written))
    return 0
