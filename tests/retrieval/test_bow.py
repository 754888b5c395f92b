"""Bags of words: counts, and what they weigh."""

from __future__ import annotations

import numpy as np

from streamvpr.frames import FeatureKind
from streamvpr.retrieval.bow import BagOfWords

from .scenes import SEEN, described, learned, with_descriptors

# One descriptor for each of three words.
WORDS = np.zeros((3, 128), np.uint8)
WORDS[[0, 1, 2], [5, 50, 100]] = 200


def bag_of(pictures: list[list[int]]) -> BagOfWords:
    return BagOfWords.learn([WORDS[words] for words in pictures], FeatureKind.SIFT, 0, words=3)


def of(encoder: BagOfWords, words: list[int]) -> np.ndarray:
    return encoder.describe(with_descriptors(WORDS[words]))


def test_a_word_weighs_the_root_of_its_count_times_its_rarity() -> None:
    encoder = bag_of([[0, 1, 1], [0], [0, 2], [0, 1]])
    found = np.sort(of(encoder, [1, 1, 1, 1, 2, 0, 0]))[::-1]
    wanted = np.array([2 * np.log(4 / 2), np.log(4 / 1), 0, 0])
    np.testing.assert_allclose(found, np.sort(wanted)[::-1] / np.linalg.norm(wanted), atol=1e-6)


def test_words_of_every_picture_tell_nothing() -> None:
    encoder = bag_of([[0, 1], [0, 2], [0]])
    nothing = of(encoder, [0, 0, 0])
    np.testing.assert_array_equal(nothing, encoder.describe(with_descriptors(WORDS[:0])))


def test_pictures_of_other_words_have_nothing_in_common() -> None:
    encoder = bag_of([[0], [1], [2]])
    assert of(encoder, [0, 1]) @ of(encoder, [2]) == 0
    assert abs(of(encoder, [0, 1]) @ of(encoder, [1, 0]) - 1) < 1e-6


def test_rarities_are_those_of_the_pictures_that_were_learned_of() -> None:
    encoder = learned("bow")
    seen = np.zeros(len(encoder.centres))
    for descriptors in described():
        seen += np.abs(encoder.describe(with_descriptors(descriptors))[:-1]) > 0
    told = (encoder.rarities > 0) & (seen > 0)
    assert told.any()
    pictures = 2 * len(SEEN)
    np.testing.assert_allclose(encoder.rarities[told], np.log(pictures / seen[told]), atol=1e-5)
