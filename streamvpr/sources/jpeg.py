"""JPEG in its own planes, at a third of the cost of decoding its colours and averaging them."""

from __future__ import annotations

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from streamvpr.sources.jpeg_header import read_plain
from streamvpr.sources.picture import Scalers, VideoPicture

PIXELS = frozenset({"gray", "yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p"})


class JpegDecoder:
    """FFmpeg's decoder, for what it is sure to read as other decoders do. For one thread."""

    def __init__(self) -> None:
        self._scalers = Scalers(full_colour=True)
        self._context: VideoCodecContext | None = None

    def decode(self, data: bytes) -> VideoPicture | None:
        """The picture; None for what another decoder is to judge: damaged, or of a rare kind."""
        plain = read_plain(data)
        if plain is None:
            return None
        try:
            frames = self._opened().decode(av.Packet(plain.data))
        except (FFmpegError, OSError):
            # Whatever it remembers of that picture goes with it.
            self._context = None
            return None
        for frame in frames:
            if frame.format.name in PIXELS:
                return VideoPicture(frame, self._scalers, quarter_turns=plain.quarter_turns)
        return None

    def _opened(self) -> VideoCodecContext:
        if self._context is None:
            self._context = VideoCodecContext.create("mjpeg", "r")
            # Several threads would keep back a picture each.
            self._context.thread_count = 1
            self._context.options = {"err_detect": "explode"}
        return self._context
