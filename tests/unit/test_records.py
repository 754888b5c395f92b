"""What goes out as JSON: the keys, the nulls, and only finite numbers."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import pytest

from streamvpr import records
from streamvpr.frames import (
    Arrival,
    Decision,
    GeometryModel,
    Pose,
    Position,
    StreamEvent,
    StreamState,
    Track,
    Verdict,
    Verification,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

LOOP_CLOSURE_KEYS = [
    "type",
    "stream",
    "loop_id",
    "query_idx",
    "match_idx",
    "query_time",
    "match_time",
    "score",
    "confidence",
    "geom_verified",
    "inliers",
    "query_path",
    "match_path",
    "match_stream",
    "homography",
    "geometry",
    "fundamental",
    "rotation",
    "translation",
]
QUERY_KEYS = [
    "type",
    "stream",
    "query_idx",
    "query_time",
    "decision",
    "match_idx",
    "score",
    "confidence",
    "inliers",
    "inliers_needed",
    "overlap",
]


def written(record: records.Record) -> dict[str, Any]:
    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is not finite")

    text = msgspec.json.encode(record).decode()
    assert "-0.0" not in text
    found = json.loads(text, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


class TestLoopClosure:
    def test_every_field_has_its_name_and_its_place(self, make_decision: Make) -> None:
        homography = np.array([[1, 0.5, -20], [0, 1, 3.25], [1e-5, 0, 1]])
        decision = make_decision(
            40,
            3,
            loop_id=7,
            verification=Verification(
                80, 52, homography=homography, model=GeometryModel.HOMOGRAPHY
            ),
        )
        found = written(records.loop_closure(decision))
        assert list(found) == LOOP_CLOSURE_KEYS
        assert found == {
            "type": "loop_closure",
            "stream": "cam",
            "loop_id": 7,
            "query_idx": 40,
            "match_idx": 3,
            "query_time": 20.0,
            "match_time": 1.5,
            "score": 0.9,
            "confidence": 0.97,
            "geom_verified": True,
            "inliers": 52,
            "query_path": "cam.mp4",
            "match_path": "cam.mp4",
            "match_stream": "cam",
            "homography": [1, 0.5, -20, 0, 1, 3.25, 1e-5, 0, 1],
            "geometry": "homography",
            "fundamental": None,
            "rotation": None,
            "translation": None,
        }

    def test_a_fundamental_matrix_has_a_field_of_its_own(self, make_decision: Make) -> None:
        matrix = np.arange(9.0).reshape(3, 3) / 3
        verified = Verification(80, 52, model=GeometryModel.FUNDAMENTAL, fundamental=matrix)
        found = written(records.loop_closure(make_decision(verification=verified)))
        assert (found["geometry"], found["homography"]) == ("fundamental", None)
        assert found["fundamental"] == pytest.approx(list(np.arange(9) / 3), abs=1e-8)

    @pytest.mark.parametrize("translation", [(0.6, -0.0, 0.8), None])
    def test_a_pose_is_a_quaternion_and_a_direction(
        self, make_decision: Make, translation: tuple[float, float, float] | None
    ) -> None:
        pose = Pose((1e-17, -1e-17, 0.6, 0.8), translation)
        verified = Verification(80, 52, model=GeometryModel.ESSENTIAL, pose=pose)
        text = msgspec.json.encode(records.loop_closure(make_decision(verification=verified)))
        assert b"-0.0" not in text
        found = json.loads(text)
        assert found["geometry"] == "essential"
        assert found["rotation"] == [0, 0, 0.6, 0.8]
        assert found["translation"] == (None if translation is None else [0.6, 0, 0.8])

    @pytest.mark.parametrize("broken", [math.nan, math.inf])
    def test_a_pose_that_is_no_number_is_refused(self, make_decision: Make, broken: float) -> None:
        pose = Pose((0.0, 0.0, 0.0, 1.0), (broken, 0.0, 0.0))
        with pytest.raises(ValueError, match="JSON"):
            records.loop_closure(make_decision(verification=Verification(80, 52, pose=pose)))

    def test_query_and_match_are_not_mixed_up(
        self, make_decision: Make, make_keyframe: Make, make_candidate: Make
    ) -> None:
        decision = make_decision(
            keyframe=make_keyframe(9, stream="now", path="now.mp4"),
            match=make_candidate(4, stream="then", path="then.mp4"),
        )
        found = written(records.loop_closure(decision))
        assert (found["stream"], found["query_path"]) == ("now", "now.mp4")
        assert (found["match_stream"], found["match_path"]) == ("then", "then.mp4")

    def test_without_geometry_inliers_are_minus_one_and_nothing_is_verified(
        self, make_decision: Make
    ) -> None:
        found = written(records.loop_closure(make_decision(verification=None)))
        assert list(found) == LOOP_CLOSURE_KEYS
        assert (found["geom_verified"], found["inliers"]) == (False, -1)
        assert found["homography"] is found["geometry"] is found["rotation"] is None

    def test_a_folder_of_images_has_no_times(
        self, make_decision: Make, make_keyframe: Make, make_candidate: Make
    ) -> None:
        decision = make_decision(
            keyframe=make_keyframe(40, time=None), match=make_candidate(3, time=None)
        )
        found = written(records.loop_closure(decision))
        assert list(found) == LOOP_CLOSURE_KEYS
        assert found["query_time"] is None
        assert found["match_time"] is None

    @pytest.mark.parametrize(
        "lacking", [{"match": None}, {"loop_id": None}, {"confidence": None}], ids=str
    )
    def test_what_closed_no_loop_is_none(
        self, make_decision: Make, lacking: dict[str, None]
    ) -> None:
        decision = make_decision(40, **lacking)
        with pytest.raises(ValueError, match="query 40 of cam"):
            records.loop_closure(decision)


class TestQuery:
    def test_an_accepted_one(self, make_decision: Make) -> None:
        found = written(records.query(make_decision(40, 3)))
        assert list(found) == QUERY_KEYS
        assert found == {
            "type": "query",
            "stream": "cam",
            "query_idx": 40,
            "query_time": 20.0,
            "decision": "accepted",
            "match_idx": 3,
            "score": 0.9,
            "confidence": 0.97,
            "inliers": 52,
            "inliers_needed": 20,
            "overlap": 0.75,
        }

    @pytest.mark.parametrize("verdict", [Verdict.EMPTY_DATABASE, Verdict.STATIONARY])
    def test_without_a_candidate_all_of_it_is_null(
        self, make_keyframe: Make, verdict: Verdict
    ) -> None:
        found = written(records.query(Decision(make_keyframe(5), verdict)))
        assert list(found) == QUERY_KEYS
        assert found["decision"] == verdict.value
        assert {found[key] for key in QUERY_KEYS[QUERY_KEYS.index("match_idx") :]} == {None}

    def test_where_geometry_was_not_reached_inliers_are_null(self, make_decision: Make) -> None:
        decision = make_decision(verdict=Verdict.BELOW_THRESHOLD, verification=None)
        found = written(records.query(decision))
        assert (found["inliers"], found["inliers_needed"], found["overlap"]) == (None, None, None)

    def test_where_matches_were_too_few_inliers_are_zero(self, make_decision: Make) -> None:
        decision = make_decision(
            verdict=Verdict.TOO_FEW_MATCHES, verification=Verification(matches=3, inliers=0)
        )
        found = written(records.query(decision))
        assert (found["decision"], found["inliers"]) == ("too_few_matches", 0)

    @pytest.mark.parametrize("verdict", list(Verdict))
    def test_decisions_have_the_documented_names(
        self, make_decision: Make, verdict: Verdict
    ) -> None:
        assert written(records.query(make_decision(verdict=verdict)))["decision"] in {
            "accepted",
            "empty_database",
            "below_threshold",
            "too_few_matches",
            "too_few_inliers",
            "inconsistent_sequence",
            "stationary",
            "undescribed",
        }


class TestLive:
    """What only a live frame has: when it was sent, and how long it took."""

    @pytest.fixture
    def live(self, make_decision: Make, make_keyframe: Make) -> Decision:
        arrival = Arrival(monotonic=77.5, taken=1_760_000_000.1234)
        decision: Decision = make_decision(
            keyframe=make_keyframe(40, arrival=arrival), latency=0.1234567
        )
        return decision

    def test_a_closure_has_both_at_their_places(self, live: Decision) -> None:
        found = written(records.loop_closure(live))
        at = LOOP_CLOSURE_KEYS.index("query_time") + 1
        keys = [*LOOP_CLOSURE_KEYS[:at], "query_wall_time", *LOOP_CLOSURE_KEYS[at:], "latency_ms"]
        assert list(found) == keys
        assert found["query_wall_time"] == "2025-10-09T08:53:20.123Z"
        assert found["latency_ms"] == 123.457

    def test_a_query_has_both_at_their_places(self, live: Decision) -> None:
        found = written(records.query(live))
        at = QUERY_KEYS.index("query_time") + 1
        assert list(found) == [
            *QUERY_KEYS[:at],
            "query_wall_time",
            *QUERY_KEYS[at:],
            "latency_ms",
        ]
        assert found["query_wall_time"] == "2025-10-09T08:53:20.123Z"
        assert found["latency_ms"] == 123.457

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1_709_164_800.0, "2024-02-29T00:00:00.000Z"),
            (1_760_000_000.9999, "2025-10-09T08:53:20.999Z"),
        ],
    )
    def test_wall_time_is_utc_to_the_millisecond(self, seconds: float, text: str) -> None:
        assert records.rfc3339(seconds) == text


class TestPlaces:
    """What only footage has that knows where it was taken."""

    KEYS: ClassVar = ["query_lat", "query_lon", "match_lat", "match_lon", "distance_m"]

    @pytest.fixture
    def placed(self, make_decision: Make, make_keyframe: Make, make_candidate: Make) -> Make:
        def make(query: Position | None, match: Position | None) -> Decision:
            decision: Decision = make_decision(
                keyframe=make_keyframe(40, position=query), match=make_candidate(3, position=match)
            )
            return decision

        return make

    @pytest.mark.parametrize("make", [records.loop_closure, records.query])
    def test_places_stand_at_the_end_to_a_centimetre(self, placed: Make, make: Make) -> None:
        decision = placed(Position(47.00000006, 8.123456789), Position(-33.25, -0.00000001, 4.0))
        plain = written(make(placed(None, None)))
        found = written(make(decision))
        assert list(found) == [*plain, *self.KEYS]
        assert [found[key] for key in self.KEYS[:4]] == [47.0000001, 8.1234568, -33.25, 0.0]
        assert found["distance_m"] == pytest.approx(8.95e6, rel=1e-2)

    @pytest.mark.parametrize("make", [records.loop_closure, records.query])
    def test_the_distance_is_over_the_ground(self, placed: Make, make: Make) -> None:
        found = written(make(placed(Position(47, 8, 900.0), Position(47.001, 8))))
        assert found["distance_m"] == 111.2

    @pytest.mark.parametrize("make", [records.loop_closure, records.query])
    def test_what_is_unknown_has_no_key(self, placed: Make, make: Make) -> None:
        plain = written(make(placed(None, None)))
        assert not set(plain) & set(self.KEYS)
        here = Position(47, 8)
        assert set(written(make(placed(here, None)))) - set(plain) == {"query_lat", "query_lon"}
        assert set(written(make(placed(None, here)))) - set(plain) == {"match_lat", "match_lon"}

    def test_a_query_without_a_candidate_has_its_own(self, make_keyframe: Make) -> None:
        keyframe = make_keyframe(5, position=Position(47, 8))
        found = written(records.query(Decision(keyframe, Verdict.STATIONARY)))
        assert (found["query_lat"], found["query_lon"]) == (47, 8)
        assert "match_lat" not in found

    @pytest.mark.parametrize("read", [records.LoopClosure, records.Query])
    def test_what_is_written_is_read_again(self, placed: Make, read: type) -> None:
        make = records.query if read is records.Query else records.loop_closure
        record = make(placed(Position(47, 8), Position(47.5, 8)))
        assert msgspec.json.decode(msgspec.json.encode(record), type=read) == record


class TestStream:
    def test_the_end_of_a_file(self) -> None:
        event = StreamEvent(StreamState.ENDED)
        found = written(records.stream(event, stream="cam", path="a", frames=3, skipped=0))
        assert found == {
            "type": "stream",
            "stream": "cam",
            "state": "ended",
            "path": "a",
            "time": None,
            "wall_time": None,
            "cause": None,
            "seconds": None,
            "frames": 3,
            "skipped": 0,
            "decoding": "all",
            "codec": None,
            "width": None,
            "height": None,
        }

    def test_a_camera_that_is_back(self) -> None:
        event = StreamEvent(
            StreamState.RECONNECTED,
            time=12.3456789,
            wall_time=1_760_000_000.5,
            seconds=7.0000001,
            track=Track("h264", 640, 480),
            keyframes_only=True,
        )
        found = written(records.stream(event, stream="cam", path="a", frames=3, skipped=2))
        assert list(found)[:4] == ["type", "stream", "state", "path"]
        assert found["state"] == "reconnected"
        assert (found["time"], found["seconds"]) == (12.345679, 7.0)
        assert found["wall_time"] == "2025-10-09T08:53:20.500Z"
        assert (found["codec"], found["width"], found["height"]) == ("h264", 640, 480)
        assert (found["decoding"], found["skipped"]) == ("keyframes", 2)

    @pytest.mark.parametrize("state", list(StreamState))
    def test_states_have_the_documented_names(self, state: StreamState) -> None:
        event = StreamEvent(state)
        found = records.stream(event, stream="cam", path="a", frames=0, skipped=0)
        # Decoding checks what the annotations say, which encoding does not.
        assert msgspec.json.decode(msgspec.json.encode(found), type=records.Stream) == found

    @pytest.mark.parametrize("field", ["time", "seconds"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_time_that_is_not_finite_is_refused(self, field: str, value: float) -> None:
        event = StreamEvent(StreamState.LOST, **{field: value})
        with pytest.raises(ValueError, match="JSON"):
            records.stream(event, stream="cam", path="a", frames=0, skipped=0)


class TestNumbers:
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_a_score_that_is_not_finite_is_refused(
        self, make_decision: Make, make_candidate: Make, value: float
    ) -> None:
        decision = make_decision(match=make_candidate(3, score=value))
        for make in (records.query, records.loop_closure):
            with pytest.raises(ValueError, match="JSON"):
                make(decision)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nor_is_a_confidence_a_time_or_a_homography(
        self, make_decision: Make, make_keyframe: Make, value: float
    ) -> None:
        broken = np.eye(3)
        broken[1, 2] = value
        for decision in (
            make_decision(confidence=value),
            make_decision(keyframe=make_keyframe(40, time=value)),
            make_decision(verification=Verification(80, 52, homography=broken)),
        ):
            with pytest.raises(ValueError, match="JSON"):
                records.loop_closure(decision)

    def test_a_negative_zero_is_a_zero(self, make_decision: Make, make_candidate: Make) -> None:
        decision = make_decision(match=make_candidate(3, score=-1e-9), confidence=-0.0)
        assert written(records.query(decision))["score"] == 0
        assert written(records.loop_closure(decision))["score"] == 0

    def test_also_in_a_homography_and_in_a_time(
        self, make_decision: Make, make_keyframe: Make
    ) -> None:
        homography = np.array([[1, -0.0, 0], [0, 1, -0.0], [-0.0, 0, 1]])
        decision = make_decision(
            keyframe=make_keyframe(40, time=-1e-9),
            verification=Verification(80, 52, homography=homography),
        )
        assert written(records.loop_closure(decision))["homography"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]

    def test_scores_have_six_places_and_a_homography_nine_digits(
        self, make_decision: Make, make_candidate: Make
    ) -> None:
        homography = np.eye(3) * (2 / 3)
        decision = make_decision(
            match=make_candidate(3, score=2 / 3),
            confidence=1 / 3,
            verification=Verification(80, 52, homography=homography),
        )
        found = written(records.loop_closure(decision))
        assert found["score"] == 0.666667
        assert found["confidence"] == 0.333333
        assert found["homography"][0] == 0.666666667
