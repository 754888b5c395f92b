"""What GoPro cameras write: payloads of measurements, and videos with a track of them."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

# Of GPS5 and GPS9, as cameras write them: degrees in 1e-7, metres and metres a second in 1e-3, and
# for GPS9 days since 2000, seconds of the day in 1e-3, dilution in 1e-2, and the fix.
SCALE5 = (10_000_000, 10_000_000, 1000, 1000, 100)
SCALE9 = (10_000_000, 10_000_000, 1000, 1000, 100, 1, 1000, 100, 1)


def item(key: str, kind: str, size: int, value: bytes) -> bytes:
    """Key, kind, size of one thing, their number and the things, padded to four bytes."""
    head = key.encode() + kind.encode("latin-1") + struct.pack(">BH", size, len(value) // size)
    return head + value + bytes(-len(value) % 4)


def nest(key: str, *items: bytes) -> bytes:
    return item(key, "\0", 4, b"".join(items))


def longs(key: str, values: Sequence[float], *, of: int = 1) -> bytes:
    rounded = [round(value) for value in values]
    return item(key, "l", 4 * of, struct.pack(f">{len(rounded)}i", *rounded))


def gps5(
    places: Iterable[tuple[float, float, float]],
    *,
    fix: int | None = 3,
    dilution: int | None = 150,
    clock: bytes | None = b"250601120000.000",
) -> bytes:
    """A payload of a HERO5 to HERO10 with latitude, longitude and altitude."""
    rows = [(*place, 0.0, 0.0) for place in places]
    values = [value * scale for row in rows for value, scale in zip(row, SCALE5, strict=True)]
    stream = [item("STNM", "c", 1, b"GPS (Lat., Long., Alt., 2D speed, 3D speed)")]
    if fix is not None:
        stream.append(item("GPSF", "L", 4, struct.pack(">I", fix)))
    if clock is not None:
        stream.append(item("GPSU", "U", 16, clock))
    if dilution is not None:
        stream.append(item("GPSP", "S", 2, struct.pack(">H", dilution)))
    stream += [longs("SCAL", SCALE5), longs("GPS5", values, of=5)]
    return payload(*stream)


def gps9(
    rows: Iterable[tuple[float, float, float, int, float, float, int]],
    *,
    types: bytes = b"lllllllSS",
) -> bytes:
    """A payload since HERO11: latitude, longitude, altitude, days, seconds, dilution, fix."""
    samples = b"".join(
        struct.pack(
            ">7i2H",
            round(latitude * 1e7),
            round(longitude * 1e7),
            round(altitude * 1e3),
            0,
            0,
            days,
            round(seconds * 1e3),
            round(dilution * 1e2),
            fix,
        )
        for latitude, longitude, altitude, days, seconds, dilution, fix in rows
    )
    return payload(
        item("TYPE", "c", 1, types), longs("SCAL", SCALE9), item("GPS9", "?", 32, samples)
    )


def gpri(places: Iterable[tuple[float, float, float, int]]) -> bytes:
    """A payload of a Karma drone: latitude, longitude, altitude, fix."""
    samples = b"".join(
        struct.pack(
            ">Q3i4H2B",
            number * 250_000,
            round(latitude * 1e7),
            round(longitude * 1e7),
            round(altitude * 1e3),
            *(25, 42, 60, 33_435),
            *(fix, 20),
        )
        for number, (latitude, longitude, altitude, fix) in enumerate(places)
    )
    scale = (1_000_000, 10_000_000, 10_000_000, 1000, 100, 100, 100, 100, 1, 1)
    return payload(
        item("TYPE", "c", 1, b"JlllSSSSBB"), longs("SCAL", scale), item("GPRI", "?", 30, samples)
    )


def payload(*stream: bytes) -> bytes:
    """What a camera measured in a second: how it was shaken, and a stream of something else."""
    shaken = nest("STRM", item("SCAL", "s", 2, b"\x01\xa2"), item("ACCL", "s", 6, bytes(6 * 200)))
    return nest("DEVC", item("DVNM", "c", 1, b"HERO"), shaken, nest("STRM", *stream))


def make_gopro(
    path: Path, images: Iterable[Image], payloads: Sequence[bytes], *, fps: int = 10
) -> Path:
    """An MP4 with a track of kind `gpmd`: one payload a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "veryfast"})
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        track = container.add_data_stream("bin_data")
        track.time_base = Fraction(1, 1000)
        for index, image in enumerate(images):
            if index == 0:
                video.height, video.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for second, data in enumerate(payloads):
            packet = av.Packet(data)
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.pts = packet.dts = second * 1000
            packet.duration = 1000
            container.mux(packet)
    return path
