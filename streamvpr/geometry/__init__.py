"""The geometry of two views: which features correspond, and which of those one model explains."""

from streamvpr.geometry.camera import Camera, Distortion
from streamvpr.geometry.camera_file import read_camera
from streamvpr.geometry.correspondence import LEAST_MATCHES, mutual_matches
from streamvpr.geometry.glimpse import LEAST_AGREEING, Glimpse, glance
from streamvpr.geometry.guided import guided_matches
from streamvpr.geometry.verifier import Geometry, Verifier

__all__ = [
    "LEAST_AGREEING",
    "LEAST_MATCHES",
    "Camera",
    "Distortion",
    "Geometry",
    "Glimpse",
    "Verifier",
    "glance",
    "guided_matches",
    "mutual_matches",
    "read_camera",
]
