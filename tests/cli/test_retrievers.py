"""Places by local features: with the network, without it, and where there is no ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.retrieval import RetrieverKind

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[2]
LOCAL = [kind.value for kind in RetrieverKind if not kind.has_network]
# As where neither the extra cpu nor gpu is installed.
WITHOUT_RUNTIME = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "onnxruntime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nowhere())
sys.modules["onnxruntime"] = None
from streamvpr.cli import main
main()
"""


@pytest.fixture
def bare() -> Make:
    """The program as it is without ONNX Runtime."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", WITHOUT_RUNTIME, *map(str, arguments)]
        return subprocess.run(
            line, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
        )

    return run


@pytest.mark.parametrize("retriever", LOCAL)
def test_a_loop_is_closed_without_a_network(cli: Make, flight: Any, retriever: str) -> None:
    result = cli("run", flight.path, "--retriever", retriever, "--fps", 0, "--records", "queries")
    assert result.code == 0, result.err
    accepted = [line for line in result.lines if line["decision"] == "accepted"]
    assert {line["query_idx"] for line in accepted} >= set(range(flight.lap + 2, flight.frames))
    for line in accepted:
        assert abs(line["query_idx"] - line["match_idx"] - flight.lap) <= 2
        assert line["inliers"] >= 20
        assert 0 < line["score"] <= 1


@pytest.mark.parametrize("retriever", [*LOCAL, "hybrid"])
def test_the_same_again(cli: Make, flight: Any, tiny_model: Path, retriever: str) -> None:
    model = ["--model", tiny_model] if retriever == "hybrid" else []
    line = ["run", flight.path, "--retriever", retriever, "--fps", 0, "--records", "queries"]
    first, second = (cli(*line, *model, "--batch-size", size) for size in (1, 5))
    assert first.code == 0, first.err
    assert first.out == second.out


def test_hybrid_finds_what_the_network_finds(cli: Make, flight: Any, tiny_model: Path) -> None:
    known = ["--model", tiny_model, "--fps", 0, "--threads", 1]
    alone = cli("run", flight.path, *known)
    both = cli("run", flight.path, *known, "--retriever", "hybrid")
    assert both.code == 0, both.err
    found = {line["query_idx"] for line in alone.lines}
    assert found
    assert {line["query_idx"] for line in both.lines} >= found


def test_match_takes_them_too(cli: Make, flight: Any, tmp_path: Path) -> None:
    line = ["match", flight.path, flight.path, "--retriever", "hashbow", "--fps", 5]
    result = cli(*line, "--output-dir", tmp_path / "out")
    assert result.code == 0, result.err
    assert result.lines
    assert all(line["query_idx"] == line["match_idx"] for line in result.lines)
    assert (tmp_path / "out" / "similarity_plot.png").stat().st_size > 1000
    assert (tmp_path / "out" / "similarity_matrix.png").stat().st_size > 100
    settings = (tmp_path / "out" / "run.toml").read_text(encoding="utf-8")
    assert 'retriever = "hashbow"' in settings
    assert "model =" not in settings


@pytest.mark.parametrize("retriever", ["vlad", "hybrid"])
def test_a_map_keeps_their_descriptors(
    cli: Make, flight: Any, tiny_model: Path, tmp_path: Path, retriever: str
) -> None:
    model = ["--model", tiny_model] if retriever == "hybrid" else []
    line = ["run", flight.path, "--retriever", retriever, "--fps", 5, *model]
    line += ["--map", tmp_path / "places.vpr"]
    assert cli(*line).code == 0
    again = cli(*line)
    assert again.code == 0, again.err
    earlier = [r for r in again.lines if r["match_session"] is not None]
    assert len(earlier) > flight.frames / 4
    other = cli("run", flight.path, "--retriever", "fisher", "--map", tmp_path / "places.vpr")
    assert other.code == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--map", "places.vpr"], "--map keeps descriptors, and --retriever hashbow has none"),
            (["--no-verify-geom"], "give --sim-threshold"),
            (["--vocabulary", "x.npz"], "--retriever hashbow takes none"),
            (["--cluster", "local"], "--cluster spreads a network's work"),
            (["--centre"], "--centre is about a network's descriptors"),
            (["--rotation-invariant"], "goes by orb features here, and sift was asked for"),
            (["--local-features", "sift"], "goes by orb features here, and sift was asked for"),
        ],
    )
    def test_what_needs_something_else(
        self,
        cli: Make,
        flight: Any,
        options: list[str],
        said: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = cli("run", flight.path, "--retriever", "hashbow", *options)
        assert result.code == 2
        assert said in result.error

    def test_maps_of_words(self, cli: Make, flight: Any, tmp_path: Path) -> None:
        line = ["run", flight.path, "--retriever", "bow", "--map", tmp_path / "places.vpr"]
        result = cli(*line)
        assert result.code == 2
        assert "take global, hybrid, vlad or fisher" in result.error
        assert not (tmp_path / "places.vpr").exists()

    def test_measuring_a_network_that_does_not_run(self, cli: Make) -> None:
        result = cli("bench", "--retriever", "hashbow")
        assert result.code == 2
        assert "--retriever hashbow runs no network" in result.error

    @pytest.mark.parametrize(
        ("options", "code", "said"),
        [
            (["--retriever", "vlad", "--vocabulary", "models/bow.npz"], 2, "is of bow"),
            (["--retriever", "vlad", "--vocabulary", "pyproject.toml"], 3, "pyproject.toml"),
            (["--retriever", "dbow", "--vocabulary", "pyproject.toml"], 3, "pyproject.toml"),
            (["--retriever", "fisher", "--vocabulary", "nowhere.npz"], 3, "nowhere.npz"),
        ],
    )
    def test_vocabularies_that_are_none(
        self,
        cli: Make,
        flight: Any,
        options: list[str],
        code: int,
        said: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(ROOT)
        result = cli("run", flight.path, *options)
        assert result.code == code
        assert said in result.error

    def test_similarity_alone_decides_where_its_threshold_is_given(
        self, cli: Make, flight: Any
    ) -> None:
        line = ["run", flight.path, "--retriever", "hashbow", "--fps", 0, "--no-verify-geom"]
        result = cli(*line, "--sim-threshold", 0.2)
        assert result.code == 0, result.err
        assert result.lines
        assert all(line["score"] >= 0.2 for line in result.lines)
        assert all(abs(r["query_idx"] - r["match_idx"] - flight.lap) <= 2 for r in result.lines)


class TestWithoutRuntime:
    def test_the_demo_works(self, bare: Make, tmp_path: Path) -> None:
        done = bare("demo", "--output-dir", tmp_path / "demo")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(lines) >= 6
        assert all(line["geom_verified"] for line in lines)
        assert "no ONNX Runtime is installed" in done.stderr
        assert len(list((tmp_path / "demo" / "matches").iterdir())) == len(lines)

    def test_hybrid_goes_on_by_its_local_half(self, bare: Make, flight: Any) -> None:
        done = bare("run", flight.path, "--fps", "0", "--retriever", "hybrid")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) >= flight.frames - flight.lap - 2

    def test_a_network_that_was_asked_for_names_the_remedy(self, bare: Make, flight: Any) -> None:
        done = bare("run", flight.path)
        assert done.returncode == 2
        assert "pip install 'streamvpr[cpu]'" in done.stderr.splitlines()[-1]
