"""A run, wherever its parts are: in this process, or on the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from streamvpr.errors import ConfigError
from streamvpr.retrieval import RetrieverKind
from streamvpr.session import open_online

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamvpr.config import RunOptions
    from streamvpr.database import PlaceDatabase
    from streamvpr.records import Health
    from streamvpr.sinks import Sink
    from streamvpr.summary import Summary


class Followed(Protocol):
    """A stream as its progress is shown."""

    @property
    def name(self) -> str:
        """Names the stream in records."""

    @property
    def span(self) -> float | None:
        """Seconds (or images, where there is no clock) to be read; None where unknown."""

    @property
    def live(self) -> bool:
        """Whether it goes on without us."""

    def peek(self) -> Health:
        """How it does now. From any thread."""


class Running(Protocol):
    """What whoever runs a session needs of it."""

    @property
    def streams(self) -> Sequence[Followed]:
        """All streams, in the order in which they were named."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that hold, as TOML takes them."""

    @property
    def past(self) -> PlaceDatabase | None:
        """The places that all queries are matched with; None where that is their own past."""

    @property
    def stuck_for(self) -> float:
        """Longest time, in seconds, that a stage which waits for nobody has taken for one call."""

    async def run(self) -> None:
        """Run to the end, and close the sinks whatever happens. Raises StreamVPRError."""

    def stop(self) -> None:
        """Read no more; what was read is finished and emitted."""

    def summary(self) -> Summary:
        """What was done so far."""


def open_run(sources: list[str], options: RunOptions, sinks: Iterable[Sink]) -> Running:
    """`open_online`, or the same over a cluster where one is asked for. Raises as that."""
    if options.cluster is None:
        return open_online(sources, options, sinks)
    if options.retriever is not RetrieverKind.GLOBAL:
        raise ConfigError(
            f"--cluster spreads a network's work, and --retriever {options.retriever} is not: "
            "leave out either"
        )
    from streamvpr.cluster import open_cluster

    return open_cluster(sources, options, sinks)
