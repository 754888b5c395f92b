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
    HYBRID = "hybrid"
    """The network's descriptor and local features, each its own candidates."""

    @property
    def has_network(self) -> bool:
        """Whether a network describes frames."""
        return self in (RetrieverKind.GLOBAL, RetrieverKind.HYBRID)

    @property
    def features(self) -> FeatureKind | None:
        """The local features that it takes; None for none."""
        return None if self is RetrieverKind.GLOBAL else FeatureKind.ORB
