"""`streamvpr eval`: records scored against what is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.errors import ConfigError, StoreError
from streamvpr.execution import print_text
from streamvpr.parsing import within
from streamvpr.sources.address import READ_AS, STANDARD_INPUT


def evaluate(
    *records: Annotated[
        str,
        Parameter(help="Output of --records queries, one or several runs; - is standard input."),
    ],
    ground_truth: Annotated[
        list[Path] | None,
        Parameter(
            help="CSV with query_idx,match_idx: right pairs. One for all runs, or one each.",
            consume_multiple=True,
            negative=(),
        ),
    ] = None,
    gps_radius: Annotated[
        float | None,
        Parameter(
            help="Instead: right are frames of a run within METRES of each other by their own "
            "positions; with --exclude as in the run.",
            validator=within(above=0.0),
        ),
    ] = None,
    exclude: Annotated[
        list[int] | None,
        Parameter(
            help="Only pairs with query_idx - match_idx > N count; again and again, one for each "
            "run, where they differ.",
            negative=(),
        ),
    ] = None,
    stream: Annotated[str | None, Parameter(help="Score this stream only.")] = None,
    plot: Annotated[Path | None, Parameter(help="Draw the precision-recall curves there.")] = None,
) -> int:
    """Score records against ground truth: recall@1, average precision and more, as JSON."""
    from streamvpr import runs

    # The option takes all names that follow it: where it came first, only one of them is its own.
    files = ground_truth or []
    sources, files = (records, files) if records else (files[1:], files[:1])
    if not sources:
        raise ConfigError(
            "eval needs the records of a run, and --ground-truth with the right pairs or "
            "--gps-radius METRES"
        )
    if list(map(str, sources)).count(READ_AS) > 1:
        raise ConfigError("only one run can come through standard input; name files for the others")
    truths = runs.truths(len(sources), files, gps_radius, exclude or [])
    scored = [
        runs.score_run(
            STANDARD_INPUT if str(source) == READ_AS else str(source),
            _lines(str(source)),
            truth,
            stream=stream,
        )
        for source, truth in zip(sources, truths, strict=True)
    ]
    if plot is not None:
        from streamvpr.sinks.plot import draw_precision_recall

        draw_precision_recall(scored, plot)
    print_text("\n".join(map(json.dumps, runs.as_json(scored))))
    return 0


def _lines(source: str) -> list[str]:
    """The lines of a text file, or of standard input. Raises StoreError."""
    try:
        # Only line feeds end a record: a name in it may hold others of Unicode's line ends.
        return _bytes(source).decode().split("\n")
    except OSError as error:
        raise StoreError(f"cannot read {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{source} is no text: {error}") from error


def _bytes(source: str) -> bytes:
    if source != READ_AS:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise StoreError("standard input is closed; name a file with the records instead")
    return sys.stdin.buffer.read()
