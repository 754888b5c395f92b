"""What is decided of a frame and why; what becomes part of the past and what does not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.database import PlaceDatabase
from streamvpr.frames import (
    Candidate,
    Decision,
    Described,
    Features,
    Keyframe,
    Verdict,
    Verification,
)
from streamvpr.geometry import LEAST_MATCHES, Glimpse
from streamvpr.geometry.chance import FACTOR, ChanceInliers
from streamvpr.judge import (
    INLIERS_WEIGHT,
    LEAST_AGREEMENT,
    PROMINENCE_WEIGHT,
    TEMPERATURE,
    USUAL_PROMINENCE,
    Judge,
    certainty,
)
from streamvpr.recognition import Recognizer, SearchOptions
from streamvpr.sampler import Exclusion, StillnessGate

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeCandidate = Callable[..., Candidate]
    MakeDescribed = Callable[..., Described]


class FakeVerifier:
    """Says of the place that has N features what it was told to say of N."""

    def __init__(self, said: dict[int, Verification]) -> None:
        self.said = said
        self.glanced: list[int] = []
        self.asked: list[int] = []

    def says(self, place: int) -> Verification:
        return self.said[place]

    def glance(self, query: Features, match: Features) -> Glimpse:
        """A third of the inliers at first sight."""
        self.glanced.append(len(match.points))
        said = self.says(len(match.points))
        return Glimpse(said.matches, said.inliers // 3)

    def verify(self, query: Features, match: Features) -> Verification:
        self.asked.append(len(match.points))
        return self.says(len(match.points))


def decide(judge: Judge, query: Described, candidates: list[Candidate]) -> Decision:
    """The surest of what is decided of each candidate."""
    return max((assess(judge, query, candidate) for candidate in candidates), key=certainty)


def assess(judge: Judge, query: Described, candidate: Candidate) -> Decision:
    return judge.assess(query, judge.look(query, candidate))


def features(count: int) -> Features:
    return Features(np.zeros((count, 2), np.float32), np.zeros((count, 32), np.uint8), 1.0)


def judge_with(said: dict[int, Verification] | None, **settings_: Any) -> Judge:
    verifier = None if said is None else FakeVerifier(said)
    chosen: dict[str, Any] = {"sim_threshold": 0.6, "min_inliers": 20, **settings_}
    chosen["chance"] = ChanceInliers() if chosen.get("chance") else None
    return Judge(verifier=verifier, **chosen)  # type: ignore[arg-type]


@pytest.fixture
def query(make_described: MakeDescribed) -> Described:
    return make_described(40, [1, 0])


class TestVerdicts:
    def test_what_looks_too_different_is_not_verified(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with({})
        candidate = make_candidate(score=0.59)
        decision = decide(judge, query, [candidate])
        assert decision.verdict is Verdict.BELOW_THRESHOLD
        assert decision.match is candidate
        assert decision.verification is None
        assert decision.confidence is not None

    def test_the_threshold_itself_is_enough(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        decision = decide(judge_with(None), query, [make_candidate(score=0.6)])
        assert decision.verdict is Verdict.ACCEPTED

    def test_without_geometry_similarity_decides_alone(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        decision = decide(judge_with(None), query, [make_candidate(score=0.7)])
        assert decision.verdict is Verdict.ACCEPTED
        assert decision.verification is None

    @pytest.mark.parametrize(
        ("matches", "inliers", "verdict"),
        [
            (0, 0, Verdict.TOO_FEW_MATCHES),
            (19, 0, Verdict.TOO_FEW_MATCHES),
            (19, 15, Verdict.TOO_FEW_MATCHES),
            (20, 19, Verdict.TOO_FEW_INLIERS),
            (90, 0, Verdict.TOO_FEW_INLIERS),
            (90, 19, Verdict.TOO_FEW_INLIERS),
            (20, 20, Verdict.ACCEPTED),
            (90, 60, Verdict.ACCEPTED),
        ],
    )
    def test_geometry_decides_what_similarity_let_through(
        self,
        query: Described,
        make_candidate: MakeCandidate,
        matches: int,
        inliers: int,
        verdict: Verdict,
    ) -> None:
        said = Verification(matches=matches, inliers=inliers)
        decision = decide(judge_with({0: said}), query, [make_candidate(score=0.7)])
        assert decision.verdict is verdict
        assert decision.verification == replace(said, needed=20)
        assert decision.accepted == (verdict is Verdict.ACCEPTED)

    def test_fewer_matches_than_a_homography_takes_are_too_few_whatever_is_asked(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        said = Verification(matches=LEAST_MATCHES - 1, inliers=0)
        decision = decide(judge_with({0: said}, min_inliers=4), query, [make_candidate()])
        assert decision.verdict is Verdict.TOO_FEW_MATCHES

    @pytest.mark.parametrize("lacking", ["query", "place"])
    def test_a_frame_without_features_has_no_matches(
        self, query: Described, make_candidate: MakeCandidate, lacking: str
    ) -> None:
        judge, candidate = judge_with({}), make_candidate(score=0.9)
        if lacking == "query":
            query = Described(query.keyframe, query.descriptor, None)
        else:
            candidate = make_candidate(score=0.9, features=None)
        decision = decide(judge, query, [candidate])
        assert decision.verdict is Verdict.TOO_FEW_MATCHES
        assert decision.verification == Verification(matches=0, inliers=0, needed=20)


class TestSeveralCandidates:
    def test_the_best_verified_wins_over_the_most_similar(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with(
            {1: Verification(90, 12), 2: Verification(90, 30), 3: Verification(90, 25)}
        )
        candidates = [
            make_candidate(n, score=score, features=features(n))
            for n, score in ((1, 0.95), (2, 0.8), (3, 0.79))
        ]
        decision = decide(judge, query, candidates)
        assert decision.verdict is Verdict.ACCEPTED
        assert decision.match is candidates[1]
        assert decision.verification is not None
        assert decision.verification.inliers == 30

    def test_an_accepted_one_wins_over_a_surer_one_that_is_not(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with({1: Verification(90, 19), 2: Verification(90, 20)})
        near = make_candidate(1, score=0.99, features=features(1))
        far = make_candidate(2, score=0.61, features=features(2))
        decision = decide(judge, query, [near, far])
        assert decision.match is far
        assert decision.accepted

    def test_of_equals_the_first_and_so_the_most_similar_is_named(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        first, second = make_candidate(1, score=0.5), make_candidate(2, score=0.5)
        assert decide(judge_with(None), query, [first, second]).match is first

    def test_only_those_above_the_threshold_are_verified(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        verifier = FakeVerifier({1: Verification(90, 30)})
        judge = Judge(sim_threshold=0.6, min_inliers=20, verifier=verifier)  # type: ignore[arg-type]
        decide(
            judge,
            query,
            [
                make_candidate(1, score=0.7, features=features(1)),
                make_candidate(2, score=0.5, features=features(2)),
            ],
        )
        assert verifier.asked == [1]


prominences = st.floats(-5, 10)
inlier_counts = st.integers(0, 1000)


def said(inliers: int, needed: int = 20) -> Verification:
    return Verification(inliers, inliers, needed=needed)


class TestConfidence:
    def test_what_stands_out_as_usual_with_the_least_inliers_is_a_half(self) -> None:
        assert judge_with({}).confidence(USUAL_PROMINENCE, said(20)) == pytest.approx(0.5)
        assert judge_with(None).confidence(USUAL_PROMINENCE, None) == pytest.approx(0.5)

    @given(prominence=prominences, inliers=inlier_counts, needed=st.integers(4, 100))
    @settings(deadline=None, derandomize=True)
    def test_it_is_within_0_and_1(self, prominence: float, inliers: int, needed: int) -> None:
        for judge in (judge_with({}, min_inliers=needed), judge_with(None)):
            for verification in (None, said(inliers, needed)):
                assert 0 <= judge.confidence(prominence, verification) <= 1

    @given(pair=st.tuples(prominences, prominences), inliers=inlier_counts)
    @settings(deadline=None, derandomize=True)
    def test_it_never_decreases_in_similarity(
        self, pair: tuple[float, float], inliers: int
    ) -> None:
        for judge, verification in ((judge_with({}), said(inliers)), (judge_with(None), None)):
            less, more = (judge.confidence(value, verification) for value in sorted(pair))
            assert less <= more

    @given(prominence=prominences, pair=st.tuples(inlier_counts, inlier_counts))
    @settings(deadline=None, derandomize=True)
    def test_it_never_decreases_in_inliers(self, prominence: float, pair: tuple[int, int]) -> None:
        judge = judge_with({})
        few, many = (judge.confidence(prominence, said(n)) for n in sorted(pair))
        assert few <= many

    @given(prominence=prominences)
    @settings(deadline=None, derandomize=True)
    def test_a_failed_verification_is_no_evidence_for_a_place(self, prominence: float) -> None:
        judge = judge_with({})
        assert judge.confidence(prominence, None) == judge.confidence(prominence, said(0))

    def test_more_of_each_evidence_counts(self) -> None:
        judge = judge_with({})
        weak = judge.confidence(0.5, said(30))
        assert judge.confidence(0.51, said(30)) > weak
        assert judge.confidence(0.5, said(31)) > weak

    def test_the_surest_still_differ_in_six_digits(self) -> None:
        judge = judge_with({})
        sure, surer = (round(judge.confidence(p, said(900)), 6) for p in (0.95, 0.99))
        assert sure < surer < 1

    def test_the_logistic_of_the_evidence_is_the_documented_one(self) -> None:
        evidence = PROMINENCE_WEIGHT * (0.9 - USUAL_PROMINENCE)
        evidence += INLIERS_WEIGHT * math.log(41 / 21)
        found = judge_with({}).confidence(0.9, said(40))
        assert found == pytest.approx(1 / (1 + math.exp(-evidence / TEMPERATURE)))


class TestWhatGeometryNeeds:
    def test_the_corner_of_another_place_is_no_match(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        for overlap, verdict in (
            (0.39, Verdict.TOO_FEW_INLIERS),
            (0.4, Verdict.ACCEPTED),
            (None, Verdict.ACCEPTED),
        ):
            judge = judge_with({0: Verification(90, 60, overlap=overlap)})
            assert assess(judge, query, make_candidate()).verdict is verdict

    def test_as_much_in_common_as_is_asked_for(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        corner = {0: Verification(90, 60, overlap=0.01)}
        assert assess(judge_with(corner, min_overlap=0), query, make_candidate()).accepted
        assert not assess(judge_with(corner, min_overlap=0.02), query, make_candidate()).accepted

    def test_similarity_does_not_contradict_what_geometry_accepted(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        for inliers, equal in ((60, True), (8, False)):
            judge = judge_with({0: Verification(90, inliers)})
            sure = [
                assess(judge, query, replace(make_candidate(), prominence=prominence)).confidence
                for prominence in (-2.0, -0.3, 0.0, 0.1)
            ]
            assert None not in sure
            assert sure == sorted(sure, key=lambda one: one or 0.0)
            assert (sure[0] == sure[1] == sure[2]) is equal
            assert (sure[2] or 0.0) < (sure[3] or 0.0)

    def test_what_was_only_seen_at_first_sight_is_no_match(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with({0: Verification(900, 600)})
        look = judge.look(query, make_candidate())
        assert look.agreeing == 200
        assert judge.assess(query, look).accepted
        seen = judge.assess(query, look, closely=False)
        assert seen.verdict is Verdict.TOO_FEW_INLIERS
        assert seen.verification is not None
        assert seen.verification.inliers == 200

    def test_more_inliers_where_random_pairs_have_many(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with({0: Verification(90, 40), 1: Verification(90, 30)}, chance=True)
        assert judge.needed == 20
        assert assess(judge, query, make_candidate()).accepted
        unrelated = make_candidate(1, features=features(1)).place
        for _ in range(40):
            judge.learn_chance(query, unrelated)
        assert 20 < judge.needed < FACTOR * 30
        decision = assess(judge, query, make_candidate())
        assert decision.verdict is Verdict.TOO_FEW_INLIERS
        assert decision.verification is not None
        assert decision.verification.needed == judge.needed

    def test_a_sequence_that_does_not_agree_is_not_verified(
        self, query: Described, make_candidate: MakeCandidate
    ) -> None:
        judge = judge_with({0: Verification(90, 60)})
        for agreement in (-math.inf, 0.0, LEAST_AGREEMENT - 0.01):
            candidate = replace(make_candidate(), agreement=agreement)
            decision = assess(judge, query, candidate)
            assert decision.verdict is Verdict.INCONSISTENT_SEQUENCE
            assert decision.verification is None
        assert assess(judge, query, replace(make_candidate(), agreement=LEAST_AGREEMENT)).accepted


def recognizer(
    exclusion: Exclusion | None, *, capacity: int = 100, dimension: int = 2, top_k: int = 5
) -> Recognizer:
    return Recognizer(
        PlaceDatabase(capacity, dimension),
        Judge(sim_threshold=0.9, min_inliers=20, verifier=None),
        exclusion=exclusion,
        search=SearchOptions(top_k=top_k),
    )


class TestRecognizer:
    def test_a_frame_does_not_match_itself(self, make_described: MakeDescribed) -> None:
        past = recognizer(Exclusion(gap=1))
        decision = past.observe(make_described(0, [1, 0]))
        assert decision.verdict is Verdict.EMPTY_DATABASE
        assert len(past.database) == 1

    @pytest.mark.parametrize("gap", [2, 3, 9])
    def test_the_first_frame_that_may_match_is_a_gap_later(
        self, make_described: MakeDescribed, gap: int
    ) -> None:
        for away in range(1, 12):
            past = recognizer(Exclusion(gap=gap))
            for index in range(away):
                past.observe(make_described(index, [1, 0] if index == 0 else [0, 1]))
            decision = past.observe(make_described(away, [1, 0]))
            assert decision.accepted == (away >= gap)
            if decision.accepted:
                assert decision.match is not None
                assert decision.match.place.index == 0

    def test_a_view_that_was_never_left_is_no_revisit(self, make_described: MakeDescribed) -> None:
        past = recognizer(Exclusion(gap=3))
        road = [
            past.observe(make_described(n, [math.cos(n / 100), math.sin(n / 100)]))
            for n in range(60)
        ]
        assert not any(d.accepted for d in road)
        assert len(past.database) == 60, "unlike a still one it is kept"

    def test_what_is_remembered_of_a_frame(self, make_described: MakeDescribed) -> None:
        past = recognizer(Exclusion(gap=1))
        kept = make_described(0, [1, 0], time=1.5, path="a.jpg", width=320, thumbnail=b"jpeg")
        past.observe(kept)
        past.observe(make_described(1, [0, 1]))
        match = past.observe(make_described(2, [1, 0])).match
        assert match is not None
        place = match.place
        assert (place.stream, place.index, place.time) == ("cam", 0, 1.5)
        assert (place.path, place.width, place.thumbnail) == ("a.jpg", 320, b"jpeg")
        assert place.features is kept.features

    def test_a_stationary_frame_is_not_remembered_and_asks_nothing(
        self, make_described: MakeDescribed
    ) -> None:
        past = recognizer(Exclusion(gap=1))
        past.observe(make_described(0, [1, 0]))
        decision = past.observe(make_described(1, same_view_as=0))
        assert decision == Decision(decision.query, Verdict.STATIONARY)
        assert decision.query.index == 1
        assert len(past.database) == 1

    def test_a_place_that_was_just_in_view_cannot_match(
        self, make_described: MakeDescribed
    ) -> None:
        past = recognizer(Exclusion(gap=3))
        past.observe(make_described(0, [1, 0]))
        for index in range(1, 10):
            past.observe(make_described(index, same_view_as=0))
        views = ([0, 1], [1, 0], [1, 0], [1, 0])
        found = [past.observe(make_described(10 + n, view)) for n, view in enumerate(views)]
        assert [d.accepted for d in found] == [False, False, True, True]
        assert found[2].match is not None
        assert found[2].match.place.index == 0

    def test_a_fixed_database_is_not_added_to(self, make_described: MakeDescribed) -> None:
        past = recognizer(None)
        past.remember(make_described(0, [1, 0]))
        past.remember(make_described(1, [0, 1]))
        decisions = [past.observe(make_described(n, [1, 0], stream="query")) for n in range(5)]
        assert len(past.database) == 2
        assert [d.match and d.match.place.index for d in decisions] == [0] * 5
        assert all(d.accepted for d in decisions)

    def test_a_fixed_database_excludes_nothing(self, make_described: MakeDescribed) -> None:
        past = recognizer(None)
        for n in range(50):
            past.remember(make_described(n, [1, 0] if n == 49 else [0, 1]))
        match = past.observe(make_described(0, [1, 0])).match
        assert match is not None
        assert match.place.index == 49

    def test_no_more_places_than_the_capacity_are_kept(self, make_described: MakeDescribed) -> None:
        past = recognizer(Exclusion(gap=1), capacity=4)
        for index in range(10):
            past.observe(make_described(index, [0, 1] if index % 2 else [1, 0]))
        assert len(past.database) == 4
        match = past.observe(make_described(10, [1, 0])).match
        assert match is not None
        assert match.place.index == 6, "the oldest that is left"

    def test_no_more_candidates_than_top_k_are_verified(
        self, make_described: MakeDescribed
    ) -> None:
        verifier = FakeVerifier({0: Verification(0, 0)})
        judge = Judge(sim_threshold=0.5, min_inliers=20, verifier=verifier)  # type: ignore[arg-type]
        past = Recognizer(
            PlaceDatabase(100, 2),
            judge,
            exclusion=None,
            search=SearchOptions(top_k=3, neighbours=False),
        )
        for index in range(50):
            past.remember(make_described(index, [1, 0]))
        past.observe(make_described(0, [1, 0]))
        assert len(verifier.glanced) == 3

    def test_only_closures_have_a_loop_and_a_sustained_one_has_one(
        self, make_described: MakeDescribed
    ) -> None:
        past = recognizer(Exclusion(gap=20), dimension=40)
        axes = np.eye(40)
        lap = [past.observe(make_described(n, axes[n])) for n in range(30)]
        again = [past.observe(make_described(30 + n, axes[n])) for n in range(30)]
        assert {d.loop_id for d in lap} == {None}
        assert [d.loop_id for d in again] == [0] * 30


class TestSharedPlaces:
    """Streams that match each other's past: `a` has seen [1, 0], and `b` asks."""

    @pytest.fixture
    def pair(self, make_described: MakeDescribed) -> tuple[Recognizer, Recognizer]:
        a, b = recognizer(Exclusion(gap=100)), recognizer(Exclusion(gap=100))
        a.share([b.database])
        b.share([a.database])
        a.observe(make_described(0, [1, 0], stream="a"))
        return a, b

    def test_another_stream_s_place_matches_however_new_it_is(
        self, pair: tuple[Recognizer, Recognizer], make_described: MakeDescribed
    ) -> None:
        decision = pair[1].observe(make_described(0, [1, 0], stream="b"))
        assert decision.accepted
        assert decision.match is not None
        assert (decision.match.place.stream, decision.match.place.index) == ("a", 0)

    def test_the_exclusion_is_for_its_own(
        self, pair: tuple[Recognizer, Recognizer], make_described: MakeDescribed
    ) -> None:
        again = pair[0].observe(make_described(1, [1, 0], stream="a"))
        assert again.verdict is Verdict.EMPTY_DATABASE

    def test_each_keeps_its_own_places_only(
        self, pair: tuple[Recognizer, Recognizer], make_described: MakeDescribed
    ) -> None:
        for index in range(5):
            pair[1].observe(make_described(index, [1, 0], stream="b"))
        assert [len(one.database) for one in pair] == [1, 5]

    def test_the_best_of_all_is_taken_and_no_more_than_top_k_are_verified(
        self, make_described: MakeDescribed
    ) -> None:
        verifier = FakeVerifier({0: Verification(0, 0)})
        judge = Judge(sim_threshold=0.1, min_inliers=20, verifier=verifier)  # type: ignore[arg-type]
        databases = [PlaceDatabase(100, 2) for _ in range(3)]
        one, *others = (
            Recognizer(d, judge, exclusion=None, search=SearchOptions(top_k=3, neighbours=False))
            for d in databases
        )
        one.share(databases[1:])
        for number, other in enumerate((one, *others)):
            for index in range(5):
                close = 0.9 - number / 10 - index / 100
                view = [close, math.sqrt(1 - close**2)]
                other.remember(make_described(index, view, stream=f"s{number}"))
        others[1].remember(make_described(9, [1, 0], stream="s2"))
        decision = one.observe(make_described(0, [1, 0], stream="s0"))
        assert len(verifier.glanced) == 3
        assert decision.match is not None
        assert (decision.match.place.stream, decision.match.place.index) == ("s2", 9)

    def test_revisits_of_two_streams_have_two_numbers(self, make_described: MakeDescribed) -> None:
        past = [recognizer(Exclusion(gap=100), dimension=3) for _ in range(2)]
        asking = recognizer(Exclusion(gap=100), dimension=3)
        asking.share([one.database for one in past])
        for one, axis in zip(past, np.eye(3), strict=False):
            one.observe(make_described(5, axis, stream=f"s{int(axis.argmax())}"))
        views = [np.eye(3)[n % 2] for n in range(6)]
        found = [asking.observe(make_described(n, view)) for n, view in enumerate(views)]
        assert [d.loop_id for d in found] == [0, 1] * 3


