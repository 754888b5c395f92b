"""The output folder: loop_closures.json, matches/, similarity_plot.png, run.toml."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import tomli_w

from streamvpr import __version__, records
from streamvpr.errors import StoreError
from streamvpr.sinks.base import Shown, Sink
from streamvpr.sinks.plot import SimilaritySeries, draw_similarity
from streamvpr.sinks.preview import draw_preview

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamvpr.frames import Decision

CLOSING = b"\n]\n"
PREVIEW_NAME = re.compile(r"\d{6,}_.*_q\d+_m\d+\.jpg")


class FolderSink(Sink):
    """Writes the results of a run into a folder as they come.

    `loop_closures.json` is a whole JSON array after every closure: a run that is killed leaves
    one that can be read.
    """

    shows = Shown.PLACES

    def __init__(
        self, folder: Path, *, settings: dict[str, Any], sources: list[str], sim_threshold: float
    ) -> None:
        """Make the folder and begin. Raises StoreError where it cannot be written."""
        self.folder = folder
        self._sim_threshold = sim_threshold
        self._series: dict[str, SimilaritySeries] = {}
        self._count = 0
        self._encoder = msgspec.json.Encoder()
        with _errors(folder):
            self._matches = folder / "matches"
            self._matches.mkdir(parents=True, exist_ok=True)
            self._remove_old_previews()
            (folder / "run.toml").write_text(_run_toml(settings, sources), encoding="utf-8")
            self._closures = (folder / "loop_closures.json").open("wb", buffering=0)
            self._array_end = 0
            self._extend_array(b"[")

    def write(self, decision: Decision) -> None:
        """Take a decision: a point of the plot."""
        series = self._series.setdefault(decision.query.stream, SimilaritySeries())
        series.add(decision)

    def write_closure(self, decision: Decision) -> None:
        """Take a closure: its record and preview. Raises StoreError."""
        with _errors(self.folder):
            self._append(decision)
            self._write_preview(decision)

    def close(self) -> None:
        """Draw the plot and close the files. Raises StoreError."""
        with _errors(self.folder):
            self._closures.close()
            draw_similarity(self._series, self._sim_threshold, self.folder / "similarity_plot.png")

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
        stream = re.sub(r"[^\w.-]", "_", decision.query.stream)
        name = f"{self._count:06d}_{stream}_q{decision.query.index}_m{match.place.index}.jpg"
        (self._matches / name).write_bytes(preview)

    def _remove_old_previews(self) -> None:
        for old in self._matches.iterdir():
            if PREVIEW_NAME.fullmatch(old.name):
                old.unlink()


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
