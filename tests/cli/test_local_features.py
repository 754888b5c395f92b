"""Local features that the user chooses: what runs, what is printed, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Make = Callable[..., Any]


def test_xfeat_closes_the_loops_that_are_there(run: Make, flight: Any) -> None:
    result = run(flight.path, "--local-features", "xfeat", "--min-inliers", 12)
    assert result.code == 0
    assert len(result.lines) >= 8
    for line in result.lines:
        assert abs(line["query_idx"] - line["match_idx"] - flight.lap) <= 1
        assert line["geom_verified"] is True
        assert line["inliers"] >= 12


def test_batch_size_and_threads_never_change_what_is_printed(
    cli: Make, tiny_model: Path, flight: Any
) -> None:
    line = ["run", flight.path, "--model", tiny_model, "--fps", 0, "--records", "all"]
    line += ["--local-features", "xfeat", "--duration", 5.6]
    first = cli(*line, "--batch-size", 1, "--threads", 1)
    assert any(record["type"] == "loop_closure" for record in first.lines)
    for size, threads in ((4, 1), (16, 2)):
        assert cli(*line, "--batch-size", size, "--threads", threads).out == first.out


def test_orb_is_the_default(cli: Make, tiny_model: Path, flight: Any) -> None:
    line = ["run", flight.path, "--model", tiny_model, "--fps", 0, "--threads", 1]
    plain, named = cli(*line), cli(*line, "--local-features", "orb")
    assert plain.out == named.out != cli(*line, "--local-features", "xfeat").out


def test_without_geometry_no_local_features_are_opened(
    quick: Make, flight: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("streamvpr.kit.open_extractor", refuse)
    assert quick(flight.path, "--local-features", "xfeat").code == 0


def test_it_is_no_model_that_describes_places(cli: Make, flight: Any) -> None:
    result = cli("run", flight.path, "--model", "xfeat")
    assert (result.code, result.out) == (3, b"")
    assert "it is for --local-features" in result.error


def test_local_features_that_there_are_not(run: Make, flight: Any) -> None:
    result = run(flight.path, "--local-features", "xfeats")
    assert (result.code, result.out) == (2, b"")
    assert "xfeat" in result.error


def test_models_tells_what_each_is_for(cli: Make) -> None:
    lines = cli("models", "--json").lines
    kinds = {line["name"]: line["kind"] for line in lines if line["type"] == "model"}
    assert kinds["xfeat"] == "local-features"
    assert kinds["efficientnet-lite0-gem"] == "places"
    offered = {line["name"]: line for line in lines if line["type"] == "network"}
    assert [n for n, o in offered.items() if o["kind"] == "local-features"] == ["xfeat"]
    assert offered["xfeat"]["exported"] == ["xfeat"]
    (found,) = [line for line in lines if line["name"] == "xfeat" and line["type"] == "model"]
    assert found["milliseconds"] > 0
    assert (found["dimension"], found["licence"]) == (64, "Apache-2.0")
    assert "local features for --local-features, 64-d from 640x480" in cli("models").out.decode()
