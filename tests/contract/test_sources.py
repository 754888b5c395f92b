"""What every source does, whatever it reads."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.frames import StreamState

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.sources import Source

    Kind = Any
    Make = Callable[..., Any]


def test_every_frame_comes_once_and_in_order(source: Source, kind: Kind, numbers_of: Make) -> None:
    assert numbers_of(source) == list(range(kind.frames))
    assert source.skipped == 0


def test_times_increase_strictly_by_the_frame_rate_or_are_unknown(
    source: Source, kind: Kind
) -> None:
    times = [frame.time for frame in source.frames()]
    assert source.has_clock is kind.has_clock
    if kind.has_clock:
        steps = np.diff(np.array(times, float))
        assert np.allclose(steps, 1 / kind.fps, atol=2e-3)
    else:
        assert times == [None] * kind.frames


def test_a_frame_names_the_file_that_it_came_from(source: Source, kind: Kind) -> None:
    assert list(dict.fromkeys(f.path for f in source.frames())) == kind.paths
    assert source.path in (kind.paths[0], str(Path(kind.paths[0]).parent))


def test_the_default_rate_is_two_a_second_for_video_and_every_image(
    source: Source, kind: Kind
) -> None:
    assert source.default_fps == (2.0 if kind.has_clock else 0.0)


def test_a_picture_knows_its_size_in_source_pixels(source: Source) -> None:
    assert {(f.picture.width, f.picture.height) for f in source.frames()} == {(96, 64)}


@pytest.mark.parametrize("size", [(96, 64), (48, 32), (31, 17), (200, 300), (1, 1)])
def test_pictures_are_made_in_any_size(source: Source, size: tuple[int, int]) -> None:
    picture = next(iter(source.frames())).picture
    rgb, gray = picture.rgb(*size), picture.gray(*size)
    assert (rgb.shape, rgb.dtype) == ((size[1], size[0], 3), np.uint8)
    assert (gray.shape, gray.dtype) == ((size[1], size[0]), np.uint8)


def test_colours_are_red_green_blue_in_this_order(source: Source) -> None:
    rgb = next(iter(source.frames())).picture.rgb(96, 64)
    left, right = rgb[44:60, 8:40].mean((0, 1)), rgb[44:60, 56:88].mean((0, 1))
    assert np.abs(left - (220, 20, 20)).max() < 25
    assert np.abs(right - (20, 20, 220)).max() < 25


def test_luma_goes_from_black_to_white(source: Source) -> None:
    frame = list(itertools.islice(source.frames(), 2))[1]
    gray = frame.picture.gray(96, 64)
    assert gray[8:24, 4:12].mean() > 225
    assert gray[8:24, 20:28].mean() < 25


def test_a_picture_outlives_the_frames_after_it(source: Source, number: Make) -> None:
    frames = list(source.frames())
    assert [number(f.picture.gray(96, 64)) for f in frames] == list(range(len(frames)))


def test_span_is_seconds_of_video_or_the_number_of_images(source: Source, kind: Kind) -> None:
    assert source.span is not None
    if kind.has_clock:
        assert source.span == pytest.approx(kind.frames / kind.fps, abs=2 / kind.fps)
    else:
        assert source.span == kind.frames


def test_it_says_once_what_it_is_connected_to_before_the_first_frame(source: Source) -> None:
    told: list[Any] = []
    source.report = told.append
    frames = iter(source.frames())
    assert told == []
    next(frames)
    (event,) = told
    assert event.state is StreamState.CONNECTED
    assert event.track is not None
    assert (event.track.width, event.track.height) == (96, 64)
    assert event.track.codec
    assert (event.time, event.wall_time, event.keyframes_only) == (None, None, False)
    assert sum(1 for _ in frames) > 0
    assert told == [event], "the end is told by who reads it"


def test_it_is_there_as_soon_as_it_is_asked_for(source: Source) -> None:
    assert (source.live, source.on_disk, source.undecoded) == (False, True, 0)
    assert all(frame.arrival is None for frame in source.frames())


def test_stopping_ends_the_frames_soon(source: Source, kind: Kind) -> None:
    frames = iter(source.frames())
    next(frames)
    source.stop()
    assert sum(1 for _ in frames) <= kind.frames // 2


def test_closing_twice_is_no_error(source: Source) -> None:
    source.close()
    source.close()


def test_it_can_be_closed_in_the_middle_of_the_frames(source: Source) -> None:
    frames = source.frames()
    next(iter(frames))
    frames.close()  # type: ignore[attr-defined]
    source.close()
    assert list(frames) == []


def test_it_can_be_opened_and_closed_without_a_look(kind: Kind) -> None:
    kind.open().close()


def test_two_of_one_file_do_not_disturb_each_other(kind: Kind, number: Make) -> None:
    first, second = kind.open(), kind.open()
    pairs = list(zip(first.frames(), second.frames(), strict=True))
    for index, pair in enumerate(pairs):
        assert [number(f.picture.gray(96, 64)) for f in pair] == [index, index]
    first.close()
    second.close()


def test_as_many_frames_as_pyav_decodes(source: Source, kind: Kind, decoded_by_pyav: Make) -> None:
    if not kind.has_clock:
        pytest.skip("a folder of images")
    plain = sum(len(decoded_by_pyav(Path(path))) for path in kind.paths)
    assert sum(1 for _ in source.frames()) == plain == kind.frames