def luma(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(20, 236, (6, 8)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC), 0, 255)


class Robot:
    """Drives a stillness gate and a recognizer by one exclusion, as `run` does."""

    def __init__(self, gap: int) -> None:
        exclusion = Exclusion(gap=gap)
        self.gate = StillnessGate(exclusion)
        self.past = recognizer(exclusion, dimension=64, capacity=2000)
        self.rng = np.random.default_rng(0)
        self.index = -1

    def see(self, where: int) -> Decision:
        self.index += 1
        picture = np.clip(luma(where) + self.rng.normal(0, 3, (48, 64)), 0, 255).astype(np.uint8)
        same = self.gate.observe(self.index, self.index / 2, picture)
        descriptor = np.random.default_rng(where).normal(size=64)
        descriptor = (descriptor / np.linalg.norm(descriptor)).astype(np.float32)
        keyframe = Keyframe("cam", self.index, self.index / 2, "", 640, 480, same_view_as=same)
        return self.past.observe(
            Described(keyframe, None if same is not None else descriptor, None)
        )


class TestStandingStill:
    def test_a_parked_robot_keeps_one_place_and_closes_no_loop_with_itself(self) -> None:
        robot = Robot(gap=31)
        for where in range(40):
            robot.see(where)
        parked = [robot.see(1000) for _ in range(200)]
        assert parked[0].verdict is Verdict.BELOW_THRESHOLD
        assert {d.verdict for d in parked[1:]} == {Verdict.STATIONARY}
        assert len(robot.past.database) == 41

    def test_driving_off_it_does_not_close_a_loop_with_where_it_just_stood(self) -> None:
        robot = Robot(gap=31)
        for _ in range(100):
            robot.see(7)
        left = [robot.see(100 + n) for n in range(20)]
        back = robot.see(7)
        assert not any(d.accepted for d in left)
        assert back.verdict is Verdict.STATIONARY, "it had not been away for long"

    def test_coming_back_it_closes_one_loop_and_then_stands(self) -> None:
        robot = Robot(gap=31)
        for _ in range(100):
            robot.see(7)
        for n in range(40):
            robot.see(100 + n)
        back = [robot.see(7) for _ in range(100)]
        assert back[0].verdict is Verdict.ACCEPTED
        assert back[0].match is not None
        assert back[0].match.place.index == 0
        assert {d.verdict for d in back[1:]} == {Verdict.STATIONARY}

    def test_a_second_lap_with_stops_finds_every_place_of_the_first(self) -> None:
        robot = Robot(gap=31)
        for _ in range(2):
            for where in range(50):
                for _ in range(10 if where == 25 else 1):
                    decision = robot.see(where)
                    if robot.index >= 59 and decision.verdict is not Verdict.STATIONARY:
                        assert decision.accepted, f"at {where}"


