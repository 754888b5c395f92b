"""A model that several streams share: batches of whatever pictures are waiting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from streamvpr import __version__
from streamvpr.channel import Channel
from streamvpr.cluster.connection import ActorGone, connected
from streamvpr.cluster.workplace import settle
from streamvpr.config import Device
from streamvpr.embedding import Embedder, open_embedder
from streamvpr.errors import ModelError, ModelLost, StreamVPRError
from streamvpr.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streamvpr.cluster.connection import Connection
    from streamvpr.cluster.workplace import Workplace
    from streamvpr.config import RunOptions
    from streamvpr.embedding import ModelCard
    from streamvpr.frames import Descriptor, Image

# Pictures that wait in the actor, in batches; those of more streams wait where they are called for.
BATCHES_AHEAD = 4


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """What a model is, and what it runs on."""

    card: ModelCard
    device: str
    note: str
    node: str
    version: str
    """Of the program there."""


class EmbeddingActor:
    """One model on one node. Answers are those of the model alone: a lost one is asked again."""

    def __init__(self, options: RunOptions, workplace: Workplace) -> None:
        """Nothing is opened before the first call, which says what is wrong."""
        self._options = options
        self._workplace = workplace
        self._stage = Stage("embed")
        self._opening: asyncio.Task[Embedder] | None = None
        self._waiting: Channel[tuple[Image, asyncio.Future[Descriptor]]] = Channel(
            BATCHES_AHEAD * options.batch_size
        )
        self._working: asyncio.Task[None] | None = None

    async def opened(self) -> OpenedModel:
        """What runs here. Raises ModelError, ConfigError."""
        embedder = await self._embedder()
        return OpenedModel(
            embedder.card, embedder.device, embedder.note, connected().here(), __version__
        )

    async def node(self) -> str:
        """The name of the node that it is on."""
        return connected().here()

    async def embed(self, image: Image) -> Descriptor:
        """The descriptor (D,) of a picture (H, W, 3). Raises as `Embedder.embed`."""
        embedder = await self._embedder()
        if self._working is None:
            self._working = asyncio.create_task(self._work(embedder))
        answer: asyncio.Future[Descriptor] = asyncio.get_running_loop().create_future()
        await self._waiting.put((image, answer))
        return await answer

    async def _embedder(self) -> Embedder:
        if self._opening is None:
            self._opening = asyncio.create_task(self._stage.call(self._open))
        return await asyncio.shield(self._opening)

    def _open(self) -> Embedder:
        settle(self._workplace)
        options = self._options
        # What asks for no share of a GPU leaves it to those that do.
        on_cpu = options.device is Device.AUTO and not options.cluster_gpus
        return open_embedder(
            options.model,
            device=Device.CPU if on_cpu else options.device,
            threads=options.threads,
            batch_size=options.batch_size,
        )

    async def _work(self, embedder: Embedder) -> None:
        while batch := await self._waiting.get_batch(self._options.batch_size):
            try:
                found = await self._stage.call(embedder.embed, [image for image, _ in batch])
            except StreamVPRError as error:
                for _, answer in batch:
                    answer.set_exception(error)
            else:
                for (_, answer), descriptor in zip(batch, found, strict=True):
                    answer.set_result(descriptor)


class _RemoteRunner:
    """Has an EmbeddingActor run the model."""

    def __init__(self, connection: Connection, actor: Any) -> None:
        self._connection = connection
        self._actor = actor

    def run(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(N, D) of N pictures, which go into whichever batches are made there."""
        asked = [self._actor.embed.remote(image) for image in images]
        try:
            return np.stack(self._connection.get(asked))
        except ActorGone as error:
            raise ModelLost(f"the model's actor does not come back: {error}") from error

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """There is no floor to measure: the runtime is elsewhere. Raises ModelError."""
        raise ModelError("the model runs in another process; measure it in one of its own")


def remote_embedder(
    connection: Connection, actor: Any, model: OpenedModel, device: str | None = None
) -> Embedder:
    """The model of an EmbeddingActor as one of this process.

    `device` is what this process has for networks beside it; None: what the model runs on.
    """
    # What comes from there is of length 1 already.
    card = msgspec.structs.replace(model.card, normalised=True)
    runner = _RemoteRunner(connection, actor)
    return Embedder(runner, card, device or model.device, note=model.note)
