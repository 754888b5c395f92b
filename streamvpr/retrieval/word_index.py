"""Places by the words of a vocabulary, each by how much it weighs and how rare it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.inverted_file import MOST_COUNTED, InvertedFile
from streamvpr.row_ring import RowRing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.retrieval.inverted_file import Postings

    Rows = NDArray[np.int64]


class WordIndex(RowRing):
    """The bags of the newest `capacity` places, compared by DBoW2's L1 score, rare words first.

    DBoW2's score of two bags with weights v and w of sum 1 is 1 - |v - w| / 2, or the sum of
    min(v, w) over the words that both have. Here each word counts by how rare it is among the
    places that are kept, r: sum(r min(v, w)) / sum(r v) of a query v, 0 to 1, and 1 for the same
    bag. A vocabulary's own weights are those of the pictures that it was learned of; what every
    place of a stream has, a lawn or a wall of tiles, tells nothing there.

    `scores` reads up to `most_postings` postings, the query's rarest words first. Where its words
    have more, scores lack what the most frequent ones would add, the same words for all places;
    `exact_score` lacks nothing.
    """

    def __init__(self, capacity: int, weights: NDArray[np.float32], most_postings: int) -> None:
        """`weights` (W,) are the words', 0 or more. Raises ValueError for a capacity below 1."""
        super().__init__(capacity)
        self._weights = weights
        self._most_postings = most_postings
        self._file = InvertedFile(capacity, len(weights))
        # One over the sum of each place's weights, by slot; 0 for a place without words.
        self._scales = np.zeros(capacity, np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now; the vocabulary's weights are its own."""
        return self._file.nbytes + self._scales.nbytes

    def add(self, signature: Bag) -> None:
        """Keep the bag of the newest place. Raises ValueError for what is none of its words."""
        if not isinstance(signature, Bag):
            raise ValueError(f"{type(signature).__name__} is no bag of words")
        if len(signature.words) and not 0 <= signature.words[0] <= signature.words[-1] < len(
            self._weights
        ):
            raise ValueError(f"{signature.words[-1]} is none of {len(self._weights)} words")
        # `slot` wants to know the rows before it is added: the one behind the last.
        self._scales[self.added % self.capacity] = _scale(self._values(signature))
        self._file.add(signature)
        self.added += 1

    def scores(self, signature: Bag) -> NDArray[np.float32]:
        """(N,) similarity to all, oldest first."""
        frequencies = self._file.frequency(signature.words)
        read = _rarest(frequencies, self._most_postings)
        words, own = signature.words[read], self._normalised(signature)[read]
        rarities = self._rarities(signature)[read]
        weights = self._weights[words]
        scales = self._scales[self.slots(np.arange(len(self)))]

        def shared(found: Postings) -> NDArray[np.float32]:
            # What is evicted is added up as well, and then left out.
            rows = np.maximum(found.rows.astype(np.int64) + found.row, 0)
            theirs = found.each(weights) * found.counts * scales[rows]
            both = np.minimum(theirs, found.each(own)) * found.each(rarities)
            return np.asarray(both, np.float32)

        return self._file.sums(words, shared).astype(np.float32)

    def scores_of(self, rows: Rows, signature: Bag) -> NDArray[np.float32]:
        """(K,) similarity to those of increasing rows (K,)."""
        return self.scores(signature)[rows]

    def exact_score(self, row: int, signature: Bag) -> float:
        """Similarity to that of a row, of all words."""
        theirs = self._weights[signature.words] * self._file.counts(row, signature.words)
        theirs *= self._scales[self.slot(row)]
        shared = np.minimum(theirs, self._normalised(signature)) * self._rarities(signature)
        # One after the other, as `scores` adds them up.
        return float(np.bincount(np.zeros(len(shared), np.intp), shared, 1)[0].astype(np.float32))

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) scores over the query's largest."""
        best = scores.max(initial=0)
        return scores / best if best > 0 else scores

    def _rarities(self, bag: Bag) -> NDArray[np.float32]:
        """(Q,) how rare each word is among the places that are kept, over what all of the query's
        own weight comes to."""
        frequencies = self._file.frequency(bag.words)
        rare = np.log((self._file.counted + 1) / (frequencies + 0.5))
        whole = float((self._normalised(bag) * rare).sum(dtype=np.float64))
        return np.asarray(rare / whole if whole > 0 else rare, np.float32)

    def _values(self, bag: Bag) -> NDArray[np.float32]:
        return self._weights[bag.words] * np.minimum(bag.counts, MOST_COUNTED).astype(np.uint8)

    def _normalised(self, bag: Bag) -> NDArray[np.float32]:
        values = self._values(bag)
        return values * _scale(values)


def _rarest(frequencies: NDArray[np.int32], most: int) -> NDArray[np.intp]:
    """Which of a query's words, of which there are so many (Q,), are read, increasing."""
    if int(frequencies.sum()) <= most:
        return np.arange(len(frequencies))
    order = np.argsort(frequencies, kind="stable")
    read = np.searchsorted(np.cumsum(frequencies[order]), most, side="right")
    return np.sort(order[: max(1, int(read))])


def _scale(values: NDArray[np.float32]) -> np.float32:
    total = values.sum(dtype=np.float64)
    return np.float32(1 / total) if total > 0 else np.float32(0)
