"""From a source's frames to keyframes: picked on the thread that decodes, made on another."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2

from streamvpr.features import analysis_size
from streamvpr.frames import Keyframe
from streamvpr.sampler import FrameRateSampler, StillnessGate

if TYPE_CHECKING:
    from collections.abc import Generator

    from streamvpr.frames import Frame, Image, Picture
    from streamvpr.sources import Source

logger = logging.getLogger(__name__)

THUMBNAIL_QUALITY = 85
THUMBNAIL_SIDE = 640
# The largest of real footage, of fields from above: streets have 25 to 60 kB, corridors 15.
THUMBNAIL_BYTES = 75_000


@dataclass(frozen=True, slots=True)
class KeyframeForms:
    """The arrays that a keyframe carries."""

    input_size: tuple[int, int] | None
    """Width and height of the model's input; None where no model runs."""
    analysed_side: int | None
    """Longest side of the luma for local features; None where geometry is off."""
    thumbnail: bool
    """JPEG for previews, of what shows a new view."""
    still_thumbnail: bool = False
    """The same of a view that stands still."""

    def shows(self, *, still: bool) -> bool:
        """Whether a frame gets a JPEG."""
        return self.still_thumbnail if still else self.thumbnail


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the pictures that a source brought."""

    picked: int
    left_out: int
    """Not picked by the rate asked for, whether they were decoded or not."""
    skipped: int
    """Could not be used."""

    @property
    def arrived(self) -> int:
        """All of them."""
        return self.picked + self.left_out + self.skipped


class FrameReader:
    """Decodes one source and picks the frames that are to be processed. On one thread."""

    def __init__(self, source: Source, *, fps: float | None) -> None:
        """`fps` None is the source's own default."""
        self.source = source
        self.decoded = 0
        self.picked = 0
        self.most: int | None = None
        """Frames after which it ends as if the source did; None for all."""
        self._sampler = FrameRateSampler(source.default_fps if fps is None else fps)
        self._frames: Generator[Frame] = self._read()

    def tally(self) -> Tally:
        """What became of the pictures so far. From any thread."""
        picked, skipped = self.picked, self.source.skipped
        left_out = self.decoded - picked + self.source.undecoded
        return Tally(picked, left_out, skipped)

    def next(self) -> Frame | None:
        """The next frame; None at the end. Raises SourceError."""
        return next(self._frames, None)

    def close(self) -> None:
        """Stop decoding and let go of the source. On the thread that reads."""
        self._frames.close()
        self.source.close()

    def _read(self) -> Generator[Frame]:
        for frame in self.source.frames():
            self.decoded += 1
            if self._sampler.wants(frame.time):
                self.picked += 1
                yield frame
            if self.picked == self.most:
                return


class KeyframeMaker:
    """Makes the keyframes of one stream: numbers them, and what the later stages need of each.

    What never gets here has no number: indices count the processed frames. On one thread.
    """

    def __init__(
        self, stream: str, forms: KeyframeForms, gate: StillnessGate | None, *, first: int = 0
    ) -> None:
        """`gate` None keeps frames of a standing view. `first` is the index of the next one."""
        self._stream = stream
        self._forms = forms
        self._gate = gate
        self._made = first
        self._had_no_room = False

    def make(self, frame: Frame) -> Keyframe:
        """The keyframe of the next frame; a bare one where there is no memory for its arrays."""
        picture = frame.picture
        index, self._made = self._made, self._made + 1
        bare = Keyframe(
            stream=self._stream,
            index=index,
            time=frame.time,
            path=frame.path,
            width=picture.width,
            height=picture.height,
            arrival=frame.arrival,
            position=frame.position,
            taken=frame.taken,
        )
        try:
            return self._with_arrays(bare, frame)
        except MemoryError:
            self._note_no_room(bare)
            return bare

    def _with_arrays(self, keyframe: Keyframe, frame: Frame) -> Keyframe:
        picture, forms = frame.picture, self._forms
        same_view_as = self._same_view_as(frame, keyframe.index)
        moved = same_view_as is None
        return replace(
            keyframe,
            same_view_as=same_view_as,
            model_input=picture.rgb(*forms.input_size) if moved and forms.input_size else None,
            gray=self._analysed(picture) if moved else None,
            thumbnail=_thumbnail(picture) if forms.shows(still=not moved) else None,
        )

    def _note_no_room(self, keyframe: Keyframe) -> None:
        if not self._had_no_room:
            self._had_no_room = True
            logger.warning(
                "%s: no memory for a picture of %dx%d; more such are only counted",
                keyframe.path,
                keyframe.width,
                keyframe.height,
            )

    def _analysed(self, picture: Picture) -> Image | None:
        side = self._forms.analysed_side
        if side is None:
            return None
        return picture.gray(*analysis_size(picture.width, picture.height, side))

    def _same_view_as(self, frame: Frame, index: int) -> int | None:
        if self._gate is None:
            return None
        luma = frame.picture.gray(StillnessGate.WIDTH, StillnessGate.HEIGHT)
        return self._gate.observe(index, frame.time, luma)


def _thumbnail(picture: Picture) -> bytes:
    rgb = picture.rgb(*analysis_size(picture.width, picture.height, THUMBNAIL_SIDE))
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return bytes(data)
