"""From a source's frames to keyframes, on the thread that decodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from streamvpr.frames import Keyframe
from streamvpr.sampler import FrameRateSampler, StillnessGate
from streamvpr.verification import analysis_size

if TYPE_CHECKING:
    from collections.abc import Generator

    from streamvpr.frames import Frame, Image, Picture
    from streamvpr.sources import Source

THUMBNAIL_QUALITY = 85


@dataclass(frozen=True, slots=True)
class KeyframeForms:
    """The arrays that a keyframe carries."""

    input_width: int
    input_height: int
    gray: bool
    """Luma for local features."""
    thumbnail: bool
    """JPEG for previews."""


class KeyframeReader:
    """Decodes one source and makes the keyframes that its samplers choose.

    Not for use by two threads at once: the source's frames are views of the decoder's buffers.
    """

    def __init__(
        self, source: Source, *, fps: float | None, forms: KeyframeForms, gate: StillnessGate | None
    ) -> None:
        """`fps` None is the source's own default; `gate` None keeps frames of a standing view."""
        self.source = source
        self.decoded = 0
        self._forms = forms
        self._gate = gate
        self._sampler = FrameRateSampler(source.default_fps if fps is None else fps)
        self._keyframes: Generator[Keyframe] = self._read()

    def next(self) -> Keyframe | None:
        """The next keyframe; None at the end. Raises SourceError."""
        return next(self._keyframes, None)

    def close(self) -> None:
        """Stop decoding and let go of the source. On the thread that reads."""
        self._keyframes.close()
        self.source.close()

    def _read(self) -> Generator[Keyframe]:
        index = 0
        for frame in self.source.frames():
            self.decoded += 1
            if self._sampler.wants(frame.time):
                yield self._keyframe(frame, index)
                index += 1

    def _keyframe(self, frame: Frame, index: int) -> Keyframe:
        picture, forms = frame.picture, self._forms
        same_view_as = self._same_view_as(frame, index)
        moved = same_view_as is None
        return Keyframe(
            stream=self.source.name,
            index=index,
            time=frame.time,
            path=frame.path,
            width=picture.width,
            height=picture.height,
            same_view_as=same_view_as,
            model_input=picture.rgb(forms.input_width, forms.input_height) if moved else None,
            gray=_analysed(picture) if moved and forms.gray else None,
            thumbnail=_thumbnail(picture) if moved and forms.thumbnail else None,
        )

    def _same_view_as(self, frame: Frame, index: int) -> int | None:
        if self._gate is None:
            return None
        luma = frame.picture.gray(StillnessGate.WIDTH, StillnessGate.HEIGHT)
        return self._gate.observe(index, frame.time, luma)


def _analysed(picture: Picture) -> Image:
    return picture.gray(*analysis_size(picture.width, picture.height))


def _thumbnail(picture: Picture) -> bytes:
    rgb = picture.rgb(*analysis_size(picture.width, picture.height))
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return bytes(data)
