"""Positions out of the subtitles that DJI drones write beside a video: DJI_0001.SRT."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.sources.positions.track import Track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamvpr.sources.positions.track import Samples

logger = logging.getLogger(__name__)

ENDINGS = (".SRT", ".srt")
# Forty minutes with a cue for each of 60 frames a second take 50 MB.
MOST_BYTES = 64 << 20
# What one cue says; some models write all that their camera thinks first, in 1,500 characters.
MOST_CHARACTERS = 8192
CUE = re.compile(r"(?<!\d)(\d{1,3}):(\d\d):(\d\d)[,.](\d{3})[ \t]{0,4}-->")
NUMBER = r"([-+]?\d{1,3}(?:\.\d{1,20})?)"
END = r"(?![\d.])"
FIX = np.dtype((np.float64, 5))
# [latitude: 47.1] [longitude: 8.5]; some models write "longtitude", some a blank before the colon.
LATITUDE = re.compile(rf"\blatitude\s*:\s*{NUMBER}{END}", re.IGNORECASE)
LONGITUDE = re.compile(rf"\blongt?itude\s*:\s*{NUMBER}{END}", re.IGNORECASE)
# [rel_alt: 1.2 abs_alt: 400.1]. What models call `altitude` or BAROMETER some count from the sea
# and others from where they took off.
ALTITUDE = re.compile(r"\babs_alt\s*:\s*([-+]?\d{1,5}(?:\.\d{1,20})?)(?![\d.])", re.IGNORECASE)
# GPS (8.5, 47.1, 19): longitude, latitude, satellites. GPS(47.1,8.5,0.0M): the Matrice 300, which
# gives the third in metres, writes the latitude first. RTK (...) is the Phantom 4 RTK's.
PAIR = re.compile(
    rf"\b(?:GPS|RTK)\s{{0,2}}\(\s*{NUMBER}\s*,\s*{NUMBER}\s*(?:,\s*[-+]?\d{{1,5}}(?:\.\d{{1,20}})?(M?)\s*)?\)",
    re.IGNORECASE,
)


def open_subtitles(video: Path, *, beginning: float) -> Track | None:
    """What lies beside a video that begins at that stream time; None where that says nothing.

    When a position was taken is unknown: the clock of subtitles is that of a zone which they don't
    name.
    """
    for ending in ENDINGS:
        path = video.with_name(video.stem + ending)
        text = _read(path)
        if text is None:
            continue
        samples = read_srt(text)
        samples[:, 0] += beginning
        track = Track(samples)
        if len(track):
            return track
        logger.info("%s holds no position", path)
        return None
    return None


def read_srt(text: str) -> Samples:
    """(N, 5) positions of cues as in Track, at the time each begins; others are passed over."""
    return np.fromiter(_fixes(text), FIX)


def _fixes(text: str) -> Iterator[tuple[float, float, float, float, float]]:
    cues = CUE.finditer(text)
    cue = next(cues, None)
    while cue is not None:
        following = next(cues, None)
        end = len(text) if following is None else following.start()
        said = text[cue.end() : min(end, cue.end() + MOST_CHARACTERS)]
        place = _place(said)
        if place is not None:
            height = ALTITUDE.search(said)
            yield _seconds(cue), *place, float(height[1]) if height else np.nan, np.nan
        cue = following


def _place(said: str) -> tuple[float, float] | None:
    """Latitude and longitude that a cue names."""
    latitude = LATITUDE.search(said)
    if latitude is not None:
        longitude = LONGITUDE.search(said)
        return None if longitude is None else (float(latitude[1]), float(longitude[1]))
    pair = PAIR.search(said)
    if pair is None:
        return None
    first, second = float(pair[1]), float(pair[2])
    return (first, second) if pair[3] else (second, first)


def _seconds(cue: re.Match[str]) -> float:
    hours, minutes, seconds, thousandths = (int(part) for part in cue.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _read(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        logger.warning("positions are unknown: cannot read %s: %s", path, error.strerror)
        return None
    if len(data) > MOST_BYTES:
        logger.warning("positions are unknown: %s is larger than %d MB", path, MOST_BYTES >> 20)
        return None
    # Signs of degrees may be in any code.
    return data.decode("utf-8", "replace")
