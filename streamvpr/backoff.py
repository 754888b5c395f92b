"""How long to wait before the next try."""

from __future__ import annotations

import random

FIRST_DELAY_SECONDS = 0.1


class Backoff:
    """Exponential delays up to a cap, with jitter: cameras that went down together do not come
    back together.
    """

    def __init__(self, longest: float, *, chance: random.Random | None = None) -> None:
        """`longest` is the cap in seconds."""
        self._longest = longest
        # Not the run's seed: two machines would wait alike.
        self._chance = chance or random.Random()
        self._failures = 0

    def reset(self) -> None:
        """Begin anew: a try went well."""
        self._failures = 0

    def delay(self) -> float:
        """Seconds to wait after one more failure: half to all of the doubled delay."""
        wanted = FIRST_DELAY_SECONDS * 2 ** min(self._failures, 30)
        self._failures += 1
        return float(min(wanted, self._longest) * self._chance.uniform(0.5, 1.0))
