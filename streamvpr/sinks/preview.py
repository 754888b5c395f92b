"""The picture of a closure: query left, match right, lines between inliers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Decision, Image

MOST_LINES = 60
CAPTION_HEIGHT = 34
QUALITY = 90
GREEN = (90, 220, 90)
WHITE = (245, 245, 245)


def draw_preview(decision: Decision) -> bytes | None:
    """JPEG of an accepted decision; None where the thumbnails were not kept."""
    query, match = decision.query, decision.match
    if match is None or query.thumbnail is None or match.place.thumbnail is None:
        return None
    left, right = _decode(query.thumbnail), _decode(match.place.thumbnail)
    height = max(left.shape[0], right.shape[0])
    canvas = np.zeros((height + CAPTION_HEIGHT, left.shape[1] + right.shape[1], 3), np.uint8)
    canvas[: left.shape[0], : left.shape[1]] = left
    canvas[: right.shape[0], left.shape[1] :] = right
    _draw_inliers(canvas, decision, left.shape[1], right.shape[1])
    _caption(canvas, _text(decision), left.shape[1])
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def _decode(jpeg: bytes) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _draw_inliers(canvas: Image, decision: Decision, left: int, right: int) -> None:
    verification, match = decision.verification, decision.match
    if verification is None or verification.query_points is None or match is None:
        return
    assert verification.match_points is not None
    starts = verification.query_points * (left / decision.query.width)
    ends = verification.match_points * (right / match.place.width) + [left, 0]
    step = max(1, -(-len(starts) // MOST_LINES))
    for start, end in zip(_pixels(starts[::step]), _pixels(ends[::step]), strict=True):
        cv2.line(canvas, start, end, GREEN, 1, cv2.LINE_AA)
        cv2.circle(canvas, start, 2, GREEN, -1, cv2.LINE_AA)
        cv2.circle(canvas, end, 2, GREEN, -1, cv2.LINE_AA)


def _pixels(points: NDArray[np.floating]) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in np.rint(points)]


def _text(decision: Decision) -> tuple[str, str]:
    match, verification = decision.match, decision.verification
    assert match is not None
    inliers = "" if verification is None else f"  inliers {verification.inliers}"
    left = f"Query #{decision.query.index}{_at(decision.query.time)}  score {match.score:.3f}"
    place = match.place
    session = "" if place.session is None else f"  of {place.session}"
    return left + inliers, f"Match #{place.index}{_at(place.time)}{session}"


def _at(seconds: float | None) -> str:
    return "" if seconds is None else f" ({seconds:.1f} s)"


def _caption(canvas: Image, texts: tuple[str, str], middle: int) -> None:
    height, width = canvas.shape[:2]
    for text, x, room in ((texts[0], 8, middle), (texts[1], middle + 8, width - middle)):
        # Small thumbnails take smaller letters; below a point they would be no letters any more.
        (length, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
        scale = max(0.3, min(0.6, 0.6 * (room - 16) / max(1, length)))
        at = (x, height - 11)
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, WHITE, 1, cv2.LINE_AA)
