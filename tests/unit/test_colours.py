"""Colours of pages: letters can be read on them, and marks be told from the ground."""

from __future__ import annotations

import re

import pytest

from streamvpr.colours import PAGE, VERDICTS, as_css
from streamvpr.frames import Verdict


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    assert re.fullmatch("#[0-9a-f]{6}", colour)
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["bg", "panel"])
@pytest.mark.parametrize("letters", ["fg", "muted", "accent", "ok", "warn", "bad"])
def test_letters_can_be_read(letters: str, ground: str) -> None:
    assert contrast(PAGE[letters].light, PAGE[ground].light) >= 4.5
    assert contrast(PAGE[letters].dark, PAGE[ground].dark) >= 4.5


@pytest.mark.parametrize("verdict", Verdict)
def test_marks_stand_out(verdict: Verdict) -> None:
    mark = VERDICTS[verdict]
    for ground in (PAGE["bg"], PAGE["panel"]):
        assert contrast(mark.light, ground.light) >= 3
        assert contrast(mark.dark, ground.dark) >= 3


def test_no_two_decisions_have_one_colour() -> None:
    for shade in ("light", "dark"):
        assert len({getattr(colour, shade) for colour in VERDICTS.values()}) == len(Verdict)


def test_a_page_gets_all_of_them_by_name() -> None:
    light, dark = as_css().split("@media")
    few = VERDICTS[Verdict.TOO_FEW_INLIERS]
    for name, colour in (("bg", PAGE["bg"]), ("too-few-inliers", few)):
        assert f"--{name}:{colour.light};" in light
        assert f"--{name}:{colour.dark};" in dark
