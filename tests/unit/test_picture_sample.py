"""An even sample of pictures, however many come."""

from __future__ import annotations

import numpy as np

from streamvpr.picture_sample import PictureSample


def picture(number: int) -> np.ndarray:
    return np.full((number % 3 + 1, 32), number % 256, np.uint8)


def test_all_of_few_are_kept_in_their_order() -> None:
    sample = PictureSample(10, seed=0)
    for number in range(5):
        sample.add(picture(number))
    descriptors, numbers = sample.table()
    assert numbers.tolist() == [0, 1, 1, 2, 2, 2, 3, 4, 4]
    assert descriptors[:, 0].tolist() == numbers.tolist()
    assert (sample.pictures, len(sample.kept), sample.descriptors) == (5, 5, 9)


def test_of_many_each_is_as_likely() -> None:
    counts = np.zeros(40)
    for seed in range(600):
        sample = PictureSample(10, seed)
        for number in range(40):
            sample.add(np.full((1, 32), number, np.uint8))
        descriptors, _ = sample.table()
        assert len(descriptors) == len(sample.kept) == 10
        counts[descriptors[:, 0]] += 1
    # 150 each, with a standard deviation of 10.6.
    assert (np.abs(counts - 150) < 5 * 10.6).all()


def test_nothing_is_a_table_too() -> None:
    descriptors, numbers = PictureSample(3, 0).table()
    assert descriptors.shape == (0, 32)
    assert len(numbers) == 0
