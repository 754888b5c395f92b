"""The exporter from end to end, on untrained weights and small pictures."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

for _module in (
    "torch",
    "torchvision",
    "onnx",
    "onnxscript",
    "onnxslim",
    "onnxruntime",
    "safetensors",
):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import onnx
import safetensors.torch
import torch

from streamvpr.cli import run_command
from streamvpr.embedding import open_embedder
from streamvpr.embedding.card import ModelCard, check_file, read_card
from streamvpr.errors import ConfigError, ModelError, StoreError
from streamvpr.export import ExportOptions, Precision, export_model
from streamvpr.export.architectures import build
from streamvpr.export.architectures.building import Cut
from streamvpr.export.architectures.cosplace import make_cosplace
from streamvpr.export.architectures.dinov2 import make_dinov2_gem
from streamvpr.export.architectures.netvlad import make_netvlad
from streamvpr.export.architectures.salad import SALADShape, make_dinov2_salad
from streamvpr.export.architectures.vit import ViTShape
from streamvpr.export.checking import check, compare
from streamvpr.export.descriptor import Descriptor
from streamvpr.export.pictures import photographs, read_pictures
from streamvpr.export.strides import strides_in_1x1
from streamvpr.export.weights import read_weights
from streamvpr.networks import NETWORKS, UNKNOWN, find_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.export.writing import Exported

SIZE = (96, 64)
IMAGES = photographs(5, SIZE)
REAL = Path(__file__).resolve().parents[3] / "shared" / "weights" / "resnet50_conv4_imagenet.pth"


def options(weights: Path, output: Path, **more: Any) -> ExportOptions:
    return ExportOptions(
        weights=weights, output=output, **{"size": "96x64", "stride_in_1x1": False} | more
    )


def describe(model: Path, batch: int = 5, images: np.ndarray = IMAGES) -> np.ndarray:
    embedder = open_embedder(str(model), device="cpu", threads=1)
    return np.concatenate(
        [embedder.embed(list(images[i : i + batch])) for i in range(0, len(images), batch)]
    )


@pytest.fixture(scope="module")
def plain(resnet_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """ResNet-50 in float32."""
    folder = tmp_path_factory.mktemp("plain")
    return export_model("resnet50-gem", options(resnet_weights, folder))


class TestPlain:
    def test_the_files(self, plain: Exported) -> None:
        assert plain.model.name == "resnet50-gem-96x64.onnx"
        assert plain.card == plain.model.with_suffix(".toml")
        assert sorted(path.name for path in plain.model.parent.iterdir()) == [
            plain.model.name,
            plain.card.name,
        ]

    def test_the_signature(self, plain: Exported) -> None:
        graph = onnx.load(plain.model).graph
        (images,), (descriptors,) = graph.input, graph.output
        sides = [side.dim_param or side.dim_value for side in images.type.tensor_type.shape.dim]
        assert (images.name, sides) == ("images", ["N", 64, 96, 3])
        assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        assert descriptors.name == "descriptors"
        assert descriptors.type.tensor_type.elem_type == onnx.TensorProto.FLOAT

    def test_the_card(self, plain: Exported, resnet_weights: Path) -> None:
        card = read_card(plain.model)
        check_file(plain.model, card)
        assert (card.name, card.dimension, card.precision) == ("resnet50-gem-96x64", 1024, "fp32")
        assert (card.input.width, card.input.height) == SIZE
        assert card.weights_sha256 == read_weights(resnet_weights).sha256
        assert card.gem_p == 3
        assert card.threshold == UNKNOWN
        assert card.max_difference is not None
        assert 0 < card.max_difference < 1e-4

    def test_it_is_the_network(self, plain: Exported, resnet_weights: Path) -> None:
        network = find_network("resnet50-gem")
        assert network is not None
        module = build(network.name, read_weights(resnet_weights).state, Cut(SIZE))
        wanted = Descriptor(module, network.mean, network.std).describe(IMAGES)
        assert compare(describe(plain.model), wanted).max_difference < 1e-4

    def test_batches_change_nothing(self, plain: Exported) -> None:
        assert describe(plain.model, 2) == pytest.approx(describe(plain.model, 5), abs=1e-6)

    def test_nothing_of_the_machine_gets_in(self, plain: Exported) -> None:
        content = plain.model.read_bytes()
        assert b"site-packages" not in content
        assert str(Path.home()).encode() not in content

    def test_the_same_weights_give_the_same_bytes(
        self, plain: Exported, resnet_weights: Path, tmp_path: Path
    ) -> None:
        again = export_model("resnet50-gem", options(resnet_weights, tmp_path))
        assert again.model.read_bytes() == plain.model.read_bytes()
        assert again.card.read_bytes() == plain.card.read_bytes()

    def test_it_runs_under_its_name(
        self, plain: Exported, flight: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(plain.model.parent))
        command = ["run", str(flight.path), "--model", plain.model.stem, "--records", "queries"]
        assert run_command([*command, "--threads", "1", "--fps", "0"]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == flight.frames
        assert f"no threshold on the card of {plain.model.stem}" in err


class TestPrecisions:
    @pytest.mark.parametrize("precision", ["fp16", "fp16-weights"])
    def test_half(
        self, precision: str, plain: Exported, resnet_weights: Path, tmp_path: Path
    ) -> None:
        made = export_model(
            "resnet50-gem", options(resnet_weights, tmp_path, precision=Precision(precision))
        )
        assert made.megabytes < 0.55 * plain.megabytes
        assert compare(describe(made.model), describe(plain.model)).min_cosine > 0.999
        assert read_card(made.model).precision == precision

    def test_int8(
        self, plain: Exported, resnet_weights: Path, pictures: Path, tmp_path: Path
    ) -> None:
        made = export_model(
            "resnet50-gem",
            options(resnet_weights, tmp_path, precision=Precision.INT8, fit=str(pictures)),
        )
        assert made.megabytes < 0.3 * plain.megabytes
        assert compare(describe(made.model), describe(plain.model)).min_cosine > 0.95
        operators = [node.op_type for node in onnx.load(made.model).graph.node]
        assert operators.count("DequantizeLinear") > operators.count("Conv") / 2
        # The stem stays in float, and so do powers and lengths.
        assert operators.index("Conv") < operators.index("QuantizeLinear")
        assert "QuantizeLinear" not in operators[operators.index("Pow") :]


class TestProjection:
    def test_fewer_dimensions(
        self, resnet_weights: Path, pictures: Path, tmp_path: Path, plain: Exported
    ) -> None:
        made = export_model(
            "resnet50-gem", options(resnet_weights, tmp_path, dim=6, fit=str(pictures))
        )
        assert made.model.stem == "resnet50-gem-96x64-6"
        assert read_card(made.model).threshold == UNKNOWN
        # What all pictures share, which is most of an untrained descriptor, is gone.
        images = np.stack(list(read_pictures(str(pictures), SIZE)))
        before, after = (describe(model, images=images) for model in (plain.model, made.model))
        assert after.shape == (24, 6)
        assert np.median(before @ before.T) > 0.9
        assert np.median((after @ after.T)[np.triu_indices(len(after), 1)]) < 0.5

    def test_more_than_the_pictures_can_tell(
        self, resnet_weights: Path, pictures: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match=r"more than 24 pictures.*there are 24"):
            export_model(
                "resnet50-gem", options(resnet_weights, tmp_path, dim=24, fit=str(pictures))
            )
        assert list(tmp_path.iterdir()) == []

    def test_never_by_chance(self, resnet_weights: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--dim learns from your own pictures: give --fit"):
            export_model("resnet50-gem", options(resnet_weights, tmp_path, dim=6))


class TestSizes:
    def test_one_file_for_all_sizes(self, resnet_weights: Path, tmp_path: Path) -> None:
        made = export_model("resnet50-gem", options(resnet_weights, tmp_path, dynamic_size=True))
        fixed = describe(made.model)
        card = made.card.read_text(encoding="utf-8")
        made.card.write_text(card.replace("width = 96", "width = 128"), encoding="utf-8")
        embedder = open_embedder(str(made.model), device="cpu", threads=1)
        found = embedder.embed(list(photographs(2, (128, 64))))
        assert found.shape == (2, fixed.shape[1])

    @pytest.mark.parametrize(
        ("name", "more", "said"),
        [
            ("mixvpr", {"size": "384x384"}, "holds for 320x320 only"),
            ("dinov2-gem", {"size": "224x225"}, "multiples of 14"),
            ("resnet50-gem", {"size": "16x16"}, "WIDTHxHEIGHT"),
            ("efficientnet-lite0-gem", {"dynamic_size": True}, "built for one size"),
        ],
    )
    def test_sizes_that_a_network_can_not_take(
        self, name: str, more: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        chosen = ExportOptions(weights=tmp_path / "none", output=tmp_path, **more)
        with pytest.raises(ConfigError, match=said):
            export_model(name, chosen)


class TestStrides:
    @pytest.mark.parametrize("v1", [True, False])
    def test_are_found_out(
        self, v1: bool, make_resnet_state: Callable[..., dict[str, torch.Tensor]]
    ) -> None:
        network = find_network("resnet50-gem")
        assert network is not None
        assert strides_in_1x1(make_resnet_state(v1=v1), Cut(SIZE), network) is v1

    def test_what_does_not_tell_is_said(
        self, make_resnet_state: Callable[..., dict[str, torch.Tensor]], logged: Any
    ) -> None:
        state = make_resnet_state()
        for key in state:
            if key.endswith("running_var"):
                state[key] = torch.ones_like(state[key])
        network = find_network("resnet50-gem")
        assert network is not None
        assert strides_in_1x1(state, Cut(SIZE), network) is False
        assert any("--stride-in-1x1" in warning for warning in logged.warnings)

    @pytest.mark.skipif(not REAL.exists(), reason="the real weights are not here")
    def test_of_real_weights(self) -> None:
        network = find_network("resnet50-gem")
        assert network is not None
        assert strides_in_1x1(read_weights(REAL).state, Cut(SIZE), network) is True


class TestRefusing:
    def test_a_file_that_is_not_the_network(
        self,
        plain: Exported,
        make_resnet_state: Callable[..., dict[str, torch.Tensor]],
    ) -> None:
        network = find_network("resnet50-gem")
        assert network is not None
        other = build(network.name, make_resnet_state(), Cut(SIZE, stride_in_1x1=True))
        with pytest.raises(ModelError, match="differs from torch"):
            check(plain.model, Descriptor(other, network.mean, network.std), IMAGES, "fp32")

    def test_weights_of_another_network(self, resnet_weights: Path, tmp_path: Path) -> None:
        for network in NETWORKS:
            if network.name != "resnet50-gem":
                chosen = ExportOptions(weights=resnet_weights, output=tmp_path)
                with pytest.raises(ModelError, match="the weights"):
                    export_model(network.name, chosen)
        assert list(tmp_path.iterdir()) == []

    def test_a_stage_that_is_not_there(self, resnet_weights: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no layer4"):
            export_model("resnet50-gem", options(resnet_weights, tmp_path, stage="layer4"))

    def test_a_checkpoint_that_must_be_fetched(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"needs --weights FILE.*github"):
            export_model("cosplace", ExportOptions(output=tmp_path))

    def test_a_folder_that_cannot_be(self, resnet_weights: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot write to"):
            export_model("resnet50-gem", options(resnet_weights, tmp_path / "file"))

    def test_8_bits_without_pictures(self, resnet_weights: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="give --fit FOLDER"):
            export_model(
                "resnet50-gem", options(resnet_weights, tmp_path, precision=Precision.INT8)
            )

    def test_pictures_for_nothing(self, resnet_weights: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is for --dim and --precision int8"):
            export_model("resnet50-gem", options(resnet_weights, tmp_path, fit="folder"))


class TestCommand:
    def test_says_what_was_made(
        self, resnet_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["export", "resnet50-gem", "--weights", str(resnet_weights), "--size", "64x64"]
        assert run_command([*command, "--output", str(tmp_path), "--name", "mine"]) == 0
        out, _ = capsys.readouterr()
        made = json.loads(out)
        card: ModelCard = read_card(Path(made["model"]))
        assert (card.name, made["dimension"]) == ("mine", 1024)
        assert made["min_cosine"] > 0.99999
        assert (card.input.width, card.input.height) == (64, 64)

    def test_a_download_that_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        assert run_command(["export", "resnet50-gem", "--output", str(tmp_path)]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[-1].startswith("streamvpr: error: cannot download https://")
        assert "give it as --weights" in err

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["resnet50"], 2, "did you mean resnet50-gem?"),
            (["resnet50-gem", "--size", "9x9"], 2, "WIDTHxHEIGHT"),
            (["resnet50-gem", "--size", "384"], 2, "WIDTHxHEIGHT"),
            (["resnet50-gem", "--name", "a/b"], 2, "plain name"),
            (["resnet50-gem", "--precision", "int4"], 2, "int4"),
            (["resnet50-gem", "--weights", "none.pth"], 3, "cannot read --weights none.pth"),
            (["efficientnet-lite0-gem"], 3, "needs --weights FILE"),
        ],
    )
    def test_errors(
        self,
        arguments: list[str],
        code: int,
        said: str,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("STREAMVPR_MODELS", str(tmp_path))
        assert run_command(["export", *arguments]) == code
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("streamvpr: error: ")
        assert said in line


def untrained(name: str) -> dict[str, torch.Tensor]:
    """Tensors of a small variant of a network, under its published names."""
    torch.manual_seed(0)
    backbone = ViTShape(width=64, depth=1, side=4)
    make: dict[str, Callable[[], torch.nn.Module]] = {
        "cosplace": lambda: make_cosplace("resnet18", 32),
        "eigenplaces": lambda: make_cosplace("resnet18", 32),
        "netvlad": make_netvlad,
        "dinov2-gem": lambda: make_dinov2_gem(backbone),
        "dinov2-salad": lambda: make_dinov2_salad(backbone, SALADShape(4, 8, 6, 16)),
    }
    return make[name]().state_dict()


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("cosplace", 32),
        ("eigenplaces", 32),
        ("netvlad", 32768),
        ("dinov2-gem", 64),
        ("dinov2-salad", 38),
    ],
)
def test_other_networks_go_the_same_way(name: str, dimension: int, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    state = {key: value.contiguous().clone() for key, value in untrained(name).items()}
    safetensors.torch.save_file(state, weights)
    chosen = ExportOptions(weights=weights, output=tmp_path / "models", size="70x56")
    made = export_model(name, chosen)
    assert made.model.stem == f"{name}-70x56"
    embedder = open_embedder(str(made.model), device="cpu", threads=1)
    found = embedder.embed(list(photographs(2, (70, 56))))
    assert found.shape == (2, dimension)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-4)
