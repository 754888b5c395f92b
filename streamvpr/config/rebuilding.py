"""Options of `map rebuild`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.describing import ModelOptions
from streamvpr.frames import FeatureKind
from streamvpr.parsing import within


@dataclass(frozen=True, kw_only=True)
class RebuildOptions(ModelOptions):
    """What a map is described with anew."""

    batch_size: Annotated[
        int, Parameter(help="Most pictures in one run of the model.", validator=within(1, 1024))
    ] = 8
    local_features: Annotated[
        FeatureKind, Parameter(help="What geometry will compare: orb, sift, xfeat.")
    ] = FeatureKind.ORB
