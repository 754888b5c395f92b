"""Writing small videos: for the demo, the doctor and the tests."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.error import FFmpegError

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from av.video.stream import VideoStream

    from streamvpr.frames import Image

# In order of preference; a build of FFmpeg without GPL parts lacks the first.
ENCODERS = {"libx264": {"preset": "veryfast"}, "mpeg4": {"q": "4"}}


def encode_video(path: Path, frames: Iterable[Image], *, fps: int) -> None:
    """Encode (H, W, 3) uint8 RGB frames of one even size. Raises StoreError."""
    try:
        with av.open(str(path), "w") as container:
            name = next(name for name in ENCODERS if name in av.codecs_available)
            stream = cast(
                "VideoStream", container.add_stream(name, rate=fps, options=ENCODERS[name])
            )
            stream.pix_fmt = "yuv420p"
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
