"""A run as entities of Rerun, a tree for each stream.

    /STREAM/frame                picture of each processed frame
           /closure              query and match side by side, and below it
                   /inliers      lines between the features that the model explains
           /similarity/best      of the best candidate, beside /similarity/threshold
           /inliers/found        beside /inliers/needed
           /confidence
           /decisions            text: what was decided, and why
           /events               text: what happened to the stream
           /map/position         where the frame was taken, where that is known
               /track            where all so far were
               /closure          from query to match

Timelines are `frame` (index among the processed frames), `stream_time` where there is a clock, and
`wall_time` of live streams.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from streamvpr.frames import Verdict
from streamvpr.sinks.preview import inlier_lines, side_by_side
from streamvpr.sinks.rerun_layout import (
    CLOSURE,
    CONFIDENCE,
    DECISIONS,
    EVENTS,
    FRAME,
    INLIERS,
    MAP,
    SIMILARITY,
    layout,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr import records
    from streamvpr.frames import Decision, Keyframe, Position
    from streamvpr.running import Running
    from streamvpr.sinks.rerun_loading import Recording, Rerun

JPEG = "image/jpeg"
GREEN, GREY, ORANGE, BLUE, RED = (
    (90, 200, 90),
    (150, 150, 150),
    (230, 150, 50),
    (100, 150, 230),
    (220, 70, 70),
)
COLOURS = {
    Verdict.ACCEPTED: GREEN,
    Verdict.EMPTY_DATABASE: GREY,
    Verdict.BELOW_THRESHOLD: GREY,
    Verdict.TOO_FEW_MATCHES: ORANGE,
    Verdict.TOO_FEW_INLIERS: ORANGE,
    Verdict.INCONSISTENT_SEQUENCE: ORANGE,
    Verdict.STATIONARY: BLUE,
    Verdict.UNDESCRIBED: RED,
}
# By entity: what a curve is called, and its colour.
CURVES = {
    (SIMILARITY, "best"): ("similarity of the best candidate", BLUE),
    (SIMILARITY, "threshold"): ("threshold", RED),
    (INLIERS, "found"): ("inliers", BLUE),
    (INLIERS, "needed"): ("inliers needed", RED),
    (CONFIDENCE,): ("confidence", GREEN),
}
# In points of the screen, at any zoom.
LINE_RADIUS = 0.75
# Every similarity reaches it.
NO_THRESHOLD = -1.0


class Drawing:
    """Logs decisions to a recording."""

    def __init__(
        self,
        rerun: Rerun,
        recording: Recording,
        streams: Sequence[str],
        *,
        sim_threshold: float | None,
    ) -> None:
        """Begin with the layout. `streams` are the names of all; `sim_threshold` is drawn."""
        self._sdk = rerun.sdk
        self._rerun = rerun
        self._recording = recording
        self._streams = [_text(stream) for stream in streams]
        self._threshold = None if sim_threshold == NO_THRESHOLD else sim_threshold
        self._tracks: dict[str, Track] = {}
        self._send_layout()
        for stream in self._streams:
            self._name_curves(stream)

    @classmethod
    def of_run(cls, rerun: Rerun, recording: Recording, run: Running) -> Drawing:
        """A drawing of the streams of a run."""
        return cls(
            rerun,
            recording,
            [stream.name for stream in run.streams],
            sim_threshold=run.settings.get("sim-threshold"),
        )

    def decision(self, decision: Decision) -> None:
        """Draw a frame, what was decided of it, and on which grounds."""
        query = decision.query
        self._at(query)
        if query.thumbnail is not None:
            self._log(query.stream, FRAME, entity=self._picture(query.thumbnail))
        self._draw_grounds(decision)
        said = self._sdk.TextLog(
            _sentence(decision), level=decision.verdict.value, color=COLOURS[decision.verdict]
        )
        self._log(query.stream, DECISIONS, entity=said)
        if query.position is not None:
            self._draw_position(query.stream, query.position)

    def closure(self, decision: Decision) -> None:
        """Draw a closure beside its match, at the time of its query."""
        query, match = decision.query, decision.match
        self._at(query)
        pair = side_by_side(decision)
        if pair is not None:
            self._log(query.stream, CLOSURE, entity=self._picture(pair.jpeg()))
            width = self._sdk.Radius.ui_points(LINE_RADIUS)
            strips = inlier_lines(decision, pair)
            lines = self._sdk.LineStrips2D(strips, colors=[GREEN], radii=[width])
            self._log(query.stream, CLOSURE, "inliers", entity=lines)
        there = None if match is None else match.place.position
        if query.position is not None and there is not None:
            self._follow_on_map(query.stream)
            line = [[_degrees(query.position), _degrees(there)]]
            strings = self._sdk.GeoLineStrings(lat_lon=line, colors=[GREEN])
            self._log(query.stream, MAP, CLOSURE, entity=strings)

    def event(self, event: records.Stream) -> None:
        """Write down what happened to a stream."""
        self._recording.reset_time()
        self._recording.set_time("frame", sequence=event.frames)
        if event.time is not None:
            self._recording.set_time("stream_time", duration=event.time)
        if event.wall_time is not None:
            taken = datetime.fromisoformat(event.wall_time).timestamp()
            self._recording.set_time("wall_time", timestamp=taken)
        cause = "" if event.cause is None else f": {event.cause}"
        said = self._sdk.TextLog(event.state + cause, level=event.state)
        self._log(event.stream, EVENTS, entity=said)

    def _at(self, query: Keyframe) -> None:
        # Those of another stream would stay.
        self._recording.reset_time()
        self._recording.set_time("frame", sequence=query.index)
        if query.time is not None:
            self._recording.set_time("stream_time", duration=query.time)
        if query.arrival is not None:
            self._recording.set_time("wall_time", timestamp=query.arrival.taken)

    def _draw_grounds(self, decision: Decision) -> None:
        verification = decision.verification
        values = {
            (SIMILARITY, "best"): None if decision.match is None else decision.match.score,
            (SIMILARITY, "threshold"): self._threshold,
            (INLIERS, "found"): None if verification is None else verification.inliers,
            (INLIERS, "needed"): None if verification is None else verification.needed,
            (CONFIDENCE,): decision.confidence,
        }
        for path, value in values.items():
            if value is not None:
                scalar = self._sdk.Scalars([float(value)])
                self._log(decision.query.stream, *path, entity=scalar)

    def _draw_position(self, stream: str, position: Position) -> None:
        track = self._follow_on_map(stream)
        points = self._sdk.GeoPoints(lat_lon=[_degrees(position)], colors=[BLUE])
        self._log(stream, MAP, "position", entity=points)
        if track.add(position):
            line = [[_degrees(there) for there in track.positions]]
            strings = self._sdk.GeoLineStrings(lat_lon=line, colors=[GREY])
            self._log(stream, MAP, "track", entity=strings)

    def _follow_on_map(self, stream: str) -> Track:
        """The track of a stream; with its first position the map is shown."""
        name = _text(stream)
        if name not in self._tracks:
            self._tracks[name] = Track()
            self._send_layout()
        return self._tracks[name]

    def _send_layout(self) -> None:
        self._recording.send_blueprint(layout(self._rerun, self._streams, maps=list(self._tracks)))

    def _name_curves(self, stream: str) -> None:
        for path, (name, colour) in CURVES.items():
            style = self._sdk.SeriesLines(colors=[colour], names=[name])
            self._log(stream, *path, entity=style, static=True)

    def _picture(self, jpeg: bytes) -> Any:
        return self._sdk.EncodedImage(contents=jpeg, media_type=JPEG)

    def _log(self, stream: str, *path: str, entity: Any, static: bool = False) -> None:
        self._recording.log([_text(stream), *path], entity, static=static)


class Track:
    """Where a stream was: so many positions at most, further apart the longer the way gets."""

    MOST = 1000
    EVERY = 10

    def __init__(self) -> None:
        self.positions: list[Position] = []
        self._seen = 0
        self._step = 1

    def add(self, position: Position) -> bool:
        """Add a position; whether the way is worth drawing anew."""
        if self._seen % self._step == 0:
            self.positions.append(position)
        self._seen += 1
        if len(self.positions) == self.MOST:
            self.positions = self.positions[::2]
            self._step *= 2
        return self._seen <= self.EVERY or self._seen % (self.EVERY * self._step) == 0


def _text(name: str) -> str:
    """A name as text: that of a file may hold bytes that are none."""
    return name.encode("utf-8", "replace").decode()


def _sentence(decision: Decision) -> str:
    query, match, verification = decision.query, decision.match, decision.verification
    said = f"#{query.index} {decision.verdict.value.replace('_', ' ')}"
    if match is None:
        return said
    said += f": #{match.place.index} of {_text(match.place.stream)}, similarity {match.score:.3f}"
    if verification is not None:
        said += f", {verification.inliers} inliers of {verification.needed} needed"
    if decision.confidence is not None:
        said += f", confidence {decision.confidence:.2f}"
    return said


def _degrees(position: Position) -> tuple[float, float]:
    return position.latitude, position.longitude
