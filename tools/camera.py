"""A camera that sends a transport stream over TCP, HTTP or UDP, and can be made to misbehave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

import av
from long_flight import fly
from transport_stream import CLOCK, PACKET, TransportStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamvpr.frames import Image

HOST = "127.0.0.1"
FPS = 25
# Pictures of a lap; two stretches of the flight and part of a third.
LAP = 120
GOP = 10
DATAGRAM = 7
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Coded:
    """A compressed picture, in Annex B."""

    data: bytes
    keyframe: bool


def encode(images: Iterable[Image], *, gop: int = GOP) -> list[Coded]:
    """All of `coded`."""
    return list(coded(images, gop=gop))


def coded(images: Iterable[Image], *, gop: int = GOP) -> Iterator[Coded]:
    """H.264 without pictures that need later ones; every `gop`-th needs none."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    for index, image in enumerate(images):
        if index == 0:
            encoder.height, encoder.width = image.shape[:2]
            encoder.pix_fmt = "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
            encoder.thread_count = 1
            encoder.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "x264-params": f"keyint={gop}:scenecut=0:repeat-headers=1:log-level=none",
            }
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        yield from (Coded(bytes(p), bool(p.is_keyframe)) for p in encoder.encode(frame))
    yield from (Coded(bytes(p), bool(p.is_keyframe)) for p in encoder.encode(None))


def lap() -> list[Coded]:
    """What a camera sends again and again: a flight that begins anew every five seconds."""
    return encode(islice(fly(1000), LAP))


class Camera:
    """Sends its pictures at their rate, from the first on, to one reader at a time.

    All that goes wrong is set from another thread and holds from the next picture on.
    """

    def __init__(self, pictures: list[Coded], transport: str) -> None:
        """`transport`: tcp, http or udp."""
        self.transport = transport
        self.pictures = pictures
        """What is sent round and round; each list begins with a keyframe."""
        self.pts = 10 * CLOCK
        """Ticks of 90 kHz of the next picture."""
        self.mangle: Callable[[list[bytes]], list[bytes]] | None = None
        """What becomes of each picture's packets on their way."""
        self.silent = False
        """Whether nothing is sent, and connections stay open."""
        self.garbage = b""
        """What is sent once beside the pictures."""
        self.connections = 0
        self._reader: socket.socket | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        name = self._listener.getpeername if transport == "udp" else self._listener.getsockname
        self.port: int = name()[1]
        self._threads = [threading.Thread(target=self._send_all, name=f"camera-{self.port}")]
        if transport != "udp":
            self._threads.append(threading.Thread(target=self._accept_all))
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.transport}://{HOST}:{self.port}"

    def cut(self, *, reset: bool = False) -> None:
        """End the connection; with `reset` as a network does, and not as a server."""
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            if reset:
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.close()

    def power_off(self) -> None:
        """Refuse connections, and send nothing."""
        self.silent = True
        if self.transport != "udp":
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.cut(reset=True)

    def power_on(self) -> None:
        """Begin again, at the same port and at the first timestamp."""
        self.pts = 10 * CLOCK
        if self.transport != "udp":
            self._listener = self._listen(self.port)
            self._threads.append(threading.Thread(target=self._accept_all))
            self._threads[-1].start()
        self.silent = False

    def close(self) -> None:
        """End it."""
        self._over.set()
        if self.transport != "udp":
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _listen(self, port: int) -> socket.socket:
        if self.transport != "udp":
            return socket.create_server((HOST, port))
        # The program listens; its port is one that nobody has now.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            free = probe.getsockname()
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect(free)
        return sender

    def _accept_all(self) -> None:
        listener = self._listener
        with suppress(OSError):
            while True:
                reader, _ = listener.accept()
                reader.settimeout(1.0)
                if self.transport == "http":
                    reader.recv(4096)
                    reader.sendall(ANSWER)
                self.connections += 1
                self.cut()
                with self._lock:
                    self._reader = reader

    def _send_all(self) -> None:
        stream, index, pictures = TransportStream(), 0, self.pictures
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / FPS, time.monotonic() - 1)
            if pictures is not self.pictures:
                pictures, index = self.pictures, 0
            picture = pictures[index]
            index = (index + 1) % len(pictures)
            packets = stream.picture(picture.data, self.pts, keyframe=picture.keyframe)
            self.pts += CLOCK // FPS
            mangle = self.mangle
            if mangle is not None:
                packets = mangle(packets)
            garbage, self.garbage = self.garbage, b""
            if not self.silent:
                self._send(packets, garbage)

    def _send(self, packets: list[bytes], garbage: bytes) -> None:
        if self.transport == "udp":
            for at in range(0, len(packets), DATAGRAM):
                with suppress(OSError):
                    self._listener.send(b"".join(packets[at : at + DATAGRAM]))
            if garbage:
                with suppress(OSError):
                    self._listener.send(garbage[: DATAGRAM * PACKET])
            return
        with self._lock:
            reader = self._reader
        if reader is not None:
            try:
                reader.sendall(b"".join(packets) + garbage)
            except OSError:
                self.cut()
