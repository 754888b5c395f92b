"""Half precision where a model has it and where it is right: here two files on the CPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.embedding import open_embedder
from streamvpr.embedding.card import read_card
from streamvpr.embedding.half import half_sibling, inherit, prefer_half
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]

WEIGHTS = 'weights_sha256 = "abc"'
HALF = f'precision = "fp16"\n{WEIGHTS}'


class TestSibling:
    def test_is_found_by_its_name_and_card(self, make_model: Make) -> None:
        model = make_model(WEIGHTS)
        assert half_sibling(model, read_card(model)) is None
        half = make_model(HALF, name="made-fp16")
        assert half_sibling(model, read_card(model)) == half

    @pytest.mark.parametrize(
        "card",
        [
            WEIGHTS,
            'precision = "fp16"\nweights_sha256 = "other"',
            'precision = "fp16"',
            f'precision = "fp16-weights"\n{WEIGHTS}',
            None,
        ],
    )
    def test_is_none_where_it_is_something_else(self, make_model: Make, card: str | None) -> None:
        model = make_model(WEIGHTS)
        make_model(card, name="made-fp16")
        assert half_sibling(model, read_card(model)) is None

    @pytest.mark.parametrize(("old", "new"), [("= 193", "= 192"), ("width = 32", "width = 64")])
    def test_is_none_where_it_takes_or_gives_other_things(
        self, make_model: Make, old: str, new: str
    ) -> None:
        model = make_model(WEIGHTS)
        card = make_model(HALF, name="made-fp16").with_suffix(".toml")
        card.write_text(card.read_text().replace(old, new))
        assert half_sibling(model, read_card(model)) is None

    def test_weights_that_are_not_named_are_no_ones(self, make_model: Make) -> None:
        model = make_model()
        make_model('precision = "fp16"', name="made-fp16")
        assert half_sibling(model, read_card(model)) is None

    def test_a_card_that_cannot_be_read_is_warned_of(self, make_model: Make, logged: Any) -> None:
        model = make_model(WEIGHTS)
        make_model("= broken", name="made-fp16")
        assert half_sibling(model, read_card(model)) is None
        assert "made-fp16.toml" in logged.warnings[0]

    def test_the_cpu_takes_the_file_that_was_named(self, make_model: Make) -> None:
        model = make_model(WEIGHTS)
        make_model(HALF, name="made-fp16")
        assert open_embedder(str(model), device="cpu").card.name == "made"


@pytest.mark.parametrize(
    ("half", "full", "found"),
    [("", "", None), ("0.6", "", 0.6), ("", "0.7", 0.7), ("0.6", "0.7", 0.7)],
)
def test_whose_threshold_counts(
    make_model: Make, half: str, full: str, found: float | None
) -> None:
    def card(name: str, value: str) -> Any:
        return read_card(make_model(f"threshold.value = {value}" if value else "", name=name))

    assert inherit(card("half", half), card("full", full)).threshold.value == found


class TestPreference:
    def choose(self, half: Path, full: Path) -> str:
        opened = [partial(open_embedder, str(path), device="cpu") for path in (half, full, full)]
        return prefer_half("made", *opened).card.name

    def test_half_where_it_is_right(self, make_model: Make, logged: Any) -> None:
        half = make_model(HALF, name="made-fp16", gives="float16")
        assert self.choose(half, make_model(WEIGHTS)) == "made-fp16"
        assert not logged.warnings

    def test_single_where_it_is_not(self, make_model: Make, logged: Any) -> None:
        half = make_model(HALF, name="made-fp16", gives="float16", always=300.0)
        assert self.choose(half, make_model(WEIGHTS)) == "made"
        assert "cosine" in logged.warnings[0]

    def test_single_where_it_does_not_run(self, make_model: Make, logged: Any) -> None:
        half = make_model(HALF, name="made-fp16", always=float("nan"))
        assert self.choose(half, make_model(WEIGHTS)) == "made"
        assert "not finite" in logged.warnings[0]

    def test_where_neither_runs_it_is_an_error(self, make_model: Make) -> None:
        bad = make_model(WEIGHTS, always=float("nan"))
        with pytest.raises(ModelError, match="not finite"):
            self.choose(bad, bad)
