"""What travels through the pipeline: frozen, slotted values with shapes and units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.retrieval.base import Signature

    Descriptor = NDArray[np.float32]
    Image = NDArray[np.uint8]
    Homography = NDArray[np.float64]
    Epipolar = NDArray[np.float64]
    PlaceKey = tuple[str | None, str, int]


class Picture(Protocol):
    """A decoded picture that makes the array asked for straight from its own planes.

    `width` and `height` are those of the upright picture, in source pixels: a rotation that the
    file's metadata asks for is already counted in.
    """

    @property
    def width(self) -> int:
        """Width of the upright picture in source pixels."""

    @property
    def height(self) -> int:
        """Height of the upright picture in source pixels."""

    def rgb(self, width: int, height: int) -> Image:
        """The whole picture stretched to (height, width, 3), uint8 RGB."""

    def gray(self, width: int, height: int) -> Image:
        """The luma of the whole picture stretched to (height, width), uint8, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a live picture came, and when it was taken."""

    monotonic: float
    """Reading of `time.monotonic` when its packet was here, in seconds."""
    taken: float
    """When it was sent, by its timestamp and the least delay seen: seconds of Unix time."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where something is, as its receiver said. Raises ValueError for what is nowhere on Earth."""

    latitude: float
    """Degrees of WGS 84, -90 to 90, north positive."""
    longitude: float
    """Degrees of WGS 84, -180 to 180, east positive."""
    altitude: float | None = None
    """Metres above the sea or the ellipsoid, whichever the receiver counts from; None: unknown."""

    def __post_init__(self) -> None:
        # What is not finite fails the comparison, too.
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"{self.latitude}, {self.longitude} is no latitude and longitude")
        if self.altitude is not None and not math.isfinite(self.altitude):
            raise ValueError(f"{self.altitude} is no altitude")


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame of a source."""

    time: float | None
    """Seconds of stream time, strictly increasing; None where the source has no clock."""
    path: str
    """The image, the video, or the URL without its password."""
    picture: Picture
    arrival: Arrival | None = None
    """When it came; None where it was there all along."""
    position: Position | None = None
    """Where it was taken; None where its source does not say so."""
    taken: float | None = None
    """When it was taken by the receiver's clock, in seconds of Unix time; None where unknown."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A frame that the sampler chose, in the forms that the later stages need."""

    stream: str
    index: int
    """Index among the processed frames of its stream, from 0."""
    time: float | None
    path: str
    width: int
    height: int
    """Size of the upright source picture in pixels."""
    arrival: Arrival | None = None
    same_view_as: int | None = None
    """Index of the place whose view this frame still shows; such a frame has no arrays."""
    model_input: Image | None = None
    """(H, W, 3) uint8 RGB of the model's input size."""
    gray: Image | None = None
    """(h, w) uint8 luma for local features; None where geometry is off."""
    thumbnail: bytes | None = None
    """JPEG of the picture; None where no previews are asked for."""
    position: Position | None = None
    taken: float | None = None

    @property
    def has_arrays(self) -> bool:
        """Whether there is something to describe: not of a view that is kept already, and not where
        there was no memory."""
        return self.model_input is not None or self.gray is not None


class FeatureKind(StrEnum):
    """What local features are, and with that how they are compared."""

    ORB = "orb"
    """256 bits."""
    SIFT = "sift"
    """128 counts of gradients."""
    XFEAT = "xfeat"
    """64 numbers out of a network."""


@dataclass(frozen=True, slots=True)
class Features:
    """Local features of one keyframe, the most telling first: those that are looked at first."""

    points: NDArray[np.float32]
    """(N, 2) x, y in source pixels."""
    descriptors: NDArray[np.uint8] | NDArray[np.float16]
    """ORB: (N, 32) uint8, 256 bits. SIFT: (N, 128) uint8. XFeat: (N, 64) float16 of length 1."""
    scale: float
    """Source pixels per pixel of the image in which the features were found."""
    kind: FeatureKind = FeatureKind.ORB
    size: tuple[int, int] | None = None
    """Width and height of the source picture in pixels; None where they aren't known."""
    poses: NDArray[np.uint8] | None = None
    """(N, 2): direction in 1/256 turns, and size in 1/8 octaves; None for a kind that has neither,
    and takes pictures for upright and of one scale."""
    clear: NDArray[np.bool_] | None = None
    """(N,) those that stand out clearly enough to make words of; None for all. Not kept."""

    @property
    def nbytes(self) -> int:
        """Bytes that a place keeps for them."""
        poses = 0 if self.poses is None else self.poses.nbytes
        return int(self.points.nbytes + self.descriptors.nbytes + poses)


@dataclass(frozen=True, slots=True)
class Described:
    """A keyframe with what was computed from it."""

    keyframe: Keyframe
    descriptor: Descriptor | None
    """(D,) float32 of length 1; None for a frame that shows a view already kept, and where the
    model failed on it."""
    features: Features | None
    words: Signature = None
    """What a retriever by local features finds it by; None where there is none."""

    @property
    def signature(self) -> Signature:
        """What it is found by: its descriptor, or where no network runs its words."""
        return self.words if self.descriptor is None else self.descriptor

    @property
    def undescribed(self) -> bool:
        """Whether it shows something, and nobody knows what."""
        return self.signature is None and self.keyframe.same_view_as is None


