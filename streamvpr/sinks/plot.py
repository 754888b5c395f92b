"""Pictures of figures: the loop-closure signal, precision and recall, similarities."""

from __future__ import annotations

import math
import warnings
from array import array
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.calibration import BIN_WIDTH, quantile
from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from streamvpr.calibrating import Calibration
    from streamvpr.evaluation import Scores
    from streamvpr.frames import Decision
    from streamvpr.runs import ScoredRun

DPI = 120
COLUMNS = 80
# Of curves side by side: matplotlib has so many colours, then the same again with other dashes.
CYCLE = 10
DASHES = ("-", "--", ":", "-.")
# Inches that a line of the legend takes, and letters that it holds.
LEGEND_LINE = 0.2
MOST_LETTERS = 60

# Frames of a stream that are drawn: the newest ones, of a run that goes on for months.
MOST_POINTS = 200_000


class SimilaritySeries:
    """Index, best score and acceptance of the newest frames of a stream; 17 bytes a frame."""

    def __init__(self) -> None:
        self.indices = array("q")
        self.scores = array("d")
        self.accepted = array("b")

    def add(self, decision: Decision) -> None:
        """Append a decision; a frame without a candidate leaves a gap in the line."""
        self.indices.append(decision.query.index)
        self.scores.append(math.nan if decision.match is None else decision.match.score)
        self.accepted.append(decision.accepted)
        if len(self.indices) >= 2 * MOST_POINTS:
            for values in (self.indices, self.scores, self.accepted):
                del values[:-MOST_POINTS]


