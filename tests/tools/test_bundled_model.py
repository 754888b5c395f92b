"""The model that ships: the file is the card's, small, and says what it has always said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streamvpr.embedding import Embedder, open_embedder
from streamvpr.embedding.card import card_path, check_file, read_card
from streamvpr.embedding.catalog import DEFAULT_MODEL, bundled_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = bundled_folder() / f"{DEFAULT_MODEL}.onnx"
LARGEST = 10_000_000

# Cosines of the picture's descriptor and the first Walsh functions. Other kernels round otherwise,
# which moves them by less than 1e-6; red and blue swapped move them by 1e-2.
GOLDEN = [0.690164, 0.004201, -0.01632, 0.041996, -0.005393, -0.003862, 0.011314, -0.003853]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    return open_embedder(str(MODEL), device="cpu", threads=1)


def synthetic_picture(width: int, height: int) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue is a chessboard with 8 squares a side."""
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    board = (8 * x // width + 8 * y // height) % 2
    planes = np.broadcast_arrays(255 * x // (width - 1), 255 * y // (height - 1), 255 * board)
    return np.stack(planes, axis=-1).astype(np.uint8)


def walsh_cosines(descriptor: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of the descriptor and as many Walsh functions as there are golden values."""
    numbers, orders = np.arange(descriptor.size), np.arange(len(GOLDEN))[:, None]
    signs = 1 - 2.0 * (np.bitwise_count(numbers & orders) % 2)
    return signs @ descriptor / np.sqrt(descriptor.size)


def test_the_files_are_there() -> None:
    names = {path.name for path in bundled_folder().iterdir()}
    assert {MODEL.name, card_path(MODEL).name, "README.md"} <= names
    assert "LICENSE-efficientnet-lite0" in names


def test_the_file_is_the_one_on_its_card() -> None:
    card = read_card(MODEL)
    assert card.sha256
    check_file(MODEL, card)
    assert (card.name, card.file) == (DEFAULT_MODEL, MODEL.name)


def test_the_file_is_small() -> None:
    assert MODEL.stat().st_size < LARGEST


def test_its_descriptors_are_what_they_were(embedder: Embedder) -> None:
    size = embedder.card.input
    (descriptor,) = embedder.embed([synthetic_picture(size.width, size.height)])
    assert np.linalg.norm(descriptor) == pytest.approx(1, abs=1e-5)
    assert walsh_cosines(descriptor) == pytest.approx(GOLDEN, abs=TOLERANCE)


def test_the_golden_values_would_notice_swapped_channels(embedder: Embedder) -> None:
    size = embedder.card.input
    picture = synthetic_picture(size.width, size.height)[..., ::-1]
    (descriptor,) = embedder.embed([picture])
    assert np.abs(walsh_cosines(descriptor) - GOLDEN).max() > 10 * TOLERANCE
