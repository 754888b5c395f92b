"""Where results go besides standard output and the output folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.parsing import within


@dataclass(frozen=True, kw_only=True)
class DestinationOptions:
    """Others that take the records of a run, and show it."""

    serve: Annotated[
        str | None,
        Parameter(
            help="Show the run on a live page at HOST:PORT, or at PORT of this machine alone. For "
            "other machines than this one it asks for a token, which is printed unless "
            "STREAMVPR_TOKEN holds one. Needs the extra web."
        ),
    ] = None
    keep_serving: Annotated[
        bool,
        Parameter(
            help="With --serve: the page stays when the run is done, until Ctrl-C.", negative=()
        ),
    ] = False
    jsonl: Annotated[
        Path | None,
        Parameter(help="Append the records, those of --records, to this file, too."),
    ] = None
    jsonl_size: Annotated[
        float,
        Parameter(
            help="With --jsonl: megabytes after which the file is set aside as FILE.1 and a new "
            "one begun.",
            validator=within(above=0),
        ),
    ] = 100.0
    jsonl_keep: Annotated[
        int,
        Parameter(
            help="With --jsonl: files that were set aside and are kept; the oldest goes.",
            validator=within(0, 10_000),
        ),
    ] = 5
    mqtt: Annotated[
        str | None,
        Parameter(
            help="Publish the records, those of --records, to this broker as TOPIC/STREAM/KIND: "
            "mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]. Needs the extra mqtt."
        ),
    ] = None
    webhook: Annotated[
        str | None,
        Parameter(
            help="POST the records, those of --records, to this address, one each: "
            "http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]."
        ),
    ] = None
    rerun: Annotated[
        str | None,
        Parameter(
            help="Draw the run for Rerun: FILE.rrd, connect (a viewer of this machine) or "
            "connect:HOST:PORT. Needs the extra rerun."
        ),
    ] = None