class Asked(FakeVerifier):
    """Says how many inliers each place has, by its index as its number of features."""

    def __init__(self, inliers: Callable[[int], int]) -> None:
        super().__init__({})
        self._inliers = inliers

    def says(self, place: int) -> Verification:
        return Verification(200, self._inliers(place))


def line_of_places(
    inliers: Callable[[int], int], views: list[float], **search: Any
) -> tuple[Recognizer, Asked]:
    """A fixed database of places whose similarity to the query [1, 0] is given."""
    verifier = Asked(inliers)
    judge = Judge(sim_threshold=-1, min_inliers=20, verifier=verifier)  # type: ignore[arg-type]
    past = Recognizer(PlaceDatabase(100, 2), judge, exclusion=None, search=SearchOptions(**search))
    for index, close in enumerate(views):
        place = Described(
            Keyframe("db", index, None, "", 640, 480),
            np.array([close, math.sqrt(1 - close**2)], np.float32),
            features(index),
        )
        past.remember(place)
    return past, verifier


def named(decision: Decision) -> int | None:
    return None if decision.match is None else decision.match.place.index


class TestNeighbours:
    VIEWS = (0.1, 0.1, 0.1, 0.1, 0.9, 0.95, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1)

    @pytest.mark.parametrize("better", [4, 6])
    def test_the_place_beside_the_best_may_show_more_of_the_view(
        self, make_described: MakeDescribed, better: int
    ) -> None:
        def inliers(index: int) -> int:
            return {5: 30, better: 90}.get(index, 3)

        for neighbours, match in ((True, better), (False, 5)):
            past, _ = line_of_places(inliers, list(self.VIEWS), top_k=1, neighbours=neighbours)
            decision = past.observe(make_described(0, [1, 0], stream="q"))
            assert named(decision) == match
            assert decision.accepted

    def test_the_ends_of_the_past_have_one_neighbour(self, make_described: MakeDescribed) -> None:
        past, verifier = line_of_places(lambda _: 30, [0.9, 0.1, 0.1], top_k=1)
        past.observe(make_described(0, [1, 0], stream="q"))
        assert verifier.glanced == [0, 1]

    def test_beside_what_shows_nothing_of_the_view_there_is_nothing_to_look_for(
        self, make_described: MakeDescribed
    ) -> None:
        past, verifier = line_of_places(lambda _: 3, [0.9, 0.1, 0.1], top_k=1)
        past.observe(make_described(0, [1, 0], stream="q"))
        assert (verifier.glanced, verifier.asked) == ([0], [])

    def test_of_two_that_match_the_one_that_shows_far_less_is_not_looked_at_closely(
        self, make_described: MakeDescribed
    ) -> None:
        views = [0.9, 0.1, 0.1, 0.1, 0.95]
        for less, asked in ((60, [0]), (110, [0, 4])):
            past, verifier = line_of_places(
                lambda place, less=less: {0: 120, 4: less}.get(place, 3),  # type: ignore[misc]
                views,
                top_k=2,
                neighbours=False,
            )
            assert named(past.observe(make_described(0, [1, 0], stream="q"))) == 0
            assert verifier.asked == asked

    def test_each_place_is_verified_once(self, make_described: MakeDescribed) -> None:
        past, verifier = line_of_places(lambda _: 40, list(self.VIEWS), top_k=12)
        for _ in range(2):
            verifier.glanced.clear()
            verifier.asked.clear()
            past.observe(make_described(0, [1, 0], stream="q"))
            assert len(verifier.glanced) == len(set(verifier.glanced)) > 5
            assert len(verifier.asked) == len(set(verifier.asked))

    def test_near_the_last_match_the_next_is_looked_for(
        self, make_described: MakeDescribed
    ) -> None:
        views = [0.1] * 20
        views[5] = 0.9
        views[15:18] = [0.8, 0.85, 0.8]
        past, verifier = line_of_places(lambda i: 60 if i in (5, 6, 7) else 3, views, top_k=1)
        assert named(past.observe(make_described(0, [1, 0], stream="q"))) in (5, 6)
        # The next query looks like another place, where geometry sees nothing.
        past.observe(make_described(1, [0.85, math.sqrt(1 - 0.85**2)], stream="q"))
        assert set(verifier.glanced[-9:]) & {3, 4, 6, 7}


