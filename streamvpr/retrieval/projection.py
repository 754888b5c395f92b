"""A picture's vector of thousands of numbers as one of some hundred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor
    from streamvpr.retrieval.parameters import Parameters

# Shorter than this is nothing but rounding.
LEAST_LENGTH = 1e-6


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal axes of vectors that consist of blocks, one for each word or component.

    Each axis lies within one block: those of the second moments less all that is between blocks.
    1,023 axes of all 8,192 numbers would be a file of 16 MB, and take tens of thousands of pictures
    to learn; those of 64 blocks of 128 numbers take 256 KB, and some hundred pictures.

    No mean is taken off: that of other pictures is not that of the stream, which is taken off later
    where that is asked for (`Centring`). Nothing is whitened, which would blow up what few pictures
    say least about (Jégou and Chum, ECCV 2012, whiten with axes of very many).
    """

    axes: NDArray[np.float32]
    """(R, d) each of length 1, the longest first: that along which vectors are."""
    blocks: NDArray[np.uint16]
    """(R,) the block of each axis, below B."""

    @property
    def dimension(self) -> int:
        """Numbers of a descriptor: one for each axis, and one for pictures without features."""
        return len(self.axes) + 1

    def descriptor(self, vector: NDArray[np.float32]) -> Descriptor:
        """(R + 1,) of length 1, of a vector (B, d); `featureless` where nothing is left of it."""
        along = np.einsum("rd,rd->r", vector[self.blocks], self.axes)
        return unit_descriptor(along)

    @property
    def nothing(self) -> Descriptor:
        """(R + 1,) the descriptor of a picture without features."""
        return featureless(self.dimension)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `of` makes it from again."""
        return {"axes": self.axes, "blocks": self.blocks}

    @classmethod
    def of(cls, parameters: Parameters, blocks: int, numbers: int) -> Projection:
        """That of a file's parameters, for vectors (blocks, numbers). Raises ModelError."""
        axes = parameters.floats("axes", None, numbers)
        return cls(axes, parameters.numbers("blocks", blocks, len(axes)))

    @classmethod
    def learn(cls, parts: Iterable[NDArray[np.float32]], count: int) -> Projection:
        """The `count` axes along which vectors, that come in parts (P, B, d), are longest.

        Memory is that of B moments (d, d), however many come. Raises ValueError for fewer numbers
        than axes, and for no vectors.
        """
        moments: NDArray[np.float64] | None = None
        for part in parts:
            exact = part.astype(np.float64)
            products = exact.transpose(1, 2, 0) @ exact.transpose(1, 0, 2)
            moments = products if moments is None else moments + products
        if moments is None:
            raise ValueError("there are no features to learn from")
        blocks, numbers, _ = moments.shape
        if count > blocks * numbers:
            raise ValueError(f"{count} axes of vectors of {blocks * numbers} numbers")
        squares, across = np.linalg.eigh(moments)
        # Both in the order of blocks; `eigh` has axes in columns.
        axes = across.transpose(0, 2, 1).reshape(-1, numbers)
        most = np.argsort(-squares.ravel(), kind="stable")[:count]
        return cls(_upright(axes[most]), (most // numbers).astype(np.uint16))


def unit_descriptor(vector: NDArray[np.float32]) -> Descriptor:
    """(D + 1,) of length 1: a vector (D,) and a last number that is 0.

    Of a vector of length 0 it is `featureless`.
    """
    length = float(np.linalg.norm(vector))
    if not length > LEAST_LENGTH:
        return featureless(len(vector) + 1)
    return np.append(vector / np.float32(length), 0).astype(np.float32)


def featureless(dimension: int) -> Descriptor:
    """(D,) the descriptor of a picture in which nothing was found: 1 in the last number alone.

    That one is 0 for all others, so that the cosine to each of them is 0, as far as chance goes.
    Two pictures that both show nothing have a product of 1; `RetrieverRing` says 0 of them, too.
    """
    descriptor = np.zeros(dimension, np.float32)
    descriptor[-1] = 1
    return descriptor


def is_featureless(descriptor: Descriptor) -> bool:
    """Whether a descriptor (D,) is that of a picture in which nothing was found."""
    return bool(descriptor[-1])


def _upright(axes: NDArray[np.float64]) -> NDArray[np.float32]:
    """The axes (R, d) in the one of two directions in which their largest number is positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.asarray(axes * np.sign(largest), np.float32)
