"""Options of `run` alone, and of `match` alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.channel import Overflow
from streamvpr.config.recognising import RecognitionOptions
from streamvpr.errors import ConfigError
from streamvpr.parsing import LONGEST_SECONDS, named, within
from streamvpr.sampler import Exclusion
from streamvpr.sources import SourceOptions

DEFAULT_EXCLUDE_RECENT = 30
HEALTH_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RunOptions(RecognitionOptions):
    """Online: what may match, what is kept of it, and what becomes of sources."""

    exclude_recent: Annotated[
        int | None,
        Parameter(
            help="The newest N processed frames can't match. "
            f"Default: {DEFAULT_EXCLUDE_RECENT}, or 0 with --exclude-seconds.",
            validator=within(0),
        ),
    ] = None
    min_loop_gap: Annotated[
        int, Parameter(help="Least query_idx - match_idx.", validator=within(0))
    ] = 0
    exclude_seconds: Annotated[
        float | None,
        Parameter(
            help="The same in seconds of stream time; alone it replaces --exclude-recent.",
            validator=within(0),
        ),
    ] = None
    concat: Annotated[
        bool,
        Parameter(
            help="The sources are the files of one recording, as DJI and GoPro split them: one "
            "stream, one clock."
        ),
    ] = False
    map: Annotated[
        Path | None,
        Parameter(
            help="A file of saved places: those of earlier runs are searched from the start, and "
            "this run's are added as it goes. Made where there is none."
        ),
    ] = None
    map_read_only: Annotated[
        bool, Parameter(help="Only search the map; add nothing to it.", negative=())
    ] = False
    session: Annotated[
        str | None,
        Parameter(
            help="Name of this run in the map. Default: when it began, in UTC.",
            validator=named,
        ),
    ] = None
    shared_places: Annotated[
        bool, Parameter(help="Streams match each other's past too, and not only their own.")
    ] = False
    cluster: Annotated[
        str | None,
        Parameter(
            help="Spread the run over a Ray cluster: ray://HOST:PORT, HOST:PORT, auto (the one "
            "that runs here), local (one of this machine, for this run). Needs the extra cluster."
        ),
    ] = None
    cluster_cpus: Annotated[
        float,
        Parameter(
            help="With --cluster: CPUs that each source, and each model on CPUs, asks for; of "
            "local none.",
            validator=within(0),
        ),
    ] = 1.0
    cluster_gpus: Annotated[
        float,
        Parameter(
            help="With --cluster: share of a GPU that each model asks for, such as 0.25; 0: the "
            "model runs on CPUs.",
            validator=within(0),
        ),
    ] = 0.0
    cluster_models: Annotated[
        int | None,
        Parameter(
            help="With --cluster: models that the sources share. Default: one a node.",
            validator=within(1),
        ),
    ] = None
    cluster_shards: Annotated[
        int | None,
        Parameter(
            help="With --cluster and --map: parts that the map's places are held in. Default: one "
            "a node.",
            validator=within(1),
        ),
    ] = None
    on_overload: Annotated[
        Overflow | None,
        Parameter(
            help="What happens to frames that come faster than the model takes them: block, "
            "drop-oldest. Default: block, and drop-oldest for live sources."
        ),
    ] = None
    reconnect_delay: Annotated[
        float,
        Parameter(
            help="Longest pause in seconds between two tries to reach a lost live source.",
            validator=within(0.1, LONGEST_SECONDS),
        ),
    ] = 1.0
    reconnect_for: Annotated[
        float | None,
        Parameter(
            help="Give up a live source that is lost for so many seconds. Default: never.",
            validator=within(0),
        ),
    ] = None
    health_every: Annotated[
        float | None,
        Parameter(
            help="Seconds between two health records of each stream, with --records all; 0 is "
            f"none. Default: {HEALTH_SECONDS:g} where a source is live, else none.",
            validator=within(0),
        ),
    ] = None

    def source_options(self) -> SourceOptions:
        """How the sources are opened and read."""
        return replace(
            super().source_options(),
            reconnect_delay=self.reconnect_delay,
            reconnect_for=self.reconnect_for,
        )

    def exclusion(self) -> Exclusion:
        """The one exclusion that the options amount to."""
        recent = self.exclude_recent
        if recent is None:
            recent = DEFAULT_EXCLUDE_RECENT if self.exclude_seconds is None else 0
        return Exclusion(gap=max(recent + 1, self.min_loop_gap), seconds=self.exclude_seconds)


@dataclass(frozen=True, kw_only=True)
class MatchOptions(RecognitionOptions):
    """Offline: each query frame against a fixed database."""

    output_dir: Annotated[
        Path | None,
        Parameter(
            help="Where loop_closures.json, matches/, queries.jsonl, plots and settings go, for "
            "`report` to read."
        ),
    ] = Path("outputs")


def require_clock(options: RunOptions, *, source: str, has_clock: bool) -> None:
    """Raise ConfigError where an option needs stream time and the source has none."""
    if options.exclude_seconds is not None and not has_clock:
        raise ConfigError(
            f"--exclude-seconds {options.exclude_seconds:g}: {source} is a folder of images and "
            "has no stream time; use --exclude-recent"
        )
