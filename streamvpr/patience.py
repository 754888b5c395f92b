"""A model that fails now and then, and what becomes of the pictures that it fails on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamvpr.errors import ModelError, ModelLost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.embedding import Embedder
    from streamvpr.frames import Descriptor, Image

logger = logging.getLogger(__name__)

# So many pictures in a row, none of them described, are no accident.
MOST_FAILURES = 30


class PatientEmbedder:
    """Asks a model again where it fails, picture by picture, and leaves out what fails again.

    A GPU that was out of memory for a moment, or a picture that a network makes no number of, is
    no reason to end a run that has been watching for a month.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._in_a_row = 0
        self._described = False
        # The first one, which was said.
        self._failure: ModelError | None = None

    def embed(self, images: Sequence[Image]) -> list[Descriptor | None]:
        """A descriptor (D,) for each of N images (H, W, 3); None where the model failed twice.

        Raises ModelError after MOST_FAILURES in a row, and at once where the model is gone.
        """
        try:
            found: list[Descriptor | None] = list(self._embedder.embed(images))
        except ModelLost:
            raise
        except ModelError:
            return [self._alone(image) for image in images]
        if found:
            self._in_a_row, self._described = 0, True
        return found

    def finish(self) -> None:
        """Raise ModelError where there were pictures, and not one of them was described."""
        if self._failure is not None and not self._described:
            raise self._failure

    def _alone(self, image: Image) -> Descriptor | None:
        try:
            (found,) = self._embedder.embed([image])
        except ModelLost:
            raise
        except ModelError as error:
            self._note(error)
            return None
        self._in_a_row, self._described = 0, True
        descriptor: Descriptor = found
        return descriptor

    def _note(self, error: ModelError) -> None:
        self._in_a_row += 1
        if self._in_a_row >= MOST_FAILURES:
            raise ModelError(f"{error}; so it did with {self._in_a_row} in a row") from error
        if self._failure is None:
            self._failure = error
            logger.warning("left out a picture: %s; more are only counted", error)