class TestNeverLeft:
    """A road that looks alike all along: similarity alone says that nothing was ever left."""

    @staticmethod
    def drive(inliers: Callable[[int, int], int]) -> list[Decision]:
        """Frames 0 to 59; `inliers` of a query and a place."""
        verifier = Asked(lambda place: inliers(at, place))
        judge = Judge(sim_threshold=-1, min_inliers=20, verifier=verifier)  # type: ignore[arg-type]
        past = Recognizer(PlaceDatabase(100, 2), judge, exclusion=Exclusion(gap=10))
        found = []
        for at in range(60):
            view = np.array([math.cos(at / 100), math.sin(at / 100)], np.float32)
            keyframe = Keyframe("cam", at, None, "", 640, 480)
            found.append(past.observe(Described(keyframe, view, features(at))))
        return found

    def test_what_geometry_sees_all_the_way_was_not_left(self) -> None:
        assert not any(d.accepted for d in self.drive(lambda query, place: 90))

    def test_what_fades_with_the_distance_is_no_place_come_back_to(self) -> None:
        far = self.drive(lambda query, place: max(0, 120 - 5 * (query - place)))
        assert not any(d.accepted for d in far)

    def test_what_geometry_sees_there_and_nowhere_since_is_a_loop(self) -> None:
        found = self.drive(lambda query, place: 90 if query - place == 10 else 3)
        closed = [(d.query.index, named(d)) for d in found if d.accepted]
        assert len(closed) >= 20
        assert all(query - (place or 0) == 10 for query, place in closed)

    def test_what_geometry_sees_nowhere_is_not_named(self) -> None:
        assert {d.verdict for d in self.drive(lambda query, place: 3)} == {Verdict.EMPTY_DATABASE}


