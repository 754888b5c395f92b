"""The pictures of similarity matrices in an output folder, one a stream."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.similarity_matrix import SimilarityMatrix
from streamvpr.sinks.heatmap import contrast, draw_heatmap
from streamvpr.sinks.summary_file import MatrixFile

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Decision

NAME = "similarity_matrix"
# As they are called where there are several.
NUMBERED = re.compile(rf"{NAME}(_\d+_.*)?\.png")


class MatrixPictures:
    """Collects the matrices of all streams, and draws them in the end."""

    def __init__(self, past: PlaceDatabase | None = None) -> None:
        """`past` are the places that queries are matched with; None: their own past."""
        self._past = past
        self._matrices: dict[str, SimilarityMatrix] = {}

    def add(self, decision: Decision) -> None:
        """Take the next decision of its stream."""
        stream = decision.query.stream
        if stream not in self._matrices:
            self._matrices[stream] = SimilarityMatrix(past=self._past)
        self._matrices[stream].add(decision)

    def draw(self, folder: Path) -> list[MatrixFile]:
        """Write a picture each, and say what it shows. Raises OSError."""
        return [
            self._draw(folder, self._file_name(number, stream), stream)
            for number, stream in enumerate(self._matrices, 1)
        ]

    def _draw(self, folder: Path, file: str, stream: str) -> MatrixFile:
        found = self._matrices[stream].read()
        darkest, brightest = contrast(found.values)
        (folder / file).write_bytes(draw_heatmap(found.values))
        return MatrixFile(
            stream=stream,
            file=file,
            darkest=round(darkest, records.SCORE_DIGITS),
            brightest=round(brightest, records.SCORE_DIGITS),
            queries=found.queries.tolist(),
            places=list(found.places),
        )

    def _file_name(self, number: int, stream: str) -> str:
        """One alone needs no name; of several, two may be alike in what file names hold."""
        if len(self._matrices) == 1:
            return f"{NAME}.png"
        return f"{NAME}_{number}_{in_a_name(stream)}.png"


def remove_matrices(folder: Path) -> None:
    """Remove those that an earlier run drew. Raises OSError."""
    for old in folder.glob(f"{NAME}*.png"):
        if NUMBERED.fullmatch(old.name):
            old.unlink()


def in_a_name(stream: str) -> str:
    """What of a stream's name can stand in that of a file."""
    return re.sub(r"[^\w.-]", "_", stream)