@dataclass(frozen=True, slots=True)
class Place:
    """What is remembered of a keyframe besides its descriptor."""

    stream: str
    index: int
    time: float | None
    path: str
    width: int
    """Width of the upright source picture in pixels."""
    features: Features | None
    thumbnail: bytes | None
    session: str | None = None
    """Name of the earlier session that it comes from; None for this run's own."""
    wall_time: float | None = None
    """When it was seen, in seconds of Unix time; None where that is not known."""
    position: Position | None = None
    """Where it was seen, where its source says so."""

    @property
    def key(self) -> PlaceKey:
        """Tells places apart: session, stream, index."""
        return self.session, self.stream, self.index


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that looks like the query."""

    place: Place
    score: float
    """Cosine similarity of the two global descriptors, -1 to 1."""
    prominence: float = 0.0
    """How much of the way from the stream's background to 1 the similarity goes; of a sequence, the
    sum of its frames' over the square root of their number."""
    agreement: float | None = None
    """Median prominence of a sequence's frames along its best alignment; None for single frames."""
    by_words: bool = False
    """Whether local features proposed it, whatever its similarity."""


class GeometryModel(StrEnum):
    """What binds the points of two views."""

    HOMOGRAPHY = "homography"
    """Of a plane, or of a camera that turns where it stands: a point has one place."""
    FUNDAMENTAL = "fundamental"
    """Of a scene with depth: a point lies on a line."""
    ESSENTIAL = "essential"
    """The same, seen by a calibrated camera."""


@dataclass(frozen=True, slots=True)
class Pose:
    """X_match = R X_query + t: from the query camera's frame to the match camera's.

    A camera's frame has x to the right of the picture, y down, z ahead.
    """

    rotation: tuple[float, float, float, float]
    """R as a quaternion x, y, z, w of length 1, w 0 or more."""
    translation: tuple[float, float, float] | None
    """t of length 1; None where the camera only turned, or that cannot be told from it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What geometry said of one candidate."""

    matches: int
    """One-to-one feature matches that passed the ratio test."""
    inliers: int
    """Matches that the model explains; 0 where there were too few matches to try."""
    needed: int = 0
    """Least inliers of an accepted match, by what random pairs of the stream have."""
    overlap: float | None = None
    """Share of the smaller view that the other one shows, 0 to 1; None where it isn't known."""
    homography: Homography | None = None
    """(3, 3) float64, query to match in source pixels, h33 = 1; None where it is not the model."""
    query_points: NDArray[np.float32] | None = None
    match_points: NDArray[np.float32] | None = None
    """(inliers, 2) x, y of the inliers in source pixels."""
    model: GeometryModel | None = None
    """None where no model was found."""
    fundamental: Epipolar | None = None
    """(3, 3) float64 of norm 1, x_match^T F x_query = 0 in source pixels; None where it is not the
    model."""
    pose: Pose | None = None
    """None without a camera, and where the views leave it open."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A place with what it is found by."""

    place: Place
    descriptor: Signature
    """(D,) float32 of length 1, or words."""
    words: Signature = None
    """Words besides; None where there are none."""


class Verdict(StrEnum):
    """Why a query closed a loop, or why it did not."""

    ACCEPTED = "accepted"
    EMPTY_DATABASE = "empty_database"
    BELOW_THRESHOLD = "below_threshold"
    TOO_FEW_MATCHES = "too_few_matches"
    TOO_FEW_INLIERS = "too_few_inliers"
    INCONSISTENT_SEQUENCE = "inconsistent_sequence"
    STATIONARY = "stationary"
    UNDESCRIBED = "undescribed"
    """The model failed on it, or there was no memory for the picture."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one query, and all that it was decided on."""

    query: Keyframe
    verdict: Verdict
    match: Candidate | None = None
    """The best candidate, also where it was not accepted."""
    verification: Verification | None = None
    """None where geometry was not reached or is off."""
    confidence: float | None = None
    """0 to 1, how sure the program is that query and match are the same place."""
    loop_id: int | None = None
    """The sustained revisit that an accepted query belongs to."""
    latency: float | None = None
    """Seconds from the frame's arrival to its being written; None for what is not live."""
    knows_sessions: bool = False
    """Whether the match may be of an earlier session: records say of which, then."""
    remembered: Remembered | None = None
    """What was kept of the query for later ones; None where nothing was."""
    descriptor: Signature = None
    """(D,) float32 of length 1, or words: the query's; None for a view that stands still."""

    @property
    def accepted(self) -> bool:
        """Whether this is a loop closure."""
        return self.verdict is Verdict.ACCEPTED


class StreamState(StrEnum):
    """What happened to a stream."""

    CONNECTED = "connected"
    """The first frame is here."""
    LOST = "lost"
    """No more frames; a live source is tried again."""
    RECONNECTED = "reconnected"
    FROZEN = "frozen"
    """Frames come, and show the same picture again and again."""
    THAWED = "thawed"
    DECODING = "decoding"
    """From now on other pictures are decoded than before."""
    ENDED = "ended"
    """The last record of a stream."""


@dataclass(frozen=True, slots=True)
class Track:
    """What a connection delivers."""

    codec: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that happened to a stream."""

    state: StreamState
    time: float | None = None
    """Stream time in seconds; None before the first frame, and where there is no clock."""
    wall_time: float | None = None
    """Seconds of Unix time; None for what is not live."""
    cause: str | None = None
    seconds: float | None = None
    """How long the outage or the freeze lasted."""
    track: Track | None = None
    keyframes_only: bool = False
