"""Candidates that local features propose, beside those of the network."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.database import PlaceDatabase
from streamvpr.frames import (
    Described,
    FeatureKind,
    Features,
    Keyframe,
    Position,
    Verdict,
    Verification,
)
from streamvpr.geometry import Verifier
from streamvpr.geometry.chance import ChanceInliers
from streamvpr.judge import Judge
from streamvpr.recognition import Recognizer, SearchOptions
from streamvpr.retrieval.hashbow import HashBowRetriever
from streamvpr.sampler import Exclusion

WORDS = HashBowRetriever()
COUNT = 60


def view(seed: int) -> Features:
    """Features of a flat scene, which moved nowhere."""
    chance = np.random.default_rng(seed)
    points = chance.uniform(0, 600, (COUNT, 2)).astype(np.float32)
    descriptors = chance.integers(0, 256, (COUNT, 32), np.uint8)
    poses = np.zeros((COUNT, 2), np.uint8)
    return Features(points, descriptors, 1.0, FeatureKind.ORB, (640, 480), poses)


def described(
    index: int, scene: int, tilt: float = 0.0, position: Position | None = None
) -> Described:
    features = view(scene)
    keyframe = Keyframe("cam", index, float(index), "a.mp4", 640, 480, position=position)
    # All look otherwise, and what is tilted by a quarter like none of them.
    flat = np.array([np.cos(0.3 * scene), np.sin(0.3 * scene), 0.0])
    descriptor = np.float32(np.cos(tilt) * flat + np.sin(tilt) * np.array([0.0, 0.0, 1.0]))
    return Described(keyframe, descriptor, features, WORDS.describe(features))


def hybrid(*, geometry: bool = True, gate: float | None = None) -> Recognizer:
    """Similarity asks for 0.99."""
    verifier = Verifier(least_matches=20) if geometry else None
    judge = Judge(sim_threshold=0.99, min_inliers=20, verifier=verifier, weighs_features=True)
    database = PlaceDatabase(100, 3, words=WORDS.open_index(100))
    search = SearchOptions(top_k=2, gps_gate=gate)
    return Recognizer(database, judge, exclusion=Exclusion(gap=5), search=search)


def flown(recognizer: Recognizer, positions: list[Position | None] | None = None) -> list[Verdict]:
    """Twenty scenes, each looking otherwise, and the fourth again, turned away by a quarter."""
    verdicts = []
    for index in range(20):
        place = None if positions is None else positions[index]
        verdicts.append(recognizer.observe(described(index, index, 0.0, place)).verdict)
    place = None if positions is None else positions[20]
    decision = recognizer.observe(described(20, 4, np.pi / 2, place))
    assert not decision.accepted or decision.match is not None
    if decision.accepted and decision.match is not None:
        assert decision.match.place.index == 4
        assert decision.match.by_words
    return [*verdicts, decision.verdict]


def test_a_place_that_does_not_look_alike_is_found_by_its_features() -> None:
    *before, last = flown(hybrid())
    assert Verdict.ACCEPTED not in before
    assert last is Verdict.ACCEPTED


def test_without_geometry_words_accept_nothing() -> None:
    assert Verdict.ACCEPTED not in flown(hybrid(geometry=False))


def test_what_is_too_recent_is_proposed_by_neither() -> None:
    recognizer = hybrid()
    for index in range(10):
        recognizer.observe(described(index, index))
    decision = recognizer.observe(described(10, 7, np.pi / 2))
    assert not decision.accepted
    assert decision.match is None or decision.match.place.index < 6


def test_what_is_known_to_be_elsewhere_is_proposed_by_neither() -> None:
    far = Position(10.0, 10.0)
    positions: list[Position | None] = [Position(47.0, 8.0)] * 20
    assert flown(hybrid(gate=100.0), [*positions, far])[-1] is not Verdict.ACCEPTED
    assert flown(hybrid(gate=100.0), [*positions, positions[0]])[-1] is Verdict.ACCEPTED


def test_words_take_memory_that_is_told() -> None:
    recognizer = hybrid()
    plain = PlaceDatabase(100, 3)
    for index in range(10):
        item = described(index, index)
        recognizer.observe(item)
        plain.add(recognizer.database.place(index), item.descriptor)
    assert recognizer.database.nbytes > plain.nbytes + 10 * COUNT * 4


@pytest.mark.parametrize("closeness", [0.0, 0.01, 0.2])
def test_closeness_never_lowers_the_confidence(closeness: float) -> None:
    judge = Judge(sim_threshold=0, min_inliers=20, verifier=None, weighs_features=True)
    less = judge.confidence(0.7, None, closeness)
    assert judge.confidence(0.7, None, closeness + 0.05) > less
    assert judge.confidence(0.8, None, closeness) > less


@pytest.mark.parametrize(
    ("by_chance", "trusts", "least"),
    [(0, True, 3), (3, True, 7.5), (5, True, 10), (8, True, 10), (8, False, 3)],
)
def test_inliers_tell_only_beyond_what_unrelated_pairs_have(
    by_chance: int, *, trusts: bool, least: float
) -> None:
    chance = ChanceInliers()
    for _ in range(9):
        chance.add(by_chance)
    judge = Judge(
        sim_threshold=0,
        min_inliers=20,
        verifier=Verifier(),
        chance=chance,
        weighs_features=True,
        trusts_similarity=trusts,
    )

    def sure(inliers: int) -> float:
        return judge.confidence(0.5, Verification(30, inliers, needed=20), 0.05)

    found = [sure(inliers) for inliers in range(20)]
    nothing = sure(0)
    assert [inliers for inliers in range(20) if found[inliers] == nothing][-1] == int(least)
    assert found == sorted(found)
