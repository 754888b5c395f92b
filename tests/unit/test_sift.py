"""SIFT's points and descriptors on pictures whose geometry is known."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.features import OrbExtractor, open_extractor
from streamvpr.features.sift import (
    BYTES_PER_FEATURE,
    CLEAR_CONTRAST,
    LARGEST_SIDE,
    LAYERS,
    LEAST_CLEAR,
    MOST_FEATURES,
    SiftExtractor,
    _clear,
)
from streamvpr.frames import FeatureKind, Features
from streamvpr.geometry import Verifier, mutual_matches
from streamvpr.geometry.correspondence import unit_vectors

from .textures import (
    HEIGHT,
    TILT,
    UNRELATED,
    WIDTH,
    about_the_middle,
    half,
    most_error,
    shift,
    texture,
    warped,
)


def features(picture: np.ndarray) -> Features:
    return SiftExtractor().extract(half(picture), picture.shape[1])


@pytest.mark.parametrize(
    "true",
    [
        np.eye(3),
        shift(80, -50),
        about_the_middle(37, 1),
        about_the_middle(90, 1),
        about_the_middle(180, 1),
        about_the_middle(0, 0.6),
        about_the_middle(-120, 1.4),
        TILT,
    ],
)
def test_the_homography_is_right_in_source_pixels(true: np.ndarray) -> None:
    picture = texture(0)
    found = Verifier().verify(features(picture), features(warped(picture, true)))
    assert found.inliers >= 100
    assert most_error(found.homography, true) < 2


@pytest.mark.parametrize("seed", range(4))
def test_unrelated_pictures_have_few_inliers(seed: int) -> None:
    found = Verifier().verify(features(texture(seed)), features(texture(seed + 50)))
    assert found.inliers < UNRELATED


@pytest.mark.parametrize("size", [(1, 1), (1, 480), (480, 1), (7, 7), (8, 8), (15, 40)])
@pytest.mark.parametrize("shade", [0, None])
def test_tiny_and_blank_pictures_have_nothing_to_match(
    size: tuple[int, int], shade: int | None
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    picture = noise if shade is None else np.full(size, shade, np.uint8)
    tiny, whole = SiftExtractor().extract(picture, size[1]), features(texture(0))
    assert tiny.points.shape == (len(tiny.descriptors), 2)
    assert tiny.descriptors.shape[1] == 128
    for one, other in ((tiny, whole), (whole, tiny), (tiny, tiny)):
        assert Verifier().verify(one, other).inliers == 0


def test_features_are_no_more_than_asked_for_and_cost_what_is_said() -> None:
    extractor = SiftExtractor()
    found = extractor.extract(half(texture(0)), WIDTH)
    assert 500 < len(found.points) <= MOST_FEATURES
    assert found.descriptors.dtype == np.uint8
    assert found.nbytes == len(found.points) * BYTES_PER_FEATURE <= extractor.most_bytes
    assert (found.scale, found.size, found.kind) == (2, (WIDTH, HEIGHT), FeatureKind.SIFT)
    assert len(SiftExtractor(most=100).extract(half(texture(0)), WIDTH).points) == 100


def test_the_strongest_are_kept() -> None:
    few, many = (SiftExtractor(most=n).extract(half(texture(1)), WIDTH) for n in (50, 1000))
    kept = {tuple(point) for point in few.points.tolist()}
    assert kept <= {tuple(point) for point in many.points.tolist()}


def test_descriptors_become_unit_vectors() -> None:
    found = features(texture(0))
    vectors = unit_vectors(found.descriptors, found.kind)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_quarter_turn_keeps_more_of_them_than_of_orb_s() -> None:
    """What they are for: views from above at another heading and height."""
    picture, true = texture(3), about_the_middle(50, 0.7)
    sift = Verifier().verify(features(picture), features(warped(picture, true)))
    orb = Verifier().verify(
        *(OrbExtractor().extract(half(p), WIDTH) for p in (picture, warped(picture, true)))
    )
    assert sift.inliers > orb.inliers


def test_one_extractor_gives_the_same_again() -> None:
    extractor = open_extractor(FeatureKind.SIFT)
    assert isinstance(extractor, SiftExtractor)
    assert extractor.largest_side == LARGEST_SIDE
    before = extractor.extract(half(texture(6)), WIDTH)
    extractor.extract(np.zeros((9, 9), np.uint8), 9)
    after = extractor.extract(half(texture(6)), WIDTH)
    assert np.array_equal(before.points, after.points)
    assert np.array_equal(before.descriptors, after.descriptors)


def test_kinds_are_not_compared_with_each_other() -> None:
    orb = OrbExtractor().extract(half(texture(0)), WIDTH)
    with pytest.raises(ValueError, match="sift features cannot be compared with orb"):
        mutual_matches(features(texture(0)), orb)


def test_faint_features_are_known_as_such() -> None:
    contrasts = np.linspace(0.1, 0.003, 600).astype(np.float32)
    found = _clear(contrasts)
    assert found.sum() == (contrasts >= CLEAR_CONTRAST / LAYERS).sum() > LEAST_CLEAR
    # Of dim pictures the strongest, and of those with few features all.
    assert _clear(contrasts / 20).tolist() == [True] * LEAST_CLEAR + [False] * (600 - LEAST_CLEAR)
    assert _clear(contrasts[:LEAST_CLEAR] / 20).all()
    assert _clear(np.empty(0, np.float32)).shape == (0,)
