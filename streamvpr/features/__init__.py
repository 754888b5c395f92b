"""Local features of pictures: what geometry compares.

One file a kind. `open_extractor` gives the one that is asked for.
"""

from streamvpr.features.base import FeatureExtractor, analysis_size
from streamvpr.features.opening import open_extractor
from streamvpr.features.orb import OrbExtractor
from streamvpr.features.xfeat import XFeatExtractor

__all__ = [
    "FeatureExtractor",
    "OrbExtractor",
    "XFeatExtractor",
    "analysis_size",
    "open_extractor",
]
