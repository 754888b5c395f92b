"""The output folder: loop_closures.json, matches/, queries.jsonl, plots, run.toml, summary.json."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
import tomli_w

from streamvpr import __version__, records
from streamvpr.config import Records
from streamvpr.errors import StoreError
from streamvpr.machine import this_machine
from streamvpr.sinks.base import Shown, Sink
from streamvpr.sinks.jsonl import JsonLinesSink
from streamvpr.sinks.lines import LineFile
from streamvpr.sinks.matrices import MatrixPictures, in_a_name, remove_matrices
from streamvpr.sinks.plot import SimilaritySeries, draw_similarity
from streamvpr.sinks.preview import draw_preview
from streamvpr.sinks.summary_file import SummaryFile, write_summary_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Decision
    from streamvpr.summary import Summary

CLOSING = b"\n]\n"
PREVIEW_NAME = re.compile(r"\d{6,}_.*_q\d+_m\d+\.jpg")
CLOSURES, QUERIES, SUMMARY = "loop_closures.json", "queries.jsonl", "summary.json"
MATCHES, SETTINGS, PLOT = "matches", "run.toml", "similarity_plot.png"


class FolderSink(Sink):
    """Writes the results of a run into a folder as they come.

    `loop_closures.json` is a whole JSON array after every closure, `queries.jsonl` has a whole line
    for every frame and `summary.json` says from the start what runs: a run that is killed leaves
    what can be read. Plots are drawn at the end.

    The disk takes some 250 bytes a frame, and 60 to 170 kB a closure for its picture; memory 17
    bytes a frame of the newest 200,000 or so, and a bounded similarity matrix a stream.
    """

    shows = Shown.PLACES

    def __init__(
        self,
        folder: Path,
        *,
        settings: dict[str, Any],
        sources: list[str],
        sim_threshold: float,
        past: PlaceDatabase | None = None,
    ) -> None:
        """Make the folder and begin. Raises StoreError where it cannot be written.

        `past` are the places that queries are matched with, where that is not their own past.
        """
        self.folder = folder
        self._sim_threshold = sim_threshold
        self._series: dict[str, SimilaritySeries] = {}
        self._matrices = MatrixPictures(past)
        self._count = 0
        self._encoder = msgspec.json.Encoder()
        self._summary = SummaryFile(
            version=__version__,
            command="run" if past is None else "match",
            started=records.rfc3339(time.time()),
            sources=sources,
            machine=this_machine(),
        )
        with _errors(folder), contextlib.ExitStack() as opened:
            self._matches = folder / MATCHES
            self._matches.mkdir(parents=True, exist_ok=True)
            self._remove_old_pictures()
            (folder / SETTINGS).write_text(
                _run_toml(settings, sources), encoding="utf-8", errors="replace"
            )
            write_summary_file(folder / SUMMARY, self._summary)
            self._queries = self._open_queries()
            opened.callback(self._queries.close)
            self._closures = opened.enter_context((folder / CLOSURES).open("wb", buffering=0))
            self._array_end = 0
            self._extend_array(b"[")
            self._opened = opened.pop_all()

    def write(self, decision: Decision) -> None:
        """Take a decision: its record, a point of the plot, a row of the matrix. Raises
        StoreError."""
        self._series.setdefault(decision.query.stream, SimilaritySeries()).add(decision)
        self._matrices.add(decision)
        self._queries.write(decision)

    def write_closure(self, decision: Decision) -> None:
        """Take a closure: its record and preview. Raises StoreError."""
        with _errors(self.folder):
            self._append(decision)
            self._write_preview(decision)

    def write_summary(self, summary: Summary) -> None:
        """Draw the similarity matrices, and say what the run did. Raises StoreError."""
        with _errors(self.folder):
            self._summary = msgspec.structs.replace(
                self._summary,
                ended=records.rfc3339(time.time()),
                figures=summary.rounded(),
                matrices=self._matrices.draw(self.folder),
            )
            write_summary_file(self.folder / SUMMARY, self._summary)

    def close(self) -> None:
        """Draw the plot and close the files. Raises StoreError."""
        with _errors(self.folder):
            self._opened.close()
            draw_similarity(self._series, self._sim_threshold, self.folder / PLOT)

    def _open_queries(self) -> JsonLinesSink:
        path = self.folder / QUERIES
        file = LineFile(path)
        return JsonLinesSink(file, Records.QUERIES, name=str(path), close=file.close)

    def _append(self, decision: Decision) -> None:
        record = self._encoder.encode(records.loop_closure(decision))
        self._extend_array((b",\n" if self._count else b"\n") + record)
        self._count += 1

    def _extend_array(self, text: bytes) -> None:
        """Write over the closing bracket, and the bracket again behind it; all or nothing."""
        try:
            self._write_at(self._array_end, text + CLOSING)
        except OSError:
            if self._array_end:
                self._closures.truncate(self._array_end)
                self._write_at(self._array_end, CLOSING)
            raise
        self._array_end += len(text)

    def _write_at(self, position: int, text: bytes) -> None:
        self._closures.seek(position)
        written = self._closures.write(text)
        if written < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._closures.name)

    def _write_preview(self, decision: Decision) -> None:
        match = decision.match
        preview = draw_preview(decision)
        if match is None or preview is None:
            return
        query, place = decision.query, match.place
        name = preview_name(self._count, query.stream, query.index, place.index)
        (self._matches / name).write_bytes(preview)

    def _remove_old_pictures(self) -> None:
        """What an earlier run drew: beside this one's records it would say what is not so."""
        for old in self._matches.iterdir():
            if PREVIEW_NAME.fullmatch(old.name):
                old.unlink()
        remove_matrices(self.folder)


def preview_name(number: int, stream: str, query: int, match: int) -> str:
    """What the picture of the so many-th closure is called, counted from 1."""
    return f"{number:06d}_{in_a_name(stream)}_q{query}_m{match}.jpg"


def _run_toml(settings: dict[str, Any], sources: list[str]) -> str:
    comments = [f"# streamvpr {__version__}", *(f"# source: {source!r}" for source in sources)]
    return "\n".join(comments) + "\n" + tomli_w.dumps(settings)


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise StoreError(
            f"cannot write {where}: {error.strerror or error}; "
            "check the output folder and the space on its disk"
        ) from error
