#!/usr/bin/python3
"""A camera over RTSP whose pictures say which one they are, for the tests and for faults.py.

Run by the system's Python with GstRtspServer (APT in rtsp_camera.py): GStreamer's bindings are no
PyPI packages. Says on stdout, a JSON object a line: `{"ready": PORT}`; `{"client":
"playing", "n": K}` at each PLAY; `{"sent": FRAMES}` when a client's media ends.

A picture is always taken at a time of a clock, and its PTS is that time: picture i of a media is
taken i/fps after the first. None is skipped however late this process runs, except after a
SIGCONT: those that a stopped camera would have taken are missing then.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from operator import itemgetter
from pathlib import Path

# Before any thread starts: blocked everywhere, a SIGCONT stays pending until a feed asks for it,
# so that none can push a picture first that should have been skipped.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCONT})

import gi  # noqa: E402

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

HOST = "127.0.0.1"
CELLS, CELL_HEIGHT = 24, 8
BLACK, WHITE, GREY = b"\x10", b"\xeb", b"\x80"
ROLE = "viewer"
SAYING = threading.Lock()

ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 threads=1"
    " key-int-max={gop} bitrate={bitrate} ! video/x-h264,stream-format=byte-stream"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast"
    " option-string=bframes=0:open-gop=0:pools=none:frame-threads=1:log-level=none"
    " key-int-max={gop} bitrate={bitrate} ! video/x-h265,stream-format=byte-stream"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1",
}


def say(**what: object) -> None:
    """A JSON object as a line of standard output."""
    with SAYING:
        print(json.dumps(what), flush=True)


class Stops:
    """How often this process was continued after a stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def count(self) -> int:
        """So far."""
        with self._lock:
            if signal.sigtimedwait({signal.SIGCONT}, 0) is not None:
                self._count += 1
            return self._count


