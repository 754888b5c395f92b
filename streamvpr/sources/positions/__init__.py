"""Where footage was taken: a GoPro's own track, the subtitles of a DJI drone, the EXIF of images.

Only footage with an end that is on this machine says so. A live source has no positions: what a
camera sends has no place for them. Nor has what comes from a web server or through a pipe, which is
read once, from its beginning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.sources.positions.base import NOWHERE, Fix, NoPositions, Positions
from streamvpr.sources.positions.dji import open_subtitles
from streamvpr.sources.positions.exif import read_exif
from streamvpr.sources.positions.gopro import GoProPositions

if TYPE_CHECKING:
    from streamvpr.sources.container import VideoContainer
    from streamvpr.sources.opening import Opening

__all__ = ["NOWHERE", "Fix", "NoPositions", "Positions", "open_positions", "read_exif"]


def open_positions(opening: Opening, container: VideoContainer) -> Positions:
    """What is known of a video file that is open: by its own track, else by what lies beside it."""
    if container.telemetry is not None:
        return GoProPositions(opening, container.telemetry)
    if isinstance(opening.target, str):
        video = Path(opening.target.removeprefix("file:"))
        return open_subtitles(video, beginning=container.beginning) or NoPositions()
    return NoPositions()
