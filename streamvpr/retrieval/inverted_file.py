"""Which of the newest places hold which words, and how often (Sivic and Zisserman, ICCV 2003)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.row_ring import RowRing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from streamvpr.retrieval.bag import Bag

    Rows = NDArray[np.int64]

# Places that wait to be sorted by word: that many are looked through one by one.
WAITING = 128
# What is sorted is merged with what is as large, up to so many places: what is evicted is freed a
# run at a time. Rows within one have 16 bits.
LARGEST_RUN = 1024
SMALLEST_SHARE = 8
MOST_COUNTED = 255


class Postings:
    """Where the words of a query are among places that follow each other.

    A sum over them is by far the most of what a query costs: so they are never more than they must
    be, and lie in the order in which the file has them.
    """

    def __init__(
        self,
        row: int,
        size: int,
        rows: NDArray[np.uint16],
        counts: NDArray[np.uint8],
        *,
        lengths: NDArray[np.int64] | None = None,
        asked: NDArray[np.int32] | None = None,
    ) -> None:
        """`lengths` (Q,): how many of each word of the query, one word after the other; where they
        are not in that order, `asked` (P,) says of which word each is."""
        self.row = row
        """That of the first of those places, counted from the oldest that is kept: negative where
        that one is evicted."""
        self.size = size
        """How many places."""
        self.rows = rows
        """(P,) of them, from 0."""
        self.counts = counts
        """(P,) how often the place holds the word."""
        self._lengths = lengths
        self._asked = asked

    def each(self, values: NDArray[Any]) -> NDArray[Any]:
        """(P,) of a value for each word of the query (Q,) that of each posting's word."""
        if self._lengths is not None:
            return np.repeat(values, self._lengths)
        assert self._asked is not None
        return values[self._asked]

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """(size,) of a value for each posting (P,) the sum over those of each place."""
        return np.asarray(np.bincount(self.rows, values, minlength=self.size), np.float64)


