"""What `streamvpr models` knows beyond the files that are there."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from streamvpr import inventory
from streamvpr.inventory import networks
from streamvpr.inventory.arithmetic import multiply_adds_per_second
from streamvpr.inventory.networks import estimate, find_offers, show_offer
from streamvpr.networks import NETWORKS


@pytest.fixture(autouse=True)
def _rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "multiply_adds_per_second", lambda: 1e11)


def test_arithmetic_is_measured() -> None:
    assert 1e8 < multiply_adds_per_second() < 1e15


def test_the_estimate_is_in_milliseconds() -> None:
    assert estimate(8.5, 1e11) == pytest.approx(100.0)


def test_every_network_is_offered_with_all_that_one_needs_to_know() -> None:
    offers = find_offers([])
    assert [offer.name for offer in offers] == [network.name for network in NETWORKS]
    for offer in offers:
        assert offer.exported == ()
        assert all(value for key, value in asdict(offer).items() if key != "exported"), offer
        assert offer.command.startswith(f"streamvpr export {offer.name}")


def test_the_command_names_the_file_of_weights_where_it_must_be_fetched() -> None:
    commands = {offer.name: offer.command for offer in find_offers([])}
    assert commands["resnet50-gem"] == "streamvpr export resnet50-gem"
    assert commands["dinov2-salad"].endswith("--weights dino_salad.ckpt")
    assert commands["netvlad"].endswith("--weights FILE")


def test_models_that_were_exported_already() -> None:
    here = ["resnet50-gem-layer4-int8", "resnet50-gem", "resnet50-gem", "mixvprx"]
    offers = {offer.name: offer for offer in find_offers(here)}
    assert offers["resnet50-gem"].exported == ("resnet50-gem-layer4-int8", "resnet50-gem")
    assert offers["mixvpr"].exported == ()
    assert "exported here already: resnet50-gem-layer4-int8" in show_offer(offers["resnet50-gem"])


def test_no_model_at_all() -> None:
    assert inventory.as_text([]).startswith(inventory.NONE_HERE)
