"""How long to wait before the next try."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.backoff import FIRST_DELAY_SECONDS, Backoff


class Always(random.Random):
    """Chance that draws one end of every range."""

    def __init__(self, end: str) -> None:
        super().__init__(0)
        self._end = end

    def uniform(self, a: float, b: float) -> float:
        return a if self._end == "lowest" else b


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(1.0, chance=Always("highest"))
    delays = [backoff.delay() for _ in range(6)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_chance_takes_away_half_at_most() -> None:
    backoff = Backoff(1.0, chance=Always("lowest"))
    assert [backoff.delay() for _ in range(5)] == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.5])


def test_after_a_try_that_went_well_it_begins_anew() -> None:
    backoff = Backoff(1.0, chance=Always("highest"))
    for _ in range(5):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() == pytest.approx(FIRST_DELAY_SECONDS)


def test_two_of_them_do_not_wait_alike() -> None:
    first, second = Backoff(60.0), Backoff(60.0)
    assert [first.delay() for _ in range(8)] != [second.delay() for _ in range(8)]


@given(
    longest=st.floats(0.1, 1e6),
    seed=st.integers(0, 1000),
    failures=st.integers(1, 60) | st.sampled_from([2000]),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_no_delay_is_longer_than_the_cap_or_half_of_what_it_would_be(
    longest: float, seed: int, failures: int
) -> None:
    backoff = Backoff(longest, chance=random.Random(seed))
    for failure in range(failures):
        full = min(longest, FIRST_DELAY_SECONDS * 2.0 ** min(failure, 30))
        assert 0.5 * full <= backoff.delay() <= full
