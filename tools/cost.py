"""What a frame costs: processor time of a whole run, less that of starting up.

Starting up is opening the model for the most part. It is measured by running the same command on
the first picture of each source alone; what more frames took is shared out among them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from streamvpr.media import encode_video
from streamvpr.sources import open_source

if TYPE_CHECKING:
    from children import Finished
    from courses import Course


class Counted(msgspec.Struct, frozen=True):
    """As much of a record as tells how many frames there were."""

    type: str = ""
    state: str | None = None
    frames: int = 0


def milliseconds_a_frame(whole: Finished, first: Finished) -> float | None:
    """Of a run and of one on the first pictures alone; None where there is nothing to share out.

    Raises MsgspecError for output that is no JSON lines.
    """
    if first.code != 0:
        return None
    more = count_frames(whole.out) - count_frames(first.out)
    return 1000 * (whole.cpu_seconds - first.cpu_seconds) / more if more > 0 else None


def count_frames(records: bytes) -> int:
    """Frames that were processed, of all sources; of what does not say so, the queries."""
    read = [msgspec.json.decode(line, type=Counted) for line in records.splitlines()]
    ended = [one.frames for one in read if one.type == "stream" and one.state == "ended"]
    return sum(ended) if ended else sum(one.type == "query" for one in read)


def only_first_pictures(course: Course, folder: Path) -> Course:
    """The same sequence with the first picture of each source alone, written into `folder`.

    Raises StreamVPRError and OSError.
    """
    sources = [str(first_picture(Path(source), folder)) for source in course.sources]
    return msgspec.structs.replace(course, sources=sources)


def first_picture(source: Path, folder: Path) -> Path:
    """A new source of the same kind, which holds one picture. Raises StreamVPRError and OSError."""
    opened = open_source(str(source), name="first")
    try:
        frame = next(opened.frames())
    finally:
        opened.close()
    target = Path(tempfile.mkdtemp(dir=folder))
    if source.is_dir():
        shutil.copy(frame.path, target)
        return target
    # Encoders take even sizes.
    width, height = frame.picture.width & ~1, frame.picture.height & ~1
    encode_video(target / "first.mkv", [frame.picture.rgb(width, height)], fps=1)
    return target / "first.mkv"
