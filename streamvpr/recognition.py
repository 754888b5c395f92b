"""One stream's queries to decisions: search the past, verify, decide, remember."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.assessed import Assessed
from streamvpr.background import Background, Unnormalised, WordsBackground
from streamvpr.centring import Centring, Uncentred
from streamvpr.frames import Decision, Place, Remembered, Verdict
from streamvpr.loops import RevisitTracker
from streamvpr.past import Past
from streamvpr.sampler import ExclusionWindow
from streamvpr.sequences import SequenceMatcher
from streamvpr.support import Support

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.assessed import Proposal
    from streamvpr.comparison import Comparison
    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Candidate, Described, Keyframe
    from streamvpr.judge import Judge
    from streamvpr.sampler import Exclusion

# Where the last query was at a known place, this one is likely near it: so many kept places to
# either side are looked at, and the most similar of them become candidates.
CONTINUED_REACH, CONTINUED = 2, 2
# The candidates whose neighbours are looked at, too: the place just before or after may show more
# of the same view.
REFINED = 2
# Places that similarity says were never left, of which geometry is asked too: so many at least, and
# where there are few others as many as makes --top-k.
LINGERED = 2


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How the past is searched, besides by similarity."""

    top_k: int = 5
    """Candidates by similarity, distinct in time."""
    sequence_length: int = 1
    """Consecutive frames that must agree; 1: each stands for itself."""
    bidirectional: bool = False
    """Whether the way back counts as a sequence, too."""
    centre: bool = False
    """Whether descriptors are compared less the mean of the stream's own."""
    normalise: bool = True
    """Whether similarity counts by how far it stands out of the stream's background."""
    neighbours: bool = True
    """Whether the places beside the best candidates, and near the last match, are looked at."""
    gps_gate: float | None = None
    """Places that are known to lie further away, in metres, cannot match."""
    support: int = 0
    """Of the frames before, so many must have had a candidate near an accepted match."""
    seed: int = 0
    """Chooses the random places that show what chance does."""


