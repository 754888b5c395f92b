"""Options that decide what is recognised, and what is told of it: those of `run` and `match`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.describing import DescribingOptions
from streamvpr.errors import ConfigError
from streamvpr.frames import FeatureKind
from streamvpr.geometry import Geometry
from streamvpr.parsing import within
from streamvpr.retrieval.kind import RetrieverKind


class Records(StrEnum):
    """Which records go to standard output."""

    LOOPS = "loops"
    QUERIES = "queries"
    ALL = "all"


class Emit(StrEnum):
    """Which closures of one sustained revisit are reported."""

    ALL = "all"
    FIRST = "first"
    BEST = "best"


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions(DescribingOptions):
    """What is recognised, and what is told of it: of `run` and `match` alike."""

    sim_threshold: Annotated[
        float | None,
        Parameter(
            help="Least similarity of a candidate: the cosine of a network's descriptors, or the "
            "retriever's own. Default: from the model's card.",
            validator=within(-1, 1),
        ),
    ] = None
    top_k: Annotated[
        int,
        Parameter(
            help="Candidates that reach the verifier, distinct in time.", validator=within(1, 1000)
        ),
    ] = 5
    capacity: Annotated[
        int,
        Parameter(
            help="Places kept per stream, the oldest evicted; memory is bounded by it, to what "
            "`doctor` says.",
            validator=within(1, 10_000_000),
        ),
    ] = 20_000
    verify_geom: Annotated[
        bool,
        Parameter(
            help="Verify candidates by local features and the geometry of two views. Without, "
            "similarity decides alone, by a stricter threshold."
        ),
    ] = True
    geometry: Annotated[
        Geometry,
        Parameter(
            help="What binds the points of two views: homography, fundamental, essential (with "
            "--camera), auto (a homography unless the scene has depth)."
        ),
    ] = Geometry.HOMOGRAPHY
    camera: Annotated[
        str | None,
        Parameter(
            help="Calibration of the camera (ROS camera_info, Kalibr, OpenCV; FILE#cam1 of a "
            "chain): closures get the rotation and the direction of the translation. Needs the "
            "extra camera."
        ),
    ] = None
    min_inliers: Annotated[
        int, Parameter(help="Least inliers of a verified match.", validator=within(4))
    ] = 20
    reproj_thresh: Annotated[
        float,
        Parameter(
            help="Most reprojection error of an inlier, in pixels of the picture as it is looked "
            "at: its longest side made 320 to 640.",
            validator=within(above=0),
        ),
    ] = 3.0
    min_overlap: Annotated[
        float,
        Parameter(
            help="Least share of the smaller view that a verified match has in common with the "
            "other; 0 asks for none.",
            validator=within(0, 1),
        ),
    ] = 0.4
    chance: Annotated[
        bool,
        Parameter(
            help="Ask for more inliers than --min-inliers where random pairs of the stream have "
            "many."
        ),
    ] = True
    neighbours: Annotated[
        bool,
        Parameter(
            help="Verify the places beside the best candidates and near the last match, too."
        ),
    ] = True
    centre: Annotated[
        bool,
        Parameter(
            help="Compare descriptors less the mean of the stream's own past, which all share: "
            "better on some streams, worse on others; try it.",
            negative=(),
        ),
    ] = False
    normalise: Annotated[
        bool,
        Parameter(
            help="Judge similarity by how far it stands out of the stream's background, and not "
            "by itself."
        ),
    ] = True
    gps_gate: Annotated[
        float | None,
        Parameter(
            help="Places that are known to lie further away, in metres, cannot match. Default: "
            "positions are written down, and decide nothing.",
            validator=within(above=0),
        ),
    ] = None
    support: Annotated[
        int,
        Parameter(
            help="Of the 5 frames before, so many must have had a candidate near the match.",
            validator=within(0, 5),
        ),
    ] = 0
    local_features: Annotated[
        FeatureKind | None,
        Parameter(
            help="What geometry compares: orb, sift, xfeat (a small network that knows places "
            "through snow and sun, for 40 ms of a core a picture instead of 6). Default: orb, or "
            "sift with --rotation-invariant."
        ),
    ] = None
    rotation_invariant: Annotated[
        bool,
        Parameter(
            help="Views from above, at any heading: SIFT features, for 55 ms of a core a picture "
            "instead of 6.",
            negative=(),
        ),
    ] = False
    retriever: Annotated[
        RetrieverKind,
        Parameter(
            help="What finds candidates: global (the network); hashbow, hbst, dbow (ORB features), "
            "vlad, fisher, bow (SIFT features), where no network runs; hybrid (the network and "
            "hashbow)."
        ),
    ] = RetrieverKind.GLOBAL
    vocabulary: Annotated[
        Path | None,
        Parameter(
            help="What dbow (also DBoW2's and DBoW3's files), vlad, fisher or bow has "
            "learned. Default: the one that ships."
        ),
    ] = None
    sequence_length: Annotated[
        int,
        Parameter(
            help="Consecutive frames that must agree, at 0.8 to 1.25 times the speed; 1: single "
            "frames.",
            validator=within(1, 200),
        ),
    ] = 1
    bidirectional: Annotated[
        bool,
        Parameter(help="With --sequence-length: the way back counts, too.", negative=()),
    ] = False
    records: Annotated[
        Records,
        Parameter(
            help="loops: closures. queries: one record for every processed frame. all: both."
        ),
    ] = Records.LOOPS
    emit: Annotated[
        Emit,
        Parameter(
            help="Closures of one sustained revisit that are reported: all, first, best (one "
            "record when it ends, or after 30 frames)."
        ),
    ] = Emit.ALL
    output_dir: Annotated[
        Path | None,
        Parameter(
            help="Also write loop_closures.json, matches/, queries.jsonl, plots and settings "
            "there, for `report` to read."
        ),
    ] = None
    seed: Annotated[
        int,
        Parameter(
            help="Everything random repeats with it: same input, same output, byte for byte.",
            validator=within(0, 2**31 - 1),
        ),
    ] = 0

    def feature_kind(self) -> FeatureKind:
        """The local features that the options amount to."""
        if self.local_features is not None:
            return self.local_features
        if self.retriever.features is not None and not self.rotation_invariant:
            return self.retriever.features
        return FeatureKind.SIFT if self.rotation_invariant else FeatureKind.ORB

    def looks_closely(self) -> bool:
        """Whether local features are those of larger pictures."""
        return self.retriever is RetrieverKind.HYBRID or self.retriever.is_encoder


def require_network(options: RecognitionOptions) -> None:
    """Raise ConfigError where something is asked for that a network alone has."""
    if options.centre and not options.retriever.has_network:
        raise ConfigError(
            f"--centre is about a network's descriptors, and --retriever {options.retriever} has "
            "none"
        )


def require_sequence(options: RecognitionOptions) -> None:
    """Raise ConfigError where a way back is asked for and there is no way."""
    if options.bidirectional and options.sequence_length == 1:
        raise ConfigError(
            "--bidirectional: a single frame has no direction; give --sequence-length 2 or more"
        )
