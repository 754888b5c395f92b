"""MobileNetV2 against torchvision's own, both under all published names, and what is pooled."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import re

import pytest

for _module in ("torch", "torchvision"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import torch
from torchvision.models import mobilenet_v2

from streamvpr.errors import ConfigError, ModelError
from streamvpr.export.architectures.building import Cut
from streamvpr.export.architectures.mobile import (
    EFFICIENTNET_LITE0,
    FLAT,
    Backbone,
    build_efficientnet_lite0,
    build_mobilenetv2,
    same_padding,
)
from streamvpr.export.architectures.pooling import SplitGeM, generalised_mean

State = dict[str, torch.Tensor]
CUT = Cut(size=(64, 64))
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return mobilenet_v2(weights=None).eval()


def flat(state: State) -> State:
    """torchvision's tensors under the names of the first ports: one list of layers a block."""
    found = {}
    for key, value in state.items():
        key = re.sub(r"^(features\.1\.conv)\.1\.", r"\1.3.", key)
        key = re.sub(r"^(features\.1\.conv)\.2\.", r"\1.4.", key)
        key = re.sub(r"^(features\.\d+\.conv)\.2\.", r"\1.6.", key)
        key = re.sub(r"^(features\.(?!1\.)\d+\.conv)\.3\.(?=weight|bias|run|num)", r"\1.7.", key)
        key = re.sub(r"^(features\.(?!1\.)\d+\.conv)\.1\.0\.", r"\1.3.", key)
        key = re.sub(r"^(features\.(?!1\.)\d+\.conv)\.1\.1\.", r"\1.4.", key)
        key = re.sub(r"^(features\.\d+\.conv)\.0\.([01])\.", r"\1.\2.", key)
        found[key] = value
    return found


@pytest.mark.parametrize("naming", ["torchvision", "flat"])
def test_it_is_torchvision_s_network(naming: str, theirs: torch.nn.Module) -> None:
    state = theirs.state_dict()
    state = flat(state) if naming == "flat" else state
    assert (FLAT.marker in state) == (naming == "flat")
    mine = build_mobilenetv2(state, Cut(CUT.size, stage="head")).eval()
    with torch.no_grad():
        wanted = generalised_mean(theirs.features(IMAGES), 3.0)
        assert torch.allclose(mine(IMAGES), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("stage", "dimension"), [(None, 640), ("signed", 640), ("features", 320), ("head", 1280)]
)
def test_what_is_pooled(stage: str | None, dimension: int, theirs: torch.nn.Module) -> None:
    module = build_mobilenetv2(theirs.state_dict(), Cut(CUT.size, stage=stage)).eval()
    with torch.no_grad():
        assert module(IMAGES).shape == (2, dimension)


def test_both_signs_are_kept() -> None:
    features = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    positive, negative = SplitGeM()(features).split(4, dim=1)
    assert torch.equal(positive, generalised_mean(features, torch.full((1,), 3.0)))
    assert torch.equal(negative, generalised_mean(-features, torch.full((1,), 3.0)))


def published(state: State) -> State:
    """A backbone's tensors under the names of EfficientNet-Lite0's checkpoint."""
    names = (
        ("stem.conv.", "_conv_stem."),
        ("stem.norm.", "_bn0."),
        ("head.conv.", "_conv_head."),
        ("head.norm.", "_bn1."),
        (".expand.conv.", "._expand_conv."),
        (".expand.norm.", "._bn0."),
        (".depthwise.conv.", "._depthwise_conv."),
        (".depthwise.norm.", "._bn1."),
        (".project.conv.", "._project_conv."),
        (".project.norm.", "._bn2."),
    )
    found = {}
    for key, value in state.items():
        for mine, theirs in names:
            key = key.replace(mine, theirs)
        found[re.sub(r"^blocks\.", "_blocks.", key)] = value
    return found


def test_efficientnet_lite0_under_its_published_names() -> None:
    torch.manual_seed(0)
    state = published(Backbone(EFFICIENTNET_LITE0).state_dict())
    keys = {"_conv_stem.weight", "_bn0.bias", "_blocks.3._bn1.running_var", "_bn1.weight"}
    assert keys <= state.keys()
    state["_fc.weight"] = torch.zeros(1000, 1280)
    module = build_efficientnet_lite0(state, CUT).eval()
    with torch.no_grad():
        assert module(IMAGES).shape == (2, 640)


def test_a_stage_that_is_none(theirs: torch.nn.Module) -> None:
    with pytest.raises(ConfigError, match="signed, features, head"):
        build_mobilenetv2(theirs.state_dict(), Cut(CUT.size, stage="layer3"))


def test_a_tensor_that_is_missing(theirs: torch.nn.Module) -> None:
    state = theirs.state_dict()
    del state["features.3.conv.2.weight"]
    with pytest.raises(ModelError, match=r"lack blocks\.2\.project\.conv\.weight"):
        build_mobilenetv2(state, CUT)


def test_same_padding_puts_the_odd_pixel_after() -> None:
    assert same_padding(384, kernel=3, stride=2) == (0, 1)
    assert same_padding(24, kernel=5, stride=1) == (2, 2)
