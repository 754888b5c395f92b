"""hashbow: bits of the features themselves as words, without a vocabulary and without training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import FeatureKind
from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.inverted_file import InvertedFile
from streamvpr.row_ring import RowRing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features
    from streamvpr.retrieval.inverted_file import Postings

    Rows = NDArray[np.int64]

# A feature is a word in each of so many tables: by so many of its bits, the same ones always.
TABLES, BITS_EACH = 4, 16
WORDS = TABLES << BITS_EACH
# Of the most telling features of a picture.
MOST_FEATURES = 500
SEED = 0
# A query reads no more of the past than this, its rarest words first: 4 ms of a core.
MOST_POSTINGS = 100_000


class HashBowRetriever:
    """Locality-sensitive hashes of binary features as visual words.

    Hashes by a sample of the bits are those of Indyk and Motwani (STOC 1998); bags of words of
    Sivic and Zisserman (ICCV 2003). Two features that differ in one bit of ten share a word with
    probability 0.56.
    """

    name = "hashbow"
    kind = FeatureKind.ORB
    dimension = 0

    def __init__(self) -> None:
        chance = np.random.default_rng(SEED)
        self._bits = np.stack([chance.choice(256, BITS_EACH, replace=False) for _ in range(TABLES)])
        self._places = 1 << np.arange(BITS_EACH)
        self._tables = np.arange(TABLES) << BITS_EACH

    def describe(self, features: Features) -> Bag:
        """The words of the most telling features."""
        bits = np.unpackbits(features.descriptors[:MOST_FEATURES].view(np.uint8), axis=1)
        words = bits[:, self._bits] @ self._places + self._tables
        return Bag.of(words.ravel())

    def open_index(self, capacity: int) -> HashBowIndex:
        """An empty index of such words."""
        return HashBowIndex(capacity)


class HashBowIndex(RowRing):
    """Bags of words of the newest places, compared by TF-IDF.

    The similarity of query q and place p is sum(idf^2 q p) / (|idf q| |p| r), where r is the root
    of the query's mean idf^2: the cosine, but that the length of a place does not depend on how
    rare its words have become. How rare a word is, the places say that are kept.

    A place takes 7 kB, and the tables of the index are 1 MB for every 1024 places.
    """

    def __init__(self, capacity: int) -> None:
        """Raises ValueError for a capacity below 1."""
        super().__init__(capacity)
        self._file = InvertedFile(capacity, WORDS)
        self._lengths = np.zeros(capacity, np.float64)
        self._answer: tuple[Bag, NDArray[np.float32]] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return self._file.nbytes + self._lengths.itemsize * len(self)

    def add(self, signature: Bag) -> None:
        """Keep the words of the newest place."""
        self._lengths[self.slot(len(self))] = max(1.0, _length(signature.counts))
        self._file.add(signature)
        self.added += 1
        self._answer = None

    def scores(self, signature: Bag) -> NDArray[np.float32]:
        """(N,) similarity to all, 0 to 1, oldest first."""
        # Another thread may ask for another one meanwhile.
        answer = self._answer
        if answer is None or answer[0] is not signature:
            answer = self._answer = signature, self._scores(signature)
        return answer[1]

    def scores_of(self, rows: Rows, signature: Bag) -> NDArray[np.float32]:
        """(K,) similarity to those of rows (K,)."""
        return self.scores(signature)[rows]

    def exact_score(self, row: int, signature: Bag) -> float:
        """Similarity to that of a row."""
        return float(self.scores(signature)[row])

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relative to the most similar place: of all views of it, how alike is known of none."""
        largest = float(scores.max(initial=0.0))
        return scores / np.float32(largest) if largest > 0 else scores

    def _scores(self, query: Bag) -> NDArray[np.float32]:
        frequency = self._file.frequency(query.words)
        rare = np.log((self._file.counted + 1) / (frequency + 0.5))
        rare = np.maximum(rare, 0.0)
        square = float(np.sum(query.counts * rare**2))
        if square == 0:
            return np.zeros(len(self), np.float32)
        length = _length(query.counts * rare) * np.sqrt(square / query.counts.sum())
        read = _cheapest(frequency)
        weights = (query.counts * rare**2)[read] / length

        def value(found: Postings) -> NDArray[np.float64]:
            return np.asarray(found.each(weights) * found.counts, np.float64)

        total = self._file.sums(query.words[read], value)
        lengths = self._lengths[self.slots(np.arange(len(self)))]
        return np.asarray(np.minimum(total / lengths, 1.0), np.float32)


def _length(values: NDArray[np.float64] | NDArray[np.int32]) -> float:
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))


def _cheapest(frequency: NDArray[np.int32]) -> NDArray[np.intp]:
    """(R,) increasing: which words to read, those in the fewest places, up to MOST_POSTINGS."""
    if frequency.sum() <= MOST_POSTINGS:
        return np.arange(len(frequency))
    rarest = np.argsort(frequency, kind="stable")
    most = int(np.searchsorted(np.cumsum(frequency[rarest]), MOST_POSTINGS, "right"))
    return np.sort(rarest[:most])
