"""What the builders have in common: a checkpoint's tensors, what to take of them, and loading."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

State = dict[str, Tensor]
"""A checkpoint: names to tensors."""
MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a network is wanted, where its weights leave a choice."""

    size: tuple[int, int]
    """(width, height) of the pictures."""
    stage: str | None = None
    """The last stage of a ResNet that is kept: layer3 or layer4. None: what the weights have."""
    stride_in_1x1: bool | None = None
    """Whether a ResNet is v1, with its strides in the first 1x1 convolution. None: found out."""


def load(module: nn.Module, state: State, *, unused: Iterable[str] = ()) -> None:
    """Put the tensors into the module; keys that begin like one of `unused` are left out.

    Raises ModelError where a key is missing or unknown, or a tensor has another shape.
    """
    skipped = tuple(unused)
    kept = {key: value for key, value in state.items() if not (skipped and key.startswith(skipped))}
    wanted = module.state_dict()
    _refuse("lack", [key for key in wanted if key not in kept and not _optional(key)])
    _refuse("have the unknown", [key for key in kept if key not in wanted])
    for key, value in kept.items():
        if value.shape != wanted[key].shape:
            raise ModelError(
                f"the weights have {key} with shape {tuple(value.shape)}, and the network needs "
                f"{tuple(wanted[key].shape)}"
            )
    module.load_state_dict(kept, strict=False)


def shape_of(state: State, key: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that tells how large the network is.

    Raises ModelError where it is missing, or has another number of dimensions.
    """
    _refuse("lack", [key] if key not in state else [])
    shape = tuple(state[key].shape)
    if len(shape) != dimensions:
        raise ModelError(
            f"the weights have {key} with shape {shape}, and the network needs one of "
            f"{dimensions} dimensions; are they of this network?"
        )
    return shape


def count(state: State, prefix: str) -> int:
    """How many of a list of layers there are: keys that begin with prefix and 0, 1, 2, ..."""
    there = {key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)}
    return next(index for index in itertools.count() if str(index) not in there)


def _optional(key: str) -> bool:
    """A counter that training uses, and older checkpoints lack."""
    return key.endswith("num_batches_tracked")


def _refuse(what: str, keys: list[str]) -> None:
    if keys:
        more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
        raise ModelError(
            f"the weights {what} {', '.join(keys[:MOST_NAMED])}{more}; are they of this network?"
        )
