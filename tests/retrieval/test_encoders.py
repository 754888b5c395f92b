"""What every encoder keeps to, whatever it makes of the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streamvpr.centring import Centring
from streamvpr.frames import FeatureKind
from streamvpr.retrieval.sampling import sampled

from .scenes import (
    DESCRIBING,
    LEARNERS,
    NAMES,
    SEEN,
    SIZES,
    UNSEEN,
    bundled,
    described,
    featureless,
    features,
    learn,
    learned,
    with_descriptors,
)

if TYPE_CHECKING:
    from streamvpr.retrieval.encoders import Encoder

every = pytest.mark.parametrize("name", NAMES)
describing = pytest.mark.parametrize("name", DESCRIBING)


def ring_of(encoder: Encoder, scenes: range, view: int = 0):
    ring = encoder.open_index(100)
    for scene in scenes:
        ring.add(encoder.describe(features(scene, view)))
    return ring


@describing
@pytest.mark.parametrize("count", [1, 2, 300])
def test_descriptors_have_length_1(name: str, count: int) -> None:
    for encoder in (learned(name), bundled(name)):
        found = encoder.describe(with_descriptors(features(101).descriptors[:count]))
        assert found.dtype == np.float32
        assert found.shape == (encoder.dimension,)
        assert abs(float(np.linalg.norm(found)) - 1) < 1e-5


@describing
def test_the_order_of_features_does_not_matter(name: str) -> None:
    descriptors = features(102).descriptors
    shuffled = np.random.default_rng(0).permutation(descriptors)
    one, other = (bundled(name).describe(with_descriptors(d)) for d in (descriptors, shuffled))
    np.testing.assert_allclose(one, other, atol=1e-4)


@every
@pytest.mark.parametrize("shipped", [False, True])
def test_the_same_place_is_nearer_than_all_others(name: str, shipped: bool) -> None:
    encoder = bundled(name) if shipped else learned(name)
    ring = ring_of(encoder, UNSEEN)
    found = [ring.scores(encoder.describe(features(scene, 1))).argmax() for scene in UNSEEN]
    right = np.count_nonzero(np.array(found) == np.arange(len(UNSEEN)))
    # So few words as these tests learn mistake one or the other.
    assert right >= (len(UNSEEN) if shipped else 8)


@describing
def test_a_picture_without_features_is_similar_to_none(name: str) -> None:
    encoder = bundled(name)
    blank = encoder.describe(featureless())
    assert np.linalg.norm(blank) == 1
    ring = ring_of(encoder, UNSEEN)
    ring.add(blank)
    assert not ring.scores(blank).any()
    assert not ring.scores_of(np.arange(len(ring)), blank).any()
    assert ring.exact_score(len(ring) - 1, blank) == 0
    assert ring.scores(encoder.describe(features(UNSEEN[0])))[-1] == 0


@describing
@pytest.mark.parametrize("shade", [0, 255])
def test_odd_descriptors_are_no_trouble(name: str, shade: int) -> None:
    found = bundled(name).describe(with_descriptors(np.full((3, 128), shade, np.uint8)))
    assert abs(float(np.linalg.norm(found)) - 1) < 1e-5


@every
def test_features_of_another_kind_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="orb, not sift"):
        bundled(name).describe(features(0, 0, FeatureKind.ORB))


@describing
def test_rings_keep_to_their_size(name: str) -> None:
    encoder = learned(name)
    ring = ring_of(encoder, UNSEEN)
    assert ring.nbytes == len(UNSEEN) * 4 * encoder.dimension
    assert ring.on_one_scale(np.array([0.25, 0.5], np.float32)).tolist() == [0.5, 1]
    assert ring.on_one_scale(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="in a ring of"):
        ring.add(np.ones(encoder.dimension - 1, np.float32))


@every
def test_learning_repeats_byte_for_byte(name: str) -> None:
    one, same = learned(name).parameters(), learn(name).parameters()
    assert {key: a.tobytes() for key, a in one.arrays.items()} == {
        key: a.tobytes() for key, a in same.arrays.items()
    }


@every
def test_progress_is_told(name: str) -> None:
    heard = []
    LEARNERS[name].learn(
        described(), FeatureKind.SIFT, 3, lambda *step: heard.append(step), **SIZES[name]
    )
    assert heard
    assert all(0 <= done <= total for _, done, total in heard)
    assert heard[-1][1] == heard[-1][2]


@every
def test_pictures_without_features_do_not_stop_learning(name: str) -> None:
    pictures = [*described(), featureless().descriptors]
    LEARNERS[name].learn(pictures, FeatureKind.SIFT, 3, **SIZES[name])
    with pytest.raises(ValueError, match="no features"):
        LEARNERS[name].learn(pictures[-1:], FeatureKind.SIFT, 3, **SIZES[name])


def test_samples_are_of_all_pictures_and_no_more_than_asked_for() -> None:
    pictures = [
        np.full((count, 32), number, np.uint8) for number, count in ((3, 50), (5, 0), (9, 50))
    ]
    found = sampled(pictures, FeatureKind.ORB, seed=0, most=30)
    assert found.shape == (30, 256)
    assert len(np.unique(found, axis=0)) == 2
    np.testing.assert_array_equal(found, sampled(pictures, FeatureKind.ORB, seed=0, most=30))


@describing
def test_the_ring_of_networks_takes_them_with_centring(name: str) -> None:
    encoder, centring = bundled(name), Centring()
    ring = ring_of(encoder, SEEN)
    for scene in SEEN:
        centring.add(encoder.describe(features(scene)))

    class Database:
        def scores(self, descriptor: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
            return ring.scores(descriptor) if rows is None else ring.scores_of(rows, descriptor)

    for row, scene in enumerate(SEEN):
        scores = centring.scores(Database(), encoder.describe(features(scene, 1)))
        assert scores.argmax() == row
