"""One self-contained page of what a run left in its output folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.errors import StoreError
from streamvpr.report.page import page
from streamvpr.report.reading import read_results
from streamvpr.report.scoring import judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["write_report"]


def write_report(
    folder: Path,
    output: Path | None = None,
    *,
    ground_truth: Sequence[Path] = (),
    gps_radius: float | None = None,
    exclude: Sequence[int] = (),
) -> Path:
    """Write the report of an output folder, and say where it is: `output`, else report.html in it.

    `ground_truth` are right pairs, one file for all streams or one each; `gps_radius` metres within
    which frames are right instead. `exclude` N counts only pairs with query_idx - match_idx > N, by
    default with the exclusion of the run. Raises StoreError, ConfigError.
    """
    results = read_results(folder)
    content = page(results, judge(results, ground_truth, gps_radius, exclude))
    target = output or folder / "report.html"
    try:
        target.write_bytes(content)
    except OSError as error:
        raise StoreError(f"cannot write the report {target}: {error.strerror}") from error
    return target