class Pictures:
    """Raw I420 pictures, of a file played round or plain grey, with their index written in."""

    def __init__(self, width: int, height: int, path: Path | None) -> None:
        self._size = (width, height)
        luma = width * height
        self._bytes = path.read_bytes() if path else GREY * (luma * 3 // 2)
        self._count, rest = divmod(len(self._bytes), luma * 3 // 2)
        if rest or not self._count:
            sys.exit(f"{path}: no whole number of I420 pictures of {width}x{height}")

    def picture(self, index: int, size: tuple[int, int]) -> bytes:
        """The bytes of one, of that width and height."""
        width, height = self._size
        length = width * height * 3 // 2
        at = index % self._count * length
        picture = self._bytes[at : at + length]
        if size != self._size:
            picture = resized(picture, self._size, size)
        return numbered(picture, size, index)


def planes(size: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Where each plane of an I420 picture starts, its width and its height."""
    width, height = size
    luma, chroma = width * height, width * height // 4
    half = (width // 2, height // 2)
    return [(0, width, height), (luma, *half), (luma + chroma, *half)]


def resized(picture: bytes, old: tuple[int, int], new: tuple[int, int]) -> bytes:
    """The nearest pixels, by the standard library alone."""
    rows: list[bytes] = []
    for (at, old_width, old_height), (_, width, height) in zip(
        planes(old), planes(new), strict=True
    ):
        columns = itemgetter(*(x * old_width // width for x in range(width)))
        for y in range(height):
            start = at + y * old_height // height * old_width
            rows.append(bytes(columns(picture[start : start + old_width])))
    return b"".join(rows)


def numbered(picture: bytes, size: tuple[int, int], index: int) -> bytes:
    """With a row of cells along the top, the least significant bit at the left."""
    width, _ = size
    cell = width // CELLS
    bits = b"".join((WHITE if index >> bit & 1 else BLACK) * cell for bit in range(CELLS))
    drawn = bytearray(picture)
    _, *chromas = planes(size)
    for y in range(CELL_HEIGHT):
        drawn[y * width : y * width + len(bits)] = bits
    for at, half, _ in chromas:
        drawn[at : at + half * CELL_HEIGHT // 2] = GREY * (half * CELL_HEIGHT // 2)
    return bytes(drawn)


class Feed:
    """Pushes one media's pictures, from the moment on when its pipeline asks for the first."""

    def __init__(self, args: argparse.Namespace, pictures: Pictures, stops: Stops) -> None:
        self._args = args
        self._pictures = pictures
        self._stops = stops
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def need_data(self, source: Gst.Element, _length: int) -> None:
        """Begin; called by GStreamer."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(source,), daemon=True)
            self._thread.start()

    def unprepared(self, _media: GstRtspServer.RTSPMedia) -> None:
        """End; called by GStreamer."""
        self._over.set()

    def _run(self, source: Gst.Element) -> None:
        say(sent=self._push_all(source))

    def _push_all(self, source: Gst.Element) -> int:
        args, fps = self._args, self._args.fps
        stops = self._stops.count()
        now = time.monotonic()
        start = now if args.epoch is None else now - (time.time() - args.epoch)
        index = first = int((now - start) * fps)
        # What RTCP tells of the time then holds as well. In whole milliseconds, RTP's 90 kHz
        # timestamps of the usual rates stay exact.
        running = source.get_clock().get_time() - source.get_base_time()
        taken = now - (start + first / fps)
        base = max(0, running - int(taken * Gst.SECOND)) // Gst.MSECOND * Gst.MSECOND
        pushed, picture, size = 0, b"", (0, 0)
        while pushed != args.count:
            if self._over.wait(max(0.0, start + index / fps - time.monotonic())):
                return pushed
            if stops != (stops := self._stops.count()):
                index = max(index, int((time.monotonic() - start) * fps))
            if size != (size := self._size(pushed)):
                source.set_property("caps", caps(size, fps))
            if args.repeat_after is None or pushed < args.repeat_after:
                picture = self._pictures.picture(index, size)
            buffer = Gst.Buffer.new_wrapped(picture)
            # Rounded up, since a payloader rounds down to its own ticks.
            buffer.pts = base - (first - index) * Gst.SECOND // fps
            buffer.duration = Gst.SECOND // fps
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return pushed
            pushed += 1
            index += 1
        # Over UDP the RTCP BYE goes another way than the pictures, and may arrive before the last.
        self._over.wait(1 / fps)
        source.emit("end-of-stream")
        return pushed

    def _size(self, pushed: int) -> tuple[int, int]:
        args = self._args
        if args.resize_to is not None and pushed >= args.resize_after:
            width, height = args.resize_to
            return width, height
        return (args.width, args.height)


def caps(size: tuple[int, int], fps: int) -> Gst.Caps:
    """What GStreamer calls raw pictures of that size."""
    width, height = size
    return Gst.Caps.from_string(
        f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
    )


def permissions() -> GstRtspServer.RTSPPermissions:
    """Whoever has logged in may see the media."""
    allowed = GstRtspServer.RTSPPermissions()
    for what in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role(ROLE, what, True)
    return allowed


def auth(args: argparse.Namespace) -> GstRtspServer.RTSPAuth:
    """Who is let in, and with which certificate."""
    made = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if args.user is None:
        made.set_default_token(token)
    elif args.auth == "digest":
        made.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        made.add_digest(args.user, args.password, token)
    else:
        made.add_basic(GstRtspServer.RTSPAuth.make_basic(args.user, args.password), token)
    if args.tls:
        made.set_tls_certificate(Gio.TlsCertificate.new_from_files(*args.tls))
    return made


def make_factory(args: argparse.Namespace) -> GstRtspServer.RTSPMediaFactory:
    """Makes a media of its own for every client."""
    pictures = Pictures(args.width, args.height, args.frames)
    stops = Stops()
    factory = GstRtspServer.RTSPMediaFactory()
    encoder = ENCODERS[args.codec].format(gop=args.gop, bitrate=args.bitrate)
    factory.set_launch(f"( appsrc name=source is-live=true format=time ! {encoder} )")
    factory.set_shared(False)
    factory.set_latency(0)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP)
    ports = GstRtspServer.RTSPAddressPool()  # or a media's UDP ports were open to the network
    ports.add_range(HOST, HOST, 20000, 29999, 0)
    factory.set_address_pool(ports)

    def configure(_factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("source")
        source.set_property("caps", caps((args.width, args.height), args.fps))
        feed = Feed(args, pictures, stops)
        source.connect("need-data", feed.need_data)
        media.connect("unprepared", feed.unprepared)

    factory.connect("media-configure", configure)
    return factory


def watch_clients(server: GstRtspServer.RTSPServer) -> None:
    """Say whenever one plays."""
    plays = iter(range(1, sys.maxsize))

    def connected(_server: object, client: GstRtspServer.RTSPClient) -> None:
        client.connect("play-request", lambda *_: say(client="playing", n=next(plays)))

    server.connect("client-connected", connected)


def size(text: str) -> tuple[int, int]:
    """WxH as width and height."""
    width, height = map(int, text.split("x"))
    return width, height


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="/live")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=25)
    parser.add_argument("--bitrate", type=int, default=1000, help="kbit/s")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=("basic", "digest"), default="basic")
    parser.add_argument("--tls", nargs=2, metavar=("CERT.pem", "KEY.pem"))
    parser.add_argument("--frames", type=Path, help="raw I420 pictures, played round")
    parser.add_argument("--epoch", type=float, help="unix time of index 0, else each PLAY's own")
    parser.add_argument("--count", type=int, help="end the stream after that many frames")
    parser.add_argument("--resize-to", type=size, metavar="WxH")
    parser.add_argument("--resize-after", type=int, default=25, metavar="N")
    parser.add_argument("--repeat-after", type=int, metavar="N")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent does")
    return parser.parse_args()


def main() -> None:
    """Serve until killed."""
    parent = os.getppid()
    args = parsed()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(HOST)
    server.set_service(str(args.port))
    server.get_thread_pool().set_max_threads(-1)  # a client that hangs holds up no other
    factory = make_factory(args)
    if args.user is not None or args.tls:
        server.set_auth(auth(args))
        factory.set_permissions(permissions())
    server.get_mount_points().add_factory(args.path, factory)
    watch_clients(server)
    if not server.attach(None):
        sys.exit(f"cannot listen on {HOST}:{args.port}")

    def every_second() -> bool:
        server.get_session_pool().cleanup()
        if args.with_parent and os.getppid() != parent:
            os._exit(1)
        return True

    GLib.timeout_add_seconds(1, every_second)
    say(ready=server.get_bound_port())
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
