"""The colours of pages and figures: few, told apart by the colour-blind, for light and for dark.

The hues follow M. Okabe and K. Ito, "Color Universal Design", 2008, made darker or lighter until a
mark's contrast to the page is 3 to 1 and that of letters 4.5 to 1, as WCAG 2.2 asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamvpr.frames import Verdict


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour on light ground and on dark, as CSS writes it."""

    light: str
    dark: str


PAGE = {
    "bg": Colour("#fbfbfa", "#131517"),
    "panel": Colour("#ffffff", "#1a1d20"),
    "fg": Colour("#1a1c1e", "#e4e6e8"),
    "muted": Colour("#5c6166", "#9aa1a8"),
    "line": Colour("#d9dbdd", "#33383d"),
    "accent": Colour("#005b96", "#6db3e8"),
    "ok": Colour("#007a59", "#2fc498"),
    "warn": Colour("#946200", "#e0a93a"),
    "bad": Colour("#b3361b", "#f08a6c"),
}
"""What a page is made of, by the names of its CSS properties."""

VERDICTS = {
    Verdict.ACCEPTED: Colour("#008a63", "#2fc498"),
    Verdict.TOO_FEW_INLIERS: Colour("#d55e00", "#f0853f"),
    Verdict.TOO_FEW_MATCHES: Colour("#b07d00", "#e8c547"),
    Verdict.BELOW_THRESHOLD: Colour("#557c9e", "#7fa6c6"),
    Verdict.INCONSISTENT_SEQUENCE: Colour("#a3538f", "#d48fc0"),
    Verdict.STATIONARY: Colour("#777b7f", "#8d9297"),
    Verdict.UNDESCRIBED: Colour("#b3361b", "#f08a6c"),
    Verdict.EMPTY_DATABASE: Colour("#8d9093", "#6d7277"),
}


def as_css() -> str:
    """All of them as custom properties: --bg, --fg ..., --accepted, --too-few-inliers ...

    As the system has it; `data-theme="light"` or `"dark"` on the root says otherwise.
    """
    light = _properties({name: colour.light for name, colour in _named().items()})
    dark = _properties({name: colour.dark for name, colour in _named().items()})
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f'@media (prefers-color-scheme:dark){{:root:not([data-theme="light"]){{{dark}}}}}\n'
        f':root[data-theme="dark"]{{color-scheme:dark;{dark}}}\n'
        ':root[data-theme="light"]{color-scheme:light}\n'
    )


def _named() -> dict[str, Colour]:
    return {**PAGE, **{v.value.replace("_", "-"): colour for v, colour in VERDICTS.items()}}


def _properties(values: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in values.items())
