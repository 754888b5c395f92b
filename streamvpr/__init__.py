"""Have I been here before? Visual place recognition for live video.

The parts of the command line under the same names, usable without it:

    async for closure in streamvpr.run("flight.mp4", fps=2):
        print(closure.query_time, closure.match_time, closure.inliers)
"""

__version__ = "0.1.0"

import os

# OpenCV reads it when it is loaded, and takes pictures of a gigapixel otherwise: a file of 870 KB
# would fill 5 GB. The largest sensors of aerial cameras have 150 megapixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "160000000")

from streamvpr.config import MatchOptions, RunOptions
from streamvpr.database import PlaceDatabase
from streamvpr.embedding import Embedder, ModelCard, find_model, list_models, open_embedder
from streamvpr.errors import (
    ConfigError,
    DeviceError,
    ModelError,
    SourceError,
    SourceLost,
    SourceOpenError,
    StoreError,
    StreamVPRError,
)
from streamvpr.evaluation import Scores, evaluate
from streamvpr.export import ExportOptions, export_model
from streamvpr.features import FeatureExtractor, OrbExtractor, XFeatExtractor, open_extractor
from streamvpr.frames import (
    Candidate,
    Decision,
    FeatureKind,
    Features,
    Frame,
    GeometryModel,
    Place,
    Pose,
    Position,
    Verdict,
    Verification,
)
from streamvpr.geometry import Camera, Geometry, Verifier, read_camera
from streamvpr.library import decide, match, run
from streamvpr.maps import History, MapReader, MapWriter
from streamvpr.maps import open_reader as open_map
from streamvpr.records import LoopClosure, Query
from streamvpr.running import open_run
from streamvpr.sinks import Sink
from streamvpr.sources import Clip, SourceOptions, open_source

__all__ = [
    "Camera",
    "Candidate",
    "Clip",
    "ConfigError",
    "Decision",
    "DeviceError",
    "Embedder",
    "ExportOptions",
    "FeatureExtractor",
    "FeatureKind",
    "Features",
    "Frame",
    "Geometry",
    "GeometryModel",
    "History",
    "LoopClosure",
    "MapReader",
    "MapWriter",
    "MatchOptions",
    "ModelCard",
    "ModelError",
    "OrbExtractor",
    "Place",
    "PlaceDatabase",
    "Pose",
    "Position",
    "Query",
    "RunOptions",
    "Scores",
    "Sink",
    "SourceError",
    "SourceLost",
    "SourceOpenError",
    "SourceOptions",
    "StoreError",
    "StreamVPRError",
    "Verdict",
    "Verification",
    "Verifier",
    "XFeatExtractor",
    "__version__",
    "decide",
    "evaluate",
    "export_model",
    "find_model",
    "list_models",
    "match",
    "open_embedder",
    "open_extractor",
    "open_map",
    "open_run",
    "open_source",
    "read_camera",
    "run",
]
