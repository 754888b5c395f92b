"""Opening a run on a cluster: what is started, in which order, and what is refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from streamvpr import __version__
from streamvpr.cluster.atlas import Atlas, open_atlas
from streamvpr.cluster.connection import LOCAL, ActorGone, connect, shown_node
from streamvpr.cluster.crew import Crew, Member
from streamvpr.cluster.embedding import EmbeddingActor, OpenedModel, remote_embedder
from streamvpr.cluster.remote_stream import RemoteStream
from streamvpr.cluster.session import ClusterSession
from streamvpr.cluster.sharded_history import Standing
from streamvpr.cluster.source_actor import Around, SourceActor, Task
from streamvpr.cluster.workplace import Workplace
from streamvpr.config import HEALTH_SECONDS, Device, require_clock
from streamvpr.errors import ConfigError, SourceError
from streamvpr.kit import Kit
from streamvpr.sinks import PlacesSink
from streamvpr.sources import name_sources
from streamvpr.sources.address import Kind, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamvpr.cluster.connection import Connection
    from streamvpr.cluster.exchange import Facts, Reached
    from streamvpr.config import RunOptions
    from streamvpr.sinks import Shown, Sink

# After so long it is said what the run waits for.
PATIENCE_SECONDS = 15.0

logger = logging.getLogger(__name__)


def open_cluster(sources: list[str], options: RunOptions, sinks: Iterable[Sink]) -> ClusterSession:
    """As `open_online`, with each source on whichever node has room.

    Raises ConfigError also for what a cluster cannot do as a single process does.
    """
    assert options.cluster is not None
    named, sinks = _named(sources, options), list(sinks)
    _refuse(options)
    crew = Crew(connect(options.cluster))
    if options.cluster == LOCAL:
        # On one machine all comes to the same cores, however few they are.
        options = replace(options, cluster_cpus=0.0)
    atlas: Atlas | None = None
    try:
        workplace = Workplace.mine()
        models = _start_models(crew, options, workplace)
        kit = Kit(options, remote_embedder(crew.connection, *models[0]))
        atlas = open_atlas(options, kit)
        found = _open_sources(crew, _tasks(named, options, workplace, atlas, kit.shown(sinks)))
        layout = standing = None
        if atlas is not None and len(atlas.index.numbers):
            layout = atlas.spread(crew, options.cluster_shards or _nodes(crew), workplace)
            standing = crew.connection.put(Standing.of(atlas.index))
        health_every = _health_every(options, [source.facts for source in found])
        streams = [
            RemoteStream(
                crew.connection,
                source.actor,
                source.name,
                source.facts,
                partial(_begin, Around(near, crew.shards, layout, health_every), standing),
            )
            for source, near in zip(found, _shared(models, len(found)), strict=True)
        ]
        writer = None if atlas is None else atlas.writer
        places = [] if writer is None else [PlacesSink(writer)]
        output, counter = kit.output([*sinks, *places], [source.facts.path for source in found])
    except BaseException:
        crew.close()
        if atlas is not None and atlas.writer is not None:
            atlas.writer.close()
        raise
    return ClusterSession(streams, crew, output, counter, kit.effective())


def _begin(around: Around, standing: Any, actor: Any, reached: Reached) -> Any:
    return actor.begin.remote(around, reached, standing)


def _tasks(
    named: list[tuple[str, list[str]]],
    options: RunOptions,
    workplace: Workplace,
    atlas: Atlas | None,
    shown: Shown,
) -> list[Task]:
    """What each actor is to read."""
    task = partial(
        Task,
        options=options,
        workplace=workplace,
        knows_sessions=atlas is not None,
        session=None if atlas is None or atlas.writer is None else atlas.writer.session,
        shown=shown,
        log_level=logging.getLogger("streamvpr").getEffectiveLevel(),
    )
    return [task(name, addresses) for name, addresses in named]


def _named(sources: list[str], options: RunOptions) -> list[tuple[str, list[str]]]:
    """Name and addresses of each stream. Raises ConfigError."""
    if not sources:
        raise ConfigError("no source given; name a video file or a folder of images")
    named = name_sources(sources)
    if any(parse_address(source).kind is Kind.STANDARD_INPUT for _, source in named):
        raise ConfigError(
            "--cluster: - is this process's standard input, and sources are read by others; name "
            "a file or an address that every node can open"
        )
    if options.concat:
        return [(named[0][0], [source for _, source in named])]
    return [(name, [source]) for name, source in named]


def _refuse(options: RunOptions) -> None:
    """Raise ConfigError for what cannot be as a single process does it."""
    if options.shared_places:
        raise ConfigError(
            "--shared-places --cluster: each stream's places are with its own actor, and which of "
            "the others' were there in time would change from run to run; leave one out, or give "
            "--map, by which later runs match the places of all streams"
        )
    if options.device in (Device.CUDA, Device.TENSORRT) and not options.cluster_gpus:
        raise ConfigError(
            f"--device {options.device} --cluster: give --cluster-gpus, such as 0.25: the share of "
            "a GPU that each model asks for"
        )


def _start_models(
    crew: Crew, options: RunOptions, workplace: Workplace
) -> list[tuple[Any, OpenedModel]]:
    """EmbeddingActors, opened. Raises ModelError, ConfigError."""
    count = options.cluster_models or _nodes(crew, "GPU" if options.cluster_gpus else "CPU")
    actors = [
        crew.connection.actor(
            EmbeddingActor,
            options,
            workplace,
            cpus=0.0 if options.cluster_gpus else options.cluster_cpus,
            gpus=options.cluster_gpus,
        )
        for _ in range(count)
    ]
    crew.actors.extend(actors)
    opened = _wait(crew.connection, [actor.opened.remote() for actor in actors], options)
    for model in opened:
        if model.version != __version__:
            raise ConfigError(
                f"--cluster: {shown_node(model.node)} has streamvpr {model.version}, and this is "
                f"{__version__}; install the same on every node"
            )
    crew.members += [
        Member(f"model {number} of {count}", actor, model.node, "is opened again on another")
        for number, (actor, model) in enumerate(zip(actors, opened, strict=True), 1)
    ]
    return list(zip(actors, opened, strict=True))


class _Opened(NamedTuple):
    """A source, and the actor that has it."""

    name: str
    actor: Any
    facts: Facts


def _open_sources(crew: Crew, tasks: list[Task]) -> list[_Opened]:
    """Those that can be opened. Raises ConfigError, and the first error where there are none."""
    options = tasks[0].options
    actors = [
        crew.connection.actor(SourceActor, task, cpus=options.cluster_cpus, retry=False)
        for task in tasks
    ]
    crew.actors.extend(actors)
    asked = [actor.facts.remote() for actor in actors]
    found: list[_Opened] = []
    errors: list[SourceError] = []
    for task, actor, one in zip(tasks, actors, asked, strict=True):
        try:
            found.append(_Opened(task.name, actor, *_wait(crew.connection, [one], options)))
        except SourceError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    for failure in errors:
        logger.error("%s", failure)
    for source in found:
        require_clock(options, source=source.facts.path, has_clock=source.facts.has_clock)
    return found


def _wait(connection: Connection, asked: list[Any], options: RunOptions) -> list[Any]:
    """The answers of actors that may wait for a node; it is said once what they wait for."""
    try:
        return _answers(connection, asked, PATIENCE_SECONDS)
    except TimeoutError:
        there = connection.resources()
        logger.warning(
            "waiting for room: each source and model asks for %g CPUs or %g GPUs, and the cluster "
            "has %g and %g in all; --cluster-cpus and --cluster-gpus ask for less",
            options.cluster_cpus,
            options.cluster_gpus,
            there.get("CPU", 0.0),
            there.get("GPU", 0.0),
        )
        return _answers(connection, asked, None)


def _answers(connection: Connection, asked: list[Any], within: float | None) -> list[Any]:
    try:
        found: list[Any] = connection.get(asked, within=within)
    except ActorGone as gone:
        raise ConfigError(
            f"--cluster: a node could not start its part of the run: {gone}; every node needs "
            f"streamvpr {__version__} with its extras"
        ) from gone
    return found


def _nodes(crew: Crew, resource: str = "CPU") -> int:
    """How many nodes have any of a resource; 1 where none does, for which is waited then."""
    return max(1, crew.connection.nodes_with(resource))


def _shared(models: list[tuple[Any, OpenedModel]], streams: int) -> Iterator[list[tuple[str, Any]]]:
    """For each stream the models with their nodes, another one first, so that all are used."""
    placed = [(model.node, actor) for actor, model in models]
    for number in range(streams):
        first = number % len(placed)
        yield [*placed[first:], *placed[:first]]


def _health_every(options: RunOptions, found: list[Facts]) -> float | None:
    seconds = options.health_every
    if seconds is None:
        seconds = HEALTH_SECONDS if any(facts.live for facts in found) else 0.0
    return seconds or None
