"""A model's card and where models are found: every mistake has an error that says what to do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from streamvpr.embedding.card import TEMPLATE, card_path, check_file, read_card
from streamvpr.embedding.catalog import (
    DEFAULT_MODEL,
    bundled_folder,
    find_model,
    list_models,
    user_folder,
)
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

CARD = """
name = "tiny"
licence = "MIT"
source = "made by a test"
dimension = 8
{more}
[input]
width = 32
height = 24
{input}
[threshold]
value = {value}
without_geometry = {without}
"""


def write_model(
    folder: Path,
    *,
    name: str = "tiny",
    more: str = "",
    more_input: str = "",
    value: str = "0.5",
    without: str = "0.9",
) -> Path:
    model = folder / f"{name}.onnx"
    model.write_bytes(b"not really a model")
    text = CARD.format(more=more, input=more_input, value=value, without=without)
    model.with_suffix(".toml").write_text(text, encoding="utf-8")
    return model


class TestReadCard:
    def test_a_card_is_read(self, tmp_path: Path) -> None:
        card = read_card(write_model(tmp_path))
        assert (card.name, card.dimension, card.licence) == ("tiny", 8, "MIT")
        assert (card.input.width, card.input.height) == (32, 24)
        assert (card.input.channels, card.input.resize) == ("rgb", "stretch")
        assert (card.threshold.value, card.threshold.without_geometry) == (0.5, 0.9)

    def test_keys_of_a_later_version_are_no_error(self, tmp_path: Path) -> None:
        assert read_card(write_model(tmp_path, more='later = "x"')).name == "tiny"

    def test_a_model_without_a_card_is_told_how_to_write_one(self, tmp_path: Path) -> None:
        model = tmp_path / "bare.onnx"
        model.write_bytes(b"")
        with pytest.raises(ModelError, match="no card") as caught:
            read_card(model)
        assert str(card_path(model)) in str(caught.value)
        assert TEMPLATE in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [b"name = ", b"\xff\xfe", b"", b'name = "x"\n', b"[input]\nwidth = 1\n"],
        ids=["broken", "binary", "empty", "short", "shorter"],
    )
    def test_what_is_no_card_is_an_error_that_names_it(self, tmp_path: Path, text: bytes) -> None:
        model = write_model(tmp_path)
        card_path(model).write_bytes(text)
        with pytest.raises(ModelError, match=r"tiny\.toml"):
            read_card(model)

    def test_a_folder_in_its_place_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        model = tmp_path / "odd.onnx"
        card_path(model).mkdir()
        with pytest.raises(ModelError, match=r"odd\.toml"):
            read_card(model)

    def test_a_value_of_another_kind_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="value"):
            read_card(write_model(tmp_path, value='"high"'))

    @pytest.mark.parametrize("value", ["1.01", "-1.5", "nan", "inf"])
    def test_a_threshold_that_is_no_cosine_is_refused(self, tmp_path: Path, value: str) -> None:
        with pytest.raises(ModelError, match="threshold"):
            read_card(write_model(tmp_path, value=value))
        with pytest.raises(ModelError, match="threshold"):
            read_card(write_model(tmp_path, without=value))

    @pytest.mark.parametrize("value", ["-1", "1", "0.0"])
    def test_a_threshold_may_be_any_cosine(self, tmp_path: Path, value: str) -> None:
        assert read_card(write_model(tmp_path, value=value)).threshold.value == float(value)

    @pytest.mark.parametrize(
        "line", ['channels = "rbg"', 'resize = "crop"', 'channels = "gray"', 'layout = "chwn"']
    )
    def test_pictures_that_this_version_does_not_make_are_refused(
        self, tmp_path: Path, line: str
    ) -> None:
        with pytest.raises(ModelError, match=line.split('"')[1]):
            read_card(write_model(tmp_path, more_input=line))

    @pytest.mark.parametrize("key", ["dimension = 8", "width = 32", "height = 24"])
    @pytest.mark.parametrize("size", [0, -4])
    def test_sizes_below_one_are_refused(self, tmp_path: Path, key: str, size: int) -> None:
        model = write_model(tmp_path)
        text = card_path(model).read_text(encoding="utf-8")
        changed = text.replace(key, f"{key.split()[0]} = {size}")
        card_path(model).write_text(changed, encoding="utf-8")
        with pytest.raises(ModelError, match="1 or more"):
            read_card(model)

    @pytest.mark.parametrize("key", ["dimension = 8", "width = 32", "height = 24"])
    def test_sizes_that_no_machine_holds_are_refused(self, tmp_path: Path, key: str) -> None:
        model = write_model(tmp_path)
        text = card_path(model).read_text(encoding="utf-8")
        changed = text.replace(key, f"{key.split()[0]} = {10**9}")
        card_path(model).write_text(changed, encoding="utf-8")
        with pytest.raises(ModelError, match=r"1000000000.*too large"):
            read_card(model)

    @pytest.mark.parametrize("number", ["nan", "1.5", "1e300", "true", "99999999999999999999"])
    def test_sizes_that_are_no_sizes_are_refused(self, tmp_path: Path, number: str) -> None:
        model = write_model(tmp_path)
        text = card_path(model).read_text(encoding="utf-8")
        card_path(model).write_text(text.replace("= 32", f"= {number}"), encoding="utf-8")
        with pytest.raises(ModelError, match=r"tiny\.toml"):
            read_card(model)

    @pytest.mark.parametrize(
        "line",
        ["mean = [1, 2]", "mean = [nan, 0, 0]", "std = [1, inf, 1]", "std = [1, 0, 1]"],
    )
    def test_a_mean_or_std_that_cannot_be_is_refused(self, tmp_path: Path, line: str) -> None:
        with pytest.raises(ModelError, match=line.split()[0]):
            read_card(write_model(tmp_path, more_input=line))

    def test_what_the_file_does_not_say_may_stand_in_the_card(self, tmp_path: Path) -> None:
        model = write_model(
            tmp_path,
            more='output = "pooled"\nnormalised = false\nhalf = false',
            more_input='channels = "bgr"\nlayout = "nchw"\nmean = [1, 2, 3]\nstd = [4, 5, 6.5]',
        )
        card = read_card(model)
        assert (card.output, card.normalised, card.half) == ("pooled", False, False)
        assert (card.input.channels, card.input.layout) == ("bgr", "nchw")
        assert (card.input.mean, card.input.std) == ((1, 2, 3), (4, 5, 6.5))

    def test_a_link_that_leads_nowhere_but_to_itself(self, tmp_path: Path) -> None:
        model = write_model(tmp_path)
        card_path(model).unlink()
        card_path(model).symlink_to(card_path(model))
        with pytest.raises(ModelError, match=r"tiny\.toml"):
            read_card(model)


class TestCheckFile:
    def test_the_file_that_the_card_describes(self, tmp_path: Path) -> None:
        right = hashlib.sha256(b"not really a model").hexdigest()
        model = write_model(tmp_path, more=f'sha256 = "{right}"')
        check_file(model, read_card(model))

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        model = write_model(tmp_path, more=f'sha256 = "{"0" * 64}"')
        with pytest.raises(ModelError, match=r"tiny\.onnx is not the one.*export it again"):
            check_file(model, read_card(model))

    def test_a_card_without_a_sum_describes_any(self, tmp_path: Path) -> None:
        model = write_model(tmp_path)
        check_file(model, read_card(model))

    def test_a_model_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        model = write_model(tmp_path, more=f'sha256 = "{"0" * 64}"')
        model.unlink()
        with pytest.raises(ModelError, match=r"tiny\.onnx: No such file"):
            check_file(model, read_card(model))


class TestCatalog:
    @pytest.fixture
    def mine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir()
        write_model(folder, name="resnet50-gem")
        monkeypatch.setenv("STREAMVPR_MODELS", str(folder))
        return folder

    def test_one_of_mine_is_found_by_name(self, mine: Path) -> None:
        assert user_folder() == mine
        assert find_model("resnet50-gem") == mine / "resnet50-gem.onnx"

    def test_the_default_is_one_that_ships(self, mine: Path) -> None:
        assert find_model(None) == bundled_folder() / f"{DEFAULT_MODEL}.onnx"

    def test_one_that_ships_is_not_hidden_by_mine(self, mine: Path) -> None:
        write_model(mine, name=DEFAULT_MODEL)
        assert find_model(DEFAULT_MODEL).parent == bundled_folder()

    def test_bundled_ones_are_listed_before_mine_and_cards_are_no_models(self, mine: Path) -> None:
        write_model(mine, name="a-first")
        found = list_models()
        assert found[-2:] == [mine / "a-first.onnx", mine / "resnet50-gem.onnx"]
        assert all(path.suffix == ".onnx" for path in found)
        assert {path.parent for path in found[:-2]} <= {bundled_folder()}

    def test_a_folder_that_is_not_there_holds_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(tmp_path / "none"))
        assert {path.parent for path in list_models()} <= {bundled_folder()}

    def test_an_empty_variable_is_as_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", "")
        assert user_folder().parts[-2:] == ("streamvpr", "models")

    def test_a_model_is_found_by_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = write_model(tmp_path, name="elsewhere")
        assert find_model(str(model)) == model
        monkeypatch.chdir(tmp_path)
        assert find_model("elsewhere.onnx").is_file()

    def test_a_path_to_nothing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"none\.onnx"):
            find_model(str(tmp_path / "none.onnx"))
        with pytest.raises(ModelError, match="no model file"):
            find_model(str(tmp_path))

    @pytest.mark.parametrize("name", ["loop.onnx", "a" * 5000 + ".onnx"], ids=["loop", "long"])
    def test_a_path_that_cannot_be_followed(self, tmp_path: Path, name: str) -> None:
        if name == "loop.onnx":
            (tmp_path / name).symlink_to(tmp_path / name)
        with pytest.raises(ModelError, match="no model file"):
            find_model(str(tmp_path / name))

    def test_a_name_that_is_nearly_right_is_asked_about(self, mine: Path) -> None:
        with pytest.raises(ModelError, match=r"did you mean resnet50-gem\?"):
            find_model("resnet-50-gem")

    def test_a_name_that_is_nothing_like_it_is_told_where_to_look(self, mine: Path) -> None:
        with pytest.raises(ModelError, match="streamvpr models") as caught:
            find_model("zzz")
        assert "did you mean" not in str(caught.value)
        assert str(mine) in str(caught.value)
