"""The tests' own RTSP server: which pictures it sends and when, as PyAV sees them."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pytest
from av.error import FFmpegError, HTTPUnauthorizedError
from rtsp_camera import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., Any]
    Read = Callable[..., "list[Seen]"]

FPS = 25
TIMEOUT = (5.0, 5.0)

# FFmpeg otherwise reads on for a second before it hands out the first picture. None is lost by it.
QUICK = {"probesize": "32"}


class Seen(NamedTuple):
    index: int
    seconds: float
    size: tuple[int, int]


@pytest.fixture
def read(picture_index: Callable[..., int]) -> Read:
    def read(
        url: str, count: int | None = None, transport: str = "tcp", **options: str
    ) -> list[Seen]:
        options = {**QUICK, **options, "rtsp_transport": transport}
        with av.open(url, options=options, timeout=TIMEOUT) as container:
            return [
                Seen(
                    picture_index(frame.to_ndarray(format="gray")),
                    0.0 if frame.time is None else frame.time,  # only of the very first packet
                    (frame.width, frame.height),
                )
                for frame in islice(container.decode(video=0), count)
            ]

    return read


def indices(seen: list[Seen]) -> list[int]:
    return [picture.index for picture in seen]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_every_picture_comes_in_order_at_its_time(
    rtsp_server: Start, read: Read, codec: str, transport: str
) -> None:
    server = rtsp_server(codec=codec)
    seen = read(server.url, 30, transport)
    assert indices(seen) == list(range(30))
    assert [s.seconds for s in seen] == pytest.approx([i / FPS for i in range(30)], abs=1e-9)
    assert 30 <= server.sent() <= 35


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_count_is_kept_exactly(
    rtsp_server: Start, read: Read, codec: str, transport: str
) -> None:
    server = rtsp_server(codec=codec, count=20)
    assert indices(read(server.url, None, transport)) == list(range(20))
    assert server.sent() == 20


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_only_the_right_password_is_let_in(rtsp_server: Start, read: Read, auth: str) -> None:
    server = rtsp_server(user="me", password="p@ss:/word", auth=auth)
    assert indices(read(server.url, 3)) == [0, 1, 2]
    for who in ("", "me:wrong@"):
        with pytest.raises(HTTPUnauthorizedError):
            read(f"rtsp://{who}127.0.0.1:{server.port}/live", 3)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_tls_shows_the_certificate(
    rtsp_server: Start, read: Read, certificate: tuple[Path, Path], transport: str
) -> None:
    server = rtsp_server(tls=certificate, user="me", password="secret")
    assert server.url.startswith("rtsps://")
    trusting = {"tls_verify": "1", "ca_file": str(certificate[0])}
    assert indices(read(server.url, 3, transport, **trusting)) == [0, 1, 2]
    with pytest.raises(FFmpegError):
        read(server.url, 3, transport, tls_verify="1")


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_size_changes_within_a_session(rtsp_server: Start, read: Read, codec: str) -> None:
    server = rtsp_server(codec=codec, resize_to=(240, 180), resize_after=10)
    seen = read(server.url, 20)
    assert indices(seen) == list(range(20))
    assert [s.size for s in seen] == [(160, 120)] * 10 + [(240, 180)] * 10


def test_an_encoder_that_hangs_repeats_its_picture_at_new_times(
    rtsp_server: Start, read: Read
) -> None:
    seen = read(rtsp_server(repeat_after=10).url, 20)
    assert indices(seen) == [*range(10), *[9] * 10]
    assert np.allclose(np.diff([s.seconds for s in seen]), 1 / FPS)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_missed_by_a_stopped_server_are_gone_and_the_others_at_their_times(
    rtsp_server: Start, read: Read, transport: str
) -> None:
    server = rtsp_server()

    def pause() -> None:
        server.wait_for_plays(1)
        time.sleep(0.5)
        server.stop()
        time.sleep(1.5)
        server.cont()

    pausing = threading.Thread(target=pause)
    pausing.start()
    seen = read(server.url, 30, transport)
    pausing.join()
    assert indices(seen) == [round(s.seconds * FPS) for s in seen]
    (gap,) = [step for step in np.diff(indices(seen)) if step != 1]
    assert 1.4 * FPS < gap < 2 * FPS


def test_a_scene_goes_on_while_its_server_is_away(rtsp_server: Start, read: Read) -> None:
    epoch = time.time() - 100
    server = rtsp_server(epoch=epoch)
    for _ in range(2):
        before = (time.time() - epoch) * FPS
        first = read(server.url, 3)
        after = (time.time() - epoch) * FPS
        assert indices(first) == [first[0].index + i for i in range(3)]
        assert before - 1 <= first[0].index <= after
        server.restart()


def test_a_restarted_server_is_soon_back_on_its_port(rtsp_server: Start, read: Read) -> None:
    server = rtsp_server()
    with av.open(server.url, options={"rtsp_transport": "tcp"}, timeout=TIMEOUT) as container:
        frames = container.decode(video=0)
        next(frames)
        url, since = server.url, time.monotonic()
        server.restart()
        assert server.url == url
        assert indices(read(url, 1)) == [0]
        assert time.monotonic() - since < 5  # 0.2 s where nothing else runs


def test_a_client_that_dies_ends_its_media(rtsp_server: Start) -> None:
    server = rtsp_server()
    code = "import av, sys; c = av.open(sys.argv[1]); [0 for _ in c.decode(video=0)]"
    with subprocess.Popen([sys.executable, "-c", code, server.url]) as client:
        server.wait_for_plays(1)
        client.kill()
    assert server.sent() > 0


def test_the_scene_is_shown_and_comes_back(rtsp_server: Start, scene_frames: Any) -> None:
    server = rtsp_server(frames=scene_frames, fps=50)
    with av.open(server.url, options={"rtsp_transport": "tcp", **QUICK}) as container:
        frames = islice(container.decode(video=0), scene_frames.lap + 1)
        below = [frame.to_ndarray(format="gray")[16:].astype(float) for frame in frames]
    assert np.abs(below[0] - below[-1]).mean() < 10 < np.abs(below[0] - below[1]).mean()


def test_options_that_are_wrong_fail_with_what_the_server_said(rtsp_server: Start) -> None:
    with pytest.raises(ServerFailed, match=r"before it ended(?s:.*)invalid choice"):
        rtsp_server(codec="mpeg1")


def test_a_silent_peer_says_nothing_and_a_free_port_refuses(
    silent_peer: int, free_port: int
) -> None:
    with socket.create_connection(("127.0.0.1", silent_peer), timeout=0.2) as peer:
        peer.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            peer.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port))
