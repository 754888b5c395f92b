"""The actors of a run besides those of its streams: models, and shards of a map."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamvpr.cluster.connection import ActorGone, shown_node
from streamvpr.errors import StreamVPRError

if TYPE_CHECKING:
    from streamvpr.cluster.connection import Connection

# Between two looks at which nodes are left.
LOOK_SECONDS = 2.0
# For shards to let go of the map.
CLOSING_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Member:
    """An actor that comes back by itself."""

    title: str
    actor: Any
    node: str
    """The name of the node that it was last seen on."""
    recovery: str
    """What becomes of it where that node is lost."""


@dataclass(slots=True)
class Crew:
    """All actors of a run, and the connection to them."""

    connection: Connection
    members: list[Member] = field(default_factory=list)
    actors: list[Any] = field(default_factory=list)
    """Those that end with the run."""
    shards: list[Any] = field(default_factory=list)

    async def watch(self) -> None:
        """Say which of its members are lost with a node, and what becomes of them. Without end."""
        known = await asyncio.to_thread(self.connection.nodes)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            left = await asyncio.to_thread(self.connection.nodes)
            for node in known.keys() - left.keys():
                await self._say_lost(node, known[node])
            known = left

    async def _say_lost(self, node: str, address: str) -> None:
        lost = [member for member in self.members if member.node == node]
        if not lost:
            return
        what = "; ".join(f"{member.title} {member.recovery}" for member in lost)
        logger.warning("%s is lost: %s", shown_node(node, address), what)
        for member in lost:
            with contextlib.suppress(ActorGone, StreamVPRError):
                member.node = await self.connection.answer(member.actor.node.remote())

    def end(self) -> None:
        """End all actors."""
        with contextlib.suppress(ActorGone, StreamVPRError, TimeoutError):
            # Those that hold the map open.
            closing = [shard.close.remote() for shard in self.shards]
            self.connection.get(closing, within=CLOSING_SECONDS)
        self.connection.end([*self.actors, *(member.actor for member in self.members)])

    def close(self) -> None:
        """End all actors, and let go of the cluster."""
        try:
            self.end()
        finally:
            self.connection.close()
