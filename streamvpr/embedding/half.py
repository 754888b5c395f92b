"""The half-precision file of a model, where it has one that is as good."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from streamvpr.embedding.card import Threshold, card_path, read_card
from streamvpr.embedding.proof import similarity
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamvpr.embedding.card import ModelCard
    from streamvpr.embedding.embedder import Embedder

logger = logging.getLogger(__name__)

SUFFIX = "-fp16"
# Cosine of what half and single precision make of one picture. Half precision that is right is
# above 0.9999; an overflow somewhere shows as far less.
LEAST_SIMILARITY = 0.999


def half_sibling(model: Path, card: ModelCard) -> Path | None:
    """The file beside `model` with its weights in half precision; None where there is none.

    Its card must say so: precision fp16, the same weights, the same pictures and dimension.
    """
    sibling = model.with_name(f"{model.stem}{SUFFIX}{model.suffix}")
    if not card.weights_sha256 or not sibling.is_file() or not card_path(sibling).is_file():
        return None
    try:
        other = read_card(sibling)
    except ModelError as error:
        logger.warning("taking %s in single precision: %s", card.name, error)
        return None
    same = (other.weights_sha256, other.dimension) == (card.weights_sha256, card.dimension)
    sides = (card.input.width, card.input.height)
    fits = same and (other.input.width, other.input.height) == sides
    return sibling if fits and other.precision == "fp16" else None


def inherit(half: ModelCard, full: ModelCard) -> ModelCard:
    """The card of the half-precision file with the thresholds of the file that was named.

    The weights are the same, so the similarities are; whoever calibrated one has calibrated both.
    """
    known = full.threshold if full.threshold != Threshold() else half.threshold
    return msgspec.structs.replace(half, threshold=known)


def prefer_half(
    name: str,
    half: Callable[[], Embedder],
    full: Callable[[], Embedder],
    reference: Callable[[], Embedder],
) -> Embedder:
    """The model in half precision where it describes a picture as `reference` does, else `full`.

    Raises ModelError where `full` or `reference` does not open.
    """
    # First, so that a model that is wrong everywhere is not said to be so in half precision.
    known = reference()
    try:
        candidate = half()
        found = similarity(candidate, known)
    except ModelError as error:
        logger.warning("half precision of %s does not run, taking single: %s", name, error)
        return full()
    if found < LEAST_SIMILARITY:
        logger.warning(
            "half precision of %s is not right here (cosine %.4f to single precision on the CPU, "
            "least %g), taking single",
            *(name, found, LEAST_SIMILARITY),
        )
        return full()
    logger.info("%s in half precision (cosine %.5f to single)", name, found)
    return candidate
