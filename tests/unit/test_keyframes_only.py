"""When the keyframes of a live stream are enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sources.keyframes_only import GROUPS, KeyframePolicy

FPS = 25


def feed(policy: KeyframePolicy, *lengths: float, begin: float = 0.0) -> list[tuple[bool, bool]]:
    """Groups of pictures of these lengths in seconds, 25 a second: (is keyframe, is wanted)."""
    said = []
    for length in lengths:
        for index in range(max(1, round(length * FPS))):
            key = index == 0
            said.append((key, policy.wants(begin + index / FPS, is_keyframe=key)))
        begin += length
    return said


def wanted(said: list[tuple[bool, bool]]) -> int:
    return sum(one for _, one in said)


def test_every_picture_is_wanted_where_all_are_picked() -> None:
    policy = KeyframePolicy(0.0)
    said = feed(policy, *[1.0] * 10)
    assert wanted(said) == len(said)
    assert not policy.active


def test_it_begins_after_as_many_short_groups_as_it_takes() -> None:
    policy = KeyframePolicy(1.0)
    said = feed(policy, *[1.0] * GROUPS)
    assert wanted(said) == len(said), "the last of them has not ended yet"
    assert not policy.active
    said = feed(policy, *[1.0] * 5, begin=GROUPS)
    assert [key for key, one in said if one] == [True] * 5
    assert wanted(said) == 5
    assert policy.active


@pytest.mark.parametrize(("fps", "length"), [(2.0, 1.0), (1.0, 1.04), (0.5, 2.2)])
def test_groups_that_are_too_long_for_the_rate_never_do(fps: float, length: float) -> None:
    policy = KeyframePolicy(fps)
    said = feed(policy, *[length] * 10)
    assert wanted(said) == len(said)


@pytest.mark.parametrize(("fps", "length"), [(2.0, 0.48), (1.0, 1.0), (0.5, 2.0), (0.5, 0.4)])
def test_groups_that_are_short_enough_do(fps: float, length: float) -> None:
    policy = KeyframePolicy(fps)
    feed(policy, *[length] * 10)
    assert policy.active


def test_one_long_group_ends_it_from_the_next_keyframe_on() -> None:
    policy = KeyframePolicy(1.0)
    feed(policy, *[1.0] * 6)
    assert policy.active
    # Nobody knows of the long group before it ends.
    said = feed(policy, 4.0, begin=6.0)
    assert wanted(said) == 1
    said = feed(policy, 1.0, begin=10.0)
    assert wanted(said) == len(said)
    assert not policy.active


def test_it_comes_back_when_groups_are_short_again() -> None:
    policy = KeyframePolicy(1.0)
    feed(policy, *[1.0] * 6, 4.0, *[1.0] * GROUPS)
    assert not policy.active
    feed(policy, 1.0, begin=6 + 4 + GROUPS)
    assert policy.active


def test_short_groups_between_long_ones_do_not_add_up() -> None:
    policy = KeyframePolicy(1.0)
    said = feed(policy, *[1.0, 1.0, 4.0] * 6)
    assert wanted(said) == len(said)


def marked_twice(policy: KeyframePolicy, lengths: list[float], begin: float = 0.0) -> int:
    """As `feed`, with a second packet that is marked as a keyframe behind each; those wanted."""
    count = 0
    for length in lengths:
        for index in range(round(length * FPS)):
            count += policy.wants(begin + index / FPS, is_keyframe=index <= 1)
        begin += length
    return count


def test_keyframes_that_are_marked_twice_do_not_look_like_two_short_groups() -> None:
    policy = KeyframePolicy(0.5)
    assert marked_twice(policy, [4.0] * 8) == 8 * 100
    assert not policy.active


def test_keyframes_that_are_marked_twice_are_enough_as_others_are() -> None:
    policy = KeyframePolicy(1.0)
    marked_twice(policy, [1.0] * (GROUPS + 1))
    assert policy.active
    marked_twice(policy, [1.0] * 5, begin=GROUPS + 1)
    assert policy.active
    marked_twice(policy, [4.0, 1.0], begin=GROUPS + 6)
    assert not policy.active


def test_a_stream_of_keyframes_alone_is_wanted_whole() -> None:
    policy = KeyframePolicy(1.0)
    for index in range(200):
        assert policy.wants(index / FPS, is_keyframe=True)


@pytest.mark.parametrize("fps", [0.0, 2.0])
def test_forced_no_other_is_ever_wanted(fps: float) -> None:
    policy = KeyframePolicy(fps, forced=True)
    assert policy.active
    said = feed(policy, 1.0, 10.0, 0.2)
    assert all(key is one for key, one in said)
    policy.forget()
    assert policy.active


def test_another_connection_begins_anew() -> None:
    policy = KeyframePolicy(1.0)
    feed(policy, *[1.0] * 6)
    policy.forget()
    assert not policy.active
    # The time between the last picture of the old one and this is no group.
    said = feed(policy, *[1.0] * GROUPS, begin=6.5)
    assert wanted(said) == len(said)
    feed(policy, 1.0, begin=6.5 + GROUPS)
    assert policy.active


def test_groups_without_a_time_are_not_short() -> None:
    policy = KeyframePolicy(1.0)
    for index in range(200):
        assert policy.wants(None, is_keyframe=index % 5 == 0)


def test_a_clock_that_goes_back_is_no_short_group() -> None:
    policy = KeyframePolicy(1.0)
    for _ in range(10):
        said = feed(policy, 1.0, begin=5.0)
        assert wanted(said) == len(said)


packets = st.tuples(st.none() | st.floats(-10, 100, width=32), st.booleans())


@given(stream=st.lists(packets, max_size=80), fps=st.sampled_from([0.0, 0.5, 2.0, 30.0]))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_whatever_comes_keyframes_are_wanted_and_others_as_it_says(
    stream: list[tuple[float | None, bool]], fps: float
) -> None:
    policy = KeyframePolicy(fps)
    for seconds, is_keyframe in stream:
        said = policy.wants(seconds, is_keyframe=is_keyframe)
        assert said is (is_keyframe or not policy.active)
