"""Pictures as a graph takes them: its type, its layout, its order of colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.embedding.card import InputSpec
    from streamvpr.embedding.signature import Signature
    from streamvpr.frames import Image

# Which of red, green, blue stands first, second, third.
ORDER = {"rgb": (0, 1, 2), "bgr": (2, 1, 0)}


@dataclass(frozen=True, slots=True)
class PixelForm:
    """Pictures (height, width, 3) uint8 RGB to what the graph takes."""

    height: int
    width: int
    dtype: str = "uint8"
    layout: str = "nhwc"
    channels: str = "rgb"
    mean: tuple[float, ...] = ()
    """Red, green, blue; of values 0 to 255. Empty where the graph itself subtracts it."""
    std: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one picture in the graph's layout."""
        if self.layout == "nchw":
            return 3, self.height, self.width
        return self.height, self.width, 3

    @property
    def plain(self) -> bool:
        """Whether pictures go in as they are."""
        return self.dtype == "uint8" and self.layout == "nhwc" and self.channels == "rgb"

    def batch(self, images: Sequence[Image]) -> NDArray[Any]:
        """(N, *shape) of N pictures. Raises ModelError for a picture of another shape or type."""
        if self.plain and len(images) == 1:
            self._check(images[0])
            return images[0][None]
        out = np.empty((len(images), *self.shape), self.dtype)
        self.write(images, out)
        return out

    def write(self, images: Sequence[Image], out: NDArray[Any]) -> None:
        """The same into the first N of `out`. Raises ModelError."""
        for image, place in zip(images, out, strict=False):
            self._check(image)
            if self.plain:
                place[...] = image
            else:
                self._write_planes(image, place)

    def _write_planes(self, image: Image, place: NDArray[Any]) -> None:
        """One colour after the other: a quarter of the time of all three at once."""
        planes = place if self.layout == "nchw" else np.moveaxis(place, -1, 0)
        for plane, colour in zip(planes, ORDER[self.channels], strict=True):
            source = image[..., colour]
            plane[...] = source if self.dtype == "uint8" else self._scaled(source, colour)

    def _scaled(self, source: NDArray[np.uint8], colour: int) -> NDArray[np.float32]:
        # Computed in float32 also where the graph takes float16, which has 11 bits.
        values = np.subtract(source, np.float32(self.mean[colour]), dtype=np.float32)
        values /= np.float32(self.std[colour])
        return values

    def _check(self, image: Image) -> None:
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ModelError(
                f"a picture of shape {image.shape} {image.dtype} for a model that takes "
                f"({self.height}, {self.width}, 3) uint8; scale it first"
            )


def pixel_form(signature: Signature, size: InputSpec, path: Path) -> PixelForm:
    """What the graph says and what its card adds. Raises ModelError where they do not fit."""
    layout = _layout(signature, size, path)
    for said, wanted in zip(signature.size(layout), (size.height, size.width), strict=True):
        if said is not None and said != wanted:
            raise ModelError(
                f"the model {path} takes {signature}, and its card says height {size.height}, "
                f"width {size.width}; correct the card"
            )
    outside = signature.dtype != "uint8"
    if outside and not (size.mean and size.std):
        raise ModelError(
            f"the model {path} takes {signature}, so its card must have input.mean and input.std "
            "(three numbers each, of values 0 to 255)"
        )
    return PixelForm(
        size.height,
        size.width,
        dtype=signature.dtype,
        layout=layout,
        channels=size.channels,
        mean=size.mean if outside else (),
        std=size.std if outside else (),
    )


def _layout(signature: Signature, size: InputSpec, path: Path) -> str:
    known = signature.layout
    if known and size.layout and size.layout != known:
        raise ModelError(
            f"the model {path} takes {signature}, which is {known}, and its card says layout "
            f"{size.layout!r}; leave it out"
        )
    if not known and not size.layout:
        raise ModelError(
            f"the model {path} takes {signature}, where colours may be at axis 1 or 3; write "
            'input.layout = "nchw" or "nhwc" in its card'
        )
    return known or size.layout
