"""The files of one recording, as DJI and GoPro split them, as one stream with one clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamvpr.sources.base import report_nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Frame
    from streamvpr.sources.base import Clip, Report
    from streamvpr.sources.video import VideoSource


class ConcatSource:
    """Video files one after the other; each begins one frame after the last one's end."""

    has_clock = True
    default_fps = 2.0
    live = False
    on_disk = True

    def __init__(self, parts: list[VideoSource], *, name: str, clip: Clip) -> None:
        if not parts:
            raise ValueError("a recording needs at least one file")
        self.name = name
        self.path = parts[0].path
        self.clip = clip
        self._parts = parts
        self._lengths = [part.length for part in parts]
        # Of the parts that are done with.
        self._skipped = 0
        self._undecoded = 0
        self.report: Report = report_nothing

    @property
    def skipped(self) -> int:
        """Packets that could not be read so far, in all files."""
        return self._skipped + sum(part.skipped for part in self._parts)

    @property
    def undecoded(self) -> int:
        """Pictures that were passed over without being decoded, in all files."""
        return self._undecoded + sum(part.undecoded for part in self._parts)

    @property
    def span(self) -> float | None:
        """Seconds that will be read; None where a file does not say how long it is."""
        if None in self._lengths:
            return self.clip.duration
        whole = sum(length for length in self._lengths if length is not None)
        return max(0.0, min(whole, self.clip.end or whole) - self.clip.start)

    def frames(self) -> Iterator[Frame]:
        """Decode the clip, file by file. `path` of a frame is the file it came from."""
        start, end = self.clip.within(self._parts[0].beginning)
        for frame in self._joined():
            time = frame.time or 0.0
            if time >= end:
                return
            if time >= start:
                yield frame

    def stop(self) -> None:
        """Decode no more."""
        for part in self._parts:
            part.stop()

    def close(self) -> None:
        """Close all files."""
        for part in self._parts:
            part.close()

    def _joined(self) -> Iterator[Frame]:
        # Stream time at which the part to be read begins.
        beginning = self._parts[0].beginning
        # The recording is connected once, with its first file.
        self._parts[0].report = self.report
        while self._parts:
            part = self._parts[0]
            offset = beginning - part.beginning
            step = part.frame_seconds
            last = beginning
            for frame in part.frames():
                last = (frame.time or 0.0) + offset
                yield replace(frame, time=last)
            beginning = last + step
            self._let_go(part)

    def _let_go(self, part: VideoSource) -> None:
        """Close it and forget it: a decoder keeps its pictures as long as somebody knows it."""
        part.close()
        self._parts = [other for other in self._parts if other is not part]
        self._skipped += part.skipped
        self._undecoded += part.undecoded
