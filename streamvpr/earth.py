"""Distances over the ground between positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Position

# Metres. The mean radius R1 = (2a + b) / 3 of GRS 80, and to the millimetre of WGS 84: H. Moritz,
# "Geodetic Reference System 1980", Journal of Geodesy 74, 2000.
MEAN_RADIUS = 6_371_008.7714


def distance(one: Position, other: Position) -> float:
    """Metres between two positions along a great circle, by the haversine formula.

    The Earth is taken for a sphere, which errs by half a percent at most.
    """
    latitudes, longitudes = np.array([other.latitude]), np.array([other.longitude])
    return float(distances(one, latitudes, longitudes)[0])


def distances(
    one: Position, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N,) metres from one position to others, whose degrees are (N,); as `distance`.

    R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984.
    """
    latitude, longitude = math.radians(one.latitude), math.radians(one.longitude)
    others = np.radians(latitudes)
    north = np.sin((others - latitude) / 2) ** 2
    east = np.sin((np.radians(longitudes) - longitude) / 2) ** 2
    share = north + math.cos(latitude) * np.cos(others) * east
    # Rounding may lead past the other side of the Earth.
    metres: NDArray[np.float64] = 2 * MEAN_RADIUS * np.arcsin(np.sqrt(np.minimum(share, 1)))
    return metres
