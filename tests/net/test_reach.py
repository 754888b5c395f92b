"""What a source may reach: itself. What it names besides is a canary here, and stays untouched."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.errors import SourceError, SourceOpenError
from streamvpr.sources import SourceOptions, Transport, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Path]

FRAMES = 12
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=x\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=video {1} RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\n"
)


class Canary:
    """A port of another host that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._server = socket.create_server(("127.0.0.2", 0))
        self.port: int = self._server.getsockname()[1]
        self.url = f"http://127.0.0.2:{self.port}/a.ts"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        # A thread that waits in accept() is only woken so.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class Pages(SimpleHTTPRequestHandler):
    """Files of a folder, and `/to?URL`, which sends on to that address."""

    def do_GET(self) -> None:
        asked, _, place = self.path.partition("?")
        if asked != "/to":
            super().do_GET()
            return
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def guess_type(self, path: Any) -> str:
        return (
            "application/vnd.apple.mpegurl" if path.endswith("live") else super().guess_type(path)
        )

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    handler = partial(Pages, directory=str(folder))
    with ThreadingHTTPServer((host, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{host}:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def canary() -> Iterator[Canary]:
    with closing(Canary()) as there:
        yield there


@pytest.fixture
def folder(tmp_path: Path, make_video: Make) -> Path:
    pictures = [np.full((64, 96, 3), 20 * index, np.uint8) for index in range(FRAMES)]
    make_video(tmp_path / "a.ts", pictures)
    make_video(tmp_path / "a.mp4", pictures)
    return tmp_path


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    with serving(folder) as url:
        yield url


def playlist(path: Path, *segments: str) -> Path:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    body = "".join(f"#EXTINF:1.2,\n{segment}\n" for segment in segments)
    path.write_text(f"{head}{body}#EXT-X-ENDLIST\n", encoding="utf-8")
    return path


def count(source: str, **options: Any) -> int:
    """Frames that come. Raises SourceError."""
    opened = open_source(
        source, name="cam", options=SourceOptions(reconnect_for=0.1, read_timeout=1.0, **options)
    )
    with closing(opened):
        return sum(1 for _ in opened.frames())


@contextmanager
def standard_input(path: Path) -> Iterator[None]:
    kept = os.dup(0)
    with path.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def referring(folder: Path, canary: Canary) -> dict[str, str]:
    """Files that name a video beside them or the canary, by their names."""
    return {
        "file.m3u8": playlist(folder / "x", str(folder / "a.ts")).read_text(encoding="utf-8"),
        "beside.m3u8": playlist(folder / "x", "a.ts").read_text(encoding="utf-8"),
        "host.m3u8": playlist(folder / "x", canary.url).read_text(encoding="utf-8"),
        "file.ffconcat": f"ffconcat version 1.0\nfile '{folder / 'a.ts'}'\n",
        "beside.ffconcat": "ffconcat version 1.0\nfile a.ts\n",
        "host.sdp": SDP.format("127.0.0.2", canary.port),
        "host.mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{canary.url}</BaseURL>'
        "</MPD>",
    }


NAMES = [
    "beside.ffconcat",
    "beside.m3u8",
    "file.ffconcat",
    "file.m3u8",
    "host.m3u8",
    "host.mpd",
    "host.sdp",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_a_local_file_that_names_others_is_refused(
    name: str, suffix: str, folder: Path, canary: Canary
) -> None:
    path = folder / f"{name}{suffix}"
    path.write_text(referring(folder, canary)[name], encoding="utf-8")
    with pytest.raises(SourceError) as error:
        count(str(path))
    assert str(path) in str(error.value)
    assert canary.visits == 0


@pytest.mark.parametrize("name", NAMES)
def test_so_is_one_that_a_server_sends(
    name: str, folder: Path, canary: Canary, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "beside.m3u8":
        pytest.skip("that is what playlists of servers are")
    monkeypatch.chdir(folder)
    (folder / name).write_text(referring(folder, canary)[name], encoding="utf-8")
    with pytest.raises(SourceError, match=r"not followed|names|no video|404"):
        count(f"{web}/{name}")
    assert canary.visits == 0


@pytest.mark.parametrize("name", NAMES)
def test_so_is_one_on_standard_input(
    name: str, folder: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / name).write_text(referring(folder, canary)[name], encoding="utf-8")
    with standard_input(folder / name), pytest.raises(SourceError):
        count("-")
    assert canary.visits == 0


class TestHls:
    def test_a_playlist_of_the_named_host_is_followed(self, folder: Path, web: str) -> None:
        playlist(folder / "a.m3u8", "a.ts", f"{web}/a.ts")
        assert count(f"{web}/a.m3u8") == 2 * FRAMES

    def test_also_where_its_type_alone_tells(self, folder: Path, web: str) -> None:
        playlist(folder / "live", "a.ts")
        assert count(f"{web}/live") == FRAMES

    def test_also_through_a_playlist_of_playlists(self, folder: Path, web: str) -> None:
        playlist(folder / "low.m3u8", "a.ts")
        master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nlow.m3u8\n"
        (folder / "all.m3u8").write_text(master, encoding="utf-8")
        assert count(f"{web}/all.m3u8") == FRAMES

    def test_a_segment_elsewhere_is_refused_by_name(
        self, folder: Path, web: str, canary: Canary
    ) -> None:
        playlist(folder / "a.m3u8", canary.url)
        with pytest.raises(SourceOpenError) as error:
            count(f"{web}/a.m3u8")
        assert f"its playlist names '{canary.url}'" in str(error.value)
        assert f"--allow-host 127.0.0.2:{canary.port}" in str(error.value)
        assert canary.visits == 0

    def test_also_a_later_one(self, folder: Path, web: str, canary: Canary) -> None:
        playlist(folder / "a.m3u8", "a.ts", canary.url)
        with pytest.raises(SourceOpenError, match=r"its playlist names"):
            count(f"{web}/a.m3u8")
        assert canary.visits == 0

    def test_so_are_a_playlist_and_a_key_elsewhere(
        self, folder: Path, web: str, canary: Canary
    ) -> None:
        url = canary.url
        master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{url}\n"
        (folder / "all.m3u8").write_text(master, encoding="utf-8")
        playlist(folder / "key.m3u8", f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\na.ts')
        for name in ("all.m3u8", "key.m3u8"):
            with pytest.raises(SourceError):
                count(f"{web}/{name}")
        assert canary.visits == 0

    def test_another_port_of_the_host_is_another_place(self, folder: Path, web: str) -> None:
        with serving(folder) as other:
            playlist(folder / "a.m3u8", f"{other}/a.ts")
            with pytest.raises(SourceOpenError, match=r"--allow-host 127\.0\.0\.1:"):
                count(f"{web}/a.m3u8")

    def test_a_host_can_be_allowed(self, folder: Path, web: str) -> None:
        with serving(folder, "127.0.0.2") as other:
            playlist(folder / "a.m3u8", f"{other}/a.ts", "a.ts")
            place = other.removeprefix("http://")
            assert count(f"{web}/a.m3u8", allow_hosts=(place,)) == 2 * FRAMES

    def test_a_name_that_is_no_text_is_an_error(self, folder: Path, web: str) -> None:
        path = playlist(folder / "a.m3u8", "NAME.ts")
        path.write_bytes(path.read_bytes().replace(b"NAME", b"\xff\xfe"))
        with pytest.raises(SourceOpenError, match="no text"):
            count(f"{web}/a.m3u8")


class TestRedirects:
    def test_within_the_host_it_is_followed(self, web: str) -> None:
        assert count(f"{web}/to?/a.mp4") == FRAMES
        assert count(f"{web}/to?{web}/a.mp4") == FRAMES

    def test_also_to_a_playlist_and_from_a_segment(self, folder: Path, web: str) -> None:
        playlist(folder / "a.m3u8", "to?/a.ts")
        assert count(f"{web}/to?/a.m3u8") == FRAMES

    def test_elsewhere_it_is_refused_by_name(self, web: str, canary: Canary) -> None:
        with pytest.raises(SourceOpenError) as error:
            count(f"{web}/to?{canary.url}")
        assert f"it sends on to '{canary.url}'" in str(error.value)
        assert error.value.hopeless
        assert canary.visits == 0

    @pytest.mark.parametrize(
        "place", ["file:///etc/hostname", "tcp://127.0.0.2:{port}", "http:\\\\127.0.0.2:{port}/"]
    )
    def test_so_is_what_is_no_address_of_the_web(
        self, place: str, web: str, canary: Canary
    ) -> None:
        with pytest.raises(SourceError):
            count(f"{web}/to?{place.format(port=canary.port)}")
        assert canary.visits == 0

    def test_elsewhere_it_is_followed_where_that_is_allowed(self, folder: Path, web: str) -> None:
        with serving(folder, "127.0.0.2") as other:
            place = other.removeprefix("http://")
            assert count(f"{web}/to?{other}/a.mp4", allow_hosts=(place,)) == FRAMES

    def test_round_and_round_it_ends(self, web: str) -> None:
        with pytest.raises(SourceOpenError, match="more than 8 times"):
            count(f"{web}/to?/to?/to?{'/to?' * 20}")


class TestOtherKindsOfAddress:
    @pytest.mark.parametrize(
        "source",
        [
            "async:file://{path}",
            "cache:file://{path}",
            "subfile,,start,0,end,0,,:file://{path}",
            "concat:file://{path}|file://{path}",
            "crypto://{path}",
            "data://{path}",
            "ipfs://{path}",
        ],
    )
    def test_protocols_that_wrap_others_are_no_sources(self, source: str, folder: Path) -> None:
        with pytest.raises(SourceOpenError, match="no source of video is of the kind"):
            count(source.format(path=folder / "a.ts"))

    @pytest.mark.parametrize("source", ["concat:{path}|{path}", "subfile,,start,0,end,0,,:{path}"])
    def test_without_slashes_they_are_names_of_files(self, source: str, folder: Path) -> None:
        with pytest.raises(SourceOpenError, match="No such file or directory"):
            count(source.format(path=folder / "a.ts"))

    def test_an_address_of_a_file_is_a_file_in_capitals_too(self, folder: Path) -> None:
        assert count(f"FILE://{folder / 'a.mp4'}") == FRAMES


class Camera:
    """An RTSP server that describes what it has as it is told to."""

    def __init__(self, *, location: str = "", control: str = "t1", source: str = "") -> None:
        self._location, self._control, self._source = location, control, source
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/live"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as lines:
            while method := lines.readline().split(b" ")[0].decode():
                number = b""
                while (line := lines.readline().strip()) != b"":
                    number = line if line.lower().startswith(b"cseq") else number
                lines.write(self._reply(method, number.decode()).encode())
                lines.flush()

    def _reply(self, method: str, number: str) -> str:
        if method == "DESCRIBE" and self._location:
            return f"RTSP/1.0 302 Moved\r\n{number}\r\nLocation: {self._location}\r\n\r\n"
        head, body = "Session: 1\r\n", ""
        if method == "DESCRIBE":
            body = f"{SDP.format('127.0.0.2', 0)}a=control:{self._control}\r\n"
            head = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        if method == "SETUP":
            head += f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;source={self._source}\r\n"
        return f"RTSP/1.0 200 OK\r\n{number}\r\n{head}\r\n{body}"


class TestRtsp:
    def test_a_redirect_is_refused(self, canary: Canary) -> None:
        with (
            closing(Camera(location=f"rtsp://127.0.0.2:{canary.port}/live")) as camera,
            pytest.raises(SourceOpenError, match="sends on to is not followed") as error,
        ):
            count(camera.url)
        assert error.value.hopeless
        assert canary.visits == 0

    def test_other_hosts_in_its_description_are_not_asked(self, canary: Canary) -> None:
        with (
            closing(
                Camera(control=f"rtsp://127.0.0.2:{canary.port}/t1", source="127.0.0.2")
            ) as camera,
            pytest.raises(SourceError, match="nothing came"),
        ):
            count(camera.url, rtsp_transport=Transport.TCP)
        assert canary.visits == 0
