"""Untrained weights whose batch normalisations remember photographs, and pictures to fit on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

SIDE = 192


@pytest.fixture(scope="session")
def make_resnet_state() -> Callable[..., dict[str, Any]]:
    """Named tensors of a ResNet-50 up to layer3 that has seen photographs, but learnt nothing."""
    torch = pytest.importorskip("torch", reason="exporting networks needs torch")
    pytest.importorskip("torchvision", reason="exporting networks needs torchvision")
    from streamvpr.export.architectures.resnet import make_resnet50_gem
    from streamvpr.export.pictures import photographs
    from streamvpr.export.strides import normalised
    from streamvpr.networks import find_network

    made: dict[bool, dict[str, Any]] = {}

    def make(*, v1: bool = False) -> dict[str, Any]:
        if v1 not in made:
            torch.manual_seed(0)
            torch.set_num_threads(1)
            module = make_resnet50_gem("layer3", stride_in_1x1=v1).train()
            for norm in module.modules():
                if isinstance(norm, torch.nn.BatchNorm2d):
                    norm.momentum = None  # the plain mean of all that was seen
            network = find_network("resnet50-gem")
            assert network is not None
            with torch.no_grad():
                module(normalised(photographs(20, (SIDE, SIDE)), network))
            state = module.state_dict()
            made[v1] = {k: v for k, v in state.items() if not k.startswith("gem.")}
        return dict(made[v1])

    return make


@pytest.fixture(scope="session")
def resnet_weights(
    make_resnet_state: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same in a file."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "resnet.pth"
    torch.save(make_resnet_state(), path)
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, texture: Callable[..., np.ndarray]) -> Path:
    """A folder of 24 made-up scenes."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(24):
        cv2.imwrite(str(folder / f"{seed}.png"), texture(seed, 160, 120))
    return folder
