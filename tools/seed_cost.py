#!/usr/bin/env python3
"""What a frame costs as the article's program does it, and as streamvpr does, model by model.

    python tools/seed_cost.py drone/images flight.mp4 --weights resnet50.pth \\
        --models resnet50-gem.onnx resnet50-gem-int8.onnx efficientnet-lite0-gem

tools/seed_baseline.py and `streamvpr run` with each model (the bundled one by default), with
geometry, on every frame of each source, by turns, each a program of its own. A Markdown table for
each source goes to standard output: processor time (user and system, all threads; wait4) of a
frame, decoding, pictures and records included and starting up taken out as tools/cost.py does; the
median of the turns, the least and the most. `still` are frames that showed a view already kept, on
which no model ran; the article's program knows of none. The last column is what the article's
program takes to that, in the same turn, again the median.

All run on one thread of the model (`--threads`): threads that wait by spinning, as torch's do, cost
several times as much where others use the cores, and that would be the others' doing.

It needs streamvpr with ONNX Runtime, torch and torchvision.
"""

from __future__ import annotations

import argparse
import datetime
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from children import Finished, run_child
from cost import count_frames, first_picture, milliseconds_a_frame
from courses import STREAMVPR, render_line

from streamvpr.embedding import find_model
from streamvpr.errors import StreamVPRError
from streamvpr.machine import this_machine

SEED = Path(__file__).resolve().parent / "seed_baseline.py"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is run on a source, and what it is told besides."""

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...]

    def on(self, source: Path) -> Finished:
        """Run it. Raises OSError, and RuntimeError with its last words where it fails."""
        done = run_child([*self.command, str(source), *self.options])
        if done.code != 0:
            raise RuntimeError(f"{self.name} failed on {source}: {done.last_words}")
        return done


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program took."""

    milliseconds: float
    """Of processor time a frame."""
    frames: int
    still: int


def main(arguments: list[str] | None = None) -> int:
    """Run by turns, print; 1 with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        programs = [article(options), *(run_of(model, options) for model in options.models)]
        print(f"Measured on {datetime.date.today()}, {this_machine()}.\n", flush=True)
        for source in options.sources:
            turns = [measure(programs, source) for _ in range(options.repeats)]
            print(f"**{source}**\n\n{render(programs, turns)}", flush=True)
    except (OSError, StreamVPRError, RuntimeError) as error:
        print(f"seed_cost: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="IMAGES|VIDEO")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of the article's ResNet-50")
    parser.add_argument("--models", nargs="+", metavar="MODEL", default=[None])
    parser.add_argument("--repeats", type=int, default=3, metavar="TURNS")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exclude-recent", type=int, default=30, metavar="N")
    return parser.parse_args(arguments)


def article(options: argparse.Namespace) -> Program:
    """The article's program."""
    weights = [] if options.weights is None else ["--weights", str(options.weights)]
    told = (*weights, *common(options))
    return Program("the article's program", (sys.executable, str(SEED)), told)


def run_of(model: str | None, options: argparse.Namespace) -> Program:
    """`streamvpr run` with a model. Raises ModelError where there is none of that name."""
    path = find_model(model)
    told = ("--model", str(path), "--fps", "0", "--records", "all", "--log-level", "error")
    return Program(f"`run`, {path.stem}", (*STREAMVPR, "run"), (*told, *common(options)))


def common(options: argparse.Namespace) -> tuple[str, ...]:
    """What both are told."""
    recent = ("--exclude-recent", str(options.exclude_recent))
    return (*recent, "--threads", str(options.threads))


def measure(programs: list[Program], source: Path) -> list[Cost]:
    """What each program takes, once. Raises OSError, StreamVPRError, RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        alone = first_picture(source, Path(folder))
        found = [cost(one, source, alone) for one in programs]
    shown = ", ".join(f"{one.milliseconds:.0f}" for one in found)
    print(f"{source}: {shown} ms", file=sys.stderr, flush=True)
    return found


def cost(program: Program, source: Path, alone: Path) -> Cost:
    """What a program takes on a source; `alone` is its first frame."""
    whole = program.on(source)
    milliseconds = milliseconds_a_frame(whole, program.on(alone))
    if milliseconds is None:
        raise RuntimeError(f"{source} has one frame alone, which does not tell what more cost")
    still = len(re.findall(rb'"decision":"stationary"', whole.out))
    return Cost(milliseconds, count_frames(whole.out), still)


def render(programs: list[Program], turns: list[list[Cost]]) -> str:
    """Markdown: a line a program."""
    names = ["program", "still", "CPU ms a frame", "least to most", "the article's to that"]
    lines = [render_line(names), render_line(["---"] * len(names))]
    for column, program in enumerate(programs):
        values = [turn[column].milliseconds for turn in turns]
        ratio = statistics.median(
            turn[0].milliseconds / turn[column].milliseconds for turn in turns
        )
        cells = [
            program.name,
            f"{turns[-1][column].still} of {turns[-1][column].frames}",
            f"{statistics.median(values):.0f}",
            f"{min(values):.0f} to {max(values):.0f}",
            f"{ratio:.1f}",
        ]
        lines.append(render_line(cells))
    return "".join([*lines, "\n"])


if __name__ == "__main__":
    sys.exit(main())
