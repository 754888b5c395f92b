"""A live source: what it says and does when the other side fails, on a clock that is made up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.errors import SourceLost, SourceOpenError
from streamvpr.frames import StreamState, Track
from streamvpr.sources import Clip, Decoding, LiveSource, SourceOptions
from streamvpr.sources import live as live_module
from streamvpr.sources.container import Decoded, DecodeError, Packet, ReadError
from streamvpr.sources.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Frame, StreamEvent

SHOWN = "rtsp://me:***@host/live"
OPENING = Opening("rtsp://me:s3cr3t@host/live", SHOWN)
FPS = 25
CONNECTED, LOST, RECONNECTED = StreamState.CONNECTED, StreamState.LOST, StreamState.RECONNECTED


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeEvent(threading.Event):
    """An event of which a wait passes time on the made-up clock, and none on the wall."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._made_up = clock
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        if not self.is_set():
            self.waits.append(timeout)
            self._made_up.now += timeout
        return self.is_set()


@dataclass
class FakePicture:
    bits: int = 0
    width: int = 640
    height: int = 480
    huge: bool = False

    def checksum(self) -> int:
        if self.huge:
            raise MemoryError
        return self.bits

    def coarse(self) -> Any:
        return np.full((24, 32), self.bits % 256, np.uint8)


@dataclass
class Shot:
    """A packet of one picture: its timestamp, when it comes, and what comes of decoding it."""

    seconds: float | None
    at: float
    bits: int
    key: bool = False
    corrupt: bool = False
    broken: bool = False
    size: int = 100
    huge: bool = False


class FakeContainer:
    """A connection that delivers what it was told to."""

    frame_seconds = 1 / FPS
    has_timestamps = True
    comes_in_bursts = False

    def __init__(self, steps: list[Any], clock: FakeClock) -> None:
        self._steps = iter(steps)
        self._clock = clock
        self._came = clock.now
        self.decoded: list[str] = []
        self.closed = 0

    def read(self) -> Packet | None:
        step = next(self._steps, None)
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
        if step is None:
            return None
        self._clock.now = self._came + step.at
        return Packet(step, step.seconds, step.key)

    def decode(self, packet: Any) -> list[Decoded]:
        self.decoded.append("all")
        return self._decoded(packet)

    def decode_alone(self, packet: Any) -> list[Decoded]:
        self.decoded.append("alone")
        return self._decoded(packet)

    def track(self, picture: Any) -> Track:
        return Track("h264", picture.width, picture.height)

    def close(self) -> None:
        self.closed += 1

    def _decoded(self, packet: Any) -> list[Decoded]:
        shot: Shot = packet.data
        if shot.broken:
            raise DecodeError("Invalid data found when processing input")
        if shot.size == 0:
            return []
        picture: Any = FakePicture(shot.bits, huge=shot.huge)
        return [Decoded(picture, shot.seconds, shot.corrupt)]


def shots(seconds: float, *, begin: float = 0.0, pts: float = 500.0, group: int = 0) -> list[Shot]:
    """Pictures that are all different, 25 a second, from `begin` seconds of a connection on."""
    return [
        Shot(
            pts + begin + n / FPS,
            at=begin + n / FPS,
            bits=int(begin * FPS) + n,
            key=n % group == 0 if group else n == 0,
        )
        for n in range(round(seconds * FPS))
    ]


def refused(reason: str = "Connection refused", **fields: bool) -> SourceOpenError:
    return SourceOpenError(f"cannot open {SHOWN}: {reason}", url=SHOWN, **fields)


@dataclass
class Run:
    """A source that goes through connections, each steps or the error of opening it."""

    source: LiveSource
    clock: FakeClock
    pauses: FakeEvent
    events: list[StreamEvent] = field(default_factory=list)
    containers: list[FakeContainer] = field(default_factory=list)

    def frames(self) -> list[Frame]:
        return list(self.source.frames())

    @property
    def states(self) -> list[StreamState]:
        return [event.state for event in self.events]

    def told(self, state: StreamState) -> list[StreamEvent]:
        return [event for event in self.events if event.state is state]


