"""Real ONNX files of every kind, opened by their path and run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamvpr.embedding import open_embedder
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Path]

MEAN, STD = (123.0, 116.0, 103.0), (58.0, 57.0, 56.0)
NUMBERS = f"input.mean = {list(MEAN)}\ninput.std = {list(STD)}"


def pictures(count: int, seed: int = 0) -> list[Any]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8))


def expected(images: list[Any], *, scaled: bool = False, bgr: bool = False) -> Any:
    """What the pooling model makes of pictures, in double precision."""
    batch = np.stack(images).astype(np.float64)
    if scaled:
        batch = (batch - np.array(MEAN)) / np.array(STD)
    if bgr:
        batch = batch[..., ::-1]
    pooled = batch.reshape(-1, 8, 4, 8, 4, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    flat = np.concatenate([pooled.reshape(len(batch), -1), np.ones((len(batch), 1))], axis=1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def embed(model: Path, images: list[Any]) -> Any:
    found = open_embedder(str(model), device="cpu", threads=1).embed(images)
    assert found.dtype == np.float32
    return found


class TestKinds:
    @pytest.mark.parametrize("channels", ["rgb", "bgr"])
    @pytest.mark.parametrize("layout", ["nhwc", "nchw"])
    @pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
    def test_every_input(self, make_model: Make, dtype: str, layout: str, channels: str) -> None:
        outside = dtype != "uint8"
        card = f'input.channels = "{channels}"\n' + (NUMBERS if outside else "")
        model = make_model(card, dtype=dtype, layout=layout)
        wanted = expected(pictures(3), scaled=outside, bgr=channels == "bgr")
        np.testing.assert_allclose(embed(model, pictures(3)), wanted, atol=1e-4)

    @pytest.mark.parametrize("batch", [1, 4])
    @pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
    def test_a_fixed_batch_is_filled_up(self, make_model: Make, batch: int, count: int) -> None:
        free = embed(make_model(name="free"), pictures(count))
        fixed = embed(make_model(name="fixed", batch=batch), pictures(count))
        np.testing.assert_array_equal(free, fixed)

    @pytest.mark.parametrize(
        "graph",
        [
            {"gives": "float16"},
            {"trailing": True},
            {"trailing": True, "batch": 2},
            {"height": "h", "width": "w", "dimension": "d"},
            {"channels": "c"},
            {"height": "h", "width": "w", "layout": "nchw", "dimension": "d"},
        ],
        ids=str,
    )
    def test_other_shapes(self, make_model: Make, graph: dict[str, Any]) -> None:
        found = embed(make_model(**graph), pictures(3))
        np.testing.assert_allclose(found, expected(pictures(3)), atol=1e-3)

    def test_one_of_several_outputs(self, make_model: Make) -> None:
        named = make_model('output = "descriptor"', second=True)
        np.testing.assert_allclose(embed(named, pictures(2)), expected(pictures(2)), atol=1e-5)
        with pytest.raises(ModelError, match="3, 8, 8"):
            open_embedder(str(make_model("", name="first", second=True)), device="cpu")
        with pytest.raises(ModelError, match=r"no output 'x'; it has pooled, descriptor"):
            open_embedder(str(make_model('output = "x"', second=True)), device="cpu")

    @pytest.mark.parametrize("gain", [1.0, 1e30, 1e-20])
    def test_what_is_not_of_unit_length_is_made_so(self, make_model: Make, gain: float) -> None:
        model = make_model("normalised = false", normalise=False, gain=gain, always=gain)
        np.testing.assert_allclose(embed(model, pictures(2)), expected(pictures(2)), atol=1e-5)

    def test_what_is_not_of_unit_length_and_should_be(self, make_model: Make) -> None:
        with pytest.raises(ModelError, match="normalised = false"):
            open_embedder(str(make_model(normalise=False)), device="cpu")

    def test_nothing_at_all_has_no_direction(self, make_model: Make) -> None:
        model = make_model("normalised = false", normalise=False, always=0.0)
        embedder = open_embedder(str(model), device="cpu")
        with pytest.raises(ModelError, match="zeros"):
            embedder.embed([np.zeros((32, 32, 3), np.uint8)])

    @pytest.mark.parametrize("always", [float("nan"), float("inf")])
    def test_what_is_not_finite(self, make_model: Make, always: float) -> None:
        model = make_model("normalised = false", normalise=False, always=always)
        with pytest.raises(ModelError, match="not finite"):
            open_embedder(str(model), device="cpu")

    def test_no_pictures_have_no_descriptors(self, make_model: Make) -> None:
        assert embed(make_model(), []).shape == (0, 193)

    def test_a_picture_of_another_size_is_an_error(self, make_model: Make) -> None:
        embedder = open_embedder(str(make_model()), device="cpu")
        with pytest.raises(ModelError, match=r"\(31, 32, 3\)"):
            embedder.embed([np.zeros((31, 32, 3), np.uint8)])


def paste(model: Path) -> None:
    """Write the lines that the error names into the file that it names."""
    with pytest.raises(ModelError, match="no card") as caught:
        open_embedder(str(model), device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    command = message.partition(": ")[2].partition(", then check")[0]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    text = model.with_suffix(".toml").read_text(encoding="utf-8")
    for line in text.splitlines():
        tomllib.loads(line)


class TestWithoutACard:
    @pytest.mark.parametrize(
        "graph",
        [
            {},
            {"dtype": "float32", "layout": "nchw"},
            {"dtype": "float16", "normalise": False, "batch": 4},
            {"height": "h", "width": "w", "dimension": "d"},
            {"channels": "c", "layout": "nchw", "height": "h", "width": "w", "dimension": "d"},
            {"trailing": True, "gives": "float16", "dimension": "d"},
            {"normalise": False},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("name", ["bare", 'it\'s "a" model $HOME', "モデル😀"])
    def test_what_the_error_says_can_be_pasted(
        self, make_model: Make, graph: dict[str, Any], name: str
    ) -> None:
        model = make_model(None, name=name, **graph)
        paste(model)
        embedder = open_embedder(str(model), device="cpu", threads=1)
        size = embedder.card.input
        assert embedder.card.name == name
        image = np.zeros((size.height, size.width, 3), np.uint8)
        assert embedder.embed([image] * 3).shape == (3, embedder.card.dimension)

    def test_what_the_file_says_is_filled_in(self, make_model: Make) -> None:
        model = make_model(None)
        with pytest.raises(ModelError) as caught:
            open_embedder(str(model))
        for line in ('name = "made"', "dimension = 193", "input.width = 32", "input.height = 32"):
            assert line in str(caught.value)
        assert str(model.with_suffix(".toml")) in str(caught.value)

    def test_what_it_does_not_say_is_named(self, make_model: Make) -> None:
        with pytest.raises(
            ModelError, match=r"then check licence, source, input\.mean, input\.std"
        ):
            open_embedder(str(make_model(None, dtype="float32", layout="nchw")))


def broken(model: Path, kind: str) -> None:
    """Spoil a model that works."""
    data = model.read_bytes()
    if kind == "cut off":
        model.write_bytes(data[: len(data) // 2])
    elif kind == "empty":
        model.write_bytes(b"")
    elif kind == "text":
        model.write_bytes(b"no model at all\n" * 99)
    elif kind == "too new":
        graph = onnx.load(model)
        graph.opset_import[0].version = 99
        onnx.save(graph, model)
    elif kind == "newer format":
        graph = onnx.load(model)
        graph.ir_version = 99
        onnx.save(graph, model)
    elif kind == "unknown operator":
        graph = onnx.load(model)
        graph.graph.node[0].op_type = "Nonsense"
        onnx.save(graph, model)
    elif kind == "external data missing":
        graph = onnx.load(model)
        for weights in graph.graph.initializer:
            weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights), weights.name))
        onnx.save(graph, model, save_as_external_data=True, location="w", size_threshold=0)
        (model.parent / "w").unlink()


@contextlib.contextmanager
def as_nobody(*folders: Path) -> Iterator[None]:
    """Be somebody who may not read everything, where this is root."""
    if os.geteuid() != 0:
        yield
        return
    for folder in folders:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


BROKEN = {
    "cut off": "no ONNX file",
    "empty": "no ONNX file",
    "text": "no ONNX file",
    "too new": "older opset",
    "newer format": "IR version: 99",
    "unknown operator": "Nonsense",
    "external data missing": "w",
}


class TestBrokenFiles:
    @pytest.mark.parametrize("card", ["", None], ids=["card", "no card"])
    @pytest.mark.parametrize("kind", BROKEN)
    def test_each_is_named(self, make_model: Make, kind: str, card: str | None) -> None:
        model = make_model(card)
        broken(model, kind)
        with pytest.raises(ModelError, match=BROKEN[kind]) as caught:
            open_embedder(str(model), device="cpu")
        assert str(model) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "onnxruntime_src" not in str(caught.value)

    def test_the_card_of_another_model(self, make_model: Make) -> None:
        model = make_model()
        card = model.with_suffix(".toml")
        card.write_text(card.read_text().replace("193", "512"))
        with pytest.raises(ModelError, match=r"\(1, 193\).*\(1, 512\)"):
            open_embedder(str(model), device="cpu")

    @pytest.mark.parametrize(
        ("kind", "shape"),
        [
            (TensorProto.INT32, ["n", 32, 32, 3]),
            (TensorProto.DOUBLE, ["n", 3, 32, 32]),
            (TensorProto.FLOAT, ["n", 3072]),
            (TensorProto.FLOAT, ["n", 1, 32, 32]),
            (TensorProto.FLOAT, ["n", 3, 0, 32]),
            (TensorProto.FLOAT, []),
        ],
    )
    @pytest.mark.parametrize("card", ["", None], ids=["card", "no card"])
    def test_an_input_that_takes_no_pictures(
        self, make_model: Make, kind: int, shape: list[Any], card: str | None
    ) -> None:
        model = make_model(card)
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", kind, shape)],
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), model)
        with pytest.raises(ModelError, match=r"export it again|no ONNX") as caught:
            open_embedder(str(model), device="cpu")
        assert str(model) in str(caught.value)

    @pytest.mark.parametrize("card", ["", None], ids=["card", "no card"])
    @pytest.mark.parametrize("graph", [{"batch": 10**7}, {"height": 10**6, "dimension": "d"}])
    def test_more_than_a_machine_holds(
        self, make_model: Make, graph: dict[str, Any], card: str | None
    ) -> None:
        with pytest.raises(ModelError, match="4096"):
            open_embedder(str(make_model(card, **graph)), device="cpu")

    def test_a_file_that_may_not_be_read(self, make_model: Make) -> None:
        model = make_model()
        model.chmod(0)
        ours = ("pytest-", "popen-")
        folders = [folder for folder in model.parents if folder.name.startswith(ours)]
        with as_nobody(model.parent, *folders), pytest.raises(ModelError, match="Permission"):
            open_embedder(str(model), device="cpu")

    def test_a_path_that_is_no_text(self, make_model: Make) -> None:
        model = make_model()
        odd = model.with_name(os.fsdecode(b"\xff.onnx"))
        model.rename(odd)
        model.with_suffix(".toml").rename(odd.with_suffix(".toml"))
        with pytest.raises(ModelError, match="not UTF-8; rename it"):
            open_embedder(str(odd), device="cpu")

    def test_two_inputs(self, make_model: Make) -> None:
        model = make_model()
        graph = onnx.load(model)
        more = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1])
        graph.graph.input.append(more)
        onnx.save(graph, model)
        with pytest.raises(ModelError, match="pixels, mask"):
            open_embedder(str(model), device="cpu")

    def test_integers_are_no_descriptors(self, make_model: Make) -> None:
        model = make_model()
        graph = onnx.load(model)
        graph.graph.node[-1].attribute[0].i = TensorProto.INT32
        graph.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32
        onnx.save(graph, model)
        with pytest.raises(ModelError, match="int32 where descriptors"):
            open_embedder(str(model), device="cpu")

    def test_a_folder_with_the_name_of_a_model(self, make_model: Make) -> None:
        model = make_model()
        model.unlink()
        model.mkdir()
        with pytest.raises(ModelError, match="no model file"):
            open_embedder(str(model))
