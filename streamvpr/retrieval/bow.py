"""Bag of words: which words the features of a picture are, weighed by how much each word tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.parameters import Parameters
from streamvpr.retrieval.projection import featureless, unit_descriptor
from streamvpr.retrieval.ring import RetrieverRing
from streamvpr.retrieval.sampling import sampled, unheard
from streamvpr.retrieval.unit_vectors import NUMBERS, unit_vectors, vectors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, FeatureKind, Features
    from streamvpr.retrieval.sampling import Progress

# Of a quarter of them, dim corridors are found a seventh less well: too few tell their doors apart.
WORDS = 4000


@dataclass(frozen=True, slots=True)
class BagOfWords:
    """Counts of visual words, weighed by TF-IDF (Sivic and Zisserman, ICCV 2003).

    The square root of how often each word is seen, times the logarithm of how rare it was among the
    pictures that were learned of; brought to length 1, so that the product of two is their cosine.
    The root is for words that come in bursts, such as those of gravel or of noise (Jégou, Douze and
    Schmid, CVPR 2009): without it they are all that counts.

    It has no inverted file but a descriptor, as maps keep them: of so few words a picture holds one
    in seven, so that a list of places for each would be read as slowly as all descriptors are.
    """

    name: ClassVar[str] = "bow"
    kind: FeatureKind
    centres: NDArray[np.float32]
    """(W, d) of the words."""
    rarities: NDArray[np.float32]
    """(W,) 0 or more: the inverse document frequency of each."""

    @property
    def dimension(self) -> int:
        """Numbers of a descriptor: one for each word, and one for pictures without features."""
        return len(self.centres) + 1

    def describe(self, features: Features) -> Descriptor:
        """(D,) float32 of length 1; of none `featureless`. Raises ValueError for another kind."""
        vectors = vectors_of(features, self.kind)
        if not len(vectors):
            return featureless(self.dimension)
        rooted = np.sqrt(counted(vectors, self.centres), dtype=np.float32)
        return unit_descriptor(rooted * self.rarities)

    def open_index(self, capacity: int) -> RetrieverRing:
        """An empty ring of its descriptors."""
        return RetrieverRing(capacity, self.dimension)

    @classmethod
    def learn(
        cls,
        pictures: Sequence[NDArray[np.generic]],
        kind: FeatureKind,
        seed: int,
        progress: Progress = unheard,
        *,
        words: int = WORDS,
    ) -> Self:
        """Learn of the descriptors (N, ...) of each picture, the same for the same seed.

        Raises ValueError for too few of them.
        """
        centres = learn_centres(sampled(pictures, kind, seed), words, seed, progress)
        seen = np.zeros(words, np.int64)
        for picture in pictures:
            seen += counted(unit_vectors(picture, kind), centres) > 0
        # A word of every picture tells nothing; of one that no picture has, next to all.
        rarities = np.log(len(pictures) / np.maximum(seen, 1))
        return cls(kind, centres, rarities.astype(np.float32))

    def parameters(self) -> Parameters:
        """What `of` makes it from again."""
        return Parameters(
            self.name, self.kind, {"centres": self.centres, "rarities": self.rarities}
        )

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """That of a file's parameters. Raises ModelError for what does not fit together."""
        centres = parameters.floats("centres", None, NUMBERS[parameters.kind])
        rarities = parameters.floats("rarities", len(centres))
        if rarities.min() < 0:
            raise parameters.error("it has rarities below 0")
        return cls(parameters.kind, centres, rarities)


def counted(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """(W,) how many of vectors (N, d) are nearest to each of the centres (W, d)."""
    return np.bincount(nearest(vectors, centres), minlength=len(centres))
