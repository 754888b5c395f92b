"""Is the graph the network? ONNX Runtime against torch, and against itself in other batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bundled.graphs import GEM_EPSILON, GEM_POWER, INPUT, dimension

if TYPE_CHECKING:
    import onnx

    from bundled.backbones import Backbone
    from bundled.recipes import Recipe

Descriptors = NDArray[np.float32]
"""(N, D), unit rows."""

BATCHES = (1, 4, 16)
THREADS = (1, 2)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two sets of descriptors are apart."""

    max_difference: float
    min_cosine: float

    def within(self, bound: Agreement) -> bool:
        """Whether this is as good as `bound` or better."""
        return self.max_difference <= bound.max_difference and self.min_cosine >= bound.min_cosine


@dataclass(frozen=True, slots=True)
class Checks:
    """What was found when a model was tried."""

    dimension: int
    random: Agreement
    natural: Agreement | None
    batches: float
    """The largest difference between batches and numbers of threads."""

    @property
    def worst(self) -> Agreement:
        """The worst over all pictures."""
        found = [each for each in (self.random, self.natural) if each is not None]
        return Agreement(
            max(each.max_difference for each in found), min(each.min_cosine for each in found)
        )


BOUNDS = {
    "fp32": Agreement(max_difference=1e-5, min_cosine=0.99999),
    "fp16": Agreement(max_difference=5e-3, min_cosine=0.9995),
    "fp16-weights": Agreement(max_difference=5e-3, min_cosine=0.9995),
    "int8": Agreement(max_difference=5e-2, min_cosine=0.95),
}
"""By precision; a model beyond its bound is not written."""


def reference(recipe: Recipe, backbone: Backbone, images: NDArray[np.uint8]) -> Descriptors:
    """The descriptors in torch, in float32, one picture at a time: images (N, H, W, 3)."""
    architecture = recipe.architecture
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (architecture.mean, architecture.std))
    rows = []
    for image in images:
        planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        features = backbone((planes - mean) / std)
        if recipe.signed:
            features = torch.cat([features, -features], dim=1)
        raised = features.clamp(min=GEM_EPSILON).pow(GEM_POWER)
        rows.append(functional.normalize(raised.mean((2, 3)).pow(1 / GEM_POWER)).numpy())
    return np.concatenate(rows)


def open_session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def describe(
    session: onnxruntime.InferenceSession, images: NDArray[np.uint8], batch: int
) -> Descriptors:
    """The descriptors of (N, H, W, 3), `batch` at a time."""
    parts = range(0, len(images), batch)
    return np.concatenate([session.run(None, {INPUT: images[i : i + batch]})[0] for i in parts])


def compare(first: Descriptors, second: Descriptors) -> Agreement:
    """The largest difference of a component, the smallest cosine of a row."""
    cosines = np.sum(first.astype(np.float64) * second, axis=1)
    return Agreement(float(np.abs(first - second).max()), float(cosines.min()))


def batch_difference(model: onnx.ModelProto, images: NDArray[np.uint8]) -> float:
    """The largest difference that the size of a batch or the number of threads makes."""
    sessions = [open_session(model, threads) for threads in THREADS]
    found = [describe(session, images, batch) for session in sessions for batch in BATCHES]
    return max(compare(found[0], other).max_difference for other in found[1:])


def check(
    recipe: Recipe,
    backbone: Backbone,
    model: onnx.ModelProto,
    noise: NDArray[np.uint8],
    natural: NDArray[np.uint8] | None,
) -> Checks:
    """Try the model on random pictures and on photos, each (N, H, W, 3)."""
    session = open_session(model, threads=1)

    def agreement(images: NDArray[np.uint8]) -> Agreement:
        return compare(describe(session, images, 1), reference(recipe, backbone, images))

    return Checks(
        dimension=dimension(recipe, backbone),
        random=agreement(noise),
        natural=None if natural is None else agreement(natural),
        batches=batch_difference(model, noise),
    )
