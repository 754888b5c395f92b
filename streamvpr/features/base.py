"""What every kind of local features has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streamvpr.frames import FeatureKind, Features, Image

# Thumbnails are enlarged, since ORB's patch of 31 pixels is a third of them.
SMALLEST_SIDE = 320


class FeatureExtractor(Protocol):
    """Finds the local features of one kind. Not for use by two threads at once."""

    kind: FeatureKind
    largest_side: int
    """Longest side, in pixels, of the picture that it wants; `analysis_size` takes it."""
    most_bytes: int
    """Most bytes that the features of one picture take."""

    def extract(self, gray: Image, source_width: int) -> Features:
        """Features of a luma image (h, w) uint8 of a source picture of that width in pixels."""


def analysis_size(width: int, height: int, largest_side: int) -> tuple[int, int]:
    """Size (width, height) in which a picture of that size is looked at for features."""
    longest = max(width, height)
    scale = min(max(longest, SMALLEST_SIDE), largest_side) / longest
    return max(1, round(width * scale)), max(1, round(height * scale))
