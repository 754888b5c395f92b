"""The report for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.bench.report import REST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.bench.against import Against, Difference
    from streamvpr.bench.figures import Figure
    from streamvpr.bench.report import Report

GAP = "  "
FLOAT_BYTES = 4


def as_table(report: Report, against: Against | None = None) -> str:
    """For people, and how it compares with an earlier one where that is given."""
    parts = [_what(report), _stages(report), _beside(report), _ratios(report)]
    if against is not None:
        parts.append(_against(against))
    return "\n\n".join(parts)


def _what(report: Report) -> str:
    turns = f"{report.turns} turn{'' if report.turns == 1 else 's'}"
    frames = (
        f"{report.frames} frames, still: {report.still}, {report.closures} loop closures, "
        f"{report.places} places; {turns}"
    )
    return "\n".join(map(str, [report.model, report.machine, *report.sources, frames]))


def _stages(report: Report) -> str:
    """Medians of all turns; ms of a frame that got there."""
    names = ["stage", "frames", "wall ms", "p95", "CPU ms", "p95", "of wall", "of CPU"]
    rows = [names, *(_stage(report, name) for name in report.stages)]
    title = "Each stage while no other works: a frame's median and 95th percentile, share of all"
    return "\n".join([title, *_aligned(rows)])


def _stage(report: Report, name: str) -> list[str]:
    share = report.stages[name]
    times = [
        _number(report.figures[key].median) if key in report.figures else "-"
        for key in (
            f"stage.{name}.{clock}" for clock in ("wall_ms", "wall_p95_ms", "cpu_ms", "cpu_p95_ms")
        )
    ]
    frames = "" if name == REST else str(share.frames)
    return [name, frames, *times, f"{share.wall_share:.1%}", f"{share.cpu_share:.1%}"]


def _beside(report: Report) -> str:
    figures = report.figures
    names = _names_of_runs(report)
    for key in figures:
        batch, _, figure = key.removeprefix("bare_").partition(".")
        if key.startswith("bare_") and figure == "cpu_ms":
            names[f"bare_{batch}"] = f"bare session, {_batch(int(batch))}"
    names["decoding"] = "decoding alone"
    rows = [["", "frames/s", "", "CPU ms", ""]]
    for key, name in names.items():
        rate, cpu = figures[f"{key}.frames_per_second"], figures[f"{key}.cpu_ms"]
        rows.append([name, *_spread(rate), *_spread(cpu)])
    title = "All stages at once, and what that is held against: median, least and most of the turns"
    return "\n".join([title, *_aligned(rows), _reading(report)])


def _names_of_runs(report: Report) -> dict[str, str]:
    """Without still frames all are alike."""
    names = {"run": "run"}
    if report.still:
        names["run_embedded"] = "run, a frame that is not still"
    return names


def _reading(report: Report) -> str:
    capacity = int(report.options["capacity"])
    bytes_each = report.model.dimension * FLOAT_BYTES
    read, full = (report.figures[f"places.{name}"] for name in ("read_ms", "read_full_ms"))
    return (
        f"one read of {report.places} places ({report.places * bytes_each / 1e6:.1f} MB): "
        f"{_number(read.median)} ms; of a full ring of {capacity} "
        f"({capacity * bytes_each / 1e6:,.0f} MB): {_number(full.median)} ms"
    )


def _ratios(report: Report) -> str:
    rows = [["", "frames/s", "", "CPU", ""]]
    for key, name in _names_of_runs(report).items():
        ratio = key.replace("run", "ratio")
        rate, cpu = (report.figures[f"{ratio}.{of}"] for of in ("frames_per_second", "cpu"))
        rows.append([name, *_spread(rate), *_spread(cpu)])
    title = f"As shares of those of the bare session, {_batch(report.best_batch)}, in the same turn"
    busy = ", ".join(f"{name} {share:.0%}" for name, share in report.busy.items())
    return "\n".join([title, *_aligned(rows), f"busy in the run: {busy}"])


def _against(against: Against) -> str:
    """All but what stands twice where nothing is still, and the tails."""
    rows = [["", "then", "now", "now/then", ""]]
    rows += [
        _difference(name, found)
        for name, found in against.figures.items()
        if not name.endswith("_p95_ms") and not _repeats(name, against)
    ]
    lines = _aligned(rows, left=(0, len(rows[0]) - 1))
    return "\n".join([f"Against {against.date}", *against.others, *lines])


def _repeats(name: str, against: Against) -> bool:
    """Whether a figure of the frames that are not still says what that of all frames says."""
    of_all = name.replace("_embedded", "")
    return of_all != name and against.figures[name] == against.figures.get(of_all)


def _difference(name: str, found: Difference) -> list[str]:
    ratio = "-" if found.ratio is None else f"{found.ratio:.2f}"
    return [name, _number(found.before), _number(found.now), ratio, found.verdict.value]


def _batch(size: int) -> str:
    return "one by one" if size == 1 else f"{size} at once"


def _spread(figure: Figure) -> list[str]:
    return [_number(figure.median), f"({_number(figure.least)} to {_number(figure.most)})"]


def _number(value: float) -> str:
    """Three digits that count, and never more than three behind the point."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> list[str]:
    """Columns under each other, to the right but for those that stand at the `left`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