class InvertedFile(RowRing):
    """The words of the newest `capacity` places, by word.

    New places wait in the order in which they came; every WAITING of them are sorted by word into a
    run, and runs of one size are merged into one of twice that size, up to LARGEST_RUN places: each
    place is moved a dozen times in all, and a query reads some runs. A run is freed when its last
    place is evicted, so that there are never more than `capacity` places and one run of dead ones.
    """

    def __init__(self, capacity: int, words: int) -> None:
        """For words from 0 to `words` - 1. Raises ValueError for a capacity below 1."""
        super().__init__(capacity)
        self.words = words
        self._largest = max(WAITING, min(LARGEST_RUN, capacity // SMALLEST_SHARE))
        self._runs: list[_Run] = []
        self._waiting: list[Bag] = []
        self._joined: _Joined | None = None
        self._places_with = np.zeros(words, np.int32)
        # Of a query's words where they stand in it; -1 for all others. One query at a time has it:
        # the past of `match` is asked on two threads.
        self._asked = np.full(words, -1, np.int32)
        self._asking = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        waiting = sum(bag.nbytes for bag in self._waiting)
        tables = self._places_with.nbytes + self._asked.nbytes
        return sum(run.nbytes for run in self._runs) + waiting + tables

    def add(self, bag: Bag) -> None:
        """Keep the words of a place, letting go of the oldest of a full ring."""
        self._waiting.append(bag)
        self._joined = None
        self._places_with[bag.words] += 1
        self.added += 1
        if len(self._waiting) == WAITING:
            self._sort()
        while self._runs and self._runs[0].end <= self.first:
            self._places_with -= self._runs.pop(0).places_with(self.words)

    def frequency(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        """(Q,) how many places hold each of the words (Q,): of those kept, and of a run that is
        evicted in part all."""
        return self._places_with[words]

    @property
    def counted(self) -> int:
        """How many places `frequency` is about."""
        return self.added - (self._runs[0].begin if self._runs else self._begin_of_waiting)

    def find(self, words: NDArray[np.int32]) -> Iterator[Postings]:
        """Where the words (Q,) of a query are; together of all places, oldest first."""
        for run in self._runs:
            yield run.find(words, self.first)
        yield self._find_waiting(words)

    def sums(
        self, words: NDArray[np.int32], value: Callable[[Postings], NDArray[Any]]
    ) -> NDArray[np.float64]:
        """(N,) of all places, oldest first: the sum of what `value` gives each posting (P,)."""
        total = np.empty(len(self), np.float64)
        for found in self.find(words):
            part = found.sums(value(found))
            evicted = max(0, -found.row)
            begin = found.row + evicted
            total[begin : begin + found.size - evicted] = part[evicted:]
        return total

    def counts(self, row: int, words: NDArray[np.int32]) -> NDArray[np.uint8]:
        """(Q,) how often the place of a row holds each of increasing words (Q,)."""
        number = self.first + row
        if number >= self._begin_of_waiting:
            return _counts_of(self._waiting[number - self._begin_of_waiting], words)
        run = next(run for run in self._runs if number < run.end)
        return run.counts_of(number - run.begin, words)

    @property
    def _begin_of_waiting(self) -> int:
        return self.added - len(self._waiting)

    def _find_waiting(self, words: NDArray[np.int32]) -> Postings:
        waiting = self._joined
        if waiting is None:
            waiting = self._joined = _Joined.of(self._waiting)
        with self._asking:
            self._asked[words] = np.arange(len(words), dtype=np.int32)
            asked = self._asked[waiting.words]
            self._asked[words] = -1
        hits = np.flatnonzero(asked >= 0)
        row = self._begin_of_waiting - self.first
        rows, counts = waiting.rows[hits], waiting.counts[hits]
        return Postings(row, waiting.size, rows, counts, asked=asked[hits])

    def _sort(self) -> None:
        self._runs.append(_Run.of(self._begin_of_waiting, _Joined.of(self._waiting), self.words))
        self._waiting = []
        self._joined = None
        while self._is_to_merge:
            newer = self._runs.pop()
            self._runs.append(_merged(self._runs.pop(), newer))

    @property
    def _is_to_merge(self) -> bool:
        if len(self._runs) < 2:
            return False
        older, newer = self._runs[-2:]
        return older.size <= newer.size and older.size + newer.size <= self._largest


@dataclass(frozen=True, slots=True)
class _Joined:
    """The words of some places, one place after the other."""

    words: NDArray[np.int32]
    counts: NDArray[np.uint8]
    rows: NDArray[np.uint16]
    """(P,) each; rows from 0."""
    size: int
    """How many places."""

    @classmethod
    def of(cls, bags: list[Bag]) -> _Joined:
        if not bags:
            return cls(np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.uint16), 0)
        return cls(
            np.concatenate([bag.words for bag in bags]),
            np.concatenate([np.minimum(bag.counts, MOST_COUNTED) for bag in bags]).astype(np.uint8),
            np.repeat(np.arange(len(bags), dtype=np.uint16), [len(bag.words) for bag in bags]),
            len(bags),
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """The words of some places, sorted by word and then by place."""

    begin: int
    """Number of its first place, counted from the first ever added."""
    size: int
    """How many places."""
    starts: NDArray[np.uint32]
    """(W + 1,): the postings of word w are those from starts[w] to starts[w + 1]."""
    rows: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    """(P,) each."""

    @classmethod
    def of(cls, begin: int, joined: _Joined, words: int) -> _Run:
        order = np.argsort(joined.words, kind="stable")
        starts = np.zeros(words + 1, np.uint32)
        np.cumsum(np.bincount(joined.words, minlength=words), out=starts[1:])
        return cls(
            begin,
            joined.size,
            starts,
            joined.rows[order],
            joined.counts[order],
        )

    @property
    def end(self) -> int:
        """Number of the place behind its last."""
        return self.begin + self.size

    @property
    def nbytes(self) -> int:
        return self.starts.nbytes + self.rows.nbytes + self.counts.nbytes

    def places_with(self, words: int) -> NDArray[np.int32]:
        """(W,) how many of its places hold each word."""
        return np.diff(self.starts).astype(np.int32)

    def find(self, words: NDArray[np.int32], first: int) -> Postings:
        """Where words (Q,) are; `first` is the number of the oldest place that is kept."""
        begins = self.starts[words].astype(np.int64)
        lengths = self.starts[words + 1].astype(np.int64) - begins
        ends = np.cumsum(lengths)
        # How far each stands behind where it would be if the postings of all words were joined.
        places = np.repeat(begins - ends + lengths, lengths)
        places += np.arange(len(places))
        row = self.begin - first
        return Postings(row, self.size, self.rows[places], self.counts[places], lengths=lengths)

    def counts_of(self, row: int, words: NDArray[np.int32]) -> NDArray[np.uint8]:
        """(Q,) how often the place of a row, from 0, holds words (Q,)."""
        lowest, ends = (self.starts[words + more].astype(np.int64) for more in (0, 1))
        highest = ends.copy()
        # Rows of one word increase: a binary search for all of the words at once.
        while (open_ := lowest < highest).any():
            middle = (lowest + highest) // 2
            before = np.zeros(len(words), bool)
            before[open_] = self.rows[middle[open_]] < row
            lowest = np.where(open_ & before, middle + 1, lowest)
            highest = np.where(open_ & ~before, middle, highest)
        counts = np.zeros(len(words), np.uint8)
        inside = np.flatnonzero(lowest < ends)
        held = inside[self.rows[lowest[inside]] == row]
        counts[held] = self.counts[lowest[held]]
        return counts


def _counts_of(bag: Bag, words: NDArray[np.int32]) -> NDArray[np.uint8]:
    places = np.searchsorted(bag.words, words)
    counts = np.zeros(len(words), np.uint8)
    inside = np.flatnonzero(places < len(bag.words))
    held = inside[bag.words[places[inside]] == words[inside]]
    counts[held] = np.minimum(bag.counts[places[held]], MOST_COUNTED)
    return counts


def _merged(older: _Run, newer: _Run) -> _Run:
    """Both as one; the newer one begins where the older one ends."""
    starts = older.starts + newer.starts
    rows = np.empty(len(older.rows) + len(newer.rows), np.uint16)
    counts = np.empty(len(rows), np.uint8)
    # What comes before each of a run's postings: those of its own, and the other's of the words up
    # to its own, that word's too where the other one is older.
    for run, before in ((older, newer.starts[:-1]), (newer, older.starts[1:])):
        shift = np.repeat(before, np.diff(run.starts))
        into = np.arange(len(run.rows)) + shift
        rows[into] = run.rows + (run.begin - older.begin)
        counts[into] = run.counts
    return _Run(older.begin, older.size + newer.size, starts, rows, counts)
