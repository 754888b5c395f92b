"""What there is to see of a run: noted as it goes, read by whoever looks."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from streamvpr import records
from streamvpr.similarity_matrix import SimilarityMatrix
from streamvpr.web.lines import Lines

if TYPE_CHECKING:
    from streamvpr.frames import Decision, Position
    from streamvpr.running import Followed, Running
    from streamvpr.summary import Summary

# Of each stream: what the signal and the map show, and how many closures have their pictures kept,
# 80 kB each.
MOST_POINTS = 2000
MOST_STEPS = 4000
MOST_LOOPS = 200
# Inliers whose lines are shown.
MOST_PAIRS = 60


@dataclass(frozen=True, slots=True)
class Loop:
    """A closure as it is shown."""

    number: int
    """Counted over all streams of the run, from 0."""
    record: records.LoopClosure
    query: bytes | None
    match: bytes | None
    """JPEGs; None where there are none."""
    pairs: list[list[float]]
    """x, y in the query and x, y in the match of inliers, all as shares of the picture's width."""


@dataclass(slots=True)
class StreamBoard:
    """What there is to see of one stream."""

    number: int
    followed: Followed
    name: str
    live: bool
    span: float | None
    """Seconds (or images, where there is no clock) to be read; None where unknown."""
    matrix: SimilarityMatrix
    points: deque[records.Query] = field(default_factory=lambda: deque(maxlen=MOST_POINTS))
    """The newest decisions."""
    decisions: Counter[str] = field(default_factory=Counter)
    closures: int = 0
    frame: tuple[int, bytes] | None = None
    """Index and JPEG of the newest picture."""
    track: list[list[float]] = field(default_factory=list)
    """Latitude and longitude on the way, thinned out."""
    _stride: int = 1
    _steps: int = 0

    def note_position(self, position: Position) -> None:
        """Add a step to the track; of a long way every second one goes, again and again."""
        if self._steps % self._stride == 0:
            self.track.append([round(position.latitude, 7), round(position.longitude, 7)])
        self._steps += 1
        if len(self.track) > MOST_STEPS:
            del self.track[1::2]
            self._stride *= 2


class Board:
    """A run as it is seen. Written on the run's thread, read from any."""

    def __init__(self, run: Running) -> None:
        self.run_id = secrets.token_hex(8)
        self.began = time.time()
        self.settings = run.settings
        self.fixed_past = run.past is not None
        self.lines = Lines()
        self.lock = threading.Lock()
        # Read now: a source that was closed does not tell how long it is.
        self.streams = [
            StreamBoard(number, one, one.name, one.live, one.span, SimilarityMatrix(past=run.past))
            for number, one in enumerate(run.streams)
        ]
        self.summary: Summary | None = None
        self._loops: deque[Loop] = deque(maxlen=MOST_LOOPS)
        self._by_name = {stream.name: stream for stream in self.streams}
        self._encoder = msgspec.json.Encoder()
        self._closures = 0

    def note(self, decision: Decision) -> None:
        """A frame was decided on."""
        record, query = records.query(decision), decision.query
        stream = self._by_name[query.stream]
        stream.matrix.add(decision)
        with self.lock:
            stream.points.append(record)
            stream.decisions[record.decision] += 1
            if query.thumbnail is not None:
                stream.frame = query.index, query.thumbnail
            if query.position is not None:
                stream.note_position(query.position)
        self._tell("query", record)

    def note_closure(self, decision: Decision) -> None:
        """A closure is reported."""
        record, match = records.loop_closure(decision), decision.match
        assert match is not None
        with self.lock:
            loop = Loop(
                self._closures,
                record,
                decision.query.thumbnail,
                match.place.thumbnail,
                _pairs(decision),
            )
            self._closures += 1
            self._by_name[record.stream].closures += 1
            self._loops.append(loop)
        self._tell("loop_closure", record)

    def note_event(self, event: records.Stream | records.Health) -> None:
        """Something happened to a stream, or it is said how it does."""
        self._tell("stream" if isinstance(event, records.Stream) else "health", event)

    def note_summary(self, summary: Summary) -> None:
        """The run is done."""
        self.summary = summary
        self.lines.add("summary", self._encoder.encode(summary))

    def loops(self) -> list[Loop]:
        """The newest closures, oldest first."""
        with self.lock:
            return list(self._loops)

    def loop(self, number: int) -> Loop | None:
        """A closure by its number; None where there is none, or none any more."""
        with self.lock:
            place = number - (self._closures - len(self._loops))
            return self._loops[place] if 0 <= place < len(self._loops) else None

    def look(self, stream: StreamBoard) -> dict[str, Any]:
        """What a page that begins to look at a stream needs of it."""
        health = stream.followed.peek()
        with self.lock:
            return {
                "points": list(stream.points),
                "decisions": dict(stream.decisions),
                "closures": stream.closures,
                "frame": None if stream.frame is None else stream.frame[0],
                "track": list(stream.track),
                "health": health,
            }

    def _tell(self, kind: str, record: records.Record) -> None:
        self.lines.add(kind, self._encoder.encode(record))


def _pairs(decision: Decision) -> list[list[float]]:
    """Inliers, evenly thinned out."""
    verification, match = decision.verification, decision.match
    if verification is None or verification.query_points is None or match is None:
        return []
    assert verification.match_points is not None
    step = max(1, -(-len(verification.query_points) // MOST_PAIRS))
    query = verification.query_points[::step] / decision.query.width
    there = verification.match_points[::step] / match.place.width
    pairs: list[list[float]] = np.round(np.hstack([query, there]), 4).tolist()
    return pairs
