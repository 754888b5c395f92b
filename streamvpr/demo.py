"""A short flight over made-up ground that comes back to where it began."""

from __future__ import annotations

import logging
import math
import shlex
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.config import RunOptions
from streamvpr.embedding.runtime import is_installed
from streamvpr.errors import StoreError
from streamvpr.execution import execute
from streamvpr.media import encode_video
from streamvpr.retrieval import RetrieverKind
from streamvpr.session import open_online

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from streamvpr.frames import Image

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 640, 480
FPS = 10
LAP_SECONDS = 21.0
FLIGHT_SECONDS = 24.0
GROUND = 2400
"""Side of the square of ground, in its own pixels."""
RADIUS = 760
# How far the second lap flies beside the first and above it.
SIDE_STEP = 25.0
CLIMB = 0.06


def run_demo(folder: Path, console: Console) -> int:
    """Make the flight, run it through the real pipeline, say where the pictures are."""
    video = folder / "flight.mp4"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {folder}: {error.strerror}") from error
    logger.info(
        "making %s, a flight of %.0f s that comes back after %.0f s",
        video,
        FLIGHT_SECONDS,
        LAP_SECONDS,
    )
    encode_video(video, flight(), fps=FPS)
    retriever = RetrieverKind.HYBRID
    if is_installed():
        retriever = RetrieverKind.GLOBAL
    options = RunOptions(output_dir=folder, retriever=retriever)
    code = execute(
        lambda sinks: open_online([str(video)], options, sinks),
        options,
        console,
        progress=logger.isEnabledFor(logging.INFO),
    )
    logger.info(
        "the pictures: %s (query and match side by side), %s; `streamvpr report %s` makes one page "
        "of all",
        folder / "matches",
        folder / "similarity_plot.png",
        shlex.quote(str(folder)),
    )
    return code


def flight(fps: int = FPS) -> Iterator[Image]:
    """Frames (480, 640, 3) uint8 RGB of a camera that looks straight down and flies a circle."""
    ground = make_ground()
    noise = np.random.default_rng(1)
    for index in range(round(FLIGHT_SECONDS * fps)):
        yield _frame(ground, index / fps / LAP_SECONDS, noise)


def make_ground() -> Image:
    """Fields, roads and houses, (GROUND, GROUND, 3) uint8 RGB, the same every time."""
    chance = np.random.default_rng(7)
    ground = _fields(chance)
    for _ in range(26):
        _road(ground, chance)
    for _ in range(900):
        _house(ground, chance)
    grain = chance.normal(0, 6, ground.shape[:2])
    grained = ground + cv2.GaussianBlur(grain, (0, 0), 1.2)[..., None] * 2
    return np.asarray(np.clip(grained, 0, 255), np.uint8)


def _fields(chance: np.random.Generator) -> Image:
    """Patches of colour around random seeds, as farmland looks from above."""
    seeds = chance.integers(0, GROUND, (140, 2))
    colours = chance.uniform((60, 80, 40), (170, 180, 110), (140 + 1, 3))
    nowhere = np.full((GROUND, GROUND), 255, np.uint8)
    nowhere[seeds[:, 1], seeds[:, 0]] = 0
    _, nearest = cv2.distanceTransformWithLabels(nowhere, cv2.DIST_L2, 5)
    return np.asarray(colours[nearest], np.uint8)


def _road(ground: Image, chance: np.random.Generator) -> None:
    start, end = chance.integers(-200, GROUND + 200, (2, 2))
    width = int(chance.integers(8, 22))
    shade = int(chance.integers(120, 200))
    at = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
    cv2.line(ground, *at, (shade, shade, shade), width, cv2.LINE_AA)
    cv2.line(ground, *at, (235, 235, 225), 2, cv2.LINE_AA)


def _house(ground: Image, chance: np.random.Generator) -> None:
    centre = chance.uniform(0, GROUND, 2)
    size = chance.uniform(14, 60, 2)
    corners = cv2.boxPoints((tuple(centre), tuple(size), float(chance.uniform(0, 90))))
    colour = tuple(int(c) for c in chance.integers(40, 250, 3))
    cv2.fillPoly(ground, [np.rint(corners + 6).astype(np.int32)], (45, 50, 45), cv2.LINE_AA)
    cv2.fillPoly(ground, [np.rint(corners).astype(np.int32)], colour, cv2.LINE_AA)


def _frame(ground: Image, laps: float, noise: np.random.Generator) -> Image:
    """What the camera sees after so many laps, with the sensor's noise."""
    angle = 2 * math.pi * laps
    radius = RADIUS + SIDE_STEP * math.floor(laps)
    height = 1 + CLIMB * math.floor(laps)
    x = GROUND / 2 + radius * math.cos(angle)
    y = GROUND / 2 + radius * math.sin(angle)
    # Nose along the path: the picture turns with the aircraft.
    view = cv2.getRotationMatrix2D((x, y), math.degrees(angle), 1 / height)
    view[:, 2] += np.array([WIDTH / 2 - x, HEIGHT / 2 - y])
    seen = cv2.warpAffine(ground, view, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    grain = noise.integers(-3, 4, (HEIGHT, WIDTH, 1))
    return np.asarray(np.clip(seen.astype(np.int16) + grain, 0, 255), np.uint8)