def go(*connections: Any, host: str | None = None, **options: Any) -> Run:
    """A source with those connections before it; it is stopped at the end of the last."""
    clock = FakeClock()
    left: Iterator[Any] = iter(connections)

    def open_container(opening: Opening, _: object) -> Any:
        assert opening is OPENING
        steps = next(left, None)
        if steps is None:
            source.stop()
            raise refused("there is no more")
        if isinstance(steps, Exception):
            raise steps
        run.containers.append(FakeContainer(steps, clock))
        return run.containers[-1]

    chosen = SourceOptions(**{"reconnect_delay": 0.1, "fps": 0.0, **options})
    source = LiveSource(
        OPENING,
        name="cam",
        options=chosen,
        host=host,
        clock=clock,
        open_container=open_container,
    )
    pauses = FakeEvent(clock)
    source._stop = pauses
    run = Run(source, clock, pauses)
    source.report = run.events.append
    return run


class TestOutages:
    def test_a_clean_end_is_one_too(self) -> None:
        run = go(shots(1), shots(1), shots(1))
        assert len(run.frames()) == 3 * FPS
        assert run.states == [CONNECTED, LOST, RECONNECTED, LOST, RECONNECTED, LOST]
        assert {event.cause for event in run.told(LOST)} == {"the other side ended the stream"}

    def test_every_connection_is_closed(self) -> None:
        run = go(shots(1), [*shots(1), ReadError("Connection reset by peer")], [])
        run.frames()
        assert [container.closed for container in run.containers] == [1, 1, 1]

    def test_a_read_that_fails_is_the_cause(self) -> None:
        run = go([*shots(1), ReadError("Connection reset by peer")], shots(1))
        assert len(run.frames()) == 2 * FPS
        assert run.told(LOST)[0].cause == "Connection reset by peer"

    def test_it_is_told_how_long_one_was(self) -> None:
        run = go(shots(1), refused(), refused(), [replace(s, at=s.at + 6.5) for s in shots(1)])
        run.frames()
        assert run.states[:3] == [CONNECTED, LOST, RECONNECTED]
        (back,) = run.told(RECONNECTED)
        pauses = sum(run.pauses.waits[:3])
        assert back.seconds == pytest.approx(pauses + 6.5)
        assert run.told(CONNECTED)[0].seconds is None
        assert run.told(LOST)[0].seconds is None

    def test_stream_time_goes_on_by_as_much(self) -> None:
        later = [replace(shot, at=shot.at + 6.5) for shot in shots(1, pts=0.0)]
        run = go(shots(1), later)
        times = [frame.time for frame in run.frames()]
        outage = 1 / FPS + 6.5 + run.pauses.waits[0]
        assert times[0] == 0.0
        assert times[FPS] == pytest.approx(times[FPS - 1] + outage - 1 / FPS)
        assert np.allclose(np.diff(times[FPS:]), 1 / FPS)
        assert run.told(RECONNECTED)[0].time == times[FPS]
        assert run.told(LOST)[0].time == times[FPS - 1]

    def test_it_says_once_that_it_is_lost(self, logged: Any) -> None:
        run = go(shots(1), *[refused()] * 5, shots(1))
        run.frames()
        assert run.states == [CONNECTED, LOST, RECONNECTED, LOST]
        assert len(logged.warnings) == 3, "lost, still lost for another reason, and the end"

    def test_a_connection_without_a_picture_is_still_an_outage(self) -> None:
        empty = [replace(shot, broken=True) for shot in shots(1)]
        run = go(shots(1), [], empty, shots(1))
        run.frames()
        assert run.states == [CONNECTED, LOST, RECONNECTED, LOST]

    def test_before_the_first_picture_too(self) -> None:
        run = go(refused(), [], [ReadError("reset")], shots(1))
        assert len(run.frames()) == FPS
        assert run.states == [LOST, CONNECTED, LOST]
        assert run.events[0].time is None
        assert run.events[1].time == 0.0

    def test_pauses_grow_to_the_longest_and_begin_anew_after_a_steady_connection(self) -> None:
        run = go(*[refused()] * 8, shots(6), *[refused()] * 2, reconnect_delay=2.0)
        run.frames()
        waits = run.pauses.waits
        for wait, full in zip(waits, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 0.1], strict=False):
            assert full / 2 <= wait <= full

    def test_pauses_grow_on_over_connections_that_fail_as_soon_as_they_are_made(self) -> None:
        run = go(*[shots(1)] * 5, reconnect_delay=2.0)
        run.frames()
        assert run.pauses.waits[3] >= 0.4

    def test_each_cause_of_an_outage_is_logged_once(self, logged: Any) -> None:
        run = go(shots(1), *[refused("no route to host"), refused("401 Unauthorized")] * 3)
        run.frames()
        assert [line.count("401") for line in logged.warnings].count(1) == 1
        assert sum("no route" in line for line in logged.warnings) == 1

    def test_what_comes_with_the_first_picture(self) -> None:
        run = go(shots(1))
        run.frames()
        first = run.events[0]
        assert first.track == Track("h264", 640, 480)
        assert first.wall_time is not None
        assert not first.keyframes_only


