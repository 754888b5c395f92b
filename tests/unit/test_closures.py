"""Which closures of a revisit are reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr import records
from streamvpr.config import Emit
from streamvpr.errors import StoreError
from streamvpr.frames import Arrival, Decision, StreamEvent, StreamState, Verdict
from streamvpr.loops import REACH
from streamvpr.sinks import ClosureChooser, Fanout, Sink
from streamvpr.sinks.closures import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


class Listener(Sink):
    """Notes queries, closures and events in the order in which they come."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.heard: list[tuple[str, int]] = []
        self.closures: list[Decision] = []
        self.closed = 0
        self._fails_at = fails_at

    def write(self, decision: Decision) -> None:
        if decision.query.index == self._fails_at:
            raise StoreError("full")
        self.heard.append(("query", decision.query.index))

    def write_closure(self, decision: Decision) -> None:
        self.heard.append(("closure", decision.query.index))
        self.closures.append(decision)

    def write_event(self, event: Any) -> None:
        self.heard.append((event.state, -1))

    def close(self) -> None:
        self.closed += 1

    def reported(self) -> list[int]:
        return [index for kind, index in self.heard if kind == "closure"]


@pytest.fixture
def walk(make_decision: Make, make_keyframe: Make) -> Callable[..., list[Decision]]:
    """Decisions on queries 0, 1, 2 ...: of each its loop and its confidence, None closes none."""

    def make(
        *closures: tuple[int, float] | None, stream: str = "cam", begin: int = 0
    ) -> list[Decision]:
        found = []
        for index, closure in enumerate(closures, begin):
            keyframe = make_keyframe(index, stream=stream)
            if closure is None:
                found.append(
                    make_decision(keyframe=keyframe, verdict=Verdict.TOO_FEW_INLIERS, loop_id=None)
                )
            else:
                loop_id, confidence = closure
                found.append(
                    make_decision(keyframe=keyframe, loop_id=loop_id, confidence=confidence)
                )
        return found

    return make


def hear(emit: Emit, decisions: list[Decision], *, close: bool = True) -> Listener:
    listener = Listener()
    chooser = ClosureChooser(Fanout([listener]), emit)
    for decision in decisions:
        chooser.write(decision)
    if close:
        chooser.close()
        assert listener.closed == 1
    return listener


def test_all_are_reported_just_after_their_queries(walk: Make) -> None:
    heard = hear(Emit.ALL, walk((0, 0.5), None, (0, 0.6))).heard
    assert heard == [("query", 0), ("closure", 0), ("query", 1), ("query", 2), ("closure", 2)]


def test_the_first_of_each_revisit(walk: Make) -> None:
    closures = walk((0, 0.5), (0, 0.9), None, (1, 0.4), (0, 0.7), (1, 0.8))
    assert hear(Emit.FIRST, closures).reported() == [0, 3]


def test_the_best_when_the_revisit_has_ended(walk: Make) -> None:
    closures = walk((0, 0.5), (0, 0.9), (0, 0.7), *[None] * (REACH + 3))
    heard = hear(Emit.BEST, closures, close=False).heard
    assert [pair for pair in heard if pair[0] == "closure"] == [("closure", 1)]
    assert heard.index(("closure", 1)) == heard.index(("query", 2 + REACH + 1)) + 1


def test_of_equals_the_earlier_is_the_best(walk: Make) -> None:
    assert hear(Emit.BEST, walk((0, 0.9), (0, 0.9))).reported() == [0]


def test_a_revisit_that_goes_on_is_reported_once_and_in_time(walk: Make) -> None:
    endless = walk(*[(0, 0.5 + n / 1000) for n in range(200)])
    listener = hear(Emit.BEST, endless)
    assert listener.reported() == [LONGEST_WAIT]
    assert listener.heard.index(("closure", LONGEST_WAIT)) == LONGEST_WAIT + 1


def test_what_is_left_is_reported_at_the_end(walk: Make) -> None:
    assert hear(Emit.BEST, walk((0, 0.5), (0, 0.6))).reported() == [1]
    assert hear(Emit.BEST, walk(None, None)).reported() == []


def test_nothing_of_a_stream_comes_after_its_end(walk: Make) -> None:
    listener = Listener()
    chooser = ClosureChooser(Fanout([listener]), Emit.BEST)
    for decision in (*walk((0, 0.5)), *walk((0, 0.7), stream="other")):
        chooser.write(decision)
    ended = StreamEvent(StreamState.ENDED)
    chooser.write_event(records.stream(ended, stream="cam", path="", frames=1, skipped=0))
    assert listener.heard[-2:] == [("closure", 0), ("ended", -1)]
    assert [c.query.stream for c in listener.closures] == ["cam"]
    chooser.close()
    assert [c.query.stream for c in listener.closures] == ["cam", "other"]


@pytest.mark.parametrize("emit", [Emit.FIRST, Emit.BEST])
def test_two_revisits_at_once_and_two_streams_are_kept_apart(walk: Make, emit: Emit) -> None:
    by_turns = walk((0, 0.5), (1, 0.4), (0, 0.6), (1, 0.3))
    other = walk((0, 0.9), stream="other", begin=10)
    listener = hear(emit, [*by_turns, *other])
    expected = {Emit.FIRST: [0, 1, 10], Emit.BEST: [2, 1, 10]}[emit]
    assert sorted(listener.reported()) == sorted(expected)


def test_one_closure_is_reported_for_every_revisit_however_many_come(walk: Make) -> None:
    closures = walk(*[(n // 3, 0.5) if n % 3 == 0 else None for n in range(90)])
    for emit in (Emit.FIRST, Emit.BEST):
        listener = hear(emit, closures)
        assert len(listener.reported()) == 30
        assert len({c.loop_id for c in listener.closures}) == 30


def test_a_sink_that_fails_at_the_query_still_gets_others_the_closure(walk: Make) -> None:
    working, failing = Listener(), Listener(fails_at=0)
    chooser = ClosureChooser(Fanout([failing, working]), Emit.ALL)
    with pytest.raises(StoreError):
        chooser.write(walk((0, 0.5))[0])
    assert working.reported() == [0]
    assert chooser.open


def test_a_live_closure_that_waited_has_waited_longer(walk: Make) -> None:
    first, second, *rest = walk((0, 0.9), (0, 0.5), *[None] * (REACH + 1))
    live = replace(
        first, query=replace(first.query, arrival=Arrival(monotonic=0.0, taken=0.0)), latency=0.1
    )
    listener = hear(Emit.BEST, [live, second, *rest])
    (closure,) = listener.closures
    assert closure.latency is not None
    assert closure.latency > 0.1
