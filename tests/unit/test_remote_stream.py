"""What the driver makes of a stream's actor: what it tells, its end, and its deaths."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr import records
from streamvpr.cluster import remote_stream
from streamvpr.cluster.connection import ActorGone
from streamvpr.cluster.exchange import Batch, Emitted, Facts, Reached, Tally
from streamvpr.cluster.outbox import Outbox
from streamvpr.cluster.remote_stream import MOST_LOSSES, RemoteStream
from streamvpr.errors import SourceLost
from streamvpr.frames import Arrival, Decision, Keyframe, StreamEvent, StreamState, Verdict
from streamvpr.sinks import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

HANG_SECONDS = 10.0
GONE = ActorGone("it is gone", for_good=False)


@pytest.fixture(autouse=True)
def _tries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_stream, "AGAIN_SECONDS", 0.0)


def decision(index: int, arrival: Arrival | None = None, **others: Any) -> Decision:
    frame = Keyframe("a", index, float(index), "a.mp4", 64, 48, arrival=arrival)
    return Decision(frame, Verdict.EMPTY_DATABASE, **others)


def event(state: StreamState) -> records.Stream:
    return records.stream(StreamEvent(state), stream="a", path="a.mp4", frames=0, skipped=0)


def batch(
    life: str, serial: int, *items: Emitted, ended: bool = False, begun: bool = True
) -> Batch:
    return Batch(life, "n" * 56, serial, list(items), Tally(), ended=ended, begun=begun)


class Answers:
    """A connection to an actor that answers what it was told to, or is gone."""

    def __init__(self, answers: Iterable[Batch | ActorGone]) -> None:
        self.left = deque(answers)
        self.begun: list[Reached] = []
        self.actor = SimpleNamespace(take=SimpleNamespace(remote=lambda _: "take"))

    def begin(self, _: object, reached: Reached) -> str:
        self.begun.append(reached)
        return "begin"

    async def answer(self, asked: str) -> Batch | None:
        if asked == "begin":
            return None
        found = self.left.popleft()
        if isinstance(found, ActorGone):
            raise found
        return found


def pull(answers: Answers, *, live: bool = False) -> tuple[RemoteStream, list[list[Emitted]]]:
    """The stream after its end, and its turns."""
    facts = Facts("a.mp4", has_clock=True, live=live, on_disk=not live, span=None)
    connection: Any = answers
    stream = RemoteStream(connection, answers.actor, "a", facts, answers.begin)

    async def work() -> list[list[Emitted]]:
        stream.open_buffer(lambda: None)
        await stream.pull()
        turns = []
        while (turn := stream.buffer.take()) is not None:
            turns.append(turn)
        return turns

    return stream, asyncio.run(asyncio.wait_for(work(), HANG_SECONDS))


def test_a_turn_is_what_comes_up_to_a_decision_and_at_last_the_rest() -> None:
    connected, ended = event(StreamState.CONNECTED), event(StreamState.ENDED)
    answers = Answers(
        [
            batch("one", 0, begun=False),
            batch("one", 1, connected, decision(0), decision(1)),
            batch("one", 2),
            batch("one", 3, decision(2), ended, ended=True),
        ]
    )
    _, turns = pull(answers)
    assert turns == [[connected, decision(0)], [decision(1)], [decision(2)], [ended]]
    assert answers.begun == [Reached()]


def test_who_comes_after_a_death_is_told_how_far_the_stream_was(logged: Any) -> None:
    first = [event(StreamState.CONNECTED), decision(0), decision(1, loop_id=4)]
    answers = Answers(
        [
            batch("one", 0, begun=False),
            batch("one", 1, *first),
            GONE,
            GONE,
            batch("two", 0, begun=False),
            batch("two", 1, decision(2), ended=True),
        ]
    )
    _, turns = pull(answers)
    assert [turn[-1] for turn in turns] == [decision(0), decision(1, loop_id=4), decision(2)]
    assert answers.begun == [Reached(), Reached(told=3, index=1, loop_id=4, time=1.0)]
    (warning,) = logged.warnings
    assert warning.startswith("stream a: its actor on node nnnnnnnn is lost")
    assert warning.endswith("what comes after frame 1 is new")


def dying(progress: int) -> Iterable[Batch | ActorGone]:
    """Lives of which each ends after so many new decisions."""
    for life in range(2 * MOST_LOSSES):
        yield batch(f"{life}", 0, begun=False)
        yield batch(f"{life}", 1, *[decision(life + number) for number in range(progress)])
        yield GONE


def test_what_dies_again_and_again_of_the_same_is_given_up() -> None:
    answers = Answers(dying(0))
    stream, turns = pull(answers)
    assert turns == []
    assert isinstance(stream.error, SourceLost)
    assert "its actor died 4 times after frame -1: it is gone" in str(stream.error)
    assert len(answers.begun) == MOST_LOSSES + 1


def test_what_dies_and_comes_further_each_time_is_not() -> None:
    answers = Answers([*dying(1), batch("last", 0, begun=False), batch("last", 1, ended=True)])
    stream, turns = pull(answers)
    assert stream.error is None
    assert len(turns) == len(answers.begun) - 1 == 2 * MOST_LOSSES


def test_an_arrival_is_on_the_clock_of_this_machine() -> None:
    far = decision(0, Arrival(-1e6, 1000.0), latency=0.25)
    answers = Answers([batch("one", 0, begun=False), batch("one", 1, far, ended=True)])
    _, (turn,) = pull(answers, live=True)
    assert isinstance(turn[0], Decision)
    arrival = turn[0].query.arrival
    assert arrival is not None
    assert time.monotonic() - arrival.monotonic == pytest.approx(0.25, abs=0.2)
    assert arrival.taken == 1000.0


def test_an_outbox_gives_a_lost_answer_again_and_passes_over_what_is_known() -> None:
    async def work() -> tuple[Any, ...]:
        outbox = Outbox(asyncio.get_running_loop(), 2, remembered=False, shown=Shown.NOTHING)
        known = [event(StreamState.CONNECTED), decision(0)]
        await asyncio.to_thread(outbox.write_event, known[0])
        await asyncio.to_thread(outbox.write, known[1])
        await asyncio.to_thread(outbox.write, decision(1))
        first = await outbox.take(0)
        again = await outbox.take(0)
        await asyncio.to_thread(outbox.write, decision(2))
        second = await outbox.take(1)
        outbox.close()
        return first, again, second, await outbox.take(2), outbox.ended

    first, again, second, last, ended = asyncio.run(asyncio.wait_for(work(), HANG_SECONDS))
    assert first == again == (1, [decision(1)])
    assert second == (2, [decision(2)])
    assert last == (3, [])
    assert ended
