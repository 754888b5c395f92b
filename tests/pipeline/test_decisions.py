"""What whole runs decide on videos of which the truth is known."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.frames import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Make = Callable[..., Any]


def test_a_flight_that_comes_back_closes_a_loop_at_every_frame(decide: Make, flight: Any) -> None:
    sink = decide(flight.path)
    again = range(flight.lap, flight.frames)
    assert sink.closures == [(query, query - flight.lap) for query in again]
    assert sink.indices == list(range(flight.frames))
    assert {d.loop_id for d in sink.decisions if d.accepted} == {0}


def test_the_homography_maps_the_query_onto_the_match(decide: Make, flight: Any) -> None:
    for decision in decide(flight.path).decisions[flight.lap :]:
        x, y, w = decision.verification.homography @ (80, 60, 1)
        # The second lap looks 4 pixels further down.
        assert (x / w, y / w) == pytest.approx((80, 64), abs=1)


def test_a_flight_that_never_comes_back_closes_none(decide: Make, make_flight: Make) -> None:
    sink = decide(make_flight(5, frames=48).path)
    assert sink.closures == []
    assert len(sink.decisions) == 48


def test_similarity_decides_alone_without_geometry(decide: Make, flight: Any) -> None:
    sink = decide(flight.path, verify_geom=False)
    assert sink.closures == [(q, q - flight.lap) for q in range(flight.lap, flight.frames)]
    assert all(decision.verification is None for decision in sink.decisions)


@pytest.mark.parametrize(
    ("exclusion", "closes"),
    [
        ({"exclude_recent": 48}, False),
        ({"min_loop_gap": 49}, False),
        ({"min_loop_gap": 48}, True),
        ({"exclude_seconds": 4.9}, False),
        ({"exclude_seconds": 4.7}, True),
    ],
)
def test_the_newest_cannot_match(
    decide: Make, flight: Any, exclusion: dict[str, float], closes: bool
) -> None:
    assert bool(decide(flight.path, verify_geom=False, **exclusion).closures) is closes


def test_what_the_ring_has_dropped_is_not_found(decide: Make, flight: Any) -> None:
    lost, kept = flight.lap - 1, flight.lap + 1
    assert decide(flight.path, capacity=lost, verify_geom=False).closures == []
    assert (
        len(decide(flight.path, capacity=kept, verify_geom=False).closures)
        == flight.frames - flight.lap
    )


def test_fewer_frames_a_second_are_fewer_frames(decide: Make, flight: Any) -> None:
    sink = decide(flight.path, fps=2.0)
    assert len(sink.decisions) == 12
    times = [decision.query.time for decision in sink.decisions]
    assert times == pytest.approx([n / 2 for n in range(12)])


def test_the_default_rate_is_two_a_second(decide: Make, flight: Any) -> None:
    assert len(decide(flight.path, fps=None).decisions) == 12


def test_a_clip_is_processed_alone(decide: Make, flight: Any) -> None:
    sink = decide(flight.path, start=1.0, duration=2.0)
    assert [round(d.query.time * 10) for d in sink.decisions] == list(range(10, 30))


def test_the_files_of_one_recording_are_one_stream(
    decide: Make, make_video: Make, pan: Make, tmp_path: Path
) -> None:
    pictures = list(pan(0, 60, 48))
    paths = [
        make_video(tmp_path / f"{start}.mp4", pictures[start : start + 20]) for start in (0, 20, 40)
    ]
    sink = decide(*paths, concat=True)
    assert sink.closures == [(query, query - 48) for query in range(48, 60)]
    times = [decision.query.time for decision in sink.decisions]
    assert np.allclose(np.diff(times), 0.1)
    assert len({decision.query.stream for decision in sink.decisions}) == 1
    assert [d.query.path for d in sink.decisions[19:21]] == [str(paths[0]), str(paths[1])]


def test_a_folder_of_images_has_no_time_and_the_same_places(
    decide: Make, pan: Make, tmp_path: Path
) -> None:
    for index, picture in enumerate(pan(0, 60, 48)):
        assert cv2.imwrite(str(tmp_path / f"{index}.png"), picture[..., ::-1])
    (tmp_path / "30.5.png").write_bytes(b"no image")
    sink = decide(tmp_path, fps=None)
    assert sink.closures == [(query, query - 48) for query in range(48, 60)]
    assert {decision.query.time for decision in sink.decisions} == {None}


@pytest.fixture
def standing(make_video: Make, pan: Make, noisy: Make, tmp_path: Path) -> Path:
    """Past 40 places, then 260 frames at the third of them, each with noise of its own."""
    lap = list(pan(0, 40, 40))
    stand = (noisy(lap[2], 1000 + index) for index in range(260))
    return make_video(tmp_path / "standing.mp4", itertools.chain(lap, stand))


def test_standing_at_a_known_place_is_reported_and_never_hidden(
    decide: Make, standing: Path
) -> None:
    sink = decide(standing)
    stand = sink.decisions[40:]
    assert len(stand) == 260
    assert {d.verdict for d in stand} <= {Verdict.ACCEPTED, Verdict.STATIONARY}
    assert stand[0].accepted
    assert {match for query, match in sink.closures if query >= 40} == {2}


def test_standing_in_the_wind_is_reported_and_never_hidden(
    decide: Make, make_video: Make, pan: Make, texture: Make, view: Make, tmp_path: Path
) -> None:
    """The view sways by more than the gate takes for stillness."""
    lap = list(pan(0, 40, 40))
    place = texture(77)
    sway = [
        view(place, 60 + round(9 * np.sin(index)), 60 + round(7 * np.cos(1.7 * index)))
        for index in range(100)
    ]
    path = make_video(tmp_path / "wind.mp4", itertools.chain([view(place, 60, 60)], lap, sway))
    sink = decide(path)
    stand = sink.decisions[41:]
    assert {d.verdict for d in stand} <= {Verdict.ACCEPTED, Verdict.STATIONARY}
    assert {match for query, match in sink.closures if 41 <= query <= 71} == {0}
    assert sum(d.accepted for d in stand) > 5, "the gate alone is not what is tested"


def people(background: Image, frames: int) -> Iterator[Image]:
    """Dark and bright blobs that walk through the picture of a standing camera."""
    chance = np.random.default_rng(4)
    walkers = [
        (int(chance.integers(20, 110)), float(chance.uniform(-3, 3)), int(chance.integers(0, 256)))
        for _ in range(5)
    ]
    for index in range(frames):
        picture = background.copy()
        for number, (y, speed, shade) in enumerate(walkers):
            x = int(40 * number + speed * index) % 160
            cv2.ellipse(picture, (x, y), (5, 11), 0, 0, 360, (shade,) * 3, -1)
        yield picture


def test_a_standing_camera_closes_no_loop_with_itself(
    decide: Make, make_video: Make, texture: Make, view: Make, noisy: Make, tmp_path: Path
) -> None:
    frames = (noisy(p, i) for i, p in enumerate(people(view(texture(8)), 200)))
    path = make_video(tmp_path / "street.mp4", frames)
    sink = decide(path)
    assert sink.closures == []
    verdicts = [decision.verdict for decision in sink.decisions]
    assert verdicts.count(Verdict.STATIONARY) > 150


def test_a_long_straight_drive_closes_none(
    decide: Make, make_video: Make, texture: Make, tmp_path: Path
) -> None:
    """What lies far ahead hardly grows, and stays alike for longer than the exclusion."""
    scene = texture(9, 640, 480)

    def drive() -> Iterator[Image]:
        for index in range(150):
            share = 0.995**index
            width, height = round(640 * share), round(480 * share)
            x, y = (640 - width) // 2, (480 - height) // 2
            ahead = scene[y : y + height, x : x + width]
            yield cv2.resize(ahead, (160, 120), interpolation=cv2.INTER_AREA)  # type: ignore[misc]

    path = make_video(tmp_path / "drive.mp4", drive())
    sink = decide(path)
    assert sink.closures == []
    moved = [d for d in sink.decisions if d.verdict is not Verdict.STATIONARY]
    assert len(moved) > 5, "the gate alone is not what is tested"


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (16_384, 16)])
def test_sizes_that_nobody_expects(
    decide: Make, make_video: Make, tmp_path: Path, size: tuple[int, int]
) -> None:
    chance = np.random.default_rng(0)
    pictures = [chance.integers(0, 256, (size[1], size[0], 3), np.uint8) for _ in range(3)]
    path = make_video(tmp_path / "a.nut", pictures, codec="ffv1", pix_fmt="bgr0")
    sink = decide(path, exclude_recent=0, output_dir=tmp_path / "out", verify_geom=True)
    assert sink.indices == [0, 1, 2]
    assert (tmp_path / "out" / "similarity_plot.png").stat().st_size > 0


def test_black_pictures_are_no_error(decide: Make, make_video: Make, tmp_path: Path) -> None:
    path = make_video(tmp_path / "night.mp4", [np.zeros((120, 160, 3), np.uint8)] * 40)
    sink = decide(path)
    assert len(sink.decisions) == 40
    assert sink.closures == []
