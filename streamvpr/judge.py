"""From the evidence for one candidate to a verdict, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamvpr.frames import Candidate, Decision, Described, Verdict, Verification
from streamvpr.geometry import LEAST_AGREEING, LEAST_MATCHES, Glimpse, guided_matches
from streamvpr.watch import part

if TYPE_CHECKING:
    from streamvpr.frames import Place
    from streamvpr.geometry import Verifier
    from streamvpr.geometry.chance import ChanceInliers

# In the logarithm of the odds: for the whole way from the stream's background to similarity 1, and
# for each factor e of the number of inliers.
PROMINENCE_WEIGHT = 4.0
INLIERS_WEIGHT = 2.5
# Revisits usually go so much of that way; less speaks against one.
USUAL_PROMINENCE = 0.75
# Of the strongest features of a revisit, so much remains on average of what is in common at no
# distance at all; for each factor e of it.
USUAL_CLOSENESS, CLOSENESS_WEIGHT = 0.05, 1.0
# Spreads the confidence, so that the surest ones still differ in the records' six digits.
TEMPERATURE = 2.0
# Less in common than this is the corner of another place, however many inliers it has.
LEAST_OVERLAP = 0.4
# Of the inliers that a match needs, so many of the strongest features must agree at first sight:
# three where it needs twenty. Of pairs that have those, 98 of 100 do so over fields and all of them
# in a corridor and over seasons; of those with less than half of them 20, 72 and 39 of 100.
SHARE_AT_A_GLANCE = 0.15
# Median prominence of the frames of a sequence. An unrelated stretch has 0, and in a corridor of
# look-alikes the right one little more: this is for what agrees by its last frame alone.
LEAST_AGREEMENT = 0.125


@dataclass(frozen=True, slots=True)
class Look:
    """A candidate at first sight."""

    candidate: Candidate
    glimpse: Glimpse | None
    """None where geometry has no say: it is off, or similarity or sequence speak against it."""

    @property
    def agreeing(self) -> int:
        """How many of the strongest features moved together."""
        return 0 if self.glimpse is None else self.glimpse.agreeing


class Judge:
    """Decides from similarity, sequence and geometry. One for a stream: it learns its chances."""

    def __init__(
        self,
        *,
        sim_threshold: float,
        min_inliers: int,
        verifier: Verifier | None,
        min_overlap: float = LEAST_OVERLAP,
        chance: ChanceInliers | None = None,
        weighs_features: bool = False,
        trusts_similarity: bool = True,
    ) -> None:
        """`verifier` is None where geometry is off: similarity decides alone. `chance` is None
        where `min_inliers` is asked of every stream. `weighs_features`: whether it is evidence how
        near the features of two pictures are, wherever they lie, and how many are found once it is
        known where to look. `trusts_similarity`: whether similarity ranks better than as many
        inliers as unrelated pairs have; a network's does, that of words does not."""
        self._trusts_similarity = trusts_similarity
        self._weighs_features = weighs_features
        self.sim_threshold = sim_threshold
        self.min_inliers = min_inliers
        self.min_overlap = min_overlap
        self._chance = chance
        self._verifier = verifier

    @property
    def verifies(self) -> bool:
        """Whether geometry is on."""
        return self._verifier is not None

    @property
    def needed(self) -> int:
        """Least inliers of an accepted match now."""
        return self.min_inliers if self._chance is None else self._chance.needed(self.min_inliers)

    def wants_unrelated(self) -> int:
        """With how many unrelated places the next query is to be compared."""
        return 0 if self._verifier is None or self._chance is None else self._chance.wanted()

    def learn_chance(self, query: Described, unrelated: Place) -> None:
        """Compare a query with a place that has nothing in common with it but by chance."""
        if self._chance is not None:
            self._chance.add(self._verify(query, unrelated).inliers)

    def look(self, query: Described, candidate: Candidate) -> Look:
        """The candidate at first sight, for a sixth of what `assess` costs."""
        if self._verifier is None or self._without_geometry(candidate) is not Verdict.ACCEPTED:
            return Look(candidate, None)
        return Look(candidate, self._glimpse(query, candidate.place))

    def promises(self, look: Look) -> bool:
        """Whether a candidate may have the inliers that a match needs."""
        return look.glimpse is not None and self._is_enough(look.glimpse)

    def assess(self, query: Described, look: Look, *, closely: bool = True) -> Decision:
        """What would be decided if this were the only candidate.

        All features are compared of one that promises something. Where not `closely`, and of the
        others, it stays with what was seen at first sight, which is never enough for a match.
        """
        verification, verdict = None, self._without_geometry(look.candidate)
        if look.glimpse is not None and closely and self._is_enough(look.glimpse):
            verification = self._verify(query, look.candidate.place)
            verdict = self._by_geometry(verification)
        elif look.glimpse is not None:
            seen = look.glimpse
            verification = Verification(seen.matches, seen.agreeing, needed=self.needed)
            few = self._has_few_matches(verification)
            verdict = Verdict.TOO_FEW_MATCHES if few else Verdict.TOO_FEW_INLIERS
        prominence = look.candidate.prominence
        if verdict is Verdict.ACCEPTED and verification is not None:
            # Seen from elsewhere or in other light, a place may be less alike than unrelated ones
            # are. Of what geometry has accepted that says no more than to be as alike as they are.
            prominence = max(prominence, 0.0)
        confidence = self.confidence(prominence, verification, self._closeness(look))
        return Decision(query.keyframe, verdict, look.candidate, verification, confidence)

    def look_again(self, query: Described, look: Look, decision: Decision) -> Decision:
        """What was decided of a candidate that is no match, its confidence by guided matches also.

        Those count as inliers do, but never for more than half of what a match needs: among doors
        of one corridor a few features lead to as many.
        """
        found = decision.verification
        if not self._weighs_features or found is None or not look.candidate.prominence:
            return decision
        guided = min(self._guided(query, look), found.needed // 2)
        told = replace(found, inliers=max(found.inliers, guided))
        sure = self.confidence(look.candidate.prominence, told, self._closeness(look))
        return replace(decision, confidence=sure)

    def looks_elsewhere(self, query: Described, place: Place) -> bool:
        """Whether geometry sees nothing of the query's view at a place."""
        return not self._is_enough(self._glimpse(query, place))

    def confidence(
        self,
        prominence: float,
        verification: Verification | None,
        closeness: float | None = None,
    ) -> float:
        """0 to 1: the logistic of the evidence, each part of which never lowers it.

        Similarity counts by how far it stands out of the stream's background, and inliers by the
        logarithm of their number over the least that is accepted. 0.5 is a candidate that stands
        out as revisits usually do, with the least inliers where geometry is on. Up to half of
        those, inliers count alike: wrong pairs have as many by chance, and similarity ranks better
        then. Where features are evidence, guided matches tell those apart: down to as many as
        unrelated pairs of this stream have, or to three where similarity is that of words.
        """
        evidence = PROMINENCE_WEIGHT * (prominence - USUAL_PROMINENCE)
        if self._verifier is not None:
            needed = self.needed if verification is None else verification.needed
            inliers = 0 if verification is None else verification.inliers
            # Before anything can stand out, similarity ranks the few places that there are.
            features_tell = closeness is not None and prominence
            least = self._meaningless(needed) if features_tell else needed / 2
            told_from_chance = max(inliers, least)
            evidence += INLIERS_WEIGHT * math.log((1 + told_from_chance) / (1 + needed))
        if closeness is not None:
            nearly_none = USUAL_CLOSENESS / 10
            evidence += CLOSENESS_WEIGHT * math.log((closeness + nearly_none) / USUAL_CLOSENESS)
        # The logistic function, written so that no evidence overflows it.
        return (1 + math.tanh(evidence / TEMPERATURE / 2)) / 2

    def _meaningless(self, needed: int) -> float:
        """Inliers up to which all count alike."""
        if self._chance is None or not self._trusts_similarity:
            return LEAST_AGREEING
        return max(LEAST_AGREEING, min(self._chance.meaningless, needed / 2))

    def _closeness(self, look: Look) -> float | None:
        """None where it is no evidence."""
        if not self._weighs_features or not self.verifies:
            return None
        if look.glimpse is None or not look.candidate.prominence:
            return 0.0
        return look.glimpse.closeness

    def _without_geometry(self, candidate: Candidate) -> Verdict:
        # What words propose need not look alike as well, as long as geometry has its say.
        proposed = candidate.by_words and self.verifies
        if candidate.score < self.sim_threshold and not proposed:
            return Verdict.BELOW_THRESHOLD
        if candidate.agreement is not None and candidate.agreement < LEAST_AGREEMENT:
            return Verdict.INCONSISTENT_SEQUENCE
        return Verdict.ACCEPTED

    def _is_enough(self, glimpse: Glimpse) -> bool:
        return glimpse.agreeing >= max(LEAST_AGREEING, SHARE_AT_A_GLANCE * self.needed)

    def _by_geometry(self, found: Verification) -> Verdict:
        if self._has_few_matches(found):
            return Verdict.TOO_FEW_MATCHES
        together = found.overlap is None or found.overlap >= self.min_overlap
        if found.inliers >= found.needed and together:
            return Verdict.ACCEPTED
        return Verdict.TOO_FEW_INLIERS

    @staticmethod
    def _has_few_matches(found: Verification) -> bool:
        return found.matches < max(LEAST_MATCHES, found.needed)

    def _glimpse(self, query: Described, place: Place) -> Glimpse:
        assert self._verifier is not None
        verifier, here, there = self._verifier, query.features, place.features
        if here is None or there is None:
            return Glimpse(0, 0)
        return part("verify", lambda: verifier.glance(here, there))

    def _guided(self, query: Described, look: Look) -> int:
        here, there = query.features, look.candidate.place.features
        if here is None or there is None or look.glimpse is None:
            return 0
        view = look.glimpse.view
        return part("verify", lambda: guided_matches(here, there, view))

    def _verify(self, query: Described, place: Place) -> Verification:
        assert self._verifier is not None
        verifier, here, there = self._verifier, query.features, place.features
        if here is None or there is None:
            return Verification(matches=0, inliers=0, needed=self.needed)
        found = part("verify", lambda: verifier.verify(here, there))
        return replace(found, needed=self.needed)


def certainty(decision: Decision) -> tuple[bool, float]:
    """What candidates are ordered by: those accepted before others, then by confidence."""
    return decision.accepted, decision.confidence or 0.0
