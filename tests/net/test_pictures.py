"""What a live source hands out: which picture, when it was sent, and what became of the rest."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.frames import StreamState
from streamvpr.sources import Decoding, SourceOptions, Transport, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamvpr.frames import Frame, StreamEvent
    from streamvpr.sources import Source

    Make = Callable[..., Any]

FPS = 25
# From a picture's index being chosen to its packet being here, and the clock of the server.
SLACK_SECONDS = 0.25


@pytest.fixture
def reading() -> Iterator[Callable[..., tuple[Source, list[Frame], list[StreamEvent]]]]:
    """`read(url, options)`: frames and events of a source, filled in by a thread."""
    begun: list[tuple[Source, threading.Thread]] = []

    def read(url: str, **options: Any) -> tuple[Source, list[Frame], list[StreamEvent]]:
        known: dict[str, Any] = {"fps": 0.0, "read_timeout": 2.0}
        source = open_source(url, name="cam", options=SourceOptions(**{**known, **options}))
        frames: list[Frame] = []
        events: list[StreamEvent] = []
        source.report = events.append

        def fill() -> None:
            frames.extend(source.frames())

        thread = threading.Thread(target=fill)
        begun.append((source, thread))
        thread.start()
        return source, frames, events

    yield read
    for source, thread in begun:
        source.stop()
        thread.join(15)
        assert not thread.is_alive()


def wait_until(ready: Callable[[], Any], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_every_picture_comes_once_in_order_at_its_time(
    rtsp_server: Make, reading: Make, picture_index: Make, transport: Transport, codec: str
) -> None:
    server = rtsp_server(codec=codec)
    _, frames, events = reading(server.url, rtsp_transport=transport)
    wait_until(lambda: len(frames) >= 50)
    shown = [picture_index(frame.picture.gray(160, 120)) for frame in frames[:50]]
    assert shown == list(range(50))
    times = [frame.time for frame in frames[:50]]
    assert times == pytest.approx([index / FPS for index in range(50)], abs=2e-3)
    assert events[0].state is StreamState.CONNECTED
    assert frames[0].arrival is not None


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_a_login(rtsp_server: Make, reading: Make, auth: str) -> None:
    server = rtsp_server(user="me", password="p%@:/ ?ss", auth=auth)
    source, frames, _ = reading(server.url)
    wait_until(lambda: frames)
    assert source.path == f"rtsp://me:***@127.0.0.1:{server.port}/live"
    assert frames[0].path == source.path


def test_encrypted(rtsp_server: Make, reading: Make, certificate: Any) -> None:
    server = rtsp_server(tls=certificate)
    options = (("ca_file", str(certificate[0])), ("tls_verify", "1"))
    _, frames, _ = reading(server.url, av_options=options)
    wait_until(lambda: frames)


def sent_at(frame: Frame, index: int, epoch: float) -> float:
    """Seconds from the choice of the picture to when the source says that it was sent."""
    assert frame.arrival is not None
    return frame.arrival.taken - (epoch + index / FPS)


@pytest.mark.parametrize("seconds", [1.0, 3.5], ids=["below the time-out", "beyond it"])
def test_after_a_thaw_no_old_picture_passes_for_a_new_one(
    rtsp_server: Make, reading: Make, picture_index: Make, seconds: float
) -> None:
    epoch = time.time()
    server = rtsp_server(epoch=epoch)
    _, frames, events = reading(server.url)
    wait_until(lambda: len(frames) >= 40)
    server.stop()
    time.sleep(seconds)
    server.cont()
    thawed = time.time()
    wait_until(lambda: frames[-1].arrival.taken > thawed + 1)  # type: ignore[union-attr]
    seen = list(frames)
    for frame in seen:
        index = picture_index(frame.picture.gray(160, 120))
        assert abs(sent_at(frame, index, epoch)) < SLACK_SECONDS
    lost = [event for event in events if event.state is StreamState.LOST]
    assert len(lost) == (seconds > 2)
    times = [frame.time or 0.0 for frame in seen]
    assert all(after > before for before, after in itertools.pairwise(times))


def test_a_picture_that_was_held_up_keeps_its_time(
    rtsp_server: Make, reading: Make, picture_index: Make
) -> None:
    """Whoever reads stands still for a second: what waited meanwhile is old, and says so."""
    epoch = time.time()
    server = rtsp_server(epoch=epoch)
    source = open_source(server.url, name="cam", options=SourceOptions(fps=0.0))
    late = 0.0
    for number, frame in enumerate(source.frames()):
        index = picture_index(frame.picture.gray(160, 120))
        assert abs(sent_at(frame, index, epoch)) < SLACK_SECONDS
        late = max(late, time.time() - (epoch + index / FPS))
        if number == 40:
            time.sleep(1.2)
        if number == 90:
            break
    assert late > 1


def test_a_size_that_changes_within_a_connection(
    rtsp_server: Make, reading: Make, picture_index: Make
) -> None:
    server = rtsp_server(resize_to=(320, 240), resize_after=20)
    source, frames, events = reading(server.url)
    wait_until(lambda: len(frames) >= 40)
    sizes = [(frame.picture.width, frame.picture.height) for frame in frames[:40]]
    assert sizes == [(160, 120)] * 20 + [(320, 240)] * 20
    shown = [
        picture_index(frame.picture.gray(frame.picture.width, frame.picture.height))
        for frame in frames[:40]
    ]
    assert shown == list(range(40))
    assert source.skipped == 0
    assert len(events) == 1


def test_a_frozen_picture_is_said_and_a_moving_one_is_not(
    rtsp_server: Make, reading: Make, scene_frames: Any
) -> None:
    server = rtsp_server(frames=scene_frames, repeat_after=30, gop=10)
    _, frames, events = reading(server.url)
    wait_until(lambda: len(events) > 1, 10)
    frozen = events[1]
    assert frozen.state is StreamState.FROZEN
    assert frozen.seconds == pytest.approx(2.0, abs=0.2)
    assert frozen.time is not None
    assert frozen.time < 29 / FPS + 2 * 2.0
    assert frames


class TestKeyframesOnly:
    def test_where_they_come_often_enough(
        self, rtsp_server: Make, reading: Make, picture_index: Make
    ) -> None:
        server = rtsp_server(gop=10)
        source, frames, events = reading(server.url, fps=2.0)
        wait_until(lambda: len(events) > 1)
        assert events[1].state is StreamState.DECODING
        assert events[1].keyframes_only
        count = len(frames)
        wait_until(lambda: len(frames) >= count + 8)
        shown = [picture_index(frame.picture.gray(160, 120)) for frame in frames[count + 1 :]]
        assert shown[:5] == list(range(shown[0], shown[0] + 50, 10))
        assert source.undecoded > 20
        assert source.skipped == 0

    def test_not_where_they_come_too_seldom(self, rtsp_server: Make, reading: Make) -> None:
        source, frames, events = reading(rtsp_server(gop=25).url, fps=2.0)
        wait_until(lambda: len(frames) >= 100)
        assert source.undecoded == 0
        assert len(events) == 1

    def test_where_they_are_asked_for(
        self, rtsp_server: Make, reading: Make, picture_index: Make
    ) -> None:
        server = rtsp_server(gop=20)
        _, frames, events = reading(server.url, decoding=Decoding.KEYFRAMES)
        wait_until(lambda: len(frames) >= 4)
        assert events[0].keyframes_only
        shown = [picture_index(frame.picture.gray(160, 120)) for frame in frames[:4]]
        assert shown == [0, 20, 40, 60]
