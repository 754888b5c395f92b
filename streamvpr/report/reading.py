"""What an output folder holds of a run, also of one that was killed, or of an older program."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from streamvpr.errors import StoreError
from streamvpr.presence import is_folder
from streamvpr.records import Query
from streamvpr.report.file import read_if_there
from streamvpr.sinks.folder import CLOSURES, MATCHES, QUERIES, SETTINGS, SUMMARY, preview_name
from streamvpr.sinks.summary_file import SummaryFile
from streamvpr.toml_file import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

VERSION = re.compile(r"^# streamvpr (\S+)$", re.MULTILINE)
SOURCE = re.compile(r"^# source: (['\"].*['\"])$", re.MULTILINE)


class Closure(msgspec.Struct, frozen=True, kw_only=True):
    """A record of loop_closures.json, as far as a report shows it; as in `records.LoopClosure`."""

    stream: str
    loop_id: int = 0
    query_idx: int
    match_idx: int
    query_time: float | None = None
    match_time: float | None = None
    score: float
    confidence: float | None = None
    inliers: int = -1
    match_stream: str | None = None
    match_session: str | None = None
    query_lat: float | None = None
    query_lon: float | None = None
    match_lat: float | None = None
    match_lon: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class NumberedClosure:
    """A closure that was reported, and where its picture is."""

    closure: Closure
    picture: Path
    """Query left, match right; it may be missing."""


@dataclass(frozen=True, slots=True)
class StreamResults:
    """What became of a stream."""

    name: str
    queries: list[Query]
    """By index. Where the folder has none, those that are known from the closures."""
    closures: list[NumberedClosure]
    """Those that were reported, in order."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a folder holds."""

    folder: Path
    streams: list[StreamResults]
    settings: dict[str, Any]
    """Those of run.toml; empty where it is missing."""
    version: str | None
    sources: list[str]
    summary: SummaryFile | None
    has_queries: bool
    """Whether every frame has a record, so that it is known why it closed no loop."""
    missing: list[str] = field(default_factory=list)
    """What the folder lacks and what that means, a sentence each."""

    @property
    def command(self) -> str:
        """`run` or `match`."""
        if self.summary is not None:
            return self.summary.command
        # A setting of `run` alone that always has a value.
        return "run" if "min-loop-gap" in self.settings or not self.settings else "match"

    @property
    def threshold(self) -> float | None:
        """Least similarity of a candidate; None where that is not known, or where all reach it."""
        value = self.settings.get("sim-threshold")
        return float(value) if isinstance(value, int | float) and value > -1 else None


def read_results(folder: Path) -> Results:
    """Read an output folder. Raises StoreError where it is none, or holds what is damaged."""
    if not is_folder(folder):
        raise StoreError(f"cannot read {folder}: no such folder; give the --output-dir of a run")
    if not any((folder / name).is_file() for name in (CLOSURES, QUERIES)):
        raise StoreError(
            f"{folder} is no output folder: it has neither {CLOSURES} nor {QUERIES}; "
            "give the --output-dir of a run"
        )
    missing: list[str] = []
    closures = _read_closures(folder, missing)
    queries = _read_queries(folder, missing)
    text = _read_text(folder / SETTINGS) or ""
    summary = _read_summary(folder, missing)
    return Results(
        folder=folder,
        streams=_streams(folder, queries or [], closures),
        settings=_settings(folder, text, missing),
        version=summary.version if summary else _first(VERSION.findall(text)),
        sources=summary.sources if summary else list(map(ast.literal_eval, SOURCE.findall(text))),
        summary=summary,
        has_queries=queries is not None,
        missing=missing,
    )


def _read_closures(folder: Path, missing: list[str]) -> list[Closure]:
    data = read_if_there(folder / CLOSURES)
    if data is None:
        missing.append(f"{CLOSURES}: which closures were reported, and their pictures.")
        return []
    closures: list[Closure] = _decoded(folder / CLOSURES, data, list[Closure])
    return closures


def _read_queries(folder: Path, missing: list[str]) -> list[Query] | None:
    data = read_if_there(folder / QUERIES)
    if data is None:
        missing.append(
            f"{QUERIES}, which older versions did not write: why frames closed no loop. Only the "
            "closures are drawn."
        )
        return None
    *lines, last = data.split(b"\n")
    if last:
        missing.append(f"the end of {QUERIES}: its last line was cut off, and is left out.")
    decoder = msgspec.json.Decoder(Query)
    return list(_lines(folder / QUERIES, lines, decoder))


def _lines(
    path: Path, lines: Iterable[bytes], decoder: msgspec.json.Decoder[Query]
) -> Iterator[Query]:
    for number, line in enumerate(lines, 1):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}, line {number}, is no query record: {error}") from error


def _read_summary(folder: Path, missing: list[str]) -> SummaryFile | None:
    data = read_if_there(folder / SUMMARY)
    if data is None:
        missing.append(
            f"{SUMMARY}, which older versions did not write: dates, machine, timings and the "
            "similarity matrix."
        )
        return None
    summary: SummaryFile = _decoded(folder / SUMMARY, data, SummaryFile)
    if summary.ended is None:
        missing.append(
            "the end of the run: it goes on, or was killed. Its timings and its similarity matrix "
            "are written when it ends."
        )
    return summary


def _settings(folder: Path, text: str, missing: list[str]) -> dict[str, Any]:
    if not text:
        missing.append(f"{SETTINGS}: the settings of the run.")
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise StoreError(f"{folder / SETTINGS} is no TOML: {error}") from error


def _streams(folder: Path, queries: list[Query], closures: list[Closure]) -> list[StreamResults]:
    """By the name of the stream, in the order in which they come."""
    numbered: dict[str, list[NumberedClosure]] = {}
    for number, closure in enumerate(closures, 1):
        name = preview_name(number, closure.stream, closure.query_idx, closure.match_idx)
        picture = folder / MATCHES / name
        numbered.setdefault(closure.stream, []).append(NumberedClosure(closure, picture))
    asked: dict[str, list[Query]] = {}
    for query in queries or map(_as_query, closures):
        asked.setdefault(query.stream, []).append(query)
    return [
        StreamResults(
            name,
            sorted(asked.get(name, []), key=lambda query: query.query_idx),
            numbered.get(name, []),
        )
        for name in dict.fromkeys(itertools.chain(asked, numbered))
    ]


def _as_query(closure: Closure) -> Query:
    """What is known of the frame that closed a loop."""
    return Query(
        stream=closure.stream,
        query_idx=closure.query_idx,
        query_time=closure.query_time,
        decision="accepted",
        match_idx=closure.match_idx,
        match_stream=closure.match_stream,
        match_session=closure.match_session,
        score=closure.score,
        confidence=closure.confidence,
        inliers=None if closure.inliers < 0 else closure.inliers,
        query_lat=closure.query_lat,
        query_lon=closure.query_lon,
        match_lat=closure.match_lat,
        match_lon=closure.match_lon,
        distance_m=closure.distance_m,
    )


def _decoded(path: Path, data: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged, or not of a run: {error}") from error


def _read_text(path: Path) -> str | None:
    data = read_if_there(path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is no text: {error}") from error


def _first(found: list[str]) -> str | None:
    return found[0] if found else None