class Recognizer:
    """The past of one stream, and what it says of each new frame. Frames come in order."""

    def __init__(
        self,
        database: PlaceDatabase,
        judge: Judge,
        *,
        exclusion: Exclusion | None,
        search: SearchOptions | None = None,
        thumbnails: bool = True,
        knows_sessions: bool = False,
        first_loop: int = 0,
    ) -> None:
        """`exclusion` is None for a fixed database, to which queries are not added.

        `thumbnails`: whether places keep those of their keyframes. `knows_sessions`: whether places
        of earlier sessions are among what is searched. `first_loop` is the next loop_id.
        """
        self.database = database
        self._judge = judge
        self._search = search or SearchOptions()
        self._thumbnails = thumbnails
        self._knows_sessions = knows_sessions
        normalise, threshold = self._search.normalise, judge.sim_threshold
        relative = Background() if database.reaches_one else WordsBackground()
        self._background = relative if normalise else Unnormalised(threshold)
        self._centring = Centring() if self._search.centre else Uncentred()
        self._own = self._past(database)
        self._others: Sequence[Past] = ()
        self._earlier: PlaceDatabase | None = None
        self._window = None if exclusion is None else ExclusionWindow(exclusion)
        self._revisits = RevisitTracker(first_loop)
        self._support = Support()
        self._random = np.random.default_rng(self._search.seed)
        self._last_match: tuple[PlaceDatabase, Place] | None = None

    def share(self, others: Sequence[PlaceDatabase], earlier: PlaceDatabase | None = None) -> None:
        """Match the past of other streams, and earlier sessions, too. The exclusion is for the
        stream's own."""
        known = [*others, *([] if earlier is None else [earlier])]
        self._others = [self._past(database) for database in known]
        self._earlier = earlier

    def remember(self, item: Described) -> Remembered:
        """Add a described keyframe to the past without asking anything of it."""
        signature, keyframe = item.signature, item.keyframe
        place = Place(
            stream=keyframe.stream,
            index=keyframe.index,
            time=keyframe.time,
            path=keyframe.path,
            width=keyframe.width,
            features=item.features,
            thumbnail=keyframe.thumbnail if self._thumbnails else None,
            wall_time=_seen(keyframe),
            position=keyframe.position,
        )
        self.database.add(place, signature, item.words)
        self._centring.add(signature)
        return Remembered(place, signature, item.words)

    def recall(self, remembered: Remembered) -> None:
        """Add what was remembered before by another, in order."""
        self.database.add(remembered.place, remembered.descriptor, remembered.words)
        self._centring.add(remembered.descriptor)

    def observe(self, item: Described) -> Decision:
        """Decide on a frame from the past alone, then add it to the past (online)."""
        keyframe = item.keyframe
        before = None
        if self._window is not None:
            before = self._window.advance(keyframe.index, keyframe.time)
        if keyframe.same_view_as is not None:
            self.database.mark_seen(keyframe.same_view_as, keyframe.index)
            return self._told(Decision(keyframe, Verdict.STATIONARY))
        if item.undescribed:
            return self._told(Decision(keyframe, Verdict.UNDESCRIBED))
        comparisons = self._compare(item, before)
        decision = self._decide(item, comparisons, before)
        self._last_match = _match_of(decision, comparisons)
        remembered = None if self._window is None else self.remember(item)
        return self._told(
            self._with_loop(replace(decision, remembered=remembered, descriptor=item.signature))
        )

    def _past(self, database: PlaceDatabase) -> Past:
        length, both_ways = self._search.sequence_length, self._search.bidirectional
        if length == 1:
            return Past(database, self._centring, gate=self._search.gps_gate)
        sequences = SequenceMatcher(length, bidirectional=both_ways)
        return Past(database, self._centring, sequences, self._search.gps_gate)

    def _compare(self, item: Described, before: int | None) -> list[Comparison]:
        """The query against its own past, and then those of others."""
        signature, online = item.signature, self._window is not None
        pasts = [self._own, *self._others]
        beside = self._matched_last(self._own)
        position = item.keyframe.position
        found = [
            self._own.similarities(
                signature, before=before, left=online, beside=beside, position=position
            )
        ]
        found += [
            other.similarities(signature, beside=self._matched_last(other), position=position)
            for other in self._others
        ]
        level = self._background.level(
            np.concatenate([f.background for f in found]), max(f.highest for f in found)
        )
        return [p.compare(signature, f, level) for p, f in zip(pasts, found, strict=True)]

    def _matched_last(self, past: Past) -> list[Place]:
        """The last query's match, where it is of that past."""
        last = self._last_match
        return [last[1]] if last is not None and last[0] is past.database else []

    def _decide(
        self, item: Described, comparisons: list[Comparison], before: int | None
    ) -> Decision:
        self._learn_chance(item, comparisons)
        assessed = Assessed(item, self._judge)
        by_words = self._by_words(item, comparisons, before)
        # What similarity and words both propose counts as proposed by words: by either is enough.
        both = {candidate.place.key: (candidate, of) for candidate, of in by_words}
        alike = self._most_alike(comparisons)
        assessed.add(both.get(proposal[0].place.key, proposal) for proposal in alike)
        assessed.add(by_words)
        if self._asks_neighbours:
            assessed.add(self._continued(comparisons))
            for candidate, comparison in assessed.surest(REFINED):
                assessed.add((beside, comparison) for beside in comparison.beside(candidate))
            self._add_left(comparisons[0], assessed)
        decision = self._supported(assessed.decision())
        self._support.add(assessed.similar())
        return decision

    def _learn_chance(self, item: Described, comparisons: list[Comparison]) -> None:
        """Of the stream's own past, or while that is too short of earlier sessions."""
        told = [c for c in comparisons if c is comparisons[0] or c.database is self._earlier]
        long = [comparison for comparison in told if len(comparison.usual) > 1]
        if long:
            most = self._judge.wants_unrelated()
            for place in long[0].unrelated(most, self._random):
                self._judge.learn_chance(item, place)

    def _add_left(self, own: Comparison, assessed: Assessed) -> None:
        """Also places that similarity alone takes for the present view, never left.

        A network that knows nothing of headings, or a field like any other, looks alike all the
        way. Geometry knows better: such a place counts where it is verified, and somewhere on the
        way since then geometry found nothing of the view.
        """
        for candidate in own.lingered(max(LINGERED, self._search.top_k - len(assessed))):
            assessed.add_if_left(candidate, own)

    @property
    def _asks_neighbours(self) -> bool:
        """Whether geometry chooses among neighbours. A sequence knows better than it does."""
        search = self._search
        return search.neighbours and self._judge.verifies and search.sequence_length == 1

    def _supported(self, decision: Decision) -> Decision:
        """Not accepted where too few of the frames before had a candidate near it."""
        if not decision.accepted or decision.match is None:
            return decision
        if self._support.of(decision.match.place) >= self._search.support:
            return decision
        return replace(decision, verdict=Verdict.INCONSISTENT_SEQUENCE)

    def _most_alike(self, comparisons: list[Comparison]) -> list[Proposal]:
        """The best of all pasts, best first."""
        most = self._search.top_k
        found = [(c, comparison) for comparison in comparisons for c in comparison.best(most)]
        if len(comparisons) > 1:
            found.sort(key=lambda proposal: -_rank(proposal[0]))
        return found[:most]

    def _by_words(
        self, item: Described, comparisons: list[Comparison], before: int | None
    ) -> list[Proposal]:
        """Of each past the places that local features propose. A sequence knows better."""
        if self._search.sequence_length > 1:
            return []
        most, position = self._search.top_k, item.keyframe.position
        found: list[Proposal] = []
        for past, comparison in zip([self._own, *self._others], comparisons, strict=True):
            own = past is self._own
            rows = past.by_words(
                item.words,
                most,
                before=before if own else None,
                left=own and self._window is not None,
                position=position,
            )
            found += [(candidate, comparison) for candidate in comparison.by_words(rows)]
        return found

    def _continued(self, comparisons: list[Comparison]) -> list[Proposal]:
        """Places near the last query's match, where it had one."""
        if self._last_match is None:
            return []
        database, place = self._last_match
        return [
            (candidate, comparison)
            for comparison in comparisons
            if comparison.database is database
            for candidate in comparison.around(place, CONTINUED_REACH, CONTINUED)
        ]

    def _with_loop(self, decision: Decision) -> Decision:
        if not decision.accepted or decision.match is None:
            return decision
        place = decision.match.place
        loop_id = self._revisits.assign(decision.query.index, place.index, place.key[:2])
        database, _ = self._last_match or (self.database, place)
        match = replace(decision.match, place=database.pictured(place))
        return replace(decision, match=match, loop_id=loop_id)

    def _told(self, decision: Decision) -> Decision:
        if not self._knows_sessions:
            return decision
        return replace(decision, knows_sessions=True)


def _seen(keyframe: Keyframe) -> float | None:
    """When a keyframe was taken, by its stream's clock or that of its GPS: Unix time."""
    return keyframe.taken if keyframe.arrival is None else keyframe.arrival.taken


def _rank(candidate: Candidate) -> float:
    """What candidates of several pasts are ordered by: one scale for all of them."""
    return candidate.score if candidate.agreement is None else candidate.prominence


def _match_of(
    decision: Decision, comparisons: list[Comparison]
) -> tuple[PlaceDatabase, Place] | None:
    if not decision.accepted or decision.match is None:
        return None
    place = decision.match.place
    for comparison in comparisons:
        if comparison.database.holds(place):
            return comparison.database, place
    return None
