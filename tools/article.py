"""What a well-known tutorial on place recognition decides, once its pictures are described.

OpenCV's article "Visual Place Recognition: A Hands-on Tutorial", written afresh: the one most
similar picture of the past, and ORB with RANSAC on both pictures as they are. Two programs share
it, which describe the pictures: article_baseline.py shows how well that recognises, and
seed_baseline.py what it costs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np

from streamvpr.records import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]

# A homography has eight unknowns, and a pair of points gives two equations.
LEAST_PAIRS = 4


@dataclass(frozen=True, slots=True)
class View:
    """A picture, described."""

    descriptor: NDArray[np.float32]
    """(D,) of length 1."""
    again: Callable[[], Gray]
    """The luma (H, W) uint8 of the whole picture, from where it came. Raises OSError."""


class Checker:
    """ORB on two pictures, and the homography that explains most of their matches."""

    def __init__(self, features: int, ratio: float, reproj_thresh: float) -> None:
        """`ratio`: Lowe's, of the best to the second-best distance; `reproj_thresh` in pixels."""
        self._orb = cv2.ORB.create(nfeatures=features)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._ratio = ratio
        self._reproj_thresh = reproj_thresh

    def check(self, query: Gray, match: Gray) -> tuple[int, int]:
        """How many features of two lumas (H, W) match, and how many of those are inliers."""
        query_points, query_bits = self._features(query)
        match_points, match_bits = self._features(match)
        if len(query_points) < 1 or len(match_points) < 2:
            return 0, 0
        pairs = [
            (best.queryIdx, best.trainIdx)
            for best, second in self._matcher.knnMatch(query_bits, match_bits, k=2)
            if best.distance < self._ratio * second.distance
        ]
        if len(pairs) < LEAST_PAIRS:
            return len(pairs), 0
        rows, columns = zip(*pairs, strict=True)
        _, inliers = cv2.findHomography(
            query_points[[*rows]], match_points[[*columns]], cv2.RANSAC, self._reproj_thresh
        )
        return len(pairs), 0 if inliers is None else int(inliers.sum())

    def _features(self, gray: Gray) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        points, bits = self._orb.detectAndCompute(gray, None)
        if not points:
            return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
        places = np.asarray(cv2.KeyPoint.convert(points), np.float32)
        return places, np.asarray(bits, np.uint8)


@dataclass(frozen=True, slots=True)
class Judge:
    """What is decided of a query and the pictures that it may match."""

    checker: Checker | None
    """None where similarity decides alone."""
    sim_threshold: float
    min_inliers: int
    min_loop_gap: int

    def judge(self, index: int, view: View, known: list[View]) -> Query:
        """The record of a picture against those that it may match, in order from the first.

        Nothing is kept from one picture to the next: all descriptors are stacked anew, and ORB's
        features of both pictures are found again. Raises OSError.
        """
        if not known:
            return Query(query_idx=index, decision="empty_database")
        cosines = np.stack([one.descriptor for one in known]) @ view.descriptor
        best = int(cosines.argmax())
        score = round(float(cosines[best]), 6)
        if score < self.sim_threshold:
            return Query(query_idx=index, match_idx=best, score=score, decision="below_threshold")
        if index - best < self.min_loop_gap:
            return Query(query_idx=index, decision="empty_database")
        if self.checker is None:
            return Query(query_idx=index, match_idx=best, score=score, decision="accepted")
        matches, inliers = self.checker.check(view.again(), known[best].again())
        return Query(
            query_idx=index,
            match_idx=best,
            score=score,
            inliers=inliers,
            decision=self._verdict(matches, inliers),
        )

    def _verdict(self, matches: int, inliers: int) -> str:
        if inliers >= self.min_inliers:
            return "accepted"
        return "too_few_matches" if matches < LEAST_PAIRS else "too_few_inliers"


def run(name: str, views: Iterable[View], judge: Judge, exclude_recent: int) -> int:
    """Print what is decided of each picture against those before it, but for the newest ones.

    `name` is that of the stream. Returns how many pictures there were.
    """
    past: list[View] = []
    for index, view in enumerate(views):
        print_record(judge.judge(index, view, past[: max(0, index - exclude_recent)]), name)
        past.append(view)
    print_end(name, len(past))
    return len(past)


def print_record(record: Query, stream: str) -> None:
    """A line of JSON."""
    named = msgspec.structs.replace(record, stream=stream)
    print(msgspec.json.encode(named).decode(), flush=True)


def print_end(stream: str, frames: int) -> None:
    """How many pictures were processed, as streamvpr says it with `--records all`."""
    record = {"type": "stream", "stream": stream, "state": "ended", "frames": frames}
    print(msgspec.json.encode(record).decode(), flush=True)


def read_gray(path: str) -> Gray:
    """The luma (H, W) uint8 of an image file. Raises OSError."""
    gray = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise OSError(f"cannot read {path} again")
    return np.asarray(gray, np.uint8)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What decides on pictures that are described."""
    parser.add_argument("--dimension", type=int, default=512, help="of the projection")
    parser.add_argument("--seed", type=int, default=0, help="of the projection")
    parser.add_argument("--sim-threshold", type=float, default=0.75, metavar="COSINE")
    parser.add_argument("--verify-geom", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--features", type=int, default=2000, help="of ORB, a picture")
    parser.add_argument("--ratio", type=float, default=0.8, help="Lowe's")
    parser.add_argument("--reproj-thresh", type=float, default=3.0, metavar="PIXELS")
    parser.add_argument("--min-inliers", type=int, default=20, metavar="N")


def add_past(parser: argparse.ArgumentParser) -> None:
    """What of the past may match."""
    parser.add_argument("--exclude-recent", type=int, default=30, metavar="N")
    parser.add_argument("--min-loop-gap", type=int, default=0, metavar="N")


def judge_of(options: argparse.Namespace, min_loop_gap: int) -> Judge:
    """The judge that `add_options` amount to."""
    checker = Checker(options.features, options.ratio, options.reproj_thresh)
    return Judge(
        checker if options.verify_geom else None,
        options.sim_threshold,
        options.min_inliers,
        min_loop_gap,
    )
