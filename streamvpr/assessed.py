"""What was found out about the candidates of one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamvpr.frames import Decision, Verdict
from streamvpr.judge import certainty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamvpr.comparison import Comparison
    from streamvpr.frames import Candidate, Described, Place
    from streamvpr.judge import Judge, Look

    Proposal = tuple[Candidate, Comparison]

# Places on the way since a candidate, at one of which the view must have been another.
STATIONS = 3
# A candidate of which so much less agrees at first sight than of one that is accepted is not looked
# at more closely.
OUTDONE = 0.8


class Assessed:
    """Candidates and what is decided of each, none of them looked at twice."""

    def __init__(self, query: Described, judge: Judge) -> None:
        self._query = query
        self._judge = judge
        self._found: dict[tuple[str | None, str, int], _Found] = {}
        self._agreed = 0

    def __len__(self) -> int:
        return len(self._found)

    def add(self, proposals: Iterable[Proposal]) -> None:
        """Assess those that were not yet, the most promising first."""
        new = {candidate.place.key: (candidate, of) for candidate, of in proposals}
        looks = [
            (key, self._judge.look(self._query, candidate), comparison)
            for key, (candidate, comparison) in new.items()
            if key not in self._found
        ]
        looks.sort(key=lambda look: -look[1].agreeing)
        for key, look, comparison in looks:
            self._found[key] = _Found(self._assess(look), comparison, look)

    def add_if_left(self, candidate: Candidate, comparison: Comparison) -> None:
        """Assess one, and forget it where it does not match or the view was never elsewhere."""
        look = self._judge.look(self._query, candidate)
        if not self._judge.promises(look):
            return
        way = comparison.since(candidate, STATIONS)
        if not any(self._judge.looks_elsewhere(self._query, place) for place in way):
            return
        decision = self._judge.assess(self._query, look)
        if decision.accepted:
            self._found[candidate.place.key] = _Found(decision, comparison, look)

    def similar(self) -> list[Place]:
        """The candidates that were similar enough."""
        return [
            found.decision.match.place
            for found in self._found.values()
            if found.decision.match is not None
            and found.decision.verdict is not Verdict.BELOW_THRESHOLD
        ]

    def surest(self, most: int) -> list[Proposal]:
        """The best of the candidates in which geometry saw something."""
        promising = [found for found in self._found.values() if self._judge.promises(found.look)]
        promising.sort(key=lambda found: certainty(found.decision), reverse=True)
        return [
            (found.decision.match, found.comparison)
            for found in promising[:most]
            if found.decision.match is not None
        ]

    def decision(self) -> Decision:
        """The one to name; the first of equals. Where none is accepted all are looked at again."""
        if not self._found:
            return Decision(self._query.keyframe, Verdict.EMPTY_DATABASE)
        best = max((found.decision for found in self._found.values()), key=certainty)
        if best.accepted:
            return best
        again = (
            self._judge.look_again(self._query, found.look, found.decision)
            for found in self._found.values()
        )
        return max(again, key=certainty)

    def _assess(self, look: Look) -> Decision:
        """Closely, unless another in which clearly more agreed was accepted."""
        closely = look.agreeing >= OUTDONE * self._agreed
        decision = self._judge.assess(self._query, look, closely=closely)
        if decision.accepted:
            self._agreed = max(self._agreed, look.agreeing)
        return decision


class _Found(NamedTuple):
    """What was found out about one candidate."""

    decision: Decision
    comparison: Comparison
    look: Look