class TestHopeless:
    def test_the_first_error_is_raised(self) -> None:
        run = go(refused("Server returned 404 Not Found", hopeless=True), shots(1))
        with pytest.raises(SourceOpenError, match="404"):
            run.frames()
        assert run.states == []
        assert run.pauses.waits == []

    def test_on_a_later_try_it_may_be_a_camera_that_is_starting(self) -> None:
        run = go(refused(), refused("Server returned 404 Not Found", hopeless=True), shots(1))
        assert len(run.frames()) == FPS
        assert run.states == [LOST, CONNECTED, LOST]

    def test_what_was_right_once_is_tried_again(self) -> None:
        run = go(shots(1), refused("Server returned 404 Not Found", hopeless=True), shots(1))
        assert len(run.frames()) == 2 * FPS
        assert run.states == [CONNECTED, LOST, RECONNECTED, LOST]

    def test_a_refused_login_is_not_tried_each_second(self) -> None:
        denied = refused("401 Unauthorized", hopeless=True, login_refused=True)
        run = go(shots(1), denied, denied, shots(1))
        run.frames()
        assert run.pauses.waits[0] <= 0.1
        assert run.pauses.waits[1:3] == [live_module.REFUSED_LOGIN_SECONDS] * 2

    @pytest.mark.parametrize(
        ("host", "reason"),
        [("no-such-host.invalid", "no such host"), ("a..b", "no name of a host")],
    )
    def test_a_host_that_nobody_knows(
        self, monkeypatch: pytest.MonkeyPatch, host: str, reason: str
    ) -> None:
        def look_up(name: str, _: None) -> None:
            name.encode("idna")
            raise live_module.socket.gaierror(live_module.socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(live_module.socket, "getaddrinfo", look_up)
        run = go(shots(1), host=host)
        with pytest.raises(SourceOpenError, match=reason) as error:
            run.frames()
        assert error.value.hopeless
        assert "s3cr3t" not in str(error.value) + error.value.url
        assert run.containers == []

    def test_a_name_server_that_is_down_is_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def look_up(name: str, _: None) -> None:
            asked.append(name)
            if len(asked) < 4:
                error = live_module.socket.EAI_AGAIN
                raise live_module.socket.gaierror(error, "Temporary failure in name resolution")

        monkeypatch.setattr(live_module.socket, "getaddrinfo", look_up)
        run = go(shots(1), host="cam.local")
        assert len(run.frames()) == FPS
        assert asked[:4] == ["cam.local"] * 4
        assert "Temporary failure" in str(run.events[0].cause)


class TestGivingUp:
    def test_an_outage_that_is_too_long_is_final(self) -> None:
        run = go(shots(1), *[refused()] * 1000, reconnect_for=10.0, reconnect_delay=1.0)
        with pytest.raises(SourceLost, match=r"--reconnect-for 10.*Connection refused"):
            run.frames()
        lost = run.clock.now - 1000.0 - (1 - 1 / FPS)
        assert 10.0 <= lost <= 11.0
        assert run.states == [CONNECTED, LOST]

    def test_so_is_a_first_connection_that_never_comes(self) -> None:
        run = go(*[refused()] * 1000, reconnect_for=10.0, reconnect_delay=1.0)
        with pytest.raises(SourceLost):
            run.frames()
        assert 10.0 <= run.clock.now - 1000.0 <= 11.0

    def test_with_zero_seconds_the_first_is(self) -> None:
        run = go(shots(1), shots(1), reconnect_for=0.0)
        with pytest.raises(SourceLost, match="the other side ended the stream"):
            run.frames()
        assert run.pauses.waits == []

    def test_short_ones_do_not_add_up(self) -> None:
        run = go(*[shots(1)] * 100, reconnect_for=1.0)
        assert len(run.frames()) == 100 * FPS

    def test_by_default_nothing_is(self) -> None:
        run = go(*[refused()] * 5000, shots(1), reconnect_delay=1.0)
        assert len(run.frames()) == FPS
        assert run.clock.now > 1000.0 + 2000


class TestStopping:
    def test_it_ends_a_pause_at_once(self) -> None:
        asked = threading.Event()

        def open_container(*_: object) -> Any:
            asked.set()
            raise refused()

        source = LiveSource(
            OPENING,
            name="cam",
            options=SourceOptions(reconnect_delay=3600.0),
            open_container=open_container,
        )
        # So that the next pause is a long one.
        for _ in range(40):
            source._backoff.delay()
        frames: list[Frame] = []
        thread = threading.Thread(target=lambda: frames.extend(source.frames()))
        thread.start()
        assert asked.wait(5)
        source.stop()
        thread.join(5)
        assert not thread.is_alive()
        assert frames == []

    def test_it_ends_the_frames_and_is_no_outage(self) -> None:
        run = go(shots(4), shots(4))
        seen = 0
        for _ in run.source.frames():
            seen += 1
            if seen == 30:
                run.source.stop()
        assert seen == 30
        assert run.states == [CONNECTED]
        assert run.containers[0].closed == 1

    def test_a_try_that_fails_after_it_is_no_outage(self) -> None:
        run = go(reconnect_for=0.0)
        assert run.frames() == []
        assert run.states == []

    def test_nor_is_a_read_that_does(self) -> None:
        def interrupted() -> None:
            run.source.stop()
            raise ReadError("Immediate exit requested")

        run = go([*shots(1), interrupted], reconnect_for=0.0)
        assert len(run.frames()) == FPS
        assert run.states == [CONNECTED]

    def test_before_it_began_nothing_is_opened(self) -> None:
        run = go(shots(1))
        run.source.stop()
        assert run.frames() == []
        assert run.containers == []

    def test_leaving_the_frames_closes_the_connection(self) -> None:
        run = go(shots(4))
        frames = run.source.frames()
        next(iter(frames))
        frames.close()  # type: ignore[attr-defined]
        run.source.close()
        assert run.containers[0].closed == 1

    def test_a_clip_ends_by_stream_time(self) -> None:
        run = go(shots(8), clip=Clip(start=1.0, duration=2.0))
        times = [frame.time for frame in run.frames()]
        assert times == pytest.approx([1.0 + n / FPS for n in range(2 * FPS)])
        assert run.source.span == 2.0
        assert run.containers[0].closed == 1


class TestSilence:
    def test_a_read_that_times_out_is_an_outage_with_its_cause(self) -> None:
        run = go([*shots(1), ReadError("nothing came for 5 s", silent=True)], shots(1))
        run.frames()
        assert run.told(LOST)[0].cause == "nothing came for 5 s"

    def test_a_packet_after_the_time_out_is_taken_and_then_it_is_one(self) -> None:
        # FFmpeg hands out at the time-out what it was still putting together.
        late = Shot(501.0, at=7.0, bits=999)
        run = go([*shots(1), late, *shots(1, begin=20)], shots(1))
        assert len(run.frames()) == FPS + 1 + FPS
        assert run.told(LOST)[0].cause == "nothing came for 5 s"

    def test_a_time_out_of_the_user_s_own(self) -> None:
        late = Shot(501.0, at=7.0, bits=999)
        run = go([*shots(1), late, *shots(1, begin=7.04)], read_timeout=10.0)
        assert len(run.frames()) == FPS + 1 + FPS
        assert run.states == [CONNECTED, LOST], "lost at its end only"

    def test_packets_that_cannot_be_decoded_for_long_are_silence_too(self) -> None:
        broken = [replace(shot, broken=True) for shot in shots(40, begin=1)]
        run = go([*shots(1), *broken], shots(1))
        run.frames()
        assert "no picture could be decoded" in str(run.told(LOST)[0].cause)
        assert run.clock.now - 1000 < 1 + 32 + 2

    def test_a_consumer_that_is_slow_is_none(self) -> None:
        run = go(shots(1))
        for _ in run.source.frames():
            run.clock.now += 60.0
        assert run.told(LOST)[0].cause == "the other side ended the stream"


class TestDamage:
    def test_what_came_damaged_is_left_out_and_counted(self, logged: Any) -> None:
        steps = shots(2)
        steps[10].corrupt = steps[11].corrupt = steps[30].broken = True
        run = go(steps)
        assert len(run.frames()) == 2 * FPS - 3
        assert run.source.skipped == 3
        (first, _) = logged.warnings
        assert "damaged on the way" in first
        assert "s3cr3t" not in first

    def test_a_picture_for_which_there_is_no_memory_too(self, logged: Any) -> None:
        steps = shots(1)
        steps[10].huge = True
        run = go(steps)
        assert len(run.frames()) == FPS - 1
        assert run.source.skipped == 1
        assert "no memory" in logged.warnings[0]

    def test_the_first_whole_picture_makes_the_connection(self) -> None:
        steps = shots(1)
        for shot in steps[:5]:
            shot.corrupt = True
        run = go(steps)
        frames = run.frames()
        assert frames[0].time == 0.0
        assert run.told(CONNECTED)[0].time == 0.0

    def test_a_picture_that_the_decoder_still_holds_comes_at_the_end(self) -> None:
        run = go([*shots(1), Shot(None, at=1.0, bits=0, size=0)])
        assert len(run.frames()) == FPS


class TestFreezing:
    def still(self, seconds: float, *, begin: float) -> list[Shot]:
        return [replace(shot, bits=7) for shot in shots(seconds, begin=begin)]

    def test_it_says_when_the_picture_stands_and_when_it_goes_on(self, logged: Any) -> None:
        steps = [*shots(2), *self.still(10, begin=2), *shots(2, begin=12)]
        run = go(steps)
        assert len(run.frames()) == 14 * FPS
        assert run.states[1:3] == [StreamState.FROZEN, StreamState.THAWED]
        frozen, thawed = run.events[1:3]
        assert (frozen.time, frozen.seconds) == pytest.approx((7.0, 5.0))
        assert (thawed.time, thawed.seconds) == pytest.approx((12.0, 10.0))
        assert frozen.cause
        assert len(logged.warnings) == 3

    def test_the_time_is_the_read_time_out(self) -> None:
        run = go([*shots(1), *self.still(10, begin=1)], read_timeout=2.0)
        run.frames()
        assert run.told(StreamState.FROZEN)[0].seconds == pytest.approx(2.0)

    def test_another_connection_begins_anew(self) -> None:
        run = go(self.still(10, begin=0), self.still(10, begin=0))
        run.frames()
        frozen = StreamState.FROZEN
        assert run.states == [CONNECTED, frozen, LOST, RECONNECTED, frozen, LOST]


class TestKeyframesOnly:
    def test_it_is_said_when_others_are_left_out_from_now_on(self) -> None:
        run = go(shots(10, group=FPS), fps=1.0)
        frames = run.frames()
        (said,) = run.told(StreamState.DECODING)
        assert said.keyframes_only
        assert not run.told(CONNECTED)[0].keyframes_only
        assert run.source.undecoded > 6 * (FPS - 1)
        assert len(frames) + run.source.undecoded == 10 * FPS
        times = [frame.time for frame in frames]
        assert times[-5:] == pytest.approx([5.0, 6.0, 7.0, 8.0, 9.0])
        assert set(run.containers[0].decoded[-5:]) == {"alone"}

    def test_and_when_all_are_decoded_again(self) -> None:
        steps = [*shots(10, group=FPS), *shots(3, begin=10), *shots(4, begin=13)]
        run = go(steps, fps=1.0)
        run.frames()
        said = run.told(StreamState.DECODING)
        assert [event.keyframes_only for event in said] == [True, False]
        assert run.containers[0].decoded[-10:] == ["all"] * 10

    def test_that_is_no_stream_that_cannot_be_decoded(self) -> None:
        # The whole group is left out until its end shows that it was a long one.
        steps = [*shots(10, group=FPS), *shots(50, begin=10)]
        run = go(steps, fps=1.0)
        run.frames()
        assert run.told(LOST)[0].cause == "the other side ended the stream"

    def test_another_connection_begins_with_all(self) -> None:
        run = go(shots(10, group=FPS), shots(1, group=FPS), fps=1.0)
        run.frames()
        assert run.told(LOST)[0].keyframes_only
        assert not run.told(RECONNECTED)[0].keyframes_only

    @pytest.mark.parametrize(
        ("options", "decoded"),
        [
            ({"fps": 1.0, "decoding": Decoding.ALL}, 10 * FPS),
            ({"fps": 0.0}, 10 * FPS),
            ({"fps": 2.0}, 10 * FPS),
            ({"fps": None}, 10 * FPS),
            ({"fps": 0.0, "decoding": Decoding.KEYFRAMES}, 10),
        ],
    )
    def test_by_the_options(self, options: dict[str, Any], decoded: int) -> None:
        run = go(shots(10, group=FPS), **options)
        assert len(run.frames()) == decoded
        assert run.told(StreamState.DECODING) == []
        keyframes = options.get("decoding") is Decoding.KEYFRAMES
        assert run.told(CONNECTED)[0].keyframes_only is keyframes


class TestTime:
    def test_arrival_is_that_of_the_packet(self) -> None:
        run = go(shots(2))
        arrivals = [frame.arrival.monotonic for frame in run.frames() if frame.arrival]
        assert arrivals == pytest.approx([1000.0 + n / FPS for n in range(2 * FPS)])

    def test_what_was_held_up_was_taken_before_it_came(self) -> None:
        steps = [*shots(1), *[replace(shot, at=4.0) for shot in shots(1, begin=1)]]
        run = go(steps)
        frames = run.frames()
        taken = [frame.arrival.taken for frame in frames if frame.arrival]
        assert len(taken) == 2 * FPS
        # The wall clock is real and stands, as the made-up one goes on.
        assert taken[FPS] - taken[-1] == pytest.approx(-(FPS - 1) / FPS, abs=0.05)

    def test_what_comes_in_bursts_is_handed_out_at_its_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeContainer, "comes_in_bursts", True)
        run = go([replace(shot, at=int(shot.at)) for shot in shots(4)])
        handed_out = []
        for frame in run.source.frames():
            assert frame.arrival is not None
            assert frame.arrival.monotonic == run.clock.now
            handed_out.append(run.clock.now - 1000.0)
        assert handed_out == pytest.approx([n / FPS for n in range(4 * FPS)])

    def test_timestamps_that_are_guesses_are_not_believed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeContainer, "has_timestamps", False)
        run = go([replace(shot, at=shot.at * 5) for shot in shots(2)])
        times = [frame.time for frame in run.frames()]
        assert np.allclose(np.diff(times), 5 / FPS)


