"""Matches sought where a view of a few of them sends the others."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.config.recognising import RecognitionOptions
from streamvpr.features import OrbExtractor
from streamvpr.features.sift import SiftExtractor
from streamvpr.frames import Candidate, Described, Features, Keyframe, Place, Verification
from streamvpr.geometry import Verifier, glance, guided_matches
from streamvpr.judge import Judge
from streamvpr.retrieval.kind import RetrieverKind

from .textures import TILT, about_the_middle, half, shift, texture, warped

ORB = OrbExtractor()
VIEWS = {
    "shifted": shift(80, -50),
    "upside_down": about_the_middle(180, 1),
    "larger": about_the_middle(-20, 1.2),
    "tilted": TILT,
}


def features(picture: np.ndarray) -> Features:
    return ORB.extract(half(picture), picture.shape[1])


@pytest.mark.parametrize("view", VIEWS)
def test_three_matches_lead_to_all_the_others(view: str) -> None:
    for seed in range(3):
        query, match = features(texture(seed)), features(warped(texture(seed), VIEWS[view]))
        seen = glance(query, match).view
        spread = seen[:: max(1, len(seen) // 3)][:3]
        inliers = Verifier().verify(query, match).inliers
        assert guided_matches(query, match, spread) > 0.5 * inliers


def test_a_view_of_other_places_leads_to_few() -> None:
    chance = np.random.default_rng(0)
    query = features(texture(1))
    for seed in range(50, 60):
        other = features(texture(seed))
        seen = chance.integers(0, 300, (3, 2))
        assert guided_matches(query, other, seen) < 10


def test_what_is_no_view_leads_nowhere() -> None:
    query = features(texture(1))
    same = np.repeat(np.arange(400)[:, None], 2, axis=1)
    assert guided_matches(query, query, same[:3]) > 500
    assert guided_matches(query, query, same[:2]) == 0
    # All of one point, and a view that would shrink the picture to nothing.
    assert guided_matches(query, query, np.column_stack([same[:5, 0], np.zeros(5, np.intp)])) == 0


def test_kinds_that_are_not_known_lead_nowhere() -> None:
    sift = SiftExtractor().extract(half(texture(1)), 960)
    seen = np.repeat(np.arange(10)[:, None], 2, axis=1)
    assert guided_matches(sift, sift, seen) == 0


def described(found: Features, index: int) -> Described:
    keyframe = Keyframe("cam", index, float(index), "a.mp4", 960, 720)
    return Described(keyframe, np.array([1, 0], np.float32), found)


def judged(match: Features, prominence: float, *, weighs: bool) -> tuple[float, float]:
    """Confidence at first, and when looked at again; a match needs more than there can be."""
    judge = Judge(sim_threshold=0, min_inliers=900, verifier=Verifier(), weighs_features=weighs)
    query = described(features(texture(1)), 5)
    place = Place("cam", 0, 0.0, "a.mp4", 960, match, None)
    look = judge.look(query, Candidate(place, 0.9, prominence))
    decision = judge.assess(query, look)
    again = judge.look_again(query, look, decision)
    assert not decision.accepted
    assert again.verification == decision.verification
    assert decision.confidence is not None
    assert again.confidence is not None
    return decision.confidence, again.confidence


def test_a_second_look_makes_surer_of_what_is_no_match() -> None:
    there = features(warped(texture(1), VIEWS["upside_down"]))
    first, again = judged(there, 0.5, weighs=True)
    assert again > first
    # As sure as half of the inliers that a match needs would make, and no surer.
    assert again < Judge(
        sim_threshold=0, min_inliers=900, verifier=Verifier(), weighs_features=True
    ).confidence(0.5, Verification(900, 451, needed=900), 1.0)


def test_a_second_look_at_another_place_changes_nothing() -> None:
    first, again = judged(features(texture(50)), 0.5, weighs=True)
    assert again == first


def test_nobody_looks_again_before_anything_stands_out() -> None:
    there = features(warped(texture(1), VIEWS["upside_down"]))
    for prominence, weighs in ((0.0, True), (0.5, False)):
        first, again = judged(there, prominence, weighs=weighs)
        assert again == first


def test_pictures_are_looked_at_more_closely_where_features_propose_places() -> None:
    picture = np.asarray(texture(2)[:600, :800], np.uint8)
    plain, close = OrbExtractor(), OrbExtractor(closely=True)
    assert close.largest_side > plain.largest_side
    found = close.extract(picture, 800)
    assert found.poses is not None
    coarsest = ORB.extract(picture, 800).poses
    assert coarsest is not None
    # One level more: what is large in the picture is still found.
    assert found.poses[:, 1].max() > coarsest[:, 1].max()
    assert SiftExtractor(closely=True).largest_side > SiftExtractor().largest_side
    options = [RecognitionOptions(retriever=kind) for kind in RetrieverKind]
    closely = {o.retriever.value for o in options if o.looks_closely()}
    assert closely == {"hybrid", "vlad", "fisher", "bow"}
