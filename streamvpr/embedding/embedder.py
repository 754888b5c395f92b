"""Pictures to unit descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.embedding.runtime import first_line
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streamvpr.embedding.batching import Runner
    from streamvpr.embedding.card import ModelCard
    from streamvpr.frames import Image


class Embedder:
    """A model on a device."""

    def __init__(self, runner: Runner, card: ModelCard, device: str, *, note: str = "") -> None:
        self.card = card
        self.device = device
        self.note = note
        """Why it is not on a better device; empty where that was not looked at."""
        self._runner = runner

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Descriptors (N, D), float32, of length 1, of N images (H, W, 3) uint8 RGB.

        H and W are those of the card. Raises ModelError for pictures of another shape, and where
        the runtime fails or gives values that are no direction.
        """
        if not len(images):
            return np.empty((0, self.card.dimension), np.float32)
        try:
            found = self._runner.run(images)
        except ModelError:
            raise
        except Exception as error:  # onnxruntime raises classes of its C++ side, all of Exception
            raise ModelError(
                f"the model {self.card.name} failed on {self.device} with {len(images)} pictures "
                f"of {images[0].shape} {images[0].dtype}: {first_line(error)}"
            ) from error
        return self._descriptors(found, len(images))

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """A call of the runtime alone on N pictures that lie ready for it: the floor of `embed`.

        For measuring, while nothing else runs here. Images as for `embed`; raises ModelError for
        those of another shape.
        """
        return self._runner.bare(images)

    def _descriptors(self, found: NDArray[Any], count: int) -> NDArray[np.float32]:
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            kind = getattr(found, "dtype", type(found).__name__)
            raise ModelError(
                f"the model {self.card.name} gives {kind} where descriptors are floating point; "
                'name the right output in its card (output = "...")'
            )
        descriptors = found.astype(np.float32, copy=False)
        if descriptors.ndim > 2 and set(descriptors.shape[2:]) == {1}:
            descriptors = descriptors.reshape(descriptors.shape[:2])
        if descriptors.ndim != 2 or len(descriptors) != count:
            raise ModelError(
                f"the model {self.card.name} gives {found.shape} for {count} pictures, and "
                f"({count}, {self.card.dimension}) is due; its card may name another output"
            )
        self._require_finite(descriptors)
        return descriptors if self.card.normalised else self._normalise(descriptors)

    def _require_finite(self, descriptors: NDArray[np.float32]) -> None:
        if not np.isfinite(descriptors).all():
            raise ModelError(
                f"the model {self.card.name} gave a descriptor that is not finite; "
                "export it in a higher precision"
            )

    def _normalise(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        # In double precision, where no square of a float32 overflows or vanishes.
        exact = descriptors.astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        if not lengths.all():
            raise ModelError(
                f"the model {self.card.name} gave a descriptor of zeros, which has no direction; "
                "export it in a higher precision, or with another output"
            )
        exact /= lengths
        return exact.astype(np.float32)
