"""The flight of the long run: new ground, places of before, and standing still."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
from long_flight import AGAIN, STANDING, STRETCH, fly

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Image

FRAMES, REACH = STRETCH + STANDING, 400


def alike(one: Image, other: Image) -> float:
    """Correlation of two pictures."""
    return float(np.corrcoef(coarse(one), coarse(other))[0, 1])


def coarse(picture: Image) -> NDArray[np.float64]:
    """Mean grey of squares that hide a few pixels' way to the side."""
    height, width = picture.shape[:2]
    return picture.reshape(height // 20, 20, width // 20, 20, 3).mean(axis=(1, 3, 4)).ravel()


def test_one_stretch_of_four_comes_back_to_another_within_reach() -> None:
    middles = list(islice(fly(REACH), FRAMES // 2, 24 * FRAMES, FRAMES))
    within = REACH // FRAMES - 1
    for stretch in range(1, len(middles)):
        before = middles[max(0, stretch - within) : stretch]
        known = [alike(middles[stretch], middle) > 0.9 for middle in before]
        assert any(known) == (stretch % AGAIN == AGAIN - 1)
        assert not known[-1], "too new to match"


def test_the_camera_stands_still_at_the_end_of_a_stretch() -> None:
    seen = list(islice(fly(REACH), FRAMES))
    still = [alike(*pair) > 0.99 for pair in pairwise(seen)]
    assert still == [False] * (STRETCH - 1) + [True] * STANDING
    assert not np.array_equal(seen[-1], seen[-2]), "a sensor's noise is never the same"


def test_it_is_the_same_every_time() -> None:
    one, other = (list(islice(fly(REACH), FRAMES + 1)) for _ in range(2))
    assert np.array_equal(one, other)
