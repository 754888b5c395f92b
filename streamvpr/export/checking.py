"""Is the file the network? What the program makes of it against torch, and against itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.embedding import open_embedder
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.embedding import Embedder
    from streamvpr.export.descriptor import Descriptor

    Descriptors = NDArray[np.float32]
    """(N, D), unit rows."""

BATCH = 3


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two sets of descriptors are apart."""

    max_difference: float
    """Of a component."""
    min_cosine: float
    """Of a row."""

    def within(self, bound: Agreement) -> bool:
        """Whether this is as good as `bound` or better."""
        return self.max_difference <= bound.max_difference and self.min_cosine >= bound.min_cosine


@dataclass(frozen=True, slots=True)
class Checks:
    """What was found when a model was tried."""

    pictures: int
    torch: Agreement
    """ONNX Runtime's descriptors and torch's, in float32."""
    batches: float
    """Largest difference that the size of a batch makes."""


BOUNDS = {
    "fp32": Agreement(max_difference=1e-4, min_cosine=0.99999),
    "fp16": Agreement(max_difference=1e-2, min_cosine=0.999),
    "fp16-weights": Agreement(max_difference=1e-2, min_cosine=0.999),
    "int8": Agreement(max_difference=0.2, min_cosine=0.95),
}
"""By precision; a model beyond its bound is not written."""


def check(path: Path, module: Descriptor, images: NDArray[np.uint8], precision: str) -> Checks:
    """Try the model file, with its card, on pictures (N, H, W, 3). Raises ModelError."""
    embedder = open_embedder(str(path), device="cpu")
    found = _describe(embedder, images, 1)
    checks = Checks(
        pictures=len(images),
        torch=compare(found, module.describe(images)),
        batches=compare(found, _describe(embedder, images, BATCH)).max_difference,
    )
    bound = BOUNDS[precision]
    if not checks.torch.within(bound):
        raise ModelError(
            f"{precision}: ONNX Runtime differs from torch by {checks.torch.max_difference:.2g} "
            f"(cosine {checks.torch.min_cosine:.5f}), and {bound.max_difference:g} (cosine "
            f"{bound.min_cosine:g}) is the most; {_remedy(precision)}"
        )
    return checks


def compare(first: Descriptors, second: Descriptors) -> Agreement:
    """The largest difference of a component, the smallest cosine of a row."""
    cosines = np.sum(first.astype(np.float64) * second, axis=1)
    return Agreement(float(np.abs(first - second).max()), float(cosines.min()))


def _describe(embedder: Embedder, images: NDArray[np.uint8], batch: int) -> Descriptors:
    parts = range(0, len(images), batch)
    return np.concatenate([embedder.embed(list(images[i : i + batch])) for i in parts])


def _remedy(precision: str) -> str:
    if precision == "int8":
        return "give more and more varied pictures to --fit, or take fp32"
    return "take fp32" if precision != "fp32" else "this is a bug in the export; nothing is written"
