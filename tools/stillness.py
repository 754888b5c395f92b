#!/usr/bin/env python3
"""Frames that cost no inference since the view stands still, and whether that loses a closure.

    python tools/stillness.py street.avi flight.mp4 images/ --fps 0

Each source is run twice with the bundled model, as it is and with every frame embedded. A Markdown
table goes to standard output: frames, how many of them were skipped, closures of the run that skips
none, and how many of those are lost. One is lost where the frame closes no loop in the other run,
and neither does the kept view that it still shows.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple

from courses import render_line

import streamvpr
from streamvpr.sampler import StillnessGate

if TYPE_CHECKING:
    from streamvpr import Decision

# No share of changed cells is less.
NEVER_STILL = -1.0


class Row(NamedTuple):
    """Of one source."""

    frames: int
    skipped: int
    closures: int
    lost: int


def main(arguments: list[str] | None = None) -> int:
    """Run both ways, print; 1 with a line on stderr where something fails."""
    options = parse(arguments)
    print(render_line(["source", "frames", "skipped", "closures", "lost"]), end="")
    print(render_line(["---", *["---:"] * 4]), end="", flush=True)
    try:
        for source in options.sources:
            row = compare(*both(source, fps=options.fps, exclude_recent=options.exclude_recent))
            share = f"{row.skipped:,} ({row.skipped / max(1, row.frames):.0%})"
            cells = [f"`{source}`", f"{row.frames:,}", share, f"{row.closures:,}", f"{row.lost:,}"]
            print(render_line(cells), end="", flush=True)
    except streamvpr.StreamVPRError as error:
        print(f"stillness: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = streamvpr.RunOptions()
    parser.add_argument("sources", nargs="+", metavar="IMAGES|VIDEO")
    parser.add_argument("--fps", type=float, default=defaults.fps)
    parser.add_argument("--exclude-recent", type=int, default=defaults.exclude_recent)
    return parser.parse_args(arguments)


def both(
    source: str, *, fps: float, exclude_recent: int
) -> tuple[dict[int, Decision], dict[int, Decision]]:
    """Decisions by index: as it is, and with every frame embedded. Raises StreamVPRError."""
    skipping = asyncio.run(decisions(source, fps=fps, exclude_recent=exclude_recent))
    usual = StillnessGate.CHANGED_SHARE
    StillnessGate.CHANGED_SHARE = NEVER_STILL
    try:
        return skipping, asyncio.run(decisions(source, fps=fps, exclude_recent=exclude_recent))
    finally:
        StillnessGate.CHANGED_SHARE = usual


async def decisions(source: str, *, fps: float, exclude_recent: int) -> dict[int, Decision]:
    """Of every processed frame."""
    found = streamvpr.decide(source, fps=fps, exclude_recent=exclude_recent)
    return {decision.query.index: decision async for decision in found}


def compare(skipping: dict[int, Decision], whole: dict[int, Decision]) -> Row:
    """What was skipped, and what that lost."""
    closing = {index for index, decision in skipping.items() if decision.accepted}
    closures = [index for index, decision in whole.items() if decision.accepted]
    kept = {index: decision.query.same_view_as for index, decision in skipping.items()}
    lost = [i for i in closures if i not in closing and kept.get(i) not in closing]
    skipped = sum(view is not None for view in kept.values())
    return Row(len(skipping), skipped, len(closures), len(lost))


if __name__ == "__main__":
    sys.exit(main())
