"""The extractor of the kind that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.embedding.feature_network import open_feature_network
from streamvpr.features.orb import OrbExtractor
from streamvpr.features.sift import SiftExtractor
from streamvpr.features.xfeat import MODEL, XFeatExtractor
from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from streamvpr.features.base import FeatureExtractor


def open_extractor(
    kind: FeatureKind = FeatureKind.ORB,
    *,
    device: str = "cpu",
    threads: int = 0,
    closely: bool = False,
) -> FeatureExtractor:
    """An extractor of local features of that kind.

    `device` and `threads` (0 for all cores) are for kinds that are networks. `closely`: ORB's
    and SIFT's are those of a larger picture, as where they propose places as well. Raises
    ModelError where the network does not run there, and ConfigError where ONNX Runtime is not
    installed.
    """
    if kind is FeatureKind.XFEAT:
        return XFeatExtractor(open_feature_network(MODEL, device=device, threads=threads))
    if kind is FeatureKind.SIFT:
        return SiftExtractor(closely=closely)
    return OrbExtractor(closely=closely)
