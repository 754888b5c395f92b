"""A map as a run on a cluster has it: its places in shards, and one writer in the driver."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr import descriptor_ring
from streamvpr.cluster.crew import Crew, Member
from streamvpr.cluster.shard import Part, Shard
from streamvpr.cluster.sharded_history import Layout
from streamvpr.errors import ConfigError, StoreError
from streamvpr.maps import MapWriter, NewSession, open_reader, open_writer
from streamvpr.maps.history import load_index, starts_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.cluster.workplace import Workplace
    from streamvpr.config import RunOptions
    from streamvpr.frames import Descriptor
    from streamvpr.kit import Kit
    from streamvpr.maps.history import Index

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Atlas:
    """What is known of a map when the run begins."""

    path: Path
    index: Index
    dimension: int
    writer: MapWriter | None
    """None where the map is only searched."""

    def split(self, count: int) -> list[Part]:
        """Its places in `count` parts as large as each other; fewer where it has fewer places."""
        places = len(self.index.numbers)
        newest = int(self.index.numbers.max())
        cuts = np.linspace(0, places, min(count, places) + 1).astype(np.int64).tolist()
        return [Part(self.path, newest, places, start, stop) for start, stop in pairwise(cuts)]

    def spread(self, crew: Crew, count: int, workplace: Workplace) -> Layout:
        """Start so many shards of its places, 1 or more. Raises StoreError."""
        parts = self.split(count)
        centre = None
        if len(self.index.numbers) > descriptor_ring.FEW:
            summing = self._start(crew, parts, None, workplace)
            centre = centre_of(crew.connection.get([s.sum.remote() for s in summing]), parts)
            crew.connection.end(summing)
        shards = self._start(crew, parts, centre, workplace)
        crew.shards.extend(shards)
        crew.connection.get([shard.count.remote() for shard in shards])
        nodes = crew.connection.get([shard.node.remote() for shard in shards])
        crew.members += [
            Member(
                f"shard {number} of {len(shards)} of the map {self.path}",
                shard,
                node,
                "is read again from the map by another",
            )
            for number, (shard, node) in enumerate(zip(shards, nodes, strict=True), 1)
        ]
        starts = np.array([part.start for part in parts] + [parts[-1].stop])
        return Layout(starts, self.dimension, starts_of(self.index.lines))

    def _start(
        self, crew: Crew, parts: list[Part], centre: Descriptor | None, workplace: Workplace
    ) -> list[Any]:
        bytes_each = np.dtype(np.float32).itemsize * self.dimension
        return [
            crew.connection.actor(
                Shard, part, centre, workplace, memory=(part.stop - part.start) * bytes_each
            )
            for part in parts
        ]


def centre_of(sums: list[NDArray[np.float64]], parts: list[Part]) -> Descriptor:
    """(D,) mean of all places, of the sums of their parts, as one ring learns it."""
    return np.asarray(sum(sums) / parts[-1].stop, np.float32)


def open_atlas(options: RunOptions, kit: Kit) -> Atlas | None:
    """The map that was asked for. Raises StoreError, ModelError, ConfigError as `open_prior`."""
    path = options.map
    if path is None:
        if options.map_read_only or options.session is not None:
            raise ConfigError("--map-read-only and --session are about a map; give --map FILE")
        return None
    if options.map_read_only and not path.exists():
        raise StoreError(f"cannot read the map {path}: there is none; --map-read-only makes none")
    model = kit.map_model()
    writer = None
    if not options.map_read_only:
        writer = open_writer(path, model, NewSession(kit.effective(), options.session))
    try:
        with closing(open_reader(path)) as reader:
            model.require_same_as(reader.model, path)
            index = load_index(path, reader.connection)
    except BaseException:
        if writer is not None:
            writer.close()
        raise
    logger.info("map %s: %d places of earlier sessions", path, len(index.numbers))
    return Atlas(path, index, model.dimension, writer)
