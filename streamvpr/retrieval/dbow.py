"""Places by the words of a vocabulary tree, as DBoW2 and DBoW3 find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import FeatureKind
from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.word_index import WordIndex

if TYPE_CHECKING:
    from streamvpr.frames import Features
    from streamvpr.retrieval.vocabulary_tree import VocabularyTree

# So many are read in some 4 ms; 100,000 words have hardly more among 20,000 places. Of 10,000 words
# all are read among the first 1,000 or 2,000 places. Where only an eighth of the postings is read,
# far fewer places are found: many places want many words.
MOST_POSTINGS = 125_000


class DBowRetriever:
    """Bags of TF-IDF words of a binary vocabulary tree (Gálvez-López and Tardós, T-RO 2012)."""

    name = "dbow"
    kind = FeatureKind.ORB
    dimension = 0

    def __init__(self, vocabulary: VocabularyTree) -> None:
        self.vocabulary = vocabulary

    def describe(self, features: Features) -> Bag:
        """The words of a picture's features, without stop words."""
        words = self.vocabulary.quantise(np.asarray(features.descriptors, np.uint8))
        bag = Bag.of(words[self.vocabulary.weights[words] > 0].astype(np.int64))
        if self.vocabulary.weighting.counts:
            return bag
        return Bag(bag.words, np.ones_like(bag.counts))

    def open_index(self, capacity: int) -> WordIndex:
        """An empty index of bags. Raises ValueError for a capacity below 1."""
        return WordIndex(capacity, self.vocabulary.weights, MOST_POSTINGS)
