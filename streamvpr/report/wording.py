"""How a report says things: numbers, times, decisions."""

from __future__ import annotations

from streamvpr.frames import Verdict

UNKNOWN = "-"

MEANINGS = {
    Verdict.ACCEPTED: "The place was seen before.",
    Verdict.TOO_FEW_INLIERS: "Features match, but too few of them fit one geometry, or the two "
    "views have too little in common.",
    Verdict.TOO_FEW_MATCHES: "The best candidate looks alike, but too few of its features match.",
    Verdict.BELOW_THRESHOLD: "Nothing that was old enough looked alike enough.",
    Verdict.INCONSISTENT_SEQUENCE: "The frames before did not lead along the place's own past.",
    Verdict.STATIONARY: "The view did not change, and nothing was asked.",
    Verdict.UNDESCRIBED: "The model failed on it, or there was no memory for its picture.",
    Verdict.EMPTY_DATABASE: "Nothing could match yet: all was too recent, or was never left.",
}


def css_class(verdict: str) -> str:
    """Of what has the colour of a decision; what is none has that of the text."""
    return f"v-{verdict.replace('_', '-')}" if verdict in set(Verdict) else "v-unknown"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def score(value: float | None) -> str:
    """A share or a similarity, to three places."""
    return UNKNOWN if value is None else f"{value:.3f}"


def percent(part: float, whole: float) -> str:
    """A share of what may be nothing."""
    return UNKNOWN if not whole else f"{100 * part / whole:.1f} %"


def seconds(value: float | None) -> str:
    """Stream time or a duration, as short as it can be read."""
    if value is None:
        return UNKNOWN
    if value < 600:
        return f"{value:.1f} s"
    whole = round(value)
    hours, rest = divmod(whole, 3600)
    clock = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{clock} h" if hours else f"{clock} min"


def metres(value: float) -> str:
    """A distance over the ground."""
    if value >= 1000:
        return f"{value / 1000:.3g} km"
    return f"{value:.0f} m" if value >= 10 else f"{value:.1f} m"


def date(text: str) -> str:
    """An RFC 3339 time in UTC, to the second."""
    return text[:19].replace("T", " ") + " UTC" if len(text) >= 19 else text
