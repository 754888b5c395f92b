"""What the bundled vocabularies are trained on: photographs that are free, and made-up pictures.

The photographs are carried by packages of public registries; vocabulary_photographs.csv says whose
they are and how they are free, and fetch_photographs.py fetches them. Each is seen from several
sides, mirrored too, since ORB's bits of a mirrored corner are others.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import long_flight
import numpy as np

from streamvpr import demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Image

WIDTH, HEIGHT = 640, 480
# Larger photographs are shrunk first: what a crop of thousands of pixels shows is noise.
LARGEST_SIDE = 1600
VIEWS_OF_A_PHOTOGRAPH = 30
VIEWS_OF_THE_GROUND = 60
STRETCHES, FRAMES_A_STRETCH = 6, 5
DEAD_LEAVES, LEAVES = 120, 4000
# Radii fall off with their third power, as sizes of things in pictures do.
SMALLEST_LEAF, LARGEST_LEAF = 4.0, 200.0
# Crops of so much of the smaller side at least; smaller ones would be blur.
SMALLEST_CROP = 0.45
# How far a corner of a view may be drawn in, as a share of its side: a camera that looks askew.
SKEW = 0.12


@dataclass(frozen=True, slots=True)
class Photograph:
    """One that is free to be used, and how."""

    registry: str
    """debian, npm or pypi."""
    package: str
    """As the registry is asked for it."""
    file: str
    """Its path in the unpacked package."""
    author: str
    licence: str

    def path(self, folder: Path) -> Path:
        """Where it lies, of packages that are unpacked into folders of their names."""
        return folder / self.package / self.file


def _listed() -> tuple[Photograph, ...]:
    with (Path(__file__).parent / "vocabulary_photographs.csv").open(newline="") as file:
        return tuple(Photograph(**row) for row in csv.DictReader(file))


PHOTOGRAPHS = _listed()


def pictures(folder: Path, seed: int) -> Iterator[tuple[str, Image]]:
    """Names and lumas (H, W) uint8 of all of them, the same every time for one seed.

    Raises FileNotFoundError where a photograph is not in the folder.
    """
    chance = np.random.default_rng(seed)
    for photograph in PHOTOGRAPHS:
        path = photograph.path(folder)
        whole = _read(path)
        for number in range(VIEWS_OF_A_PHOTOGRAPH):
            yield f"{photograph.package} {path.name} {number}", _view(whole, chance)
    ground = cv2.cvtColor(demo.make_ground(), cv2.COLOR_RGB2GRAY)
    for number in range(VIEWS_OF_THE_GROUND):
        yield f"ground {number}", _view(np.asarray(ground, np.uint8), chance)
    for number, luma in enumerate(_flown()):
        yield f"flight {number}", luma
    for number in range(DEAD_LEAVES):
        yield f"leaves {number}", dead_leaves(chance)


def dead_leaves(chance: np.random.Generator) -> Image:
    """(HEIGHT, WIDTH) discs and boxes before each other, with a texture whose spectrum is 1/f.

    Things that hide each other have the statistics of natural pictures (Lee, Mumford and Huang,
    IJCV 2001).
    """
    picture = np.full((HEIGHT, WIDTH), 128, np.float32)
    # Radii by the inverse of their cumulated density, r^-3 between the two ends.
    ends = SMALLEST_LEAF**-2, LARGEST_LEAF**-2
    radii = (ends[0] - chance.random(LEAVES) * (ends[0] - ends[1])) ** -0.5
    centres = chance.uniform((0, 0), (WIDTH, HEIGHT), (LEAVES, 2))
    shades = chance.uniform(20, 235, LEAVES)
    for (x, y), radius, shade in zip(centres.tolist(), radii.tolist(), shades, strict=True):
        _leaf(picture, (x, y), radius, float(shade), chance)
    textured = picture + chance.uniform(4, 18) * _one_over_f(chance)
    blurred = cv2.GaussianBlur(textured, (0, 0), float(chance.uniform(0.5, 1.0)))
    noisy = blurred + chance.normal(0, chance.uniform(0.5, 3), blurred.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _leaf(
    picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    centre: tuple[float, float],
    radius: float,
    shade: float,
    chance: np.random.Generator,
) -> None:
    if chance.random() < 0.5:
        middle = round(centre[0]), round(centre[1])
        cv2.circle(picture, middle, max(1, round(radius)), shade, -1)
        return
    sides = float(radius * chance.uniform(0.5, 2)), float(radius * chance.uniform(0.5, 2))
    corners = cv2.boxPoints((centre, sides, float(chance.uniform(0, 90))))
    cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], shade)


def _one_over_f(
    chance: np.random.Generator,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(HEIGHT, WIDTH) noise of variance 1 whose amplitude falls off with the frequency."""
    frequencies = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :])
    frequencies[0, 0] = np.inf
    spectrum = np.fft.rfft2(chance.normal(size=(HEIGHT, WIDTH))) / frequencies
    noise = np.fft.irfft2(spectrum, (HEIGHT, WIDTH))
    return np.asarray(noise / noise.std())


def _read(path: Path) -> Image:
    luma = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if luma is None:
        raise FileNotFoundError(f"{path} is missing; python tools/fetch_photographs.py FOLDER")
    smaller = min(1.0, LARGEST_SIDE / max(luma.shape))
    size = round(luma.shape[1] * smaller), round(luma.shape[0] * smaller)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def _view(whole: Image, chance: np.random.Generator) -> Image:
    """Some part of a picture, askew, perhaps mirrored, brighter or darker, of WIDTH by HEIGHT."""
    height, width = whole.shape
    crop_width = min(width, height * WIDTH / HEIGHT) * chance.uniform(SMALLEST_CROP, 1)
    crop_height = crop_width * HEIGHT / WIDTH
    left, top = chance.uniform((0, 0), (width - crop_width, height - crop_height))
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    inwards = np.where(corners > 0, -1, 1) * chance.uniform(0, SKEW, (4, 2))
    seen = (corners + inwards) * (crop_width, crop_height) + (left, top)
    into = corners * (WIDTH, HEIGHT)
    if chance.random() < 0.5:
        into[:, 0] = WIDTH - into[:, 0]
    view = cv2.getPerspectiveTransform(seen.astype(np.float32), into.astype(np.float32))
    warped = cv2.warpPerspective(
        whole, view, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
    )
    bright = 255 * (warped / 255.0) ** chance.uniform(0.6, 1.6)
    return np.asarray(np.clip(bright + chance.normal(0, 2, bright.shape), 0, 255), np.uint8)


def _flown() -> Iterator[Image]:
    """Some frames of each of the first stretches of the long flight."""
    stretch = long_flight.STRETCH + long_flight.STANDING
    chosen = {
        start + round(step * long_flight.STRETCH / FRAMES_A_STRETCH)
        for start in range(0, STRETCHES * stretch, stretch)
        for step in range(FRAMES_A_STRETCH)
    }
    for number, frame in enumerate(long_flight.fly(stretch * STRETCHES)):
        if number > max(chosen):
            return
        if number in chosen:
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
