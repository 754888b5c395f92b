"""A flight without an end over made-up ground, which now and then comes back to where it was."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Image

WIDTH, HEIGHT = 160, 120
# The camera flies stretches of so many frames, so many pixels further in each, and stands still
# over the end of each for so many more.
STRETCH, STEP, STANDING = 46, 40, 4
# One stretch of so many goes over ground of before, so far beside the first time at most.
AGAIN, BESIDE = 4, 8
# Of patches of colour, which a model tells apart, and of plain ones, whose corners ORB finds.
PATCH, PIXELS_A_STONE = 40, 700
NOISE = 3


# Grounds of one flight, which the next one does not see.
GROUNDS = 1_000_000


def fly(reach: int, flight: int = 0) -> Iterator[Image]:
    """Frames (HEIGHT, WIDTH, 3) uint8 RGB, the same every time.

    What was seen up to `reach` frames before may be seen again. Any part costs what any other of
    that length does, but for chance. Another `flight` goes the same ways over other ground.
    """
    chance = np.random.default_rng(0)
    flown: deque[int] = deque(maxlen=max(2, reach // (STRETCH + STANDING) - 1))
    stretch = 0
    while True:
        back = stretch % AGAIN == AGAIN - 1 and len(flown) > 1
        # Never the last one: too new to match, it would be no revisit.
        seed = flown[int(chance.integers(len(flown) - 1))] if back else stretch
        yield from _along(_ground(flight * GROUNDS + seed), chance)
        flown.append(seed)
        stretch += 1


def _along(ground: Image, chance: np.random.Generator) -> Iterator[Image]:
    """One stretch, with the sensor's noise."""
    left, top = (int(start) for start in chance.integers(0, BESIDE + 1, 2))
    for frame in range(STRETCH + STANDING):
        x = left + STEP * min(frame, STRETCH - 1)
        seen = ground[top : top + HEIGHT, x : x + WIDTH]
        grain = chance.integers(-NOISE, NOISE + 1, seen.shape, np.int16)
        yield np.clip(seen + grain, 0, 255).astype(np.uint8)


def _ground(seed: int) -> Image:
    """What a stretch goes over, the same for one seed."""
    chance = np.random.default_rng(seed)
    width, height = (STRETCH - 1) * STEP + WIDTH + BESIDE, HEIGHT + BESIDE
    patches = chance.integers(40, 216, (height // PATCH + 1, width // PATCH + 1, 3), np.uint8)
    ground = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    stones = width * height // PIXELS_A_STONE
    starts = chance.integers(0, (width, height), (stones, 2))
    ends = starts + chance.integers(3, 12, (stones, 2))
    shades = chance.integers(0, 256, (stones, 3))
    for start, end, shade in zip(starts.tolist(), ends.tolist(), shades.tolist(), strict=True):
        cv2.rectangle(ground, start, end, shade, -1)
    return np.asarray(cv2.GaussianBlur(ground, (0, 0), 0.7), np.uint8)
