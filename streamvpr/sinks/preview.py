"""The picture of a closure: query left, match right, lines between inliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.encoded import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Decision, Image

MOST_LINES = 60
CAPTION_HEIGHT = 34
QUALITY = 90
GREEN = (90, 220, 90)
WHITE = (245, 245, 245)


def draw_preview(decision: Decision) -> bytes | None:
    """JPEG of an accepted decision; None where a thumbnail was not kept, or is damaged."""
    pair = side_by_side(decision)
    if pair is None:
        return None
    for start, end in inlier_lines(decision, pair):
        (first, last) = _pixels(np.stack([start, end]))
        cv2.line(pair.canvas, first, last, GREEN, 1, cv2.LINE_AA)
        cv2.circle(pair.canvas, first, 2, GREEN, -1, cv2.LINE_AA)
        cv2.circle(pair.canvas, last, 2, GREEN, -1, cv2.LINE_AA)
    return pair.jpeg()


@dataclass(frozen=True, slots=True)
class Pair:
    """The pictures of query and match beside each other, and what they are below them."""

    canvas: Image
    """(H, left + right, 3) uint8 BGR."""
    left: int
    right: int
    """Widths of the pictures in pixels."""

    def jpeg(self) -> bytes:
        """The canvas as a file."""
        _, data = cv2.imencode(".jpg", self.canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return bytes(data)


def side_by_side(decision: Decision) -> Pair | None:
    """Query left and match right; None where a thumbnail was not kept, or is damaged."""
    query, match = decision.query, decision.match
    if match is None or query.thumbnail is None or match.place.thumbnail is None:
        return None
    left, right = decode(query.thumbnail), decode(match.place.thumbnail)
    if left is None or right is None:
        return None
    height = max(left.shape[0], right.shape[0])
    canvas = np.zeros((height + CAPTION_HEIGHT, left.shape[1] + right.shape[1], 3), np.uint8)
    canvas[: left.shape[0], : left.shape[1]] = left
    canvas[: right.shape[0], left.shape[1] :] = right
    _caption(canvas, _text(decision), left.shape[1])
    return Pair(canvas, left.shape[1], right.shape[1])


def inlier_lines(decision: Decision, pair: Pair) -> NDArray[np.float32]:
    """(N, 2, 2) x, y of the two ends of each line in pixels of the canvas, N at most MOST_LINES."""
    verification, match = decision.verification, decision.match
    if verification is None or verification.query_points is None or match is None:
        return np.empty((0, 2, 2), np.float32)
    assert verification.match_points is not None
    starts = verification.query_points * (pair.left / decision.query.width)
    ends = verification.match_points * (pair.right / match.place.width) + [pair.left, 0]
    step = max(1, -(-len(starts) // MOST_LINES))
    return np.stack([starts[::step], ends[::step]], axis=1).astype(np.float32)


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