def draw_similarity(series: dict[str, SimilaritySeries], sim_threshold: float, path: Path) -> None:
    """Write a PNG with one panel a stream. Raises OSError where it cannot be written."""
    from matplotlib.figure import Figure

    rows = max(1, len(series))
    figure = Figure(figsize=(11, 3.4 * rows), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for panel, (name, one) in zip(panels, series.items(), strict=False):
        _draw_panel(panel, name, one)
    for panel in panels:
        panel.axhline(
            sim_threshold,
            color="0.35",
            linestyle="--",
            linewidth=1,
            label=f"threshold {sim_threshold:.3g}",
        )
        panel.set(xlabel="query index", ylabel="best similarity")
        panel.grid(alpha=0.25)
        panel.legend(loc="lower right", fontsize="small")
    with warnings.catch_warnings():
        # A stream's name may be in letters that the font lacks; boxes stand for them.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(path, format="png")


def _draw_panel(panel: Axes, name: str, series: SimilaritySeries) -> None:
    panel.plot(series.indices, series.scores, color="tab:blue", linewidth=0.9, label="best score")
    panel.plot(series.indices, series.scores, ".", color="tab:blue", markersize=3)
    chosen = [
        (i, s)
        for i, s, yes in zip(series.indices, series.scores, series.accepted, strict=True)
        if yes
    ]
    if chosen:
        x, y = zip(*chosen, strict=True)
        panel.plot(x, y, "o", color="tab:green", markersize=5, label=f"accepted ({len(chosen)})")
    # A name may hold dollar signs, which are no formula.
    panel.set_title(f"{name}: loop-closure signal", parse_math=False)


def draw_precision_recall(runs: Sequence[ScoredRun], path: Path) -> None:
    """Write a curve a run as a PNG (or what the file's ending says). Raises StoreError."""
    from matplotlib.figure import Figure

    several = len(runs) > 1
    height = 5 + (LEGEND_LINE * len(runs) if several else 0)
    figure = Figure(figsize=(6, height), dpi=DPI, layout="constrained")
    panel = figure.subplots()
    for index, run in enumerate(runs):
        _draw_curve(panel, run, f"C{index}", DASHES[index // CYCLE % len(DASHES)])
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    panel.set_title("dots: what was accepted" if several else _title(runs[0].scores))
    panel.grid(alpha=0.25)
    if several:
        _name_curves(figure, runs)
    elif runs[0].scores.precision is not None and runs[0].scores.recall is not None:
        panel.legend(handles=[panel.lines[-1]], labels=["accepted"], loc="lower left")
    with warnings.catch_warnings():
        # A path may be in letters that the font lacks; boxes stand for them.
        warnings.filterwarnings("ignore", message="Glyph")
        try:
            figure.savefig(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot write the plot {path}: {error}") from error


def _draw_curve(panel: Axes, run: ScoredRun, color: str, dashes: str) -> None:
    # A step ends at its point; the first one starts where nothing is believed yet.
    recall = [0.0, *(point.recall for point in run.curve)]
    precision = [*(point.precision for point in run.curve[:1]), *(p.precision for p in run.curve)]
    panel.step(
        recall[: len(precision)],
        precision,
        where="pre",
        color=color,
        linestyle=dashes,
        linewidth=1.4,
        alpha=0.9,
    )
    scores = run.scores
    if scores.recall is not None and scores.precision is not None:
        panel.plot(
            scores.recall, scores.precision, "o", color=color, markeredgecolor="0.2", clip_on=False
        )


def _name_curves(figure: Figure, runs: Sequence[ScoredRun]) -> None:
    """A legend below the panel: the average precision and the name of each run."""
    from matplotlib.lines import Line2D

    names = shortened([run.name for run in runs])
    lines = [
        Line2D([], [], color=f"C{index}", linestyle=DASHES[index // CYCLE % len(DASHES)])
        for index in range(len(runs))
    ]
    labels = [f"{_average(run.scores)}  {name}" for run, name in zip(runs, names, strict=True)]
    legend = figure.legend(
        lines,
        labels,
        loc="outside lower left",
        title="average precision, run",
        fontsize="small",
        title_fontsize="small",
        frameon=False,
        alignment="left",
    )
    for text in legend.get_texts():
        # A path may hold dollar signs, which are no formula.
        text.set_parse_math(False)


def shortened(paths: list[str]) -> list[str]:
    """The stems of files where they tell them apart, else the ends of their paths."""
    stems = [PurePath(path).stem for path in paths]
    names = stems if len(set(stems)) == len(paths) else paths
    return [name if len(name) <= MOST_LETTERS else f"…{name[1 - MOST_LETTERS :]}" for name in names]


def _average(scores: Scores) -> str:
    return "  -  " if scores.average_precision is None else f"{scores.average_precision:.3f}"


def _title(scores: Scores) -> str:
    if scores.average_precision is None:
        return "no query has a right match"
    return f"average precision {_average(scores)}"


def draw_calibration(calibration: Calibration, path: Path) -> None:
    """Write the similarities far apart and near, and both thresholds, as a PNG (or what the
    file's ending says). Raises StoreError.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), dpi=DPI, layout="constrained")
    panel = figure.subplots()
    found = calibration.proposal
    low, high = _shown_range(calibration)
    _draw_shares(
        panel,
        calibration.far,
        (low, high),
        "tab:blue",
        f"more than {calibration.exclude_recent} frames apart ({calibration.pairs:,} pairs)",
    )
    if calibration.near.any():
        label = f"one frame apart ({calibration.near.sum():,} pairs)"
        _draw_shares(panel, calibration.near, (low, high), "tab:orange", label)
    panel.axvline(found.value, color="0.2", linestyle="--", label=f"value {found.value:.3f}")
    panel.axvline(
        found.without_geometry,
        color="tab:red",
        label=f"without_geometry {found.without_geometry:.3f}",
    )
    _draw_error(panel, found.without_geometry, found.without_geometry_error)
    panel.set(xlabel="cosine similarity", ylabel="share of the pairs in %", xlim=(low, high))
    panel.set_title(f"{calibration.model}: similarities and thresholds", parse_math=False)
    panel.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot write the plot {path}: {error}") from error


def _shown_range(calibration: Calibration) -> tuple[float, float]:
    """Of similarities: nearly all that there are, and both thresholds."""
    ends = [calibration.proposal.value, calibration.proposal.without_geometry]
    for counts in (calibration.far, calibration.near):
        if counts.any():
            ends += [quantile(counts, 0.002), quantile(counts, 0.998)]
    margin = 0.04 * (max(ends) - min(ends)) + BIN_WIDTH
    return min(ends) - margin, max(ends) + margin


def _draw_shares(
    panel: Axes, counts: NDArray[np.int64], shown: tuple[float, float], color: str, label: str
) -> None:
    """A histogram of so many columns as are told apart."""
    edges = np.linspace(*shown, COLUMNS + 1)
    centres = (np.arange(len(counts)) + 0.5) * BIN_WIDTH - 1
    columns, _ = np.histogram(centres, edges, weights=100 * counts / counts.sum())
    panel.stairs(columns, edges, fill=True, color=color, alpha=0.45, label=label)
    panel.stairs(columns, edges, color=color, linewidth=1)


def _draw_error(panel: Axes, level: float, error: float | None) -> None:
    if error is not None:
        panel.axvspan(level - error, level + error, color="tab:red", alpha=0.12, linewidth=0)
