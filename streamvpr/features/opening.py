"""The extractor of the kind that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.features.orb import OrbExtractor
from streamvpr.features.sift import SiftExtractor
from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from streamvpr.features.base import FeatureExtractor


def open_extractor(kind: FeatureKind = FeatureKind.ORB) -> FeatureExtractor:
    """An extractor of local features of that kind."""
    if kind is FeatureKind.SIFT:
        return SiftExtractor()
    return OrbExtractor()
