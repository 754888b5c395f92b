"""ORB features and the geometry of two views. The only module that uses OpenCV's feature side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.frames import Features, Verification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Homography, Image

# Longest side, in pixels, of the picture in which features are found. Larger ones cost more than
# they find; thumbnails are enlarged, since ORB's patch of 31 pixels is a third of them.
LARGEST_SIDE = 640
SMALLEST_SIDE = 320
MOST_FEATURES = 1000
# Between two levels of ORB's pyramid.
PYRAMID_FACTOR = 1.2
# Corners that differ from their ring by as few grey levels: dim corridors have no stronger ones.
FAST_THRESHOLD = 10
# Lowe's ratio of the best to the second-best distance (IJCV 2004). Mutual nearest neighbours need
# little of it: it takes out what repeats within one picture, such as tiles.
RATIO = 0.9
BITS = 256
# Fewer matches than this determine no homography that could be told from chance.
LEAST_MATCHES = 8
BYTES_PER_FEATURE = 32 + 2 * 4
# A homography that mirrors, or magnifies an area by more than this or less than its inverse, is
# no second view of a place but a collapse onto a few points.
MOST_MAGNIFICATION = 25.0


def analysis_size(width: int, height: int) -> tuple[int, int]:
    """Size (width, height) in which a picture of that size is looked at for features."""
    longest = max(width, height)
    scale = min(max(longest, SMALLEST_SIDE), LARGEST_SIDE) / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


class FeatureExtractor:
    """ORB (Rublee et al., ICCV 2011): oriented FAST corners with 256-bit rotated BRIEF.

    Not for use by two threads at once.
    """

    def __init__(self, most: int = MOST_FEATURES) -> None:
        self._orb = cv2.ORB.create(
            nfeatures=most, scaleFactor=PYRAMID_FACTOR, fastThreshold=FAST_THRESHOLD
        )

    def extract(self, gray: Image, source_width: int) -> Features:
        """Features of a luma image (h, w) uint8 of a source picture of that width in pixels."""
        scale = source_width / gray.shape[1]
        try:
            keypoints, found = self._orb.detectAndCompute(gray, None)
        except cv2.error:
            # Raised for pictures smaller than a patch: they have no features.
            keypoints, found = (), None
        descriptors = np.empty((0, 32), np.uint8) if found is None else found
        return Features(
            points=_source_points(keypoints, scale),
            descriptors=np.asarray(descriptors, np.uint8),
            scale=scale,
        )


def _source_points(keypoints: Sequence[cv2.KeyPoint], scale: float) -> NDArray[np.float32]:
    """(N, 2) positions in source pixels.

    OpenCV scales a pyramid level's corners up by their corner pixel and not by its centre; without
    the half pixels, a view turned around would be off by several source pixels.
    """
    if not keypoints:
        return np.empty((0, 2), np.float32)
    points = np.asarray(cv2.KeyPoint.convert(list(keypoints)), np.float64)
    octaves = np.array([keypoint.octave for keypoint in keypoints])
    centred = points + (PYRAMID_FACTOR ** octaves[:, None] - 1) / 2
    return ((centred + 0.5) * scale - 0.5).astype(np.float32)


class Verifier:
    """Checks with geometry whether two keyframes show the same place.

    Mutual nearest neighbours in Hamming distance with Lowe's ratio; then a homography by MAGSAC++
    (Barath et al., CVPR 2020). Same features, same seed, same result.
    """

    def __init__(
        self, *, least_matches: int = LEAST_MATCHES, reproj_thresh: float = 3.0, seed: int = 0
    ) -> None:
        """`reproj_thresh`: most reprojection error of an inlier, in pixels of the analysed size.

        Pairs with fewer than `least_matches` matches are not tried: they have no inliers.
        """
        self.least_matches = max(LEAST_MATCHES, least_matches)
        self._params = _magsac(reproj_thresh, seed)

    def verify(self, query: Features, match: Features) -> Verification:
        """Match two keyframes and count the inliers of the best homography."""
        pairs = mutual_matches(query.descriptors, match.descriptors)
        if len(pairs) < self.least_matches:
            return Verification(matches=len(pairs), inliers=0)
        query_points = query.points[pairs[:, 0]]
        match_points = match.points[pairs[:, 1]]
        found, mask = self._homography(query_points / query.scale, match_points / match.scale)
        if found is None:
            return Verification(matches=len(pairs), inliers=0)
        return Verification(
            matches=len(pairs),
            inliers=int(mask.sum()),
            homography=_in_source_pixels(found, query.scale, match.scale),
            query_points=query_points[mask],
            match_points=match_points[mask],
        )

    def _homography(
        self, query: NDArray[np.float32], match: NDArray[np.float32]
    ) -> tuple[Homography | None, NDArray[np.bool_]]:
        nothing = np.zeros(len(query), bool)
        try:
            found, mask = cv2.findHomography(query, match, self._params)
        except cv2.error:
            # USAC raises on degenerate input (all points on a line, say): no homography.
            return None, nothing
        if found is None or not _is_a_view(found, query):
            return None, nothing
        return np.asarray(found, np.float64), mask.ravel().astype(bool)


def mutual_matches(query: Image, match: Image) -> NDArray[np.intp]:
    """(M, 2) rows of `query` and `match`, (N, 32) uint8 each, that are each other's nearest.

    The nearest of `match` must be nearer than RATIO times the second nearest. All distances come
    from one matrix product, twice as fast as brute force over the bytes; its sums are whole
    numbers, exact in float32.
    """
    if len(query) < LEAST_MATCHES or len(match) < LEAST_MATCHES:
        return np.empty((0, 2), np.intp)
    # For bits written as -1 and 1: product = BITS - 2 * distance.
    products = _signs(query) @ _signs(match).T
    nearest = products.argmax(axis=1)
    rows = np.flatnonzero(products.argmax(axis=0)[nearest] == np.arange(len(query)))
    chosen = nearest[rows]
    kept = products[rows]
    line = np.arange(len(rows))
    first = BITS - kept[line, chosen]
    kept[line, chosen] = -np.inf
    second = BITS - kept.max(axis=1)
    distinct = first < RATIO * second
    return np.column_stack([rows[distinct], chosen[distinct]])


def _signs(descriptors: Image) -> NDArray[np.float32]:
    return np.unpackbits(descriptors, axis=1).astype(np.float32) * 2 - 1


def _magsac(reproj_thresh: float, seed: int) -> cv2.UsacParams:
    params = cv2.UsacParams()
    params.threshold = reproj_thresh
    params.confidence = 0.999
    params.maxIterations = 2000
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.sampler = cv2.SAMPLING_UNIFORM
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.final_polisher = cv2.MAGSAC
    params.final_polisher_iterations = 3
    params.randomGeneratorState = seed
    params.isParallel = False
    return params


def _is_a_view(homography: cv2.typing.MatLike, points: NDArray[np.float32]) -> bool:
    """Whether the map keeps its orientation and magnifies within reason around `points`."""
    if not np.isfinite(homography).all():
        return False
    centre = np.append(points.mean(axis=0), 1.0)
    depth = float(homography[2] @ centre)
    if depth == 0:
        return False
    magnification = float(np.linalg.det(homography)) / depth**3
    return 1 / MOST_MAGNIFICATION < magnification < MOST_MAGNIFICATION


def _in_source_pixels(
    homography: Homography, query_scale: float, match_scale: float
) -> Homography | None:
    """The same map between the source pictures; None where it cannot be written with h33 = 1."""
    scaled = np.diag([match_scale, match_scale, 1.0]) @ homography
    scaled = scaled @ np.diag([1 / query_scale, 1 / query_scale, 1.0])
    if abs(scaled[2, 2]) < np.finfo(np.float64).eps:
        return None
    return np.asarray(scaled / scaled[2, 2], np.float64)
