"""Which retriever, and what it takes."""

from __future__ import annotations

from enum import StrEnum

from streamvpr.frames import FeatureKind


class RetrieverKind(StrEnum):
    """What finds the places that may be the query's."""

    GLOBAL = "global"
    """The network's descriptor."""
    HASHBOW = "hashbow"
    HBST = "hbst"
    DBOW = "dbow"
    VLAD = "vlad"
    FISHER = "fisher"
    BOW = "bow"
    HYBRID = "hybrid"
    """The network's descriptor and local features, each its own candidates."""

    @property
    def has_network(self) -> bool:
        """Whether a network describes frames."""
        return self in (RetrieverKind.GLOBAL, RetrieverKind.HYBRID)

    @property
    def is_encoder(self) -> bool:
        """Whether it goes by what was learned of the features of other pictures."""
        return self in (RetrieverKind.VLAD, RetrieverKind.FISHER, RetrieverKind.BOW)

    @property
    def features(self) -> FeatureKind | None:
        """The local features that it takes where none are asked for; None for any."""
        if self is RetrieverKind.GLOBAL:
            return None
        return FeatureKind.SIFT if self.is_encoder else FeatureKind.ORB
