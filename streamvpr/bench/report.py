"""What `bench` prints for machines, and reads again to compare."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from streamvpr import __version__
from streamvpr.bench.figures import Figure, figure, percentile
from streamvpr.bench.serial import shown
from streamvpr.bench.spent import NOTHING
from streamvpr.embedding.cores import usable_cores
from streamvpr.errors import StoreError
from streamvpr.machine import Machine, this_machine
from streamvpr.records import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from streamvpr.bench.measuring import Bench
    from streamvpr.bench.serial import StageTimes
    from streamvpr.bench.spent import Rate, Spent
    from streamvpr.bench.turn import Turn

REST = "rest"
"""What a run whose stages take turns takes besides them: handing over, the event loop."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What described the frames."""

    name: str
    sha256: str | None
    dimension: int
    input: str
    """WIDTHxHEIGHT."""
    precision: str
    device: str
    threads: int
    """On the CPU."""

    def __str__(self) -> str:
        what = f"{self.name}, {self.precision}, {self.dimension}-d from {self.input}"
        if self.device != "cpu":
            return f"{what}, on {self.device}"
        return f"{what}, on cpu with {self.threads} thread{'' if self.threads == 1 else 's'}"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What was read."""

    stream: str
    path: str | None
    """None for the flight that is made where no source is given."""
    codec: str | None
    width: int | None
    height: int | None

    def __str__(self) -> str:
        path = "a flight made for this" if self.path is None else self.path
        return f"{self.stream}: {path}, {self.codec} {self.width}x{self.height}"


class StageShare(msgspec.Struct, frozen=True, kw_only=True):
    """A stage's part in a run whose stages take turns, all turns together."""

    frames: int
    """Those that it worked on, in one turn."""
    wall_share: float
    cpu_share: float


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="bench"):
    """All that was measured, and on what."""

    date: str
    """RFC 3339 in UTC."""
    version: str
    machine: Machine
    model: Model
    sources: list[Source]
    options: dict[str, Any]
    """The effective ones, as run.toml has them."""
    turns: int
    frames: int
    """Processed in a turn."""
    still: int
    """Of them those that showed a view already kept."""
    closures: int
    places: int
    """Those that were remembered at the end of a run."""
    best_batch: int
    """Pictures in a batch with which the bare session was fastest: the one that ratios are of."""
    stages: dict[str, StageShare]
    busy: dict[str, float]
    """Share of a run's time that each stage worked, of all stages at once: median of the turns."""
    figures: dict[str, Figure]


def make_report(bench: Bench, turns: Sequence[Turn]) -> Report:
    """What the turns of a bench amount to; there must be one at least."""
    embedder, options, run = bench.embedder, bench.options, turns[-1].run
    card = embedder.card
    best = fastest_batch(turns)
    return Report(
        date=rfc3339(time.time()),
        version=__version__,
        machine=this_machine(),
        model=Model(
            name=card.name,
            sha256=card.sha256 or None,
            dimension=card.dimension,
            input=f"{card.input.width}x{card.input.height}",
            precision=card.precision,
            device=embedder.device,
            threads=options.threads or usable_cores(),
        ),
        sources=[
            Source(
                stream=stream.stream,
                path=None if bench.made else stream.path,
                codec=stream.codec,
                width=stream.width,
                height=stream.height,
            )
            for stream in bench.streams
        ],
        options=options.effective(),
        turns=len(turns),
        frames=run.frames,
        still=run.still,
        closures=run.closures,
        places=run.places,
        best_batch=best,
        stages=dict(_shares(turns)),
        busy={shown(name): _busy(name, turns) for name in run.busy},
        figures=dict(_figures(turns, best)),
    )


def fastest_batch(turns: Sequence[Turn]) -> int:
    """With how many pictures at once the bare session did most frames a second."""
    return max(
        turns[0].bare, key=lambda batch: median(turn.bare[batch].per_second for turn in turns)
    )


def read_report(path: Path) -> Report:
    """What `bench --json` wrote. Raises StoreError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise StoreError(f"cannot read --against {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"--against {path} is not what `streamvpr bench --json` prints: {error}"
        ) from error


def _figures(turns: Sequence[Turn], best: int) -> Iterator[tuple[str, Figure]]:
    runs = [turn.run for turn in turns]
    floor = [turn.bare[best] for turn in turns]
    yield from _rates("run", [run.of_all for run in runs])
    yield from _rates("run_embedded", [run.of_embedded for run in runs])
    for batch in turns[0].bare:
        yield from _rates(f"bare_{batch}", [turn.bare[batch] for turn in turns])
    yield from _ratios("ratio", [run.of_all for run in runs], floor)
    yield from _ratios("ratio_embedded", [run.of_embedded for run in runs], floor)
    yield from _rates("decoding", [turn.decoding for turn in turns])
    yield "places.read_ms", figure([1e3 * turn.reading.at_end for turn in turns], "ms")
    yield "places.read_full_ms", figure([1e3 * turn.reading.full for turn in turns], "ms")
    for name in turns[0].serial.stages:
        yield from _stage(name, [turn.serial.stages[name] for turn in turns])


def _rates(name: str, rates: Sequence[Rate]) -> Iterator[tuple[str, Figure]]:
    yield (
        f"{name}.frames_per_second",
        figure([rate.per_second for rate in rates], "1/s", better="higher"),
    )
    yield f"{name}.cpu_ms", figure([1e3 * rate.cpu for rate in rates], "ms")


def _ratios(
    name: str, rates: Sequence[Rate], floor: Sequence[Rate]
) -> Iterator[tuple[str, Figure]]:
    """Of what was measured in the same turn: drift between turns cancels."""
    pairs = list(zip(rates, floor, strict=True))
    yield (
        f"{name}.frames_per_second",
        figure([mine.per_second / bare.per_second for mine, bare in pairs], "", better="higher"),
    )
    yield f"{name}.cpu", figure([mine.cpu / bare.cpu for mine, bare in pairs], "")


def _stage(name: str, times: Sequence[StageTimes]) -> Iterator[tuple[str, Figure]]:
    """Milliseconds of a frame, of those that the stage worked on."""
    if not all(one.frames for one in times):
        return
    for clock in ("wall", "cpu"):
        frames = [[1e3 * getattr(frame, clock) for frame in one.frames] for one in times]
        yield f"stage.{name}.{clock}_ms", figure([median(one) for one in frames], "ms")
        yield (
            f"stage.{name}.{clock}_p95_ms",
            figure([percentile(one, 0.95) for one in frames], "ms"),
        )


def _shares(turns: Sequence[Turn]) -> Iterator[tuple[str, StageShare]]:
    """Of all that runs took whose stages take turns; they add up to 1."""
    whole = _sum(turn.serial.spent for turn in turns)
    rest = whole
    for name in turns[0].serial.stages:
        times = [turn.serial.stages[name] for turn in turns]
        spent = _sum(one.total for one in times)
        rest -= spent
        yield name, _of(spent, whole, len(times[0].frames))
    yield REST, _of(rest, whole, turns[0].run.frames)


def _of(spent: Spent, whole: Spent, frames: int) -> StageShare:
    return StageShare(
        frames=frames,
        wall_share=round(spent.wall / whole.wall, 4),
        cpu_share=round(spent.cpu / whole.cpu, 4),
    )


def _sum(spent: Iterable[Spent]) -> Spent:
    return sum(spent, NOTHING)


def _busy(name: str, turns: Sequence[Turn]) -> float:
    return round(median(turn.run.busy[name] / turn.run.spent.wall for turn in turns), 4)
