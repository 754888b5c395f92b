"""Every option, declared once: flags, TOML keys, environment variables and docs come from here.

An option `exclude_recent` is the flag --exclude-recent (or --exclude_recent), the TOML key
`exclude-recent` (or `exclude_recent`) and the variable STREAMVPR_EXCLUDE_RECENT.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streamvpr.channel import Overflow  # noqa: TC001 - read by cyclopts at run time
from streamvpr.credentials import redact
from streamvpr.errors import ConfigError
from streamvpr.frames import FeatureKind
from streamvpr.geometry import Geometry
from streamvpr.parsing import (
    LONGEST_SECONDS,
    av_options,
    parse_av_option,
    to_seconds,
    within,
)
from streamvpr.sampler import Exclusion
from streamvpr.sources import Clip, Decoding, SourceOptions, Transport

DEFAULT_EXCLUDE_RECENT = 30
HEALTH_SECONDS = 60.0


class Device(StrEnum):
    """What runs the model."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


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
class ModelOptions:
    """Which model runs, and on what."""

    model: Annotated[
        str | None,
        Parameter(help="Name from `streamvpr models`, or path to .onnx. Default: the bundled one."),
    ] = None
    device: Annotated[
        Device,
        Parameter(
            help="Where the model runs; anything but auto fails where it cannot. auto: cuda where "
            "it runs, else cpu; tensorrt only where asked for, since building its engine takes "
            "minutes."
        ),
    ] = Device.AUTO
    threads: Annotated[
        int,
        Parameter(help="CPU threads of the model; 0 for all cores.", validator=within(0, 1024)),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class DescribingOptions(ModelOptions):
    """What every command has that describes the frames of sources with a model."""

    batch_size: Annotated[
        int,
        Parameter(
            help="Most frames in one run of the model. Never changes what is printed.",
            validator=within(1, 1024),
        ),
    ] = 8
    fps: Annotated[
        float | None,
        Parameter(
            help="Frames a second of stream time that are processed; 0 is every frame. "
            "Default: 2 for video, 0 for image folders.",
            validator=within(0),
        ),
    ] = None
    start: Annotated[
        float,
        Parameter(
            help="Skip this much of the beginning: seconds or HH:MM:SS.", converter=to_seconds
        ),
    ] = 0.0
    duration: Annotated[
        float | None,
        Parameter(
            help="Process only this much: seconds or HH:MM:SS.",
            converter=to_seconds,
            validator=within(above=0),
        ),
    ] = None
    video_stream: Annotated[
        int | None,
        Parameter(
            help="Index of the video track, as ffprobe counts. Default: FFmpeg's best.",
            validator=within(0),
        ),
    ] = None
    decode: Annotated[
        Decoding,
        Parameter(
            help="Pictures that are decoded. auto: keyframes alone of a live stream that has them "
            "as often as --fps picks frames, else all."
        ),
    ] = Decoding.AUTO
    hwaccel: Annotated[
        str | None,
        Parameter(
            help="Decode with this device of FFmpeg (cuda, vaapi ...). Fails where it cannot."
        ),
    ] = None
    av_option: Annotated[
        tuple[str, ...],
        Parameter(
            help="key=value for FFmpeg, as often as needed.", negative=(), validator=av_options
        ),
    ] = ()
    credentials: Annotated[
        Path | None,
        Parameter(help="File of logins for hosts, in the format of .netrc."),
    ] = None
    connect_timeout: Annotated[
        float,
        Parameter(help="Seconds in which a network source must answer.", validator=within(above=0)),
    ] = 5.0
    read_timeout: Annotated[
        float,
        Parameter(
            help="Seconds without anything new after which a live stream is lost, or frozen.",
            validator=within(above=0),
        ),
    ] = 5.0
    rtsp_transport: Annotated[
        Transport, Parameter(help="What RTSP sends its packets over: tcp, udp.")
    ] = Transport.TCP

    def source_options(self) -> SourceOptions:
        """How the sources are opened and read."""
        return SourceOptions(
            clip=Clip(self.start, self.duration),
            fps=self.fps,
            video_stream=self.video_stream,
            decoding=self.decode,
            hwaccel=self.hwaccel,
            av_options=tuple(parse_av_option(option) for option in self.av_option),
            credentials=self.credentials,
            rtsp_transport=self.rtsp_transport,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
        )

    def effective(self) -> dict[str, Any]:
        """Settings as TOML takes them, those that are None left out, and without secrets."""
        shown = replace(self, av_option=tuple(redact(option) for option in self.av_option))
        plain = {key.replace("_", "-"): value for key, value in asdict(shown).items()}
        return {key: _toml_value(v) for key, v in plain.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions(DescribingOptions):
    """What `run` and `match` have in common."""

    sim_threshold: Annotated[
        float | None,
        Parameter(
            help="Least cosine similarity of a candidate. Default: from the model's card.",
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
            help="Places kept per stream, the oldest evicted; memory is bounded by it.",
            validator=within(1, 10_000_000),
        ),
    ] = 20_000
    verify_geom: Annotated[
        bool, Parameter(help="Verify candidates by local features and the geometry of two views.")
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
            "chain): closures get the rotation and the direction of the translation."
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
    ] = 0.33
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
            help="Compare descriptors less the mean of the stream's own past, which all share.",
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
            help="What geometry compares: orb, sift, xfeat. Default: orb, or sift with "
            "--rotation-invariant."
        ),
    ] = None
    rotation_invariant: Annotated[
        bool,
        Parameter(help="Views from above, at any heading.", negative=()),
    ] = False
    sequence_length: Annotated[
        int,
        Parameter(
            help="Consecutive frames that must agree; 1: single frames.", validator=within(1, 200)
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
            help="Also write loop_closures.json, matches/, similarity_plot.png and run.toml there."
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
        return FeatureKind.SIFT if self.rotation_invariant else FeatureKind.ORB


@dataclass(frozen=True, kw_only=True)
class RunOptions(RecognitionOptions):
    """Online: each frame against the past only."""

    exclude_recent: Annotated[
        int | None,
        Parameter(
            help="The newest N processed frames can't match. "
            f"Default: {DEFAULT_EXCLUDE_RECENT}, or 0 with --exclude-seconds.",
            validator=within(0),
        ),
    ] = None
    min_loop_gap: Annotated[
        int, Parameter(help="Least query_idx - match_idx.", validator=within(0))
    ] = 0
    exclude_seconds: Annotated[
        float | None,
        Parameter(help="The same in seconds of stream time.", validator=within(0)),
    ] = None
    concat: Annotated[
        bool,
        Parameter(help="The sources are the files of one recording: one stream, one clock."),
    ] = False

    shared_places: Annotated[
        bool, Parameter(help="Streams match each other's past too, and not only their own.")
    ] = False
    on_overload: Annotated[
        Overflow | None,
        Parameter(
            help="What happens to frames that come faster than the model takes them: block, "
            "drop-oldest. Default: block, and drop-oldest for live sources."
        ),
    ] = None
    reconnect_delay: Annotated[
        float,
        Parameter(
            help="Longest pause in seconds between two tries to reach a lost live source.",
            validator=within(0.1, LONGEST_SECONDS),
        ),
    ] = 1.0
    reconnect_for: Annotated[
        float | None,
        Parameter(
            help="Give up a live source that is lost for so many seconds. Default: never.",
            validator=within(0),
        ),
    ] = None
    health_every: Annotated[
        float | None,
        Parameter(
            help="Seconds between two health records of each stream, with --records all; 0 is "
            f"none. Default: {HEALTH_SECONDS:g} where a source is live, else none.",
            validator=within(0),
        ),
    ] = None

    def source_options(self) -> SourceOptions:
        """How the sources are opened and read."""
        return replace(
            super().source_options(),
            reconnect_delay=self.reconnect_delay,
            reconnect_for=self.reconnect_for,
        )

    def exclusion(self) -> Exclusion:
        """The one exclusion that the options amount to."""
        recent = self.exclude_recent
        if recent is None:
            recent = DEFAULT_EXCLUDE_RECENT if self.exclude_seconds is None else 0
        return Exclusion(gap=max(recent + 1, self.min_loop_gap), seconds=self.exclude_seconds)


@dataclass(frozen=True, kw_only=True)
class MatchOptions(RecognitionOptions):
    """Offline: each query frame against a fixed database."""

    output_dir: Annotated[
        Path | None,
        Parameter(help="Where loop_closures.json, matches/, similarity_plot.png, run.toml go."),
    ] = Path("outputs")


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions(DescribingOptions):
    """Thresholds of a model from the user's own recording."""

    exclude_recent: Annotated[
        int,
        Parameter(
            help="Frames more than N processed frames apart are far apart, as in `run`.",
            validator=within(0),
        ),
    ] = DEFAULT_EXCLUDE_RECENT
    plot: Annotated[
        Path | None, Parameter(help="Draw the similarities and both thresholds there.")
    ] = None
    write: Annotated[
        bool,
        Parameter(help="Put both thresholds on the model's card, for later runs.", negative=()),
    ] = False


def require_clock(options: RunOptions, *, source: str, has_clock: bool) -> None:
    """Raise ConfigError where an option needs stream time and the source has none."""
    if options.exclude_seconds is not None and not has_clock:
        raise ConfigError(
            f"--exclude-seconds {options.exclude_seconds:g}: {source} is a folder of images and "
            "has no stream time; use --exclude-recent"
        )


def require_sequence(options: RecognitionOptions) -> None:
    """Raise ConfigError where a way back is asked for and there is no way."""
    if options.bidirectional and options.sequence_length == 1:
        raise ConfigError(
            "--bidirectional: a single frame has no direction; give --sequence-length 2 or more"
        )


def _toml_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path | StrEnum) else value
