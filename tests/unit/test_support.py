"""Whether the frames before had candidates near the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamvpr.loops import REACH
from streamvpr.support import WINDOW, Support

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.frames import Candidate

    MakeCandidate = Callable[..., Candidate]


def places(make: MakeCandidate, *indices: int, stream: str = "cam") -> list:
    return [make(index, stream=stream).place for index in indices]


def test_each_query_before_supports_once(make_candidate: MakeCandidate) -> None:
    support = Support()
    (match,) = places(make_candidate, 50)
    assert support.of(match) == 0
    for count in range(1, WINDOW + 3):
        support.add(places(make_candidate, 49, 50, 51))
        assert support.of(match) == min(count, WINDOW)


@pytest.mark.parametrize("away", [REACH + 1, REACH + 2])
def test_what_is_out_of_reach_does_not_support(make_candidate: MakeCandidate, away: int) -> None:
    support = Support()
    support.add(places(make_candidate, 50 + away))
    assert support.of(places(make_candidate, 50)[0]) == (away <= REACH + 1)


def test_a_place_of_another_stream_does_not_support(make_candidate: MakeCandidate) -> None:
    support = Support()
    support.add(places(make_candidate, 50, stream="other"))
    assert support.of(places(make_candidate, 50)[0]) == 0


def test_a_query_without_candidates_supports_nothing(make_candidate: MakeCandidate) -> None:
    support = Support()
    support.add(places(make_candidate, 50))
    for _ in range(WINDOW):
        support.add([])
    assert support.of(places(make_candidate, 50)[0]) == 0
