"""Bag of words: which words the features of a picture are, weighed by how much each word tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.local_axes import LocalAxes
from streamvpr.retrieval.parameters import Parameters
from streamvpr.retrieval.sampling import sampled, unheard
from streamvpr.retrieval.unit_vectors import unit_vectors, vectors_of
from streamvpr.retrieval.word_index import WordIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import FeatureKind, Features
    from streamvpr.retrieval.sampling import Progress

# Of an eighth of them, dim corridors are found a tenth less well: too few tell their doors apart.
WORDS = 8000
LOCAL_AXES = 64
# k-means wants some dozens for each centre.
FEATURES_A_WORD = 50
# A picture holds one word in twelve: all are read among the first 8,000 places or so, in 12 ms,
# which is an eighth of what SIFT takes.
MOST_POSTINGS = 1_000_000


@dataclass(frozen=True, slots=True)
class BagOfWords:
    """Visual words by k-means, weighed by TF-IDF (Sivic and Zisserman, ICCV 2003).

    Features along the principal axes of all features; how often a picture holds each word, times
    the logarithm of how rare the word was among the pictures that were learned of; compared as
    `WordIndex` does.
    """

    name: ClassVar[str] = "bow"
    dimension: ClassVar[int] = 0
    kind: FeatureKind
    local: LocalAxes
    """Of all features, d' of them."""
    centres: NDArray[np.float32]
    """(W, d') of the words."""
    rarities: NDArray[np.float32]
    """(W,) 0 or more: the inverse document frequency of each."""

    @property
    def words(self) -> int:
        """How many there are."""
        return len(self.centres)

    def describe(self, features: Features) -> Bag:
        """The words of a picture's clear features, without those that tell nothing. Raises
        ValueError for another kind of features."""
        words = nearest(self.local.along(vectors_of(features, self.kind)), self.centres)
        return Bag.of(words[self.rarities[words] > 0].astype(np.int64))

    def open_index(self, capacity: int) -> WordIndex:
        """An empty index of bags. Raises ValueError for a capacity below 1."""
        return WordIndex(capacity, self.rarities, MOST_POSTINGS)

    @classmethod
    def learn(
        cls,
        pictures: Sequence[NDArray[np.generic]],
        kind: FeatureKind,
        seed: int,
        progress: Progress = unheard,
        *,
        words: int = WORDS,
        local_axes: int = LOCAL_AXES,
    ) -> Self:
        """Learn of the descriptors (N, ...) of each picture, the same for the same seed.

        Raises ValueError for too few of them.
        """
        vectors = sampled(pictures, kind, seed, FEATURES_A_WORD * words)
        local = LocalAxes.learn(vectors, local_axes)
        centres = learn_centres(local.along(vectors), words, seed, progress)
        seen = np.zeros(words, np.int64)
        for picture in pictures:
            along = local.along(unit_vectors(picture, kind))
            seen[np.unique(nearest(along, centres))] += 1
        # A word of every picture tells nothing; of one that no picture has, next to all.
        rarities = np.log(len(pictures) / np.maximum(seen, 1))
        return cls(kind, local, centres, rarities.astype(np.float32))

    def parameters(self) -> Parameters:
        """What `of` makes it from again."""
        arrays = {**self.local.arrays, "centres": self.centres, "rarities": self.rarities}
        return Parameters(self.name, self.kind, arrays)

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """That of a file's parameters. Raises ModelError for what does not fit together."""
        local = LocalAxes.of(parameters)
        centres = parameters.floats("centres", None, len(local.axes))
        rarities = parameters.floats("rarities", len(centres))
        if rarities.min() < 0:
            raise parameters.error("it has rarities below 0")
        return cls(parameters.kind, local, centres, rarities)
