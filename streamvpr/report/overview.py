"""The head of a report: what ran, where and when, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.report.element import element
from streamvpr.report.wording import count, date, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.report.element import Child, Element
    from streamvpr.report.reading import Results, StreamResults

MOST_NAMES = 12


def tiles(results: Results, revisits: int) -> Element:
    """The figures that are asked for first."""
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", value))
            for name, value in _figures(results, revisits)
        ],
        class_="tiles",
    )


def facts(results: Results) -> Element:
    """What ran, where and when."""
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", value))
            for name, value in _facts(results)
            if value
        ],
        class_="facts",
    )


def accepted_of(stream: StreamResults) -> int:
    """How many of its frames closed a loop, reported or not."""
    return sum(query.decision == "accepted" for query in stream.queries)


def missing(results: Results) -> Element | None:
    """What the folder lacks; None where it has all."""
    if not results.missing:
        return None
    return element(
        "section",
        element("h2", "What is missing here", id="missing"),
        element("ul", [element("li", sentence) for sentence in results.missing]),
        class_="missing",
        aria_labelledby="missing",
    )


def _figures(results: Results, revisits: int) -> Iterator[tuple[str, str]]:
    figures = results.summary.figures if results.summary is not None else None
    if results.has_queries:
        yield "frames", f"{sum(len(stream.queries) for stream in results.streams):,}"
    closures = sum(len(stream.closures) for stream in results.streams)
    accepted = sum(map(accepted_of, results.streams))
    if results.has_queries and accepted != closures:
        yield "frames that closed a loop", f"{accepted:,}"
    if closures or not accepted:
        yield "loop closures", f"{closures:,}"
        yield "revisits", f"{revisits:,}"
    if figures is None:
        return
    yield "places at the end", f"{figures.places:,}"
    if figures.seconds > 0:
        yield "frames a second", f"{figures.frames / figures.seconds:.1f}"
    if figures.dropped:
        yield "dropped by overload", f"{figures.dropped:,}"
    if figures.skipped:
        yield "unreadable, skipped", f"{figures.skipped:,}"


def _facts(results: Results) -> Iterator[tuple[str, Child]]:
    settings, summary = results.settings, results.summary
    names = [stream.name for stream in results.streams]
    yield ("stream" if len(names) == 1 else "streams"), _listed(names)
    yield ("source" if len(results.sources) == 1 else "sources"), _sources(results)
    yield "model", _model(settings)
    if summary is not None:
        yield "started", date(summary.started)
        yield "took", _took(results)
        if summary.machine is not None:
            cores = count(summary.machine.cpus, "core")
            yield "machine", f"{summary.machine.processor}, {cores}"
    yield "program", f"streamvpr {results.version}" if results.version else None


def _model(settings: dict[str, object]) -> str | None:
    if "model" not in settings:
        return None
    device = f" on {settings['device']}" if "device" in settings else ""
    return f"{settings['model']}{device}"


def _took(results: Results) -> str | None:
    figures = results.summary.figures if results.summary is not None else None
    return None if figures is None else seconds(figures.seconds)


def _sources(results: Results) -> Child:
    if results.command == "match" and len(results.sources) == 2:
        database, query = results.sources
        return [query, " against ", database]
    return _listed(results.sources)


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
