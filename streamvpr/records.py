"""What goes out as JSON: one struct a kind of line.

Every line has `type`; numbers are finite; an unknown is null. Scores are rounded to six places
and matrices to nine digits: what is beyond is noise of the hardware. Degrees have seven places, a
centimetre.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from streamvpr.earth import distance

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.frames import Arrival, Decision, Position, StreamEvent, Verification

SCORE_DIGITS = 6
DEGREE_DIGITS = 7


class LoopClosure(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loop_closure"):
    """An accepted match."""

    stream: str
    loop_id: int
    query_idx: int
    match_idx: int
    query_time: float | None
    query_wall_time: str | msgspec.UnsetType = msgspec.UNSET
    """Live only: when the frame was sent, RFC 3339 in UTC."""
    match_time: float | None
    score: float
    confidence: float
    geom_verified: bool
    inliers: int
    """Matches that the model of `geometry` explains; -1 where geometry was not checked."""
    query_path: str
    match_path: str
    match_stream: str
    match_session: str | msgspec.UnsetType | None = msgspec.UNSET
    """With a map only: the earlier session that the match is of; None for this run's own."""
    match_wall_time: str | msgspec.UnsetType | None = msgspec.UNSET
    """With a map only: when the match was seen, RFC 3339 in UTC; None where that is not known."""
    homography: tuple[float, ...] | None
    """Query pixels to match pixels, 9 numbers row by row, in pixels of the upright source. None
    where it is not the model."""
    geometry: Literal["homography", "fundamental", "essential"] | None = None
    """The model that describes the two views; None where geometry was not checked."""
    fundamental: tuple[float, ...] | None = None
    """F of x_match^T F x_query = 0, 9 numbers row by row, of norm 1, in pixels of the upright
    source. None where it is not the model."""
    rotation: tuple[float, ...] | None = None
    """R of X_match = R X_query + t as a quaternion x, y, z, w. None without a camera, and where
    the views leave it open."""
    translation: tuple[float, ...] | None = None
    """t, 3 numbers of length 1. None where the rotation is, and where the camera only turned."""
    latency_ms: float | msgspec.UnsetType = msgspec.UNSET
    """Live only: from the frame's arrival to this line."""
    query_lat: float | msgspec.UnsetType = msgspec.UNSET
    query_lon: float | msgspec.UnsetType = msgspec.UNSET
    match_lat: float | msgspec.UnsetType = msgspec.UNSET
    match_lon: float | msgspec.UnsetType = msgspec.UNSET
    """Only where the source knows where it was: degrees of WGS 84."""
    distance_m: float | msgspec.UnsetType = msgspec.UNSET
    """Metres between the two over the ground, where both are known."""


class Query(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="query"):
    """What was decided of one processed frame, and why.

    Written in full; read with what other programs leave out taken as unknown.
    """

    stream: str = ""
    query_idx: int
    query_time: float | None = None
    query_wall_time: str | msgspec.UnsetType = msgspec.UNSET
    """As in LoopClosure."""
    decision: str = ""
    match_idx: int | None = None
    match_stream: str | msgspec.UnsetType | None = msgspec.UNSET
    match_session: str | msgspec.UnsetType | None = msgspec.UNSET
    """With a map only, as in LoopClosure: whose index `match_idx` is."""
    score: float | None = None
    confidence: float | None = None
    inliers: int | None = None
    """0 where matches were too few; None where geometry was not reached or is off."""
    inliers_needed: int | None = None
    """Least inliers of an accepted match, by what random pairs of the stream have; as `inliers`."""
    overlap: float | None = None
    """Share of the smaller view that the other shows; None where no homography was found."""
    latency_ms: float | msgspec.UnsetType = msgspec.UNSET
    query_lat: float | msgspec.UnsetType | None = msgspec.UNSET
    query_lon: float | msgspec.UnsetType | None = msgspec.UNSET
    match_lat: float | msgspec.UnsetType | None = msgspec.UNSET
    match_lon: float | msgspec.UnsetType | None = msgspec.UNSET
    distance_m: float | msgspec.UnsetType | None = msgspec.UNSET
    """As in LoopClosure; the match is the best candidate."""


