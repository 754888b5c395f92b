"""The shards of a map where Ray has them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from streamvpr.cluster.connection import ActorGone
from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.cluster.connection import Connection

logger = logging.getLogger(__name__)


class RemoteShards:
    """Asks Shards that are actors. One that is started again answers late, and is waited for."""

    def __init__(self, connection: Connection, actors: Sequence[Any]) -> None:
        self._connection = connection
        self._actors = actors

    def ask(self, method: str, arguments: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        """What a method of each shard answers; see `Shards`."""
        asked = {
            number: getattr(self._actors[number], method).remote(*given)
            for number, given in enumerate(arguments)
            if given is not None
        }
        try:
            answers = dict(zip(asked, self._connection.get(list(asked.values())), strict=True))
        except ActorGone as error:
            raise StoreError(f"a shard of the map does not come back: {error}") from error
        return [answers.get(number) for number in range(len(arguments))]
