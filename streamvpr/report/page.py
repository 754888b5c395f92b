"""The page: one file, which asks nothing of any network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from streamvpr.colours import VERDICTS, as_css
from streamvpr.report.curve import curve
from streamvpr.report.element import document, element
from streamvpr.report.gallery import gallery, revisits
from streamvpr.report.matrix import matrix
from streamvpr.report.overview import accepted_of, facts, missing, tiles
from streamvpr.report.settings import settings
from streamvpr.report.signal import signal
from streamvpr.report.timings import timings
from streamvpr.report.track import track
from streamvpr.report.wording import count, css_class, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamvpr.report.element import Child, Element
    from streamvpr.report.reading import Results, StreamResults
    from streamvpr.report.scoring import Judgement

# Nothing may be loaded from anywhere; pictures, style and script are in the page.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page that can be gone to."""

    anchor: str
    title: str
    content: Child


def page(results: Results, judgement: Judgement) -> bytes:
    """The report of a folder as HTML. Raises StoreError where a picture cannot be read."""
    name = results.folder.resolve().name
    sections = list(_sections(results, judgement))
    root = element(
        "html",
        _head(name, results),
        element(
            "body",
            element("a", "To the content", href="#content", class_="skip"),
            element(
                "header",
                element("p", "streamvpr report", class_="muted"),
                element("h1", name),
                facts(results),
            ),
            element(
                "nav",
                [element("a", section.title, href=f"#{section.anchor}") for section in sections],
                aria_label="Parts of this report",
            ),
            element(
                "main",
                missing(results),
                [_section(section) for section in sections],
                id="content",
            ),
            element("script", _resource("report.js")),
        ),
        lang="en",
    )
    return document(root)


def _head(name: str, results: Results) -> Element:
    closures = sum(len(stream.closures) for stream in results.streams)
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{name}: {count(closures, 'loop closure')}, streamvpr report"),
        element("link", rel="icon", href="data:,"),
        element("style", as_css(), _verdict_css(), _resource("report.css")),
    )


def _sections(results: Results, judgement: Judgement) -> Iterator[Section]:
    streams = [stream for stream in results.streams if stream.queries]
    grouped = revisits(results.streams)
    every = [revisit for group in grouped for revisit in group]
    yield Section("figures", "Figures", tiles(results, len(every)))
    yield Section("signal", "Signal", _signals(results, streams))
    matrices = list(_matrices(results))
    if matrices:
        yield Section("matrix", "Similarity matrix", matrices)
    yield Section("loops", "Loops", gallery(every) if every else _no_loops(streams))
    if judgement.scored:
        yield Section("truth", "Precision and recall", list(_curves(judgement)))
    way = track(streams)
    if way is not None:
        yield Section("map", "Map", way)
    if results.summary is not None and results.summary.figures is not None:
        yield Section("time", "Time", timings(results.summary.figures))
    if results.settings:
        yield Section("settings", "Settings", settings(results.settings, results.command))


def _section(section: Section) -> Element:
    title = f"{section.anchor}-title"
    return element(
        "section",
        element("h2", section.title, id=title),
        section.content,
        id=section.anchor,
        aria_labelledby=title,
    )


def _signals(results: Results, streams: Sequence[StreamResults]) -> Iterator[Child]:
    if not streams:
        yield element("p", "No frame was decided on.")
    for number, stream in enumerate(results.streams):
        if stream.queries:
            yield _of_stream(results, stream.name)
            yield element("p", _about(stream, results), class_="muted")
            yield signal(stream.queries, results.threshold, stream=number)


def _about(stream: StreamResults, results: Results) -> str:
    times = [query.query_time for query in stream.queries if query.query_time is not None]
    span = f" over {seconds(times[-1] - times[0])}" if len(times) > 1 else ""
    frames = count(len(stream.queries), "frame")
    if all(query.score is None for query in stream.queries):
        return f"{frames}{span}."
    threshold = results.threshold
    dashed = "" if threshold is None else f", dashed the threshold {threshold:.3g}"
    return (
        f"{frames}{span}. The line is the similarity of each frame to its best candidate{dashed}; "
        "each dot has the colour of what was decided."
    )


def _matrices(results: Results) -> Iterator[Child]:
    if results.summary is None:
        return
    by_name = {stream.name: stream for stream in results.streams}
    for found in results.summary.matrices:
        stream = by_name.get(found.stream)
        drawn = matrix(results.folder, found, stream.queries if stream else [])
        if drawn is not None:
            yield _of_stream(results, found.stream)
            yield drawn


def _no_loops(streams: Sequence[StreamResults]) -> Element:
    accepted = sum(accepted_of(stream) for stream in streams)
    if accepted:
        return element("p", f"{count(accepted, 'frame')} closed a loop; of none is a picture left.")
    return element(
        "p", "No loop was closed. The decisions above say what stood in the way of each frame."
    )


def _curves(judgement: Judgement) -> Iterator[Child]:
    if judgement.exclusion is not None:
        yield element(
            "p",
            "Right pairs count whose query comes more than "
            f"{count(judgement.exclusion, 'frame')} after its match.",
            class_="muted",
        )
    for run in judgement.scored:
        if len(judgement.scored) > 1:
            yield element("h3", run.name)
        yield curve(run)


def _of_stream(results: Results, name: str) -> Element | None:
    return element("h3", name) if len(results.streams) > 1 else None


def _verdict_css() -> str:
    """Letters, marks and lines of a decision in its colour."""
    return "".join(
        f".{css_class(verdict)}{{--c:var(--{verdict.value.replace('_', '-')})}}\n"
        for verdict in VERDICTS
    )


def _resource(name: str) -> str:
    return (resources.files("streamvpr.report") / name).read_text(encoding="utf-8")
