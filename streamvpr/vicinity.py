"""Right pairs by where the frames of a run were taken, as its own records say.

The records of `run` hold all that could have matched: the frames of the same stream. Those of a
match against another stream, or with --shared-places, name the place of one candidate and hold no
others, so that nobody can tell from them what was missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.earth import distances
from streamvpr.errors import StoreError
from streamvpr.frames import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

    from streamvpr.evaluation import Positives
    from streamvpr.records import Query

# Records hold degrees to seven places.
SAME_DEGREES = 2e-7
REMEDY = "name the right pairs with --ground-truth"


def with_positions(queries: Iterable[Query]) -> list[Query]:
    """The queries of a run that can be judged by positions: their own and their match's are known.

    Raises StoreError where none can, and for records that don't hold all that could have matched.
    """
    places = {query.query_idx: query for query in queries}
    if not places:
        return []
    for query in places.values():
        if query.match_idx is not None:
            _check_match(query, query.match_idx, places)
    judged = [query for query in places.values() if _is_judged(query)]
    if not judged:
        raise StoreError(f"its records hold no positions (query_lat, query_lon); {REMEDY}")
    return judged


def positives_within(queries: Iterable[Query], radius: float, *, exclude: int) -> Positives:
    """Right matches of those queries: frames within `radius` metres, more than `exclude` before.

    As many as scores ask for: of each query that has any, the oldest, and its own match where that
    is right. Of a camera that hovers all pairs are right, and they would fill the memory. Raises
    StoreError.
    """
    placed = [(query, place) for query in queries if (place := _own_position(query)) is not None]
    placed.sort(key=lambda pair: pair[0].query_idx)
    indices = np.array([query.query_idx for query, _ in placed], np.int64)
    latitudes = np.array([place.latitude for _, place in placed])
    longitudes = np.array([place.longitude for _, place in placed])
    positives: Positives = {}
    for query, place in placed:
        before = int(np.searchsorted(indices, query.query_idx - exclude))
        apart = distances(place, latitudes[:before], longitudes[:before])
        right = indices[:before][apart <= radius]
        if len(right):
            positives[query.query_idx] = {int(right[0])}
        if query.match_idx is not None and query.match_idx in right:
            positives[query.query_idx].add(query.match_idx)
    return positives


def _check_match(query: Query, match: int, places: dict[int, Query]) -> None:
    """Raise StoreError where a query's match is no earlier frame of these."""
    place = places.get(match)
    if match >= query.query_idx or (place is not None and not _is_there(query, place)):
        raise StoreError(
            f"the match {match} of query {query.query_idx} is no earlier frame of these records; "
            "those of `match` and of --shared-places don't hold the positions of all that could "
            f"have matched: {REMEDY}"
        )
    if place is None:
        raise StoreError(
            f"the records lack frame {match}, which query {query.query_idx} matches; "
            f"give those of the whole run, or {REMEDY}"
        )


def _is_there(query: Query, place: Query) -> bool:
    """Whether the match of a query was taken where that frame was, or of neither is known where."""
    match, own = _match_position(query), _own_position(place)
    if match is None or own is None:
        return match is own
    north, east = match.latitude - own.latitude, match.longitude - own.longitude
    return abs(north) <= SAME_DEGREES and abs(east) <= SAME_DEGREES


def _is_judged(query: Query) -> bool:
    unknown = query.match_idx is not None and _match_position(query) is None
    return _own_position(query) is not None and not unknown


def _own_position(query: Query) -> Position | None:
    return _position(query, query.query_lat, query.query_lon)


def _match_position(query: Query) -> Position | None:
    return _position(query, query.match_lat, query.match_lon)


def _position(
    query: Query,
    latitude: float | msgspec.UnsetType | None,
    longitude: float | msgspec.UnsetType | None,
) -> Position | None:
    if not isinstance(latitude, float) or not isinstance(longitude, float):
        return None
    try:
        return Position(latitude, longitude)
    except ValueError as error:
        raise StoreError(f"query {query.query_idx}: {error}") from error
