"""Writing small videos: for the demo, the doctor and the tests."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from av.video.stream import VideoStream

    from streamvpr.frames import Image

# In order of preference; a build of FFmpeg without GPL parts lacks the first.
USUAL = ("libx264", "mpeg4")
QUICK = {"deadline": "realtime", "cpu-used": "8"}
OPTIONS = {
    "libx264": {"preset": "veryfast"},
    "mpeg4": {"q": "4"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"},
    "libvpx": QUICK,
    "libvpx-vp9": QUICK,
    "libaom-av1": {"cpu-used": "8"},
    "libsvtav1": {"preset": "10"},
}
# The full range is all that it takes without a warning.
PIXELS = {"mjpeg": "yuvj420p"}


def has_encoder(name: str) -> bool:
    """Whether this build of FFmpeg has the encoder of that name."""
    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def encode_video(
    path: Path, frames: Iterable[Image], *, fps: int, encoder: str | None = None
) -> None:
    """Encode (H, W, 3) uint8 RGB frames of one even size, as H.264 unless told. Raises StoreError.

    `encoder` is FFmpeg's name of one that `has_encoder`.
    """
    try:
        with av.open(str(path), "w") as container:
            name = encoder or next(filter(has_encoder, USUAL))
            stream = cast(
                "VideoStream",
                container.add_stream(name, rate=fps, options=OPTIONS.get(name, {})),
            )
            stream.pix_fmt = PIXELS.get(name, "yuv420p")
            # One thread, so that the same frames give the same bytes on every machine.
            stream.codec_context.thread_count = 1
            for index, image in enumerate(frames):
                if index == 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = index
                frame.time_base = Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"cannot write the video {path}: {reason}") from error