class TestSupport:
    def test_a_match_that_nothing_before_led_to_is_not_accepted(
        self, make_described: MakeDescribed
    ) -> None:
        past, _ = line_of_places(lambda _: 60, [0.1] * 4 + [0.9] + [0.1] * 20, top_k=1, support=2)
        found = [past.observe(make_described(n, [1, 0], stream="q")) for n in range(4)]
        assert [d.verdict for d in found] == [
            Verdict.INCONSISTENT_SEQUENCE,
            Verdict.INCONSISTENT_SEQUENCE,
            Verdict.ACCEPTED,
            Verdict.ACCEPTED,
        ]
        assert found[0].loop_id is None
        assert named(found[0]) is not None


class TestSequences:
    @staticmethod
    def lap(**search: Any) -> list[Decision]:
        """A lap of 60 places, and then places 20 to 39 again among look-alikes of place 50."""
        rng = np.random.default_rng(0)
        axes = np.eye(60)
        judge = Judge(sim_threshold=-1, min_inliers=20, verifier=None)
        past = Recognizer(
            PlaceDatabase(200, 60),
            judge,
            exclusion=Exclusion(gap=5),
            search=SearchOptions(**search),
        )
        found = []
        for index in range(80):
            where = index if index < 60 else index - 40
            view = axes[where] + rng.normal(size=60) * 0.02
            if index >= 60:
                view = view + 1.1 * axes[50]
            view = (view / np.linalg.norm(view)).astype(np.float32)
            keyframe = Keyframe("cam", index, None, "", 640, 480)
            found.append(past.observe(Described(keyframe, view, None)))
        return found[60:]

    def test_consecutive_frames_find_what_one_frame_takes_for_another_place(self) -> None:
        alone, together = self.lap(), self.lap(sequence_length=8)
        assert [named(d) for d in alone[8:]] != list(range(28, 40))
        assert [named(d) for d in together[8:]] == list(range(28, 40))
        assert all(d.accepted for d in together[8:])

    def test_one_frame_is_no_sequence(self, make_described: MakeDescribed) -> None:
        judge = Judge(sim_threshold=-1, min_inliers=20, verifier=None)
        past = Recognizer(
            PlaceDatabase(50, 50), judge, exclusion=None, search=SearchOptions(sequence_length=6)
        )
        axes = np.eye(50)
        for index in range(50):
            past.remember(make_described(index, axes[index]))
        found = [past.observe(make_described(n, axes[20 + n], stream="q")) for n in range(6)]
        assert [named(d) for d in found] == list(range(20, 26))
        assert [d.accepted for d in found] == [False, False, True, True, True, True]
        assert found[0].verdict is Verdict.INCONSISTENT_SEQUENCE
