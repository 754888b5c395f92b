"""The options that decide what is a loop, at the outside."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.media import encode_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 views of the ground along a line, and the first 20 again, turned by 130 degrees."""
    rng = np.random.default_rng(5)
    ground = np.zeros((900, 2600, 3), np.float32)
    for cell in (14, 40, 120):
        coarse = rng.uniform(0, 256, (900 // cell + 1, 2600 // cell + 1, 3)).astype(np.float32)
        ground += cv2.resize(coarse, (2600, 900), interpolation=cv2.INTER_NEAREST) / 3
    path = tmp_path_factory.mktemp("turned") / "turned.mp4"

    def view(step: int, degrees: float) -> np.ndarray:
        x, y = 350 + 48 * step, 450
        matrix = cv2.getRotationMatrix2D((x, y), degrees, 1)
        matrix[:, 2] += [240 - x, 180 - y]
        return np.asarray(cv2.warpAffine(ground, matrix, (480, 360)), np.uint8)

    frames = [view(step, 0) for step in range(40)] + [view(step, 130) for step in range(20)]
    encode_video(path, iter(frames), fps=10)
    return path


class TestEmit:
    def test_one_record_for_each_revisit(self, run: Make, flight: Any) -> None:
        everything = run(flight.path).lines
        loops = {line["loop_id"] for line in everything}
        assert len(everything) > len(loops)
        for emit in ("first", "best"):
            chosen = run(flight.path, "--emit", emit).lines
            assert [line["loop_id"] for line in chosen] == sorted(loops)
            assert all(line in everything for line in chosen)
        first, best = (run(flight.path, "--emit", e).lines for e in ("first", "best"))
        for one, other in zip(first, best, strict=True):
            of_the_loop = [line for line in everything if line["loop_id"] == one["loop_id"]]
            assert one == of_the_loop[0]
            assert other["confidence"] == max(line["confidence"] for line in of_the_loop)

    def test_the_folder_and_the_summary_have_as_many(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        result = run(flight.path, "--emit", "best", "--output-dir", tmp_path)
        assert json.loads((tmp_path / "loop_closures.json").read_text()) == result.lines
        assert len(list((tmp_path / "matches").iterdir())) == len(result.lines)
        assert f" {len(result.lines)} loop closures" in result.err

    def test_query_records_are_not_touched(self, run: Make, flight: Any) -> None:
        plain = run(flight.path, "--records", "queries").out
        assert run(flight.path, "--records", "queries", "--emit", "best").out == plain


class TestQueries:
    def test_they_say_what_was_needed_and_what_is_in_common(self, run: Make, flight: Any) -> None:
        lines = run(flight.path, "--records", "queries").lines
        accepted = [line for line in lines if line["decision"] == "accepted"]
        assert accepted
        for line in accepted:
            assert line["inliers"] >= line["inliers_needed"] >= 20
            assert 0.4 <= line["overlap"] <= 1
        reached = [line for line in lines if line["inliers"] is not None]
        assert all(line["inliers_needed"] >= 20 for line in reached)

    def test_a_corner_is_not_a_place_unless_that_is_asked_for(self, run: Make, flight: Any) -> None:
        strict, lax = (
            Counter(
                line["decision"]
                for line in run(flight.path, "--records", "queries", "--min-overlap", share).lines
            )
            for share in (1, 0)
        )
        assert strict["accepted"] < lax["accepted"]
        assert strict["too_few_inliers"] > lax["too_few_inliers"]


class TestSequences:
    def test_a_lap_that_is_flown_again_agrees(self, run: Make, flight: Any) -> None:
        options = ("--records", "queries", "--no-verify-geom", "--sequence-length", 4)
        lines = run(flight.path, *options).lines
        again = {line["query_idx"]: line["match_idx"] for line in lines[flight.lap + 4 :]}
        assert again == {query: query - flight.lap for query in again}
        assert {line["decision"] for line in lines[flight.lap + 4 :]} == {"accepted"}

    def test_support_loses_the_first_frames_of_a_revisit(self, run: Make, flight: Any) -> None:
        plain = [line["query_idx"] for line in run(flight.path, "--no-neighbours").lines]
        asked = run(flight.path, "--support", 2, "--no-neighbours", "--records", "queries").lines
        kept = [line["query_idx"] for line in asked if line["decision"] == "accepted"]
        assert set(kept) < set(plain)
        lost = [line for line in asked if line["query_idx"] in set(plain) - set(kept)]
        assert {line["decision"] for line in lost} == {"inconsistent_sequence"}

    @pytest.mark.parametrize("length", ["0", "-1", "201", "two"])
    def test_lengths_that_are_none_are_refused(self, run: Make, flight: Any, length: str) -> None:
        result = run(flight.path, "--sequence-length", length)
        assert result.code == 2
        assert length in result.error

    def test_the_way_back_needs_a_way(self, run: Make, flight: Any) -> None:
        result = run(flight.path, "--bidirectional")
        assert result.code == 2
        assert "--sequence-length" in result.error


class TestFromAbove:
    def test_another_heading_is_known_again(self, cli: Make, turned: Path) -> None:
        """Squares on their corners look like nothing that the model has seen: -1 asks geometry."""
        options = ("--rotation-invariant", "--fps", 0, "--records", "queries")
        options = (*options, "--sim-threshold", -1)
        result = cli("run", turned, *options)
        assert result.code == 0
        accepted = [line for line in result.lines if line["decision"] == "accepted"]
        assert len(accepted) >= 8
        assert all(abs(a["match_idx"] - (a["query_idx"] - 40)) <= 2 for a in accepted)

    def test_it_means_sift_unless_other_features_are_named(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        assert (
            run(flight.path, "--rotation-invariant").out
            == run(flight.path, "--rotation-invariant", "--local-features", "sift").out
        )
        assert (
            run(flight.path, "--rotation-invariant", "--local-features", "orb").out
            == run(flight.path).out
        )


@pytest.mark.parametrize(
    "options",
    [
        ("--no-normalise",),
        ("--no-chance",),
        ("--no-neighbours",),
        ("--support", 1),
        ("--sequence-length", 3, "--bidirectional"),
        ("--local-features", "sift"),
        ("--emit", "best"),
    ],
)
def test_every_part_repeats_byte_for_byte_with_every_batch_size(
    run: Make, flight: Any, options: tuple[object, ...]
) -> None:
    first = run(flight.path, "--records", "all", *options)
    assert first.code == 0
    assert first.lines
    for size in (1, 5):
        again = run(flight.path, "--records", "all", "--batch-size", size, *options)
        assert again.out == first.out
