"""Which model made the descriptors of a map, and what kind its local features are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.frames import FeatureKind


@dataclass(frozen=True, slots=True)
class MapModel:
    """What descriptors must have in common to be compared."""

    name: str
    sha256: str
    """Of the ONNX file."""
    dimension: int
    features: FeatureKind | None
    """None where geometry is off, and places have none."""

    def require_same_as(self, kept: MapModel, path: Path) -> None:
        """Raise where a map holds another model's descriptors, or features that do not compare.

        ModelError for the model, ConfigError for the features. `self` is what the run has.
        """
        if (kept.sha256, kept.dimension) != (self.sha256, self.dimension):
            raise ModelError(
                f"the map {path} was made with {kept.shown}, and {self.shown} is due; give "
                f"--model {kept.name}, another map, or put it through `streamvpr map rebuild`"
            )
        if self.features is None or self.features is kept.features:
            return
        if kept.features is None:
            raise ConfigError(
                f"the map {path} has no local features, and geometry needs them; give "
                "--no-verify-geom, or put it through `streamvpr map rebuild`"
            )
        raise ConfigError(
            f"the map {path} has {kept.features} features, and {self.features} are due; "
            f"give --local-features {kept.features}"
        )

    @property
    def row(self) -> tuple[object, ...]:
        """As a map's file has it."""
        features = None if self.features is None else self.features.value
        return self.name, self.sha256, self.dimension, features

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.name} ({self.dimension}-d, sha256 {self.sha256[:12]})"
