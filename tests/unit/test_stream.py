"""How a stream does: every picture is counted once, and latencies are those since the last time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.channel import Overflow
from streamvpr.errors import SourceLost
from streamvpr.frames import Frame, StreamEvent, StreamState
from streamvpr.keyframes import FrameReader
from streamvpr.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.records import Health


class FakeSource:
    """Ten pictures a second without end; `skipped` and `undecoded` are set from outside."""

    name, path = "cam", "rtsp://me:***@host/live"
    has_clock, default_fps, on_disk = True, 2.0, False

    def __init__(self, *, live: bool = True) -> None:
        self.live = live
        self.skipped = self.undecoded = 0

    def frames(self) -> Iterator[Frame]:
        number = 0
        while True:
            picture: Any = number
            yield Frame(time=number / 10, path=self.path, picture=picture)
            number += 1

    def close(self) -> None:
        pass


def make(
    *, fps: float | None = 0.0, live: bool = True, overflow: Overflow | None = None
) -> tuple[Stream, FakeSource]:
    source = FakeSource(live=live)
    known: Any = source
    maker: Any = SimpleNamespace()
    stream = Stream(
        FrameReader(known, fps=fps),
        maker,
        lambda _: None,
        places=lambda: (7, 7000),
        overflow=overflow,
    )
    stream.open_buffer(lambda: None)
    return stream, source


def total(health: Health) -> int:
    dropped = health.dropped.overload + health.dropped.damaged
    return health.processed + health.left_out + dropped + health.queued


class TestHealth:
    def test_a_stream_that_has_not_begun(self) -> None:
        stream, _ = make()
        health = stream.health()
        assert (health.stream, health.state, health.frames_in) == ("cam", None, 0)
        assert (health.latency_p50_ms, health.latency_p95_ms) == (None, None)
        assert (health.places, health.places_bytes) == (7, 7000)
        assert health.wall_time.endswith("Z")
        assert health.resident_bytes is None or health.resident_bytes > 1e6

    def test_frames_that_the_rate_leaves_out(self) -> None:
        stream, source = make(fps=2.0)
        for _ in range(4):
            stream.reader.next()
        source.undecoded = 100
        stream.processed = 1
        health = stream.health()
        assert (health.frames_in, health.processed, health.queued) == (116, 1, 3)
        assert health.left_out == 112
        assert total(health) == health.frames_in

    def test_latencies_are_those_since_the_last_time(self) -> None:
        stream, _ = make()
        for number in range(1, 101):
            stream.note_latency(number / 1000)
        health = stream.health()
        assert (health.latency_p50_ms, health.latency_p95_ms) == (50.0, 95.0)
        stream.note_latency(0.0071234)
        health = stream.health()
        assert (health.latency_p50_ms, health.latency_p95_ms) == (7.123, 7.123)
        assert stream.health().latency_p50_ms is None

    def test_state_and_reconnects_follow_what_happened(self) -> None:
        stream, _ = make()
        for state in ("connected", "lost", "reconnected", "frozen", "lost", "reconnected"):
            stream.take_event(StreamEvent(StreamState(state)), 0)
        health = stream.health()
        assert (health.state, health.reconnects) == ("reconnected", 2)

    @given(
        steps=st.lists(
            st.sampled_from(["read", "read", "read", "process", "skip", "pass over"]), max_size=80
        ),
        fps=st.sampled_from([0.0, 2.0]),
    )
    @settings(deadline=None, derandomize=True, max_examples=100)
    def test_every_picture_is_counted_once(self, steps: list[str], fps: float) -> None:
        async def scenario() -> None:
            stream, source = make(fps=fps)
            for step in steps:
                if step == "read":
                    frame = stream.reader.next()
                    assert frame is not None
                    await stream.buffer.put(frame)
                elif step == "process":
                    stream.processed += stream.buffer.take() is not None
                elif step == "skip":
                    source.skipped += 1
                else:
                    source.undecoded += 1
                health = stream.health()
                assert total(health) == health.frames_in
                assert health.queued == len(stream.buffer)
                assert health.left_out >= 0

        asyncio.run(scenario())


class TestRecords:
    def test_an_event_is_told_with_the_frames_so_far_and_without_a_password(self) -> None:
        stream, _ = make()
        stream.processed = 12
        record = stream.take_event(StreamEvent(StreamState.LOST, cause="reset"), 3)
        assert (record.stream, record.path) == ("cam", "rtsp://me:***@host/live")
        assert (record.state, record.frames, record.skipped) == ("lost", 12, 3)
        assert record.cause == "reset"

    def test_what_is_held_is_due_before_the_first_frame_or_at_the_end(self) -> None:
        stream, _ = make(live=False)
        assert list(stream.due(at_end=False)) == []
        told = [(StreamEvent(state), 0) for state in (StreamState.CONNECTED, StreamState.LOST)]
        stream.held.extend(told)
        assert list(stream.due(at_end=False)) == told[:1]
        assert list(stream.due(at_end=False)) == []
        assert list(stream.due(at_end=True)) == told[1:]

    def test_the_end_tells_what_it_was_lost_by(self) -> None:
        stream, _ = make()
        assert stream.end().cause is None
        stream.error = SourceLost("given up", url="rtsp://me:***@host/live")
        end = stream.end()
        assert (end.state, end.cause) == (StreamState.ENDED, "given up")
        assert end.wall_time is not None

    def test_the_end_of_a_file_is_the_same_on_every_run(self) -> None:
        stream, _ = make(live=False)
        assert stream.end() == StreamEvent(StreamState.ENDED)


@pytest.mark.parametrize(
    ("live", "overflow", "drops"),
    [
        (True, None, True),
        (False, None, False),
        (True, Overflow.BLOCK, False),
        (False, Overflow.DROP_OLDEST, True),
    ],
)
def test_what_is_live_drops_and_what_is_not_waits_unless_asked_otherwise(
    live: bool, overflow: Overflow | None, drops: bool
) -> None:
    async def scenario() -> None:
        stream, _ = make(live=live, overflow=overflow)
        frame = stream.reader.next()
        assert frame is not None
        putting = asyncio.gather(*(stream.buffer.put(frame) for _ in range(20)))
        for _ in range(30):
            await asyncio.sleep(0)
        assert putting.done() is drops
        assert (stream.buffer.dropped > 0) is drops
        putting.cancel()

    asyncio.run(scenario())
