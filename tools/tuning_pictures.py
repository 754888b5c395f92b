#!/usr/bin/env python3
"""Make the pictures of docs/tuning.md from made-up flights, with the program itself.

    python tools/tuning_pictures.py docs

Writes tuning-overlay.jpg (a false loop by what is on the lens in every picture, and what is said of
it), tuning-corner.jpg (a place that shares only a corner with the query) and tuning-signal.png (the
signal of a flight that comes back), and prints the records that the page quotes.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np

import streamvpr
from streamvpr import records
from streamvpr.demo import FPS, flight, make_ground
from streamvpr.media import encode_video
from streamvpr.sinks.preview import draw_preview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Decision, Image

WIDTH, HEIGHT = 640, 480
# Two straight lines over the ground, the second so far beside the first.
LINE_FRAMES, LINE_STEP, BESIDE = 60, 24, 345
LOGO = (96, 240)


def main() -> None:
    """Make all three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        signal(folder, Path(scratch))
        corner(folder, Path(scratch))
        overlay(folder, Path(scratch))


def signal(folder: Path, scratch: Path) -> None:
    """The similarity of every frame of the demo's flight to its best candidate."""
    video = scratch / "flight.mp4"
    encode_video(video, flight(), fps=FPS)
    decide(video, output_dir=scratch / "signal")
    shutil.copy(scratch / "signal/similarity_plot.png", folder / "tuning-signal.png")


def corner(folder: Path, scratch: Path) -> None:
    """The best candidate of a line that has little more than a quarter in common with another."""
    video = scratch / "lines.mp4"
    encode_video(video, lines(), fps=FPS)
    found = decide(video, output_dir=scratch / "lines", exclude_recent=20)
    refused = [
        d
        for d in found
        if not d.accepted and d.verification is not None and d.verification.inliers >= 30
    ]
    save(max(refused, key=inliers), folder / "tuning-corner.jpg")


def overlay(folder: Path, scratch: Path) -> None:
    """What a logo in every picture does, without learning chance and with it."""
    video = scratch / "logo.mp4"
    encode_video(video, with_logo(lines(beside=1000)), fps=FPS)
    false = [
        d
        for d in decide(video, output_dir=scratch / "logo", chance=False, **LOGO_RUN)
        if d.accepted
    ]
    save(max(false, key=inliers), folder / "tuning-overlay.jpg")
    learned = decide(video, **LOGO_RUN)
    print(len(false), "false loops; with chance learned", sum(d.accepted for d in learned))
    same = next(d for d in learned if d.query.index == max(false, key=inliers).query.index)
    print(_encoded(same))


LOGO_RUN: dict[str, Any] = {"exclude_recent": 20, "sim_threshold": 0.5}


def decide(video: Path, **options: Any) -> list[Decision]:
    """The decision on every second frame."""

    async def collect() -> list[Decision]:
        return [d async for d in streamvpr.decide(str(video), fps=5, **options)]

    return asyncio.run(collect())


def lines(beside: int = BESIDE) -> Iterator[Image]:
    """A camera that looks straight down along a line, and then along one beside it."""
    ground = make_ground()
    for side in (0, beside):
        for step in range(LINE_FRAMES):
            x, y = 100 + step * LINE_STEP, 500 + side
            yield np.ascontiguousarray(ground[y : y + HEIGHT, x : x + WIDTH])


def with_logo(frames: Iterator[Image]) -> Iterator[Image]:
    """The same with a logo, as cameras and broadcasters put one there."""
    logo = np.full((*LOGO, 3), 20, np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(60):
        x, y = int(rng.integers(0, LOGO[1])), int(rng.integers(0, LOGO[0]))
        shade = int(rng.integers(90, 256))
        cv2.rectangle(logo, (x, y), (x + 14, y + 9), (shade, shade, shade), -1)
    for frame in frames:
        frame[-LOGO[0] :, -LOGO[1] :] = logo
        yield frame


def inliers(decision: Decision) -> int:
    """Of the decision's best candidate."""
    return 0 if decision.verification is None else decision.verification.inliers


def save(decision: Decision, path: Path) -> None:
    """Draw a decision, and print its record."""
    preview = draw_preview(decision)
    assert preview is not None
    full = np.asarray(cv2.imdecode(np.frombuffer(preview, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    small = cv2.resize(full, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path.name, _encoded(decision))


def _encoded(decision: Decision) -> str:
    return msgspec.json.encode(records.query(decision)).decode()


if __name__ == "__main__":
    main()
