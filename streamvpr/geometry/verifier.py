"""Whether geometry says that two keyframes show the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.frames import Verification
from streamvpr.geometry.correspondence import LEAST_MATCHES, mutual_matches
from streamvpr.geometry.homography import HomographyFitter, in_source_pixels
from streamvpr.geometry.overlap import view_overlap

if TYPE_CHECKING:
    from streamvpr.frames import Features


class Verifier:
    """Mutual nearest neighbours with Lowe's ratio; then the homography that explains most of them.

    Same features, same seed, same result.
    """

    def __init__(
        self, *, least_matches: int = LEAST_MATCHES, reproj_thresh: float = 3.0, seed: int = 0
    ) -> None:
        """`reproj_thresh`: most reprojection error of an inlier, in pixels of the analysed size.

        Pairs with fewer than `least_matches` matches are not tried: they have no inliers.
        """
        self.least_matches = max(LEAST_MATCHES, least_matches)
        self._fitter = HomographyFitter(reproj_thresh, seed)

    def verify(self, query: Features, match: Features) -> Verification:
        """Match two keyframes and count the inliers of the best homography."""
        pairs = mutual_matches(query, match)
        if len(pairs) < self.least_matches:
            return Verification(matches=len(pairs), inliers=0)
        query_points = query.points[pairs[:, 0]]
        match_points = match.points[pairs[:, 1]]
        found = self._fitter.fit(query_points / query.scale, match_points / match.scale)
        if found is None:
            return Verification(matches=len(pairs), inliers=0)
        query_inliers, match_inliers = query_points[found.inliers], match_points[found.inliers]
        overlap = None
        if query.size is not None and match.size is not None:
            overlap = view_overlap(query_inliers, match_inliers, query.size, match.size)
        return Verification(
            matches=len(pairs),
            inliers=len(query_inliers),
            overlap=overlap,
            homography=in_source_pixels(found.matrix, query.scale, match.scale),
            query_points=query_inliers,
            match_points=match_inliers,
        )
