"""What goes out as JSON: one struct a kind of line.

Every line has `type`; numbers are finite; an unknown is null. Scores are rounded to six places
and a homography to nine digits: what is beyond is noise of the hardware.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from streamvpr.frames import Decision, Homography

SCORE_DIGITS = 6


class LoopClosure(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="loop_closure"):
    """An accepted match."""

    stream: str
    loop_id: int
    query_idx: int
    match_idx: int
    query_time: float | None
    match_time: float | None
    score: float
    confidence: float
    geom_verified: bool
    inliers: int
    """-1 where geometry was not checked."""
    query_path: str
    match_path: str
    match_stream: str
    homography: tuple[float, ...] | None
    """Query pixels to match pixels, 9 numbers row by row, in pixels of the upright source."""


class Query(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="query"):
    """What was decided of one processed frame, and why.

    Written in full; read with what other programs leave out taken as unknown.
    """

    stream: str = ""
    query_idx: int
    query_time: float | None = None
    decision: str = ""
    match_idx: int | None = None
    score: float | None = None
    confidence: float | None = None
    inliers: int | None = None
    """0 where matches were too few; None where geometry was not reached or is off."""


class Stream(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stream"):
    """A stream began, ended or was lost."""

    stream: str
    state: Literal["started", "ended", "lost"]
    path: str
    frames: int
    skipped: int
    message: str | None = None


Record = LoopClosure | Query | Stream


def loop_closure(decision: Decision) -> LoopClosure:
    """The record of an accepted decision."""
    query, match = decision.query, decision.match
    if match is None or decision.loop_id is None or decision.confidence is None:
        raise ValueError(f"query {query.index} of {query.stream} closed no loop")
    verification = decision.verification
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
        homography=None if verification is None else _nine(verification.homography),
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
        score=None if match is None else _score(match.score),
        confidence=None if decision.confidence is None else _score(decision.confidence),
        inliers=None if verification is None else verification.inliers,
    )


def _score(value: float) -> float:
    return _finite(round(value, SCORE_DIGITS))


def _seconds(value: float | None) -> float | None:
    return None if value is None else _finite(round(value, 6))


def _nine(homography: Homography | None) -> tuple[float, ...] | None:
    if homography is None:
        return None
    return tuple(_finite(float(f"{value:.9g}")) for value in homography.ravel())


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written as JSON")
    # A negative zero would print as -0.0.
    return value + 0.0
