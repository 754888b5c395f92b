"""What an ONNX file itself says of its input and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.embedding.card import LONGEST_SIDE
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}
CHANNEL_AXIS = {"nchw": 1, "nhwc": 3}


@dataclass(frozen=True, slots=True)
class Signature:
    """Input and outputs of a graph; None is what it leaves open."""

    input: str
    shape: tuple[int | None, int | None, int | None, int | None]
    dtype: str
    """`uint8`, `float32` or `float16`."""
    outputs: dict[str, int | None]
    """Values of one descriptor, by the output's name, in the graph's order."""

    @property
    def batch(self) -> int | None:
        """Pictures that the graph takes at once; None is any number."""
        return self.shape[0]

    @property
    def layout(self) -> str | None:
        """`nchw` or `nhwc` where a 3 can stand at one of the axes only; None where it is open."""
        fixed = [name for name, axis in CHANNEL_AXIS.items() if self.shape[axis] == 3]
        possible = [n for n, axis in CHANNEL_AXIS.items() if self.shape[axis] in (3, None)]
        for found in (fixed, possible):
            if len(found) == 1:
                return found[0]
        return None

    @property
    def takes_colour(self) -> bool:
        """Whether an axis can hold three channels."""
        return bool({self.shape[1], self.shape[3]} & {3, None})

    def size(self, layout: str) -> tuple[int | None, int | None]:
        """(height, width) of the pictures, where `layout` holds."""
        first = 2 if layout == "nchw" else 1
        return self.shape[first], self.shape[first + 1]

    def __str__(self) -> str:
        shown = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.input} [{shown}] {self.dtype}"


def read_signature(session: Any, path: Path) -> Signature:
    """The signature of an opened model. Raises ModelError where it can be no embedding model."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(known.name for known in inputs) or "none"
        raise ModelError(f"the model {path} has the inputs {names}; one that takes pictures is due")
    (taken,) = inputs
    shape = _sizes(taken.shape)
    if taken.type not in TYPES or len(shape) != 4:
        raise ModelError(
            f"the model {path} takes {taken.name} {list(taken.shape)} {taken.type}; pictures are "
            "four-dimensional uint8, float32 or float16: export it again"
        )
    found = Signature(
        input=taken.name,
        shape=(shape[0], shape[1], shape[2], shape[3]),
        dtype=TYPES[taken.type],
        outputs={out.name: _dimension(out.shape) for out in session.get_outputs()},
    )
    if max(size or 0 for size in shape) > LONGEST_SIDE:
        raise ModelError(f"the model {path} takes {found}; at most {LONGEST_SIDE} a side are read")
    if not found.takes_colour or 0 in shape:
        raise ModelError(
            f"the model {path} takes {found}, and colour pictures have 3 channels at axis 1 or 3; "
            "export it again"
        )
    return found


def output_of(signature: Signature, name: str, path: Path) -> str:
    """The output called `name`, or the first where that is empty. Raises ModelError."""
    if name and name not in signature.outputs:
        known = ", ".join(signature.outputs)
        raise ModelError(f"the model {path} has no output {name!r}; it has {known}")
    return name or next(iter(signature.outputs))


def _sizes(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _dimension(shape: Sequence[int | str | None]) -> int | None:
    """Length of the second axis, where none but axes of length 1 follow it."""
    sizes = _sizes(shape)
    return sizes[1] if len(sizes) > 1 and set(sizes[2:]) <= {1} else None
