"""Places made by chance, the same for one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import FeatureKind, Features, Place
from streamvpr.maps import MapModel
from streamvpr.maps.writer import Kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 16
MODEL = MapModel("tiny", "ab" * 32, DIMENSION, FeatureKind.ORB)


def made_features(seed: int, count: int = 40) -> Features:
    chance = np.random.default_rng(seed)
    return Features(
        points=chance.uniform(0, 600, (count, 2)).astype(np.float32),
        descriptors=chance.integers(0, 256, (count, 32), np.uint8),
        scale=1.25,
        size=(640, 480),
        poses=chance.integers(0, 256, (count, 2), np.uint8),
    )


def made_descriptor(seed: int) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    return found / np.float32(np.linalg.norm(found))


def made_place(index: int, *, stream: str = "cam", seed: int | None = None) -> Kept:
    """A place whose values follow from its index, or from a seed."""
    seed = index if seed is None else seed
    place = Place(
        stream=stream,
        index=index,
        time=index / 2,
        path=f"{stream}.mp4",
        width=640,
        features=made_features(seed),
        thumbnail=None,
        wall_time=1.7e9 + index,
    )
    return Kept(place, made_descriptor(seed), None)
