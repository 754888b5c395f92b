"""What a viewer of Rerun shows of a run before anybody has arranged it otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.sinks.rerun_loading import Rerun

FRAME, CLOSURE, SIMILARITY, INLIERS, CONFIDENCE = (
    "frame",
    "closure",
    "similarity",
    "inliers",
    "confidence",
)
DECISIONS, EVENTS, MAP = "decisions", "events", "map"


def layout(rerun: Rerun, streams: Sequence[str], *, maps: Sequence[str]) -> Any:
    """A blueprint: each stream in a tab; those of `maps` with a map, too."""
    tabs = [_stream(rerun, name, has_map=name in maps) for name in streams]
    views = rerun.blueprint
    root = tabs[0] if len(tabs) == 1 else views.Tabs(*tabs)
    return views.Blueprint(root, collapse_panels=True)


def _stream(rerun: Rerun, name: str, *, has_map: bool) -> Any:
    views = rerun.blueprint

    def at(part: str) -> str:
        return str(rerun.sdk.new_entity_path([name, part]))

    def plot(part: str) -> Any:
        return views.TimeSeriesView(origin=at(part), name=part)

    pictures = [
        views.Spatial2DView(origin=at(FRAME), name=f"{name}: frame"),
        views.Spatial2DView(origin=at(CLOSURE), name="last closure"),
    ]
    if has_map:
        pictures.append(views.MapView(origin=at(MAP), name="map"))
    texts = views.Tabs(
        views.TextLogView(origin=at(DECISIONS), name="decisions"),
        views.TextLogView(origin=at(EVENTS), name="events"),
    )
    return views.Horizontal(
        views.Vertical(*pictures),
        views.Vertical(plot(SIMILARITY), plot(INLIERS), plot(CONFIDENCE), texts),
        name=name,
    )
