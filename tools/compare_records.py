#!/usr/bin/env python3
"""Whether two runs decided the same, such as those of two processors on one film.

    streamvpr run flight.mp4 --records all > here.jsonl
    python tools/compare_records.py here.jsonl there.jsonl

Of each frame the decision, the match and its inliers must be the same, and of each closure the
revisit that it belongs to; scores, confidences, overlaps and homographies may differ by so much as
`--scores`, `--confidences`, `--overlaps` and `--pixels` say. Numbers of two processors are hardly
the same to the bit: they add up products in another order, and in registers of another width.

One JSON object goes to standard output: how many frames and closures were compared, what differs,
and the largest differences. Exit code 1 where more differs than may.
"""

from __future__ import annotations

import argparse
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streamvpr.records import LoopClosure, Query, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Where the corners of a picture go by a homography is what its numbers mean.
CORNERS = ((0.0, 0.0), (640.0, 0.0), (640.0, 480.0), (0.0, 480.0))


class Difference(msgspec.Struct, frozen=True):
    """A field of a record that is not the same in both."""

    record: str
    """Its kind, its stream, and the index of the query."""
    field: str
    one: object
    other: object


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed."""

    same: bool
    queries: int
    accepted: int
    closures: int
    differences: list[Difference]
    """Of decisions, matches, inliers and revisits."""
    largest_score: float
    largest_confidence: float
    largest_overlap: float
    largest_pixels: float
    """How far two homographies of one closure take a corner of 640x480 pixels apart."""


def main(arguments: list[str] | None = None) -> int:
    """Compare and print; 1 where more differs than may."""
    options = _parse(arguments)
    try:
        one, other = (_read(path) for path in (options.one, options.other))
    except (OSError, msgspec.DecodeError) as error:
        print(f"compare_records: {error}", file=sys.stderr)
        return 1
    found = compare(one, other, options)
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    return int(not found.same)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--inliers", type=int, default=0, help="how many more or less")
    parser.add_argument("--scores", type=float, default=1e-4)
    parser.add_argument("--confidences", type=float, default=1e-3)
    parser.add_argument("--overlaps", type=float, default=1e-2)
    parser.add_argument("--pixels", type=float, default=1.0)
    return parser.parse_args(arguments)


def compare(
    one: Sequence[Record], other: Sequence[Record], options: argparse.Namespace | None = None
) -> Comparison:
    """Records of two runs, in their order; `options` as on the command line."""
    options = options or _parse([".", "."])
    pairs = list(zip_longest(_decided(one), _decided(other)))
    closed = list(zip_longest(_closed(one), _closed(other)))
    differences = [
        *(d for a, b in pairs for d in _differences(a, b, ("decision", "match_idx"))),
        *(d for a, b in closed for d in _differences(a, b, ("query_idx", "match_idx", "loop_id"))),
        *(d for a, b in pairs for d in _differences(a, b, ("inliers",), by=options.inliers)),
    ]
    score, confidence, overlap = (
        _largest((getattr(a, field, None), getattr(b, field, None)) for a, b in pairs)
        for field in ("score", "confidence", "overlap")
    )
    pixels = max((_apart(a, b) for a, b in closed), default=0.0)
    within = (
        score <= options.scores
        and confidence <= options.confidences
        and overlap <= options.overlaps
        and pixels <= options.pixels
    )
    return Comparison(
        same=bool(pairs) and within and not differences,
        queries=len(pairs),
        accepted=sum(a is not None and a.decision == "accepted" for a, _ in pairs),
        closures=len(closed),
        differences=differences,
        largest_score=score,
        largest_confidence=confidence,
        largest_overlap=overlap,
        largest_pixels=pixels,
    )


def _read(path: Path) -> list[Record]:
    """The records of a run. Raises OSError, DecodeError."""
    return [
        msgspec.json.decode(line, type=Record) for line in path.read_bytes().splitlines() if line
    ]


def _decided(records: Iterable[Record]) -> list[Query]:
    return [record for record in records if isinstance(record, Query)]


def _closed(records: Iterable[Record]) -> list[LoopClosure]:
    return [record for record in records if isinstance(record, LoopClosure)]


def _differences(
    one: Query | LoopClosure | None,
    other: Query | LoopClosure | None,
    fields: tuple[str, ...],
    *,
    by: int = 0,
) -> list[Difference]:
    known = one or other
    assert known is not None
    kind = "query" if isinstance(known, Query) else "closure"
    record = f"{kind} {known.query_idx} of {known.stream}"
    found = []
    for field in fields:
        a, b = getattr(one, field, None), getattr(other, field, None)
        near = isinstance(a, int) and isinstance(b, int) and abs(a - b) <= by
        if a != b and not near:
            found.append(Difference(record, field, a, b))
    return found


def _largest(pairs: Iterable[tuple[float | None, float | None]]) -> float:
    """Where one of the two has none, something else differs, too."""
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)


def _apart(one: LoopClosure | None, other: LoopClosure | None) -> float:
    if one is None or other is None or one.homography is None or other.homography is None:
        return 0.0
    here, there = (_corners(closure.homography) for closure in (one, other))
    return float(np.linalg.norm(here - there, axis=1).max())


def _corners(
    homography: Sequence[float] | None,
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(4, 2) x, y of the corners in the match."""
    ends = np.asarray(homography, np.float64).reshape(3, 3) @ np.c_[np.array(CORNERS), np.ones(4)].T
    return np.asarray((ends[:2] / ends[2]).T)


if __name__ == "__main__":
    sys.exit(main())
