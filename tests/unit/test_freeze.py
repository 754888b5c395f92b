"""A picture that is sent again and again, told from one that is taken again and again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest

from streamvpr.sources.freeze import COARSE_TOLERANCE, FreezeDetector

RATE = 25
fresh = itertools.count(1)


@dataclass
class FakePicture:
    """A picture by its checksum and one grey level all over."""

    bits: int = field(default_factory=lambda: next(fresh))
    level: int = 100
    looks: int = 0

    def checksum(self) -> int:
        return self.bits

    def coarse(self) -> np.ndarray:
        self.looks += 1
        return np.full((24, 32), self.level, np.uint8)


def observe(
    detector: FreezeDetector, pictures: list[FakePicture], begin: float = 0.0
) -> list[bool]:
    """What is said of pictures that come 25 times a second."""
    return [detector.observe(begin + n / RATE, picture) for n, picture in enumerate(pictures)]


def repeated(seconds: float, level: int = 100) -> list[FakePicture]:
    return [FakePicture(bits=0, level=level)] * round(seconds * RATE)


def noisy(seconds: float, level: int = 100) -> list[FakePicture]:
    """The same view by a sensor: never twice the same to the bit."""
    return [FakePicture(level=level) for _ in range(round(seconds * RATE))]


def slower_than_announced(times: int) -> list[FakePicture]:
    """A sensor at a fraction of the rate, whose pictures are sent several times."""
    return [picture for one in noisy(60) for picture in [one] * times]


def touched_up(seconds: float, touches: int, level: int = 100) -> list[FakePicture]:
    """What an encoder makes of one picture: each second a keyframe and some that refine it."""
    pictures: list[FakePicture] = []
    for second in range(round(seconds)):
        pictures += [FakePicture(level=level + n % 2) for n in range(touches)]
        last = pictures[-1].bits if touches else -second
        pictures += [FakePicture(bits=last, level=level)] * (RATE - touches)
    return pictures


def test_a_view_that_stands_is_not_frozen_by_its_noise() -> None:
    pictures = noisy(120)
    assert not any(observe(FreezeDetector(5.0), pictures))


def test_and_costs_no_comparison() -> None:
    pictures = noisy(10)
    observe(FreezeDetector(5.0), pictures)
    assert sum(picture.looks for picture in pictures) == 0


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_the_same_picture_is_frozen_after_so_many_seconds(seconds: float) -> None:
    said = observe(FreezeDetector(seconds), repeated(3 * seconds))
    assert said.index(True) == seconds * RATE
    assert all(said[said.index(True) :])


def test_it_says_since_when() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, noisy(2))
    observe(detector, repeated(8), begin=2.0)
    assert detector.since == pytest.approx(2.0)


@pytest.mark.parametrize("touches", [0, 1, 4])
def test_what_an_encoder_touches_up_at_keyframes_is_no_change(touches: int) -> None:
    said = observe(FreezeDetector(5.0), touched_up(20, touches))
    assert any(said)
    assert all(said[said.index(True) :])
    assert said.index(True) <= 8 * RATE


def test_a_picture_that_looks_otherwise_thaws_it_at_once() -> None:
    detector = FreezeDetector(5.0)
    assert observe(detector, repeated(10))[-1]
    other = FakePicture(level=100 + COARSE_TOLERANCE + 1)
    assert detector.observe(10.0, other) is False
    assert detector.since == pytest.approx(10.0)


def test_a_little_less_does_not() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10))
    assert detector.observe(10.0, FakePicture(level=100 + COARSE_TOLERANCE)) is True
    assert detector.since == 0.0


def test_what_creeps_is_compared_with_the_first_and_thaws() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10))
    said = [detector.observe(10 + n, FakePicture(level=100 + n)) for n in range(10)]
    assert not all(said)


def test_a_dark_change_counts_as_a_bright_one() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10, level=1))
    assert detector.observe(10.0, FakePicture(level=255)) is False
    observe(detector, repeated(10, level=255), begin=11.0)
    assert detector.observe(21.0, FakePicture(level=1)) is False


def test_a_camera_that_goes_on_thaws_soon() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10))
    # It looks at the very same view: only its noise tells.
    said = observe(detector, noisy(60), begin=10.0)
    assert not said[-1]
    assert False in said


def test_it_can_freeze_again() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10))
    observe(detector, noisy(3, level=50), begin=10.0)
    said = observe(detector, repeated(10, level=60), begin=13.0)
    assert not said[0]
    assert said[-1]


def test_after_forgetting_it_begins_anew() -> None:
    detector = FreezeDetector(5.0)
    observe(detector, repeated(10))
    detector.forget()
    assert detector.since is None
    said = observe(detector, repeated(10), begin=10.0)
    assert said.index(True) == 5 * RATE


def test_a_repeated_frame_now_and_then_freezes_nothing() -> None:
    # Such as a transcoder puts in, to keep its rate.
    pictures = [p for n, one in enumerate(noisy(30)) for p in ((one, one) if n % 2 else (one,))]
    assert not any(observe(FreezeDetector(5.0), pictures))


@pytest.mark.parametrize("times", [2, 3, 4])
def test_a_slow_camera_before_which_nothing_moves_is_not_frozen(times: int) -> None:
    pictures = slower_than_announced(times)
    assert not any(observe(FreezeDetector(5.0), pictures))
    assert sum(picture.looks for picture in pictures) == 0


def test_after_a_long_freeze_too_it_thaws_within_a_second() -> None:
    detector = FreezeDetector(5.0)
    assert observe(detector, repeated(600))[-1]
    assert not any(observe(detector, noisy(5), begin=600.0)[RATE:])
