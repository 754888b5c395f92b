"""What summary.json in an output folder says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from streamvpr.machine import Machine  # noqa: TC001 - msgspec reads the annotations
from streamvpr.summary import Summary  # noqa: TC001 - as above

if TYPE_CHECKING:
    from pathlib import Path


class MatrixFile(msgspec.Struct, frozen=True, kw_only=True):
    """The picture of a stream's similarity matrix, and what its rows and columns are."""

    stream: str
    file: str
    """Its name in the folder."""
    darkest: float
    brightest: float
    """The cosine similarities that are drawn so, and beyond."""
    queries: list[int]
    """Of each row, downwards: index of the query."""
    places: list[tuple[str | None, str, int]]
    """Of each column, to the right: session (None: this run's own), stream, index."""


class SummaryFile(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as its output folder keeps it."""

    version: str
    """Of streamvpr."""
    command: Literal["run", "match"]
    started: str
    """RFC 3339 in UTC."""
    ended: str | None = None
    """None while the run goes on, and for ever where it was killed; so are the figures."""
    sources: list[str] = []
    machine: Machine | None = None
    figures: Summary | None = None
    matrices: list[MatrixFile] = []


def write_summary_file(path: Path, summary: SummaryFile) -> None:
    """Put a summary in the place of another: there is always a whole one. Raises OSError.

    A field a line: of all in it, a matrix has the most numbers, which nobody reads one by one.
    """
    draft = path.with_name(f".{path.name}.part")
    fields = msgspec.to_builtins(summary).items()
    lines = [b'"%s": %s' % (name.encode(), msgspec.json.encode(value)) for name, value in fields]
    draft.write_bytes(b"{" + b",\n ".join(lines) + b"}\n")
    draft.replace(path)