def test_no_event_frame_or_message_has_the_password(logged: Any) -> None:
    steps = [*shots(1), *[replace(shot, bits=7) for shot in shots(10, begin=1)]]
    steps[3].broken = steps[4].corrupt = True
    run = go(refused(), steps, [ReadError("reset")], refused(), shots(1), reconnect_for=1e9)
    frames = run.frames()
    texts = [repr(event) for event in run.events]
    texts += [frame.path for frame in frames]
    texts += [record.getMessage() for record in logged.records]
    assert len(run.events) > 4
    assert not [text for text in texts if "s3cr3t" in text]
    assert run.source.path == SHOWN


class TestTheEndOfAClip:
    def test_it_comes_during_an_outage_too(self) -> None:
        run = go(shots(1), *[refused()] * 300, clip=Clip(duration=10.0))
        assert len(run.frames()) == FPS
        assert run.states == [CONNECTED, LOST]
        assert run.clock.now == pytest.approx(1010.0, abs=0.2)

    def test_a_refused_login_does_not_outlast_the_patience(self) -> None:
        denied = refused("401 Unauthorized", hopeless=True, login_refused=True)
        run = go(shots(1), *[denied] * 10, reconnect_for=5.0)
        with pytest.raises(SourceLost):
            run.frames()
        assert run.clock.now == pytest.approx(1006.0, abs=0.2)
