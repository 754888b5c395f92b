"""What is made of a keyframe's local features: what geometry compares, and words to find it by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamvpr.features import FeatureExtractor
    from streamvpr.frames import Features, Keyframe
    from streamvpr.retrieval.base import LocalRetriever, Signature


@dataclass(frozen=True, slots=True)
class LocalDescriber:
    """Extracts the features of keyframes, once, for whoever wants them."""

    extractor: FeatureExtractor
    retriever: LocalRetriever | None = None
    """Finds places by them; None where a network does."""
    verified: bool = True
    """Whether geometry compares them: else nobody keeps them."""

    def describe(self, keyframe: Keyframe) -> tuple[Features | None, Signature]:
        """Features and words of a keyframe; None for what nobody wants, and without its luma."""
        if keyframe.gray is None:
            return None, None
        features = self.extractor.extract(keyframe.gray, keyframe.width)
        words = None if self.retriever is None else self.retriever.describe(features)
        return (replace(features, clear=None) if self.verified else None), words
