"""How a run goes: order, bounds, failures, stops. Nothing found is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import streamvpr
from streamvpr.config import RunOptions
from streamvpr.embedding import Embedder
from streamvpr.errors import (
    ConfigError,
    ModelError,
    OutputClosed,
    SourceError,
    SourceLost,
    StoreError,
)
from streamvpr.frames import Verdict
from streamvpr.keyframes import FrameReader
from streamvpr.kit import Kit
from streamvpr.patience import MOST_FAILURES
from streamvpr.session import open_offline, open_online
from streamvpr.sinks import Sink
from streamvpr.sources import VideoSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

    from streamvpr.frames import Frame

    Make = Callable[..., Any]


class TestTheSameBytes:
    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls) -> dict[str, bytes]:
        return {}

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"batch_size": 1},
            {"batch_size": 4},
            {"batch_size": 16},
            {"batch_size": 16, "threads": 2},
        ],
    )
    def test_whatever_the_batch_and_the_threads(
        self, output_of: Make, make_flight: Make, seen: dict[str, bytes], options: dict[str, int]
    ) -> None:
        output = output_of(make_flight(0).path, make_flight(1).path, **options)
        assert output.count(b"loop_closure") == 24
        assert seen.setdefault("first", output) == output

    def test_on_a_second_run(self, output_of: Make, flight: Any) -> None:
        assert output_of(flight.path) == output_of(flight.path)

    def test_however_slow_a_stage_is(
        self, output_of: Make, flight: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = output_of(flight.path, flight.path)
        real = FrameReader.next
        calls = 0

        def uneven(self: FrameReader) -> Frame | None:
            nonlocal calls
            calls += 1
            time.sleep(0.004 if self.source.name.endswith("-2") or calls % 7 == 0 else 0)
            return real(self)

        monkeypatch.setattr(FrameReader, "next", uneven)
        assert output_of(flight.path, flight.path) == expected

    @pytest.mark.logs_errors
    @pytest.mark.parametrize("slow", [None, "a", "b"])
    def test_whichever_of_two_is_late_and_one_is_lost(
        self,
        output_of: Make,
        flight: Any,
        monkeypatch: pytest.MonkeyPatch,
        seen: dict[str, bytes],
        slow: str | None,
    ) -> None:
        lose(monkeypatch, "b", 20)
        real = FrameReader.next

        def late(self: FrameReader) -> Frame | None:
            time.sleep(0.3 if self.source.name == slow and self.decoded in (0, 20) else 0)
            return real(self)

        monkeypatch.setattr(FrameReader, "next", late)
        output = output_of(f"a={flight.path}", f"b={flight.path}", batch_size=1)
        assert seen.setdefault("lost", output) == output
        told = [json.loads(line) for line in output.splitlines() if b'"type":"stream"' in line]
        assert [(one["stream"], one["state"], one["frames"]) for one in told] == [
            ("a", "connected", 0),
            ("b", "connected", 0),
            ("b", "lost", 20),
            ("b", "ended", 20),
            ("a", "ended", 60),
        ]


class TestWatching:
    def test_every_call_of_every_stage_is_seen_and_changes_nothing(
        self, open_session: Make, collector: Make, finish: Make, decide: Make, flight: Any
    ) -> None:
        seen: dict[str, list[object]] = {}

        def watch(name: str, work: Callable[[], Any]) -> Any:
            found = work()
            seen.setdefault(name, []).append(found)
            return found

        sink = collector()
        session = open_session(flight.path, sinks=[sink])
        session.watch(watch)
        finish(session)
        assert sink.closures == decide(flight.path).closures
        assert set(seen) == {
            *("decode-flight", "prepare", "embed", "features", "recognize", "verify", "emit")
        }
        assert len(seen["prepare"]) == len(seen["recognize"]) == flight.frames
        for batched in ("embed", "features"):
            assert sum(len(rows) for rows in seen[batched]) == flight.frames  # type: ignore[arg-type]

    def test_a_source_may_end_before_its_last_frame(
        self, open_session: Make, collector: Make, finish: Make, flight: Any
    ) -> None:
        sink = collector()
        session = open_session(flight.path, sinks=[sink], fps=5.0)
        (stream,) = session.streams
        stream.reader.most = 7
        finish(session)
        assert sink.indices == list(range(7))
        # Each second one of 10 a second, and none after the last.
        assert stream.reader.decoded == 13
        assert sink.events[-1].state == "ended"

    def test_sessions_that_follow_each_other_share_a_model_and_no_past(
        self, collector: Make, finish: Make, tiny_model: Path, flight: Any
    ) -> None:
        options = RunOptions(model=str(tiny_model), fps=0.0, threads=1, top_k=2)
        kit, found = Kit(options), []
        for _ in range(2):
            sink = collector()
            finish(open_online([str(flight.path)], options, [sink], kit=kit))
            found.append(sink.closures)
        assert found[0] == found[1] != []


class TestSeveralStreams:
    def test_they_take_turns_and_each_is_in_order(self, decide: Make, make_flight: Make) -> None:
        first, second = make_flight(0), make_flight(1, frames=50)
        sink = decide(f"a={first.path}", f"b={second.path}")
        turns = [(d.query.stream, d.query.index) for d in sink.decisions]
        together = [(name, n) for n in range(50) for name in "ab"]
        assert turns == [*together, *[("a", n) for n in range(50, 60)]]

    def test_each_has_a_past_of_its_own(self, decide: Make, make_flight: Make) -> None:
        sink = decide(make_flight(0).path, make_flight(0, frames=40).path)
        matched = {(d.query.stream, d.match.place.stream) for d in sink.decisions if d.accepted}
        assert len(matched) == 1
        (pair,) = matched
        assert pair[0] == pair[1]

    def test_or_all_have_one_where_that_is_asked_for(self, decide: Make, make_flight: Make) -> None:
        paths = [make_flight(0).path, make_flight(0, frames=40).path]
        named = [f"{name}={path}" for name, path in zip("ab", paths, strict=True)]
        sink = decide(*named, shared_places=True)
        matched = {(d.query.stream, d.match.place.stream) for d in sink.decisions if d.accepted}
        # b sees what a saw just before, and a never what b has yet to see.
        assert {("b", "a"), ("a", "a")} <= matched
        b = [d for d in sink.decisions if d.query.stream == "b"]
        assert [d.match.place.index for d in b if d.accepted] == list(range(40))

    def test_each_is_decided_as_if_it_were_alone(self, decide: Make, make_flight: Make) -> None:
        paths = [make_flight(seed).path for seed in (0, 1)]
        alone = [decide(path, verify_geom=False).closures for path in paths]
        named = [f"s{index}={path}" for index, path in enumerate(paths)]
        together = decide(*named, verify_geom=False).decisions
        for index, expected in enumerate(alone):
            mine = [d for d in together if d.query.stream == f"s{index}" and d.accepted]
            assert [(d.query.index, d.match.place.index) for d in mine] == expected


class BrokenAt:
    """`Embedder.embed` that fails at its n-th batch."""

    def __init__(self, batch: int, error: Exception) -> None:
        self._left = batch
        self._error = error
        self._real = Embedder.embed

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def embed(embedder: Embedder, images: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise self._error
            return self._real(embedder, images)

        monkeypatch.setattr(Embedder, "embed", embed)


class TestAModelThatFails:
    def test_all_that_was_described_before_is_emitted(
        self,
        open_session: Make,
        finish: Make,
        collector: Make,
        make_flight: Make,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sink, flight = collector(), make_flight(frames=120)
        session = open_session(flight.path, sinks=[sink], batch_size=1)
        BrokenAt(52, ModelError("out of memory")).install(monkeypatch)
        with pytest.raises(ModelError, match="out of memory"):
            finish(session)
        assert sink.indices == list(range(52 + MOST_FAILURES - 1))
        assert {d.verdict for d in sink.decisions[52:]} == {Verdict.UNDESCRIBED}
        assert sink.closures == [(query, query - flight.lap) for query in range(48, 52)]
        assert sink.closed == 1

    def test_at_once(
        self,
        open_session: Make,
        finish: Make,
        collector: Make,
        flight: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sink = collector()
        session = open_session(flight.path, sinks=[sink])
        BrokenAt(0, ModelError("gone")).install(monkeypatch)
        with pytest.raises(ModelError, match="gone"):
            finish(session)
        assert {d.verdict for d in sink.decisions} == {Verdict.UNDESCRIBED}
        assert (len(sink.decisions) < MOST_FAILURES, sink.closed) == (True, 1)

    def test_a_bug_is_raised_as_it_is_and_hangs_nothing(
        self,
        open_session: Make,
        finish: Make,
        collector: Make,
        flight: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sink = collector()
        session = open_session(flight.path, sinks=[sink])
        BrokenAt(2, ZeroDivisionError("a bug")).install(monkeypatch)
        with pytest.raises(ExceptionGroup) as caught:
            finish(session)
        assert caught.group_contains(ZeroDivisionError, match="a bug")
        assert sink.closed == 1


class FailsAt(Sink):
    """A sink that fails at a query."""

    def __init__(self, query: int, error: Exception) -> None:
        self._query = query
        self._error = error
        self.written = 0

    def write(self, decision: Any) -> None:
        if decision.query.index >= self._query:
            raise self._error
        self.written += 1


class TestASinkThatFails:
    @pytest.mark.parametrize("query", [0, 7, 50])
    def test_the_others_get_all_that_is_on_the_way(
        self,
        open_session: Make,
        finish: Make,
        collector: Make,
        flight: Any,
        query: int,
    ) -> None:
        good, bad = collector(), FailsAt(query, StoreError("the disk is full"))
        session = open_session(flight.path, sinks=[bad, good])
        with pytest.raises(StoreError, match="disk is full"):
            finish(session)
        assert bad.written == query
        assert len(good.decisions) > query
        assert good.indices == list(range(len(good.decisions)))
        assert good.closed == 1
        assert len(good.decisions) == session.summary().frames

    def test_a_reader_that_has_gone_stops_the_run(
        self, open_session: Make, finish: Make, make_flight: Make, collector: Make
    ) -> None:
        flight = make_flight(0, frames=150)
        session = open_session(flight.path, sinks=[FailsAt(3, OutputClosed("gone"))], batch_size=1)
        with pytest.raises(OutputClosed):
            finish(session)
        assert session.summary().frames < flight.frames

    def test_an_error_at_closing_is_raised(
        self, open_session: Make, finish: Make, collector: Make, flight: Any
    ) -> None:
        class Unclosable(FailsAt):
            def close(self) -> None:
                raise StoreError("no space for the plot")

        good = collector()
        session = open_session(flight.path, sinks=[Unclosable(999, StoreError("")), good])
        with pytest.raises(StoreError, match="no space for the plot"):
            finish(session)
        assert len(good.decisions) == flight.frames
        assert good.closed == 1


class TestStopping:
    def test_what_was_read_is_finished(
        self, open_session: Make, collector: Make, make_flight: Make
    ) -> None:
        flight = make_flight(0, frames=150)

        class Stopper(collector):  # type: ignore[misc,valid-type]
            def write(self, decision: Any) -> None:
                super().write(decision)
                if decision.query.index == 60:
                    session.stop()

        sink = Stopper()
        session = open_session(flight.path, sinks=[sink], batch_size=4)
        asyncio.run(asyncio.wait_for(session.run(), 30))
        assert sink.indices == list(range(len(sink.indices)))
        assert 60 < len(sink.indices) < flight.frames
        assert len(sink.indices) == session.streams[0].reader.decoded
        assert sink.events[-1].state == "ended"
        assert sink.closed == 1

    def test_before_it_began(
        self, open_session: Make, finish: Make, collector: Make, flight: Any
    ) -> None:
        sink = collector()
        session = open_session(flight.path, sinks=[sink])
        session.stop()
        finish(session)
        assert (sink.decisions, sink.closed) == ([], 1)

    def test_cancelling_ends_at_once_and_closes_the_sinks(
        self, open_session: Make, collector: Make, make_flight: Make
    ) -> None:
        sink = collector()
        session = open_session(make_flight(0, frames=150).path, sinks=[sink])

        async def cancelled() -> None:
            task = asyncio.create_task(session.run())
            while not sink.decisions:  # noqa: ASYNC110 - the sink is on another thread
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(asyncio.wait_for(cancelled(), 30))
        assert sink.closed == 1
        assert sink.indices == list(range(len(sink.indices)))


class TestTheEventLoop:
    """It belongs to the program that the run is part of."""

    def test_it_goes_on_while_a_cancelled_run_waits_for_the_model(
        self,
        open_session: Make,
        collector: Make,
        flight: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        session = open_session(flight.path, sinks=[collector()])
        inside = threading.Event()

        def slow(*_: Any) -> Any:
            inside.set()
            time.sleep(0.6)
            raise ModelError("too late")

        monkeypatch.setattr(Embedder, "embed", slow)

        async def longest_pause() -> float:
            task = asyncio.create_task(session.run())
            while not inside.is_set():  # noqa: ASYNC110 - it is set on another thread
                await asyncio.sleep(0.005)
            task.cancel()
            longest, before = 0.0, time.monotonic()
            while not task.done():
                await asyncio.sleep(0.005)
                now = time.monotonic()
                longest, before = max(longest, now - before), now
            return longest

        assert asyncio.run(asyncio.wait_for(longest_pause(), 30)) < 0.3


def test_a_slow_sink_holds_the_decoder_back(
    open_session: Make, finish: Make, collector: Make, make_flight: Make
) -> None:
    batch = 4
    ahead: list[int] = []

    class Slow(collector):  # type: ignore[misc,valid-type]
        def write(self, decision: Any) -> None:
            time.sleep(0.005)
            ahead.append(session.streams[0].reader.decoded - decision.query.index)
            super().write(decision)

    sink = Slow()
    session = open_session(make_flight(0, frames=250, lap=240).path, sinks=[sink], batch_size=batch)
    finish(session)
    assert len(sink.decisions) == 250
    # Two read, a batch waiting and one in the model, two batches described, 64 decisions and 16
    # being written, and one in each hand.
    assert max(ahead) <= 2 + 2 * batch + 2 * batch + 64 + 16 + 6


def test_memory_stays_flat_behind_a_slow_sink(
    open_session: Make, finish: Make, collector: Make, make_flight: Make
) -> None:
    """Decisions that wait hold no pictures."""
    arrays: list[object] = []

    class Looking(collector):  # type: ignore[misc,valid-type]
        def write(self, decision: Any) -> None:
            arrays.extend([decision.query.model_input, decision.query.gray])

    finish(open_session(make_flight(0).path, sinks=[Looking()]))
    assert set(arrays) == {None}


def lose(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> None:
    """The source of that name is lost after so many frames."""
    real = VideoSource.frames

    def frames(source: VideoSource) -> Iterator[Frame]:
        for index, frame in enumerate(real(source)):
            if source.name == name and index == after:
                raise SourceLost(f"{name} is unplugged", url=source.path)
            yield frame

    monkeypatch.setattr(VideoSource, "frames", frames)


class TestALostSource:
    @pytest.mark.logs_errors
    def test_the_others_go_on(
        self, decide: Make, flight: Any, monkeypatch: pytest.MonkeyPatch, logged: Any
    ) -> None:
        lose(monkeypatch, "a", 52)
        sink = decide(f"a={flight.path}", f"b={flight.path}")
        closures = [d.query.stream for d in sink.decisions if d.accepted]
        assert (closures.count("a"), closures.count("b")) == (4, 12)
        told = {name: [e for e in sink.events if e.stream == name] for name in "ab"}
        assert [event.state for event in told["a"]] == ["connected", "lost", "ended"]
        assert "unplugged" in str(told["a"][1].cause)
        assert (told["a"][-1].frames, told["a"][-1].cause) == (52, told["a"][1].cause)
        assert [event.state for event in told["b"]] == ["connected", "ended"]
        assert (told["b"][-1].frames, told["b"][-1].cause) == (60, None)
        assert len(logged.errors) == 1

    def test_the_last_one_raises_after_what_was_found(
        self,
        open_session: Make,
        finish: Make,
        collector: Make,
        flight: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lose(monkeypatch, "a", 52)
        sink = collector()
        with pytest.raises(SourceLost, match="unplugged"):
            finish(open_session(f"a={flight.path}", sinks=[sink]))
        assert [query for query, _ in sink.closures] == [48, 49, 50, 51]
        assert sink.closed == 1
        assert [event.state for event in sink.events] == ["connected", "lost", "ended"]
        assert all("unplugged" in str(event.cause) for event in sink.events[1:])

    @pytest.mark.logs_errors
    def test_one_that_cannot_be_opened_leaves_the_others(
        self, decide: Make, flight: Any, tmp_path: Path, logged: Any
    ) -> None:
        sink = decide(tmp_path / "missing.mp4", flight.path)
        assert len(sink.decisions) == flight.frames
        assert "missing.mp4" in logged.errors[0]

    def test_none_that_can_be_opened_raises(
        self, open_session: Make, collector: Make, tmp_path: Path
    ) -> None:
        with pytest.raises(SourceError, match=r"one\.mp4"):
            open_session(tmp_path / "one.mp4", tmp_path / "two.mp4", sinks=[collector()])


def test_the_summary_counts(open_session: Make, finish: Make, collector: Make, flight: Any) -> None:
    session = open_session(flight.path, sinks=[collector()])
    finish(session)
    summary = session.summary()
    assert (summary.frames, summary.closures, summary.places) == (60, 12, 60)
    assert set(summary.busy) >= {"decode", "embed", "features", "search and verify", "emit"}
    assert all(seconds > 0 for seconds in summary.busy.values())
    for part in ("60 frames", "12 loop closures", "60 places", "frames/s", "decode"):
        assert part in str(summary)


class TestOffline:
    @pytest.fixture
    def session(self, tiny_model: Path, make_flight: Make, collector: Make) -> tuple[Any, Any]:
        sink = collector()
        options = streamvpr.MatchOptions(model=str(tiny_model), fps=0.0, output_dir=None)
        paths = [str(make_flight(0, frames=n).path) for n in (48, 60)]
        return open_offline(*paths, options, [sink]), sink

    def test_each_query_against_the_whole_database(
        self, session: tuple[Any, Any], finish: Make
    ) -> None:
        finish(session[0])
        closures = session[1].closures
        assert closures == [(query, query % 48) for query in range(60)]
        # One sustained revisit from the beginning, and one from where it begins again.
        ids = [decision.loop_id for decision in session[1].decisions]
        assert ids == [0] * 48 + [1] * 12

    def test_stopping_in_the_database_asks_no_query(
        self, session: tuple[Any, Any], finish: Make
    ) -> None:
        session[0].stop()
        finish(session[0])
        assert session[1].decisions == []

    def test_a_database_beyond_its_capacity_is_an_error_and_not_cut(
        self, tiny_model: Path, flight: Any, finish: Make
    ) -> None:
        options = streamvpr.MatchOptions(
            model=str(tiny_model), fps=0.0, output_dir=None, capacity=10
        )
        with pytest.raises(ConfigError, match="--capacity 10"):
            finish(open_offline(str(flight.path), str(flight.path), options, []))


class TestAsALibrary:
    """`async for` over closures, as in the package's first lines."""

    @pytest.fixture
    def options(self, tiny_model: Path) -> dict[str, Any]:
        return {"model": str(tiny_model), "fps": 0.0, "verify_geom": False}

    def test_run_yields_closures(self, flight: Any, options: dict[str, Any]) -> None:
        async def scenario() -> list[streamvpr.LoopClosure]:
            return [closure async for closure in streamvpr.run(str(flight.path), **options)]

        closures = asyncio.run(asyncio.wait_for(scenario(), 30))
        assert [(c.query_idx, c.match_idx) for c in closures] == [
            (q, q - 48) for q in range(48, 60)
        ]

    def test_decide_yields_every_frame(self, flight: Any, options: dict[str, Any]) -> None:
        async def scenario() -> list[int]:
            return [d.query.index async for d in streamvpr.decide(str(flight.path), **options)]

        assert asyncio.run(asyncio.wait_for(scenario(), 30)) == list(range(60))

    def test_match_yields_a_decision_a_query_and_writes_nothing(
        self,
        make_flight: Make,
        options: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        database, query = str(make_flight(0, frames=48).path), str(make_flight(0).path)

        async def scenario() -> list[bool]:
            return [d.accepted async for d in streamvpr.match(database, query, **options)]

        assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [True] * 60
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("leave", ["break", "raise", "close", "cancel"])
    def test_leaving_early_stops_and_joins(
        self, make_flight: Make, options: dict[str, Any], leave: str
    ) -> None:
        path = str(make_flight(0, frames=300, lap=48).path)

        async def consume(closures: AsyncGenerator[streamvpr.LoopClosure]) -> None:
            async for _ in closures:
                if leave == "raise":
                    raise KeyError
                if leave == "cancel":
                    await asyncio.sleep(30)
                break

        async def scenario() -> None:
            closures = streamvpr.run(path, **options)
            task = asyncio.create_task(consume(closures))
            if leave == "cancel":
                await asyncio.sleep(0.7)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await closures.aclose()
            assert not [t for t in threading.enumerate() if t.name.startswith("streamvpr-")]

        asyncio.run(asyncio.wait_for(scenario(), 30))

    def test_a_slow_consumer_holds_the_run_back(
        self, make_flight: Make, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = 0
        real = FrameReader.next

        def counted(reader: FrameReader) -> Frame | None:
            nonlocal read
            read += 1
            return real(reader)

        monkeypatch.setattr(FrameReader, "next", counted)

        async def scenario() -> None:
            decisions = streamvpr.decide(str(make_flight(0, frames=250, lap=240).path), **options)
            await anext(decisions)
            seen = -1
            while read != seen:
                seen = read
                await asyncio.sleep(0.5)
            assert read < 200
            await decisions.aclose()

        asyncio.run(asyncio.wait_for(scenario(), 30))

    def test_errors_are_raised_in_the_loop(
        self, options: dict[str, Any], tmp_path: Path, flight: Any
    ) -> None:
        async def scenario(source: str, **more: Any) -> None:
            async for _ in streamvpr.run(source, **{**options, **more}):
                pass

        with pytest.raises(streamvpr.SourceOpenError):
            asyncio.run(scenario(str(tmp_path / "missing.mp4")))
        with pytest.raises(streamvpr.ModelError):
            asyncio.run(scenario(str(flight.path), model="nothing-of-this-name"))

    def test_two_runs_in_one_loop(self, make_flight: Make, options: dict[str, Any]) -> None:
        async def count(path: str) -> int:
            return len([c async for c in streamvpr.run(path, **options)])

        async def scenario() -> list[int]:
            return await asyncio.gather(*(count(str(make_flight(s).path)) for s in (0, 1)))

        assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [12, 12]


def test_every_line_of_a_run_is_json_with_a_type(output_of: Make, flight: Any) -> None:
    kinds = [json.loads(line)["type"] for line in output_of(flight.path).splitlines()]
    assert kinds[0] == kinds[-1] == "stream"
    assert (kinds.count("query"), kinds.count("loop_closure"), kinds.count("stream")) == (60, 12, 2)
