"""Pictures in every form that a graph may take, against what torchvision would compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamvpr.embedding.card import InputSpec
from streamvpr.embedding.preprocess import PixelForm, pixel_form
from streamvpr.embedding.signature import Signature
from streamvpr.errors import ModelError

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
MODEL = Path("a.onnx")


def pictures(count: int, height: int = 6, width: int = 5) -> list[Any]:
    chance = np.random.default_rng(count)
    return list(chance.integers(0, 256, (count, height, width, 3), np.uint8))


def expected(images: list[Any], dtype: str, layout: str, channels: str) -> Any:
    batch = np.stack(images).astype(np.float64)
    if dtype != "uint8":
        batch = (batch - np.array(MEAN)) / np.array(STD)
    if channels == "bgr":
        batch = batch[..., ::-1]
    return batch if layout == "nhwc" else batch.transpose(0, 3, 1, 2)


def signature(*shape: int | None, dtype: str = "uint8") -> Signature:
    assert len(shape) == 4
    return Signature("x", shape, dtype, {"y": 8})


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_every_form(dtype: str, layout: str, channels: str, count: int) -> None:
    images = pictures(count)
    form = PixelForm(6, 5, dtype, layout, channels, MEAN, STD)
    found = form.batch(images)
    assert (found.dtype, found.shape) == (np.dtype(dtype), (count, *form.shape))
    tolerance = {"uint8": 0, "float32": 1e-5, "float16": 2e-3}[dtype]
    np.testing.assert_allclose(
        found.astype(np.float64), expected(images, dtype, layout, channels), atol=tolerance
    )


def test_one_plain_picture_is_not_even_copied() -> None:
    (image,) = pictures(1)
    assert np.shares_memory(PixelForm(6, 5).batch([image]), image)


def test_what_is_written_leaves_the_rest_as_it_is() -> None:
    form = PixelForm(6, 5, layout="nchw")
    out = np.full((4, *form.shape), 7, np.uint8)
    form.write(pictures(2), out)
    np.testing.assert_array_equal(out[:2], form.batch(pictures(2)))
    assert (out[2:] == 7).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((5, 6, 3), np.uint8), np.zeros((6, 5), np.uint8), np.zeros((6, 5, 3), np.float32)],
    ids=["turned", "grey", "float"],
)
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_a_picture_of_another_shape_is_named(image: Any, layout: str) -> None:
    with pytest.raises(ModelError, match=r"\(6, 5, 3\) uint8"):
        PixelForm(6, 5, layout=layout).batch([image])


class TestPixelForm:
    @pytest.mark.parametrize(
        ("shape", "layout"),
        [
            ((None, 32, 48, 3), "nhwc"),
            ((None, 3, 32, 48), "nchw"),
            ((1, None, None, 3), "nhwc"),
            ((1, 3, None, None), "nchw"),
            ((None, None, 32, 48), "nchw"),
            ((None, 32, 48, None), "nhwc"),
        ],
    )
    def test_the_layout_is_read_from_the_graph(
        self, shape: tuple[int | None, ...], layout: str
    ) -> None:
        form = pixel_form(signature(*shape), InputSpec(width=48, height=32), MODEL)
        assert (form.layout, form.height, form.width) == (layout, 32, 48)

    @pytest.mark.parametrize("shape", [(None, None, None, None), (1, 3, 3, 3), (1, 3, 8, 3)])
    def test_where_it_is_open_the_card_says_it(self, shape: tuple[int | None, ...]) -> None:
        height = 3 if shape[2] == 3 else 8
        size = InputSpec(width=3, height=height)
        with pytest.raises(ModelError, match=r"input\.layout = "):
            pixel_form(signature(*shape), size, MODEL)
        told = InputSpec(width=3, height=shape[1] or 8, layout="nhwc")
        if shape != (1, 3, 8, 3):
            assert pixel_form(signature(*shape), told, MODEL).layout == "nhwc"

    def test_a_card_that_says_otherwise_is_wrong(self) -> None:
        size = InputSpec(width=48, height=32, layout="nchw")
        with pytest.raises(ModelError, match="nchw"):
            pixel_form(signature(None, 32, 48, 3), size, MODEL)

    def test_a_size_that_differs_names_both(self) -> None:
        with pytest.raises(ModelError, match=r"32, 48, 3.*height 32, width 40"):
            pixel_form(signature(None, 32, 48, 3), InputSpec(width=40, height=32), MODEL)

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_floating_point_needs_a_mean_and_std(self, dtype: str) -> None:
        taken = signature(None, 3, 32, 48, dtype=dtype)
        with pytest.raises(ModelError, match=r"input\.mean and input\.std"):
            pixel_form(taken, InputSpec(width=48, height=32, mean=MEAN), MODEL)
        size = InputSpec(width=48, height=32, mean=MEAN, std=STD)
        assert pixel_form(taken, size, MODEL).mean == MEAN

    def test_uint8_is_normalised_by_the_graph(self) -> None:
        size = InputSpec(width=48, height=32, mean=MEAN, std=STD)
        form = pixel_form(signature(None, 32, 48, 3), size, MODEL)
        assert form.plain
        assert form.mean == ()
