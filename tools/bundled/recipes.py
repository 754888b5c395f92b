"""What to build, as the command line asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundled.backbones import Architecture
    from bundled.checkpoints import Checkpoint

PRECISIONS = {
    "fp32": "float32",
    "fp16": "computed in float16",
    "fp16-weights": "weights stored in float16, computed in float32",
    "int8": "convolutions in 8 bits",
}
STAGES = {
    "head": "generalised mean over the places",
    "features": "without its 1x1 head; generalised mean over the places",
    "signed": "without its 1x1 head; generalised means over the places of the positive and of the "
    "negative part",
}
SIGNED = "signed"
"""The last block is linear: half of what it says is negative, which a generalised mean cuts off."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosines to decide by, and how they were found."""

    value: float
    """From here a candidate is worth checking by geometry."""
    without_geometry: float
    """From here a candidate is believed without."""
    calibrated: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model."""

    architecture: Architecture
    checkpoint: Checkpoint
    precision: str
    stage: str
    size: tuple[int, int]
    """(width, height)."""
    thresholds: Thresholds
    given_name: str | None = None

    @property
    def name(self) -> str:
        """The name of the files: the one given, or one that tells the models apart."""
        if self.given_name is not None:
            return self.given_name
        width, height = self.size
        stage = "" if self.stage == "head" else f"-{self.stage}"
        return f"{self.architecture.name}{stage}-{width}x{height}-{self.precision}"

    @property
    def signed(self) -> bool:
        """Whether positive and negative parts are pooled apart: twice the dimension."""
        return self.stage == SIGNED

    @property
    def description(self) -> str:
        """A sentence for the card."""
        return (
            f"{self.architecture.description}; {STAGES[self.stage]}; unit length; "
            f"{PRECISIONS[self.precision]}."
        )
