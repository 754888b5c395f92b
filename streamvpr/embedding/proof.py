"""A picture that every model is tried on, and what its descriptor must be like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from streamvpr.embedding.embedder import Embedder
    from streamvpr.frames import Image

BLOCK = 16
# A descriptor of another length means that the graph does not normalise.
UNIT_TOLERANCE = 1e-2


def textured_picture(width: int, height: int) -> Image:
    """(height, width, 3) uint8 with blocks of colour, the same every time."""
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    blocks = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), np.uint8)
    large = blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return np.ascontiguousarray(large[:height, :width])


def prove(embedder: Embedder) -> None:
    """Embed the picture and hold the result against the card. Raises ModelError."""
    card = embedder.card
    found = embedder.embed([textured_picture(card.input.width, card.input.height)])
    if found.shape != (1, card.dimension):
        raise ModelError(
            f"the model {card.name} gives descriptors of shape {found.shape}, and its card says "
            f"(1, {card.dimension}); correct the card or export it again"
        )
    length = float(np.linalg.norm(found.astype(np.float64)))
    if abs(length - 1) > UNIT_TOLERANCE:
        raise ModelError(
            f"the model {card.name} gives descriptors of length {length:.3g}, not 1; write "
            "normalised = false at the top of its card"
        )


def similarity(one: Embedder, other: Embedder) -> float:
    """Cosine similarity of what two models of one size make of the picture. Raises ModelError."""
    size = one.card.input
    picture = [textured_picture(size.width, size.height)]
    return float((one.embed(picture) @ other.embed(picture).T).item())
