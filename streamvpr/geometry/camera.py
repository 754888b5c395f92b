"""A calibrated camera: from pixels of its pictures to the directions that they look in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A picture that was scaled has whole pixels: each of its sides is this far from the exact one.
ROUNDING = 1.0
# Directions further than this from the optical axis have no place on a plane before the camera
# that noise would not move out of sight: tan(80 degrees).
LARGEST_TANGENT = 5.67
# Steps towards the undistorted point: OpenCV's own five leave wide lenses half a pixel off.
CONVERGED = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
# Pixels by which a point may miss itself after its way through the lens and back.
CLOSED = 0.1


class Distortion(StrEnum):
    """How a lens bends straight lines, and with that what its coefficients mean."""

    NONE = "none"
    RADTAN = "radtan"
    """k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], as OpenCV's calibration gives them."""
    EQUIDISTANT = "equidistant"
    """k1 k2 k3 k4 of the angle from the axis (Kannala and Brandt, PAMI 2006), for wide lenses."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many coefficients there can be."""
        return {"none": (0,), "radtan": (4, 5, 8, 12, 14), "equidistant": (4,)}[self.value]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole with a lens. The middle of the picture's first pixel is (0, 0)."""

    width: int
    height: int
    """Size in pixels of the pictures that it was calibrated on."""
    fx: float
    fy: float
    """Focal lengths in pixels."""
    cx: float
    cy: float
    """Where the optical axis meets the picture, in pixels."""
    distortion: Distortion = Distortion.NONE
    coefficients: tuple[float, ...] = ()
    """As many as `distortion.lengths` has."""

    @property
    def focal(self) -> float:
        """One focal length for both directions, in pixels."""
        return float(np.sqrt(self.fx * self.fy))

    def resized(self, width: int) -> Camera:
        """The same camera with its pictures made `width` pixels wide, and as high as that gives."""
        factor = width / self.width
        return replace(
            self,
            width=width,
            height=max(1, round(self.height * factor)),
            fx=self.fx * factor,
            fy=self.fy * factor,
            # Pixels have an extent: what scales is the distance from the picture's edge.
            cx=(self.cx + 0.5) * factor - 0.5,
            cy=(self.cy + 0.5) * factor - 0.5,
        )

    def require_size(self, width: int, height: int, *, shown: str) -> None:
        """Raise ConfigError where pictures of that size are not this camera's, scaled by a factor.

        `shown` names them in the message.
        """
        apart = abs(width * self.height - height * self.width)
        # Either size may be the one that was rounded.
        if apart > ROUNDING * max(width + height, self.width + self.height):
            raise ConfigError(
                f"--camera: {shown} is {width}x{height}, and the camera was calibrated at "
                f"{self.width}x{self.height}; pictures may be scaled, and not cropped or turned: "
                "give the calibration of what is shown"
            )

    def normalised(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, 2) pixels x, y to (N, 2) x/z, y/z of what they show, without the lens's distortion.

        Not a number where the lens cannot have drawn anything before the camera, as in the black
        corners of a fisheye's picture, or what is there lies more than 80 degrees from the axis.
        """
        pixels = np.asarray(points, np.float64).reshape(-1, 1, 2)
        if not len(pixels):
            return np.empty((0, 2))
        rays = self._undistorted(pixels).reshape(-1, 2)
        with np.errstate(invalid="ignore"):
            seen = np.hypot(rays[:, 0], rays[:, 1]) < LARGEST_TANGENT
        rays = np.where(seen[:, None], rays, 0.0)
        # The inverse of a polynomial is sought step by step, and may end anywhere.
        returned = np.hypot(*(self.pixels(rays) - pixels[:, 0]).T) < CLOSED
        return np.where((seen & returned)[:, None], rays, np.nan)

    def _undistorted(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        matrix, lens = self._matrix(), np.array(self.coefficients, np.float64)
        if self.distortion is Distortion.EQUIDISTANT:
            found = cv2.fisheye.undistortPoints(pixels, matrix, lens, criteria=CONVERGED)
        elif iterated := getattr(cv2, "undistortPointsIter", None):
            # So OpenCV 4 calls the one that can be told when to end.
            found = iterated(pixels, matrix, lens, None, None, CONVERGED)
        else:
            found = cv2.undistortPoints(pixels, matrix, lens, criteria=CONVERGED)
        return np.asarray(found, np.float64)

    def pixels(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) x/z, y/z of what lies before the camera to the pixels x, y that show it."""
        if not len(rays):
            return np.empty((0, 2))
        matrix, lens, still = self._matrix(), np.array(self.coefficients), np.zeros(3)
        if self.distortion is Distortion.EQUIDISTANT:
            drawn = cv2.fisheye.distortPoints(np.ascontiguousarray(rays[:, None]), matrix, lens)
        else:
            space = np.column_stack([rays, np.ones(len(rays))])
            drawn, _ = cv2.projectPoints(space[:, None], still, still, matrix, lens)
        return np.asarray(drawn, np.float64).reshape(-1, 2)

    def _matrix(self) -> NDArray[np.float64]:
        rows = [[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]]
        return np.array(rows, np.float64)
