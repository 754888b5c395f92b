"""One stream's queries to decisions: search the past, verify, decide, remember."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streamvpr.frames import Candidate, Decision, Place, Verdict, Verification
from streamvpr.geometry import LEAST_MATCHES
from streamvpr.matching import RevisitTracker
from streamvpr.sampler import Exclusion, ExclusionWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Described, Descriptor
    from streamvpr.geometry import Verifier


# In the logarithm of the odds: from the threshold to a similarity of 1, and for each factor e of
# the number of inliers.
SIMILARITY_WEIGHT = 4.0
INLIERS_WEIGHT = 3.0


class Judge:
    """Decides from similarity and geometry, and says how sure that is."""

    def __init__(
        self, *, sim_threshold: float, min_inliers: int, verifier: Verifier | None
    ) -> None:
        """`verifier` is None where geometry is off: similarity decides alone."""
        self.sim_threshold = sim_threshold
        self.min_inliers = min_inliers
        self._verifier = verifier

    def decide(self, query: Described, candidates: list[Candidate]) -> Decision:
        """The decision on a query, given its candidates, best similarity first."""
        if not candidates:
            return Decision(query.keyframe, Verdict.EMPTY_DATABASE)
        decisions = [self._judge(query, candidate) for candidate in candidates]
        return max(decisions, key=lambda d: (d.accepted, d.confidence or 0.0))

    def _judge(self, query: Described, candidate: Candidate) -> Decision:
        verification = None
        if candidate.score < self.sim_threshold:
            verdict = Verdict.BELOW_THRESHOLD
        elif self._verifier is None:
            verdict = Verdict.ACCEPTED
        else:
            verification = _verify(self._verifier, query, candidate)
            verdict = self._by_geometry(verification)
        confidence = self.confidence(candidate.score, verification)
        return Decision(query.keyframe, verdict, candidate, verification, confidence)

    def _by_geometry(self, verification: Verification) -> Verdict:
        if verification.inliers >= self.min_inliers:
            return Verdict.ACCEPTED
        if verification.matches < max(LEAST_MATCHES, self.min_inliers):
            return Verdict.TOO_FEW_MATCHES
        return Verdict.TOO_FEW_INLIERS

    def confidence(self, score: float, verification: Verification | None) -> float:
        """0 to 1: the logistic of the evidence, each part of which never lowers it.

        Similarity counts by how much of the way from the threshold to 1 it goes; inliers by the
        logarithm of their number over the least that is accepted. 0.5 is a candidate at the
        threshold, with the least inliers where geometry is on. Up to half of those, inliers count
        alike: wrong pairs have as many by chance, and similarity ranks better then.
        """
        similarity = (score - self.sim_threshold) / max(1e-6, 1 - self.sim_threshold)
        evidence = SIMILARITY_WEIGHT * similarity
        if self._verifier is not None:
            inliers = 0.0 if verification is None else verification.inliers
            told_from_chance = max(inliers, self.min_inliers / 2)
            evidence += INLIERS_WEIGHT * math.log((1 + told_from_chance) / (1 + self.min_inliers))
        # The logistic function, written so that no evidence overflows it.
        return (1 + math.tanh(evidence / 2)) / 2


class Recognizer:
    """The past of one stream, and what it says of each new frame. Frames come in order."""

    def __init__(
        self,
        database: PlaceDatabase,
        judge: Judge,
        *,
        top_k: int,
        exclusion: Exclusion | None,
    ) -> None:
        """`exclusion` is None for a fixed database, to which queries are not added."""
        self.database = database
        self._others: Sequence[PlaceDatabase] = ()
        self._judge = judge
        self._top_k = top_k
        self._window = None if exclusion is None else ExclusionWindow(exclusion)
        self._revisits = RevisitTracker()

    def share(self, others: Sequence[PlaceDatabase]) -> None:
        """Match the past of other streams, too. The exclusion is for the stream's own."""
        self._others = others

    def remember(self, item: Described) -> None:
        """Add a described keyframe to the past without asking anything of it."""
        assert item.descriptor is not None
        keyframe = item.keyframe
        place = Place(
            stream=keyframe.stream,
            index=keyframe.index,
            time=keyframe.time,
            path=keyframe.path,
            width=keyframe.width,
            features=item.features,
            thumbnail=keyframe.thumbnail,
        )
        self.database.add(place, item.descriptor)

    def observe(self, item: Described) -> Decision:
        """Decide on a frame from the past alone, then add it to the past (online)."""
        keyframe = item.keyframe
        before = None
        if self._window is not None:
            before = self._window.advance(keyframe.index, keyframe.time)
        if keyframe.same_view_as is not None:
            self.database.mark_seen(keyframe.same_view_as, keyframe.index)
            return Decision(keyframe, Verdict.STATIONARY)
        assert item.descriptor is not None
        candidates = self._candidates(item.descriptor, before)
        decision = self._judge.decide(item, candidates)
        if self._window is not None:
            self.remember(item)
        return self._with_loop(decision)

    def _candidates(self, descriptor: Descriptor, before: int | None) -> list[Candidate]:
        """The best of all pasts, best first."""
        found = self.database.search(
            descriptor, most=self._top_k, before=before, left=self._window is not None
        )
        if self._others:
            for other in self._others:
                found += other.search(descriptor, most=self._top_k)
            found.sort(key=lambda candidate: -candidate.score)
        return found[: self._top_k]

    def _with_loop(self, decision: Decision) -> Decision:
        if not decision.accepted or decision.match is None:
            return decision
        place = decision.match.place
        loop_id = self._revisits.assign(decision.query.index, place.index, place.stream)
        return Decision(
            decision.query,
            decision.verdict,
            decision.match,
            decision.verification,
            decision.confidence,
            loop_id,
        )


def _verify(verifier: Verifier, query: Described, candidate: Candidate) -> Verification:
    if query.features is None or candidate.place.features is None:
        return Verification(matches=0, inliers=0)
    return verifier.verify(query.features, candidate.place.features)
