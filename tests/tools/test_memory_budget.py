"""The memory budget in small: that it measures, that it fills the ring, and that it can fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import memory_budget
import pytest
from memory_group import make_group

if TYPE_CHECKING:
    from pathlib import Path

CAPACITY = 60


def measure(
    capsys: pytest.CaptureFixture[str], model: Path, *options: str
) -> tuple[int, dict[str, Any]]:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    arguments = ["--capacity", str(CAPACITY), "--size", "320x240", *options]
    code = memory_budget.main([*arguments, "--", "--model", str(model)])
    return code, json.loads(capsys.readouterr().out)


def test_a_run_with_all_on_is_measured_with_its_ring_full(
    capsys: pytest.CaptureFixture[str], squares_model: Path
) -> None:
    code, found = measure(capsys, squares_model, "--streams", "2")
    assert (code, found["holds"], found["exit_code"]) == (0, True, 0), found
    assert found["places"] == 2 * CAPACITY
    # A descriptor, a few hundred features, and a thumbnail each.
    assert 10_000 < found["places_bytes"] / found["places"] < 200_000
    assert 50e6 < found["peak_anonymous_bytes"] < found["peak_resident_bytes"] < 1e9
    if found["limited_by"] is not None:
        assert 50e6 < found["peak_group_bytes"] <= 1e9


def test_a_run_that_takes_more_is_told(
    capsys: pytest.CaptureFixture[str], squares_model: Path
) -> None:
    code, found = measure(capsys, squares_model, "--budget", "60")
    assert (code, found["holds"]) == (1, False)
    assert found["ended_for_memory"] == (found["limited_by"] is not None), found
    if found["ended_for_memory"]:
        assert found["exit_code"] == -9
    else:
        assert found["peak_resident_bytes"] > 60e6


def test_a_run_that_fails_does_not_hold(
    capsys: pytest.CaptureFixture[str], squares_model: Path
) -> None:
    code, found = measure(capsys, squares_model.with_name("none.onnx"))
    assert (code, found["holds"], found["exit_code"]) == (1, False, 3)
    assert found["said"].startswith("streamvpr: error: ")


def test_a_group_is_gone_when_it_is_closed() -> None:
    group = make_group(100_000_000)
    if group is None:
        pytest.skip("no control group may be made here")
    assert group.path.is_dir()
    assert group.killed == 0
    group.close()
    assert not group.path.exists()
