"""What is mutated: small files of every kind that the program reads, made here, and your own."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamvpr.media import encode_video, has_encoder

if TYPE_CHECKING:
    from pathlib import Path

Image = NDArray[np.uint8]

WIDTH, HEIGHT, FRAMES, FPS = 96, 64, 10, 5
# Of a film of one's own: so many packets are copied, or bytes.
MOST_PACKETS, MOST_BYTES = 12, 300_000
INDEXED = (".mp4", ".mov", ".m4v")
# Format, ending, encoder.
CONTAINERS = (
    ("mp4", "libx264"),
    ("mov", "mjpeg"),
    ("mkv", "libx264"),
    ("webm", "libvpx"),
    ("ts", "libx264"),
    ("ts", "mpeg2video"),
    ("avi", "mpeg4"),
    ("nut", "mpeg4"),
    ("mpg", "mpeg2video"),
    ("flv", "libx264"),
    ("h264", "libx264"),
    ("mjpeg", "mjpeg"),
    ("mkv", "ffv1"),
    ("mp4", "libx265"),
)
SETTINGS = (
    'fps = 2\nsim-threshold = 0.8\nexclude-recent = 3\nrecords = "queries"\nmin-inliers = 20\n',
    '# comment\nquiet = true\nlog-level = "warning"\ntop-k = 5\n'
    'verify-geom = false\nstart = "00:00"\n',
    'sequence-length = 2\nbidirectional = true\nseed = 3\ncapacity = 100\ngeometry = "auto"\n'
    'av-option = ["threads=1"]\nallow-host = ["cdn.invalid"]\n',
    'model = "tiny"\ndevice = "cpu"\nbatch-size = 2\nthreads = 1\nread-timeout = 1.5\n',
)
CAMERAS = (
    "camera_matrix:\n  rows: 3\n  cols: 3\n  data: [300.0, 0, 48, 0, 300, 32, 0, 0, 1]\n"
    "distortion_model: plumb_bob\ndistortion_coefficients:\n  data: [0.1, -0.2, 0, 0, 0]\n"
    "image_width: 96\nimage_height: 64\n",
    "cam0:\n  camera_model: pinhole\n  intrinsics: [300.0, 300.0, 48.0, 32.0]\n"
    "  distortion_model: equidistant\n  distortion_coeffs: [0.1, 0.0, 0.0, 0.0]\n"
    "  resolution: [96, 64]\n",
    "%YAML:1.0\n---\nimage_width: 96\nimage_height: 64\ncamera_matrix: !!opencv-matrix\n"
    "   rows: 3\n"
    "   cols: 3\n   dt: d\n   data: [ 300., 0., 48., 0., 300., 32., 0., 0., 1. ]\n"
    "distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 5\n   dt: d\n"
    "   data: [ 0.1, 0., 0., 0., 0. ]\n",
    "height: 64\nwidth: 96\ndistortion_model: plumb_bob\nd: [0, 0, 0, 0, 0]\n"
    "k: [300, 0, 48, 0, 300, 32, 0, 0, 1]\nroi: {x_offset: 0, y_offset: 0, width: 0, height: 0}\n",
)
SUBTITLES = (
    "1\n00:00:00,000 --> 00:00:00,500\n[latitude: 47.376903] [longitude: 8.541691] "
    "[rel_alt: 1.371 abs_alt: 400.125]\n\n2\n00:00:01,000 --> 00:00:01,500\n"
    "[latitude: 47.377] [longitude: 8.5417]\n",
    "1\n00:00:00,000 --> 00:00:01,000\nGPS(47.3769,8.5417,0.0M) BAROMETER:97.7M\n",
    "1\n00:00:00,000 --> 00:00:01,000\nF/2.8, SS 206, GPS (8.541691, 47.376903, 19), D 24.50m\n",
)
URLS = (
    "rtsp://user:pass@camera.lan:554/stream1?a=b&token=secret",
    "door=rtsp://${CAM_USER}:${CAM_PASSWORD}@camera.lan/h264",
    "https://host.invalid/live/index.m3u8?sig=abc#x",
    "udp://@239.0.0.1:1234?overrun_nonfatal=1",
    "srt://host.invalid:9000?mode=caller&passphrase=secretsecret",
    "file:///videos/a=b.mp4",
    "http://[::1]:8080/a.mp4",
    "concat:a.ts|b.ts",
    "async:file:///etc/hostname",
    "/dev/video0",
    "C:\\videos\\a.mp4",
)
NETRC = (
    "machine camera.lan login user password pa:ss\nmachine host.invalid\n  login a\n  password b\n"
)
PLAYLISTS = (
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
    '#EXT-X-KEY:METHOD=AES-128,URI="key.bin"\n#EXTINF:2.0,\na.ts\n#EXTINF:2.0,\nb.ts\n'
    "#EXT-X-ENDLIST\n",
    '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1"\nlow.m3u8\n',
    "ffconcat version 1.0\nfile a.ts\nduration 2\nfile /etc/hostname\n",
    "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 0 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\na=control:t1\n",
)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=control:t1\r\n"
)
RTSP = (
    "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"
    "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n{SDP}"
    "RTSP/1.0 200 OK\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
    "Session: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 1\r\n\r\n"
    "$\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)
REQUESTS = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nCookie: a=b\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
    "POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n0\r\n\r\n",
    "GET /?token=abc HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.invalid\r\n"
    "Range: bytes=0-\r\n\r\n",
    "HEAD /../../etc/passwd HTTP/1.0\r\n\r\n",
)


def pictures() -> list[Image]:
    """FRAMES views of one textured ground, (HEIGHT, WIDTH, 3) uint8 RGB."""
    chance = np.random.default_rng(0)
    ground = cv2.resize(
        chance.integers(0, 256, (12, 60, 3), np.uint8), (WIDTH + 8 * FRAMES, HEIGHT)
    )
    ground = np.maximum(ground, chance.integers(0, 60, ground.shape, np.uint8))
    return [np.ascontiguousarray(ground[:, 8 * i : 8 * i + WIDTH]) for i in range(FRAMES)]


def make_picture(folder: Path) -> Path:
    """A PNG."""
    path = folder / "good.png"
    cv2.imwrite(str(path), pictures()[1])
    return path


def make_videos(folder: Path) -> list[Path]:
    """One of each container and codec that this build of FFmpeg writes."""
    made = []
    for number, (ending, encoder) in enumerate(CONTAINERS):
        path = folder / f"film{number}.{ending}"
        if has_encoder(encoder):
            encode_video(path, pictures(), fps=FPS, encoder=encoder)
            made.append(path)
    path = folder / "film.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420\n".encode())
        for picture in pictures():
            planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
            file.write(b"FRAME\n" + planes.tobytes())
    return [*made, path]


def cut_video(path: Path, folder: Path) -> bytes:
    """The beginning of a film: of MP4, whose index may stand behind, the first packets as they
    are in a file of their own; of others their first bytes."""
    if path.suffix not in INDEXED:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    made = folder / f"cut{path.suffix}"
    with av.open(str(path)) as source, av.open(str(made), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if number >= MOST_PACKETS or packet.dts is None:
                break
            packet.stream = copy
            target.mux(packet)
    data = made.read_bytes()
    made.unlink()
    return data


def images() -> dict[str, list[bytes]]:
    """Encoded pictures by ending: ordinary ones, with EXIF, and headers that claim 64k x 64k."""
    picture = cv2.cvtColor(pictures()[0], cv2.COLOR_RGB2BGR)
    made: dict[str, list[bytes]] = {}
    for ending in ("jpg", "png", "bmp", "tiff", "webp", "ppm", "pgm"):
        view = picture if ending != "pgm" else picture[:, :, 0]
        made[ending] = [cv2.imencode(f".{ending}", view)[1].tobytes()]
    made["jpg"].append(with_exif(made["jpg"][0]))
    made["jpg"].append(huge_jpeg(made["jpg"][0], 65500))
    made["png"] += [huge_png(65536, 65536), huge_png(30000, 30000), texted_png(made["png"][0])]
    made["bmp"].append(made["bmp"][0][:18] + struct.pack("<ii", 65536, 65536) + made["bmp"][0][26:])
    made["ppm"].append(b"P6\n65536 65536\n255\n" + bytes(100))
    return made


def huge_png(width: int, height: int) -> bytes:
    """A valid header of that size, and the zeros of a few of its lines, well packed."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(16 << 20), 9)
    chunks = (b"IHDR", head), (b"IDAT", data), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def texted_png(png: bytes) -> bytes:
    """The same with a text that unpacks to 16 MiB."""
    text = b"Comment\0\0" + zlib.compress(bytes(16 << 20), 9)
    return png[:33] + _chunk(b"zTXt", text) + png[33:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_jpeg(jpeg: bytes, side: int) -> bytes:
    """The same with a size in its header that it does not have."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :]


def with_exif(jpeg: bytes) -> bytes:
    """The same with a position in its notes."""
    degrees = struct.pack("<6I", 47, 1, 22, 1, 3690, 100)
    entries = [
        struct.pack("<HHI4s", 1, 2, 2, b"N\0\0\0"),
        struct.pack("<HHII", 2, 5, 3, 200),
        struct.pack("<HHI4s", 3, 2, 2, b"E\0\0\0"),
        struct.pack("<HHII", 4, 5, 3, 224),
    ]
    gps = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    first = struct.pack("<H", 1) + struct.pack("<HHII", 0x8825, 4, 1, 26) + bytes(4)
    tiff = (b"II*\0" + struct.pack("<I", 8) + first + gps).ljust(200, b"\0") + degrees * 2
    notes = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes + jpeg[2:]


def gopro_payload() -> bytes:
    """A second of what a GoPro writes of its receiver."""

    def item(key: bytes, kind: bytes, size: int, value: bytes) -> bytes:
        head = key + kind + struct.pack(">BH", size, len(value) // size)
        return head + value + bytes(-len(value) % 4)

    fixes = struct.pack(">10i", *(473769030, 85416910, 400125, 0, 0) * 2)
    stream = (
        item(b"GPSF", b"L", 4, struct.pack(">I", 3))
        + item(b"GPSU", b"U", 16, b"250601120000.000")
        + item(b"GPSP", b"S", 2, struct.pack(">H", 150))
        + item(b"SCAL", b"l", 4, struct.pack(">5i", 10_000_000, 10_000_000, 1000, 1000, 100))
        + item(b"GPS5", b"l", 20, fixes)
    )
    return item(b"DEVC", b"\0", 4, item(b"STRM", b"\0", 4, stream))


def records() -> bytes:
    """Query records of a run, as `eval` reads them."""
    lines = []
    for index in range(12):
        lines.append(
            json.dumps(
                {
                    "type": "query",
                    "stream": "cam",
                    "query_idx": index,
                    "query_time": index / 2,
                    "decision": "accepted" if index % 3 else "below_threshold",
                    "match_idx": max(0, index - 5),
                    "score": 0.5 + index / 40,
                    "confidence": index / 12,
                    "inliers": 3 * index,
                    "query_lat": 47.0,
                    "query_lon": 8.0 + index / 1e4,
                    "match_lat": 47.0,
                    "match_lon": 8.0,
                    "distance_m": 1.0,
                }
            )
        )
    return ("\n".join(lines) + "\n").encode()


def positives() -> bytes:
    """Right pairs for them."""
    pairs = "".join(f"{index},{index - 5}\n" for index in range(6, 12))
    return f"query_idx,match_idx\n{pairs}".encode()