class Stream(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stream"):
    """Something happened to a stream."""

    stream: str
    state: Literal["connected", "lost", "reconnected", "frozen", "thawed", "decoding", "ended"]
    path: str
    time: float | None
    """Stream time in seconds."""
    wall_time: str | None
    """RFC 3339 in UTC; None for what is not live, as every run would say another."""
    cause: str | None
    seconds: float | None
    """How long the outage or the freeze lasted."""
    frames: int
    """Frames that were processed so far."""
    skipped: int
    """Images, packets or pictures that could not be used so far."""
    decoding: Literal["all", "keyframes"]
    codec: str | None
    width: int | None
    height: int | None


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures that were lost, by cause."""

    overload: int
    """They came faster than the model takes them."""
    damaged: int
    """They came broken."""


class Health(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="health"):
    """How a stream does. Counts are those since its beginning:

    frames_in = processed + left_out + dropped + queued.
    """

    stream: str
    wall_time: str
    state: str | None
    """The last one of its stream records; None before the first."""
    frames_in: int
    processed: int
    undescribed: int = 0
    """Of the processed ones, those on which the model failed, or whose picture had no room."""
    left_out: int
    """The rate asked for has no use for them."""
    dropped: Dropped
    queued: int
    """On their way now."""
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    """From a frame's arrival to its line, of the frames since the last health record."""
    reconnects: int
    places: int
    places_bytes: int
    resident_bytes: int | None
    """Memory of the whole process in RAM."""


Record = LoopClosure | Query | Stream | Health


def loop_closure(decision: Decision) -> LoopClosure:
    """The record of an accepted decision."""
    query, match = decision.query, decision.match
    if match is None or decision.loop_id is None or decision.confidence is None:
        raise ValueError(f"query {query.index} of {query.stream} closed no loop")
    verification = decision.verification
    pose = None if verification is None else verification.pose
    return LoopClosure(
        stream=query.stream,
        loop_id=decision.loop_id,
        query_idx=query.index,
        match_idx=match.place.index,
        query_time=_seconds(query.time),
        match_time=_seconds(match.place.time),
        score=_score(match.score),
        confidence=_score(decision.confidence),
        geom_verified=verification is not None,
        inliers=-1 if verification is None else verification.inliers,
        query_path=query.path,
        match_path=match.place.path,
        match_stream=match.place.stream,
        match_session=match.place.session if decision.knows_sessions else msgspec.UNSET,
        match_wall_time=_seen(match.place.wall_time) if decision.knows_sessions else msgspec.UNSET,
        homography=None if verification is None else _nine(verification.homography),
        geometry=_model(verification),
        fundamental=None if verification is None else _nine(verification.fundamental),
        rotation=None if pose is None else _unit(pose.rotation),
        translation=None if pose is None or pose.translation is None else _unit(pose.translation),
        query_wall_time=_sent(query.arrival),
        latency_ms=_milliseconds(decision.latency),
        **_places(decision),
    )


def query(decision: Decision) -> Query:
    """The record of any decision."""
    match = decision.match
    verification = decision.verification
    return Query(
        stream=decision.query.stream,
        query_idx=decision.query.index,
        query_time=_seconds(decision.query.time),
        decision=decision.verdict.value,
        match_idx=None if match is None else match.place.index,
        match_stream=_line(decision, None if match is None else match.place.stream),
        match_session=_line(decision, None if match is None else match.place.session),
        score=None if match is None else _score(match.score),
        confidence=None if decision.confidence is None else _score(decision.confidence),
        inliers=None if verification is None else verification.inliers,
        inliers_needed=None if verification is None else verification.needed,
        overlap=None if verification is None else _share(verification.overlap),
        query_wall_time=_sent(decision.query.arrival),
        latency_ms=_milliseconds(decision.latency),
        **_places(decision),
    )


def stream(event: StreamEvent, *, stream: str, path: str, frames: int, skipped: int) -> Stream:
    """The record of what happened to a stream, after so many frames."""
    track = event.track
    return Stream(
        stream=stream,
        state=event.state.value,
        path=path,
        time=_seconds(event.time),
        wall_time=None if event.wall_time is None else rfc3339(event.wall_time),
        cause=event.cause,
        seconds=_seconds(event.seconds),
        frames=frames,
        skipped=skipped,
        decoding="keyframes" if event.keyframes_only else "all",
        codec=None if track is None else track.codec,
        width=None if track is None else track.width,
        height=None if track is None else track.height,
    )


def rfc3339(seconds: float) -> str:
    """A Unix time as people and databases write it, in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _sent(arrival: Arrival | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if arrival is None else rfc3339(arrival.taken)


def _seen(wall_time: float | None) -> str | None:
    return None if wall_time is None else rfc3339(wall_time)


def _line(decision: Decision, name: str | None) -> str | msgspec.UnsetType | None:
    return name if decision.knows_sessions else msgspec.UNSET


def _milliseconds(seconds: float | None) -> float | msgspec.UnsetType:
    return msgspec.UNSET if seconds is None else _finite(round(seconds * 1e3, 3))


def _places(decision: Decision) -> dict[str, float | msgspec.UnsetType]:
    """Where query and match were taken."""
    query = decision.query.position
    match = None if decision.match is None else decision.match.place.position
    apart = None if query is None or match is None else distance(query, match)
    return {
        **_degrees("query", query),
        **_degrees("match", match),
        "distance_m": msgspec.UNSET if apart is None else _finite(round(apart, 2)),
    }


def _degrees(whose: str, position: Position | None) -> dict[str, float | msgspec.UnsetType]:
    if position is None:
        return {}
    return {
        f"{whose}_lat": _finite(round(position.latitude, DEGREE_DIGITS)),
        f"{whose}_lon": _finite(round(position.longitude, DEGREE_DIGITS)),
    }


def _score(value: float) -> float:
    return _finite(round(value, SCORE_DIGITS))


def _share(value: float | None) -> float | None:
    return None if value is None else _score(value)


def _seconds(value: float | None) -> float | None:
    return None if value is None else _finite(round(value, 6))


def _model(
    verification: Verification | None,
) -> Literal["homography", "fundamental", "essential"] | None:
    if verification is None or verification.model is None:
        return None
    return verification.model.value


def _nine(matrix: NDArray[np.float64] | None) -> tuple[float, ...] | None:
    if matrix is None:
        return None
    return tuple(_finite(float(f"{value:.9g}")) for value in matrix.ravel())


def _unit(values: Iterable[float]) -> tuple[float, ...]:
    """Numbers of which the largest is near 1."""
    return tuple(_finite(round(value, 9)) for value in values)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written as JSON")
    # A negative zero would print as -0.0.
    return value + 0.0
