"""What the tool says a live page costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

for needed in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="pip install 'streamvpr[web]'")

import page_cost  # noqa: E402


def test_each_turn_has_a_run_without_a_page_with_one_and_with_readers_that_do_not_read(
    flight: Any, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(tiny_model), "--fps", "0", "--threads", "1"]
    assert (
        page_cost.main([str(flight.path), "--browsers", "3", "--turns", "1", "--", *options]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["browsers"], found["turns"]) == (3, 1)
    assert list(found["cpu_ms_a_frame"]) == list(page_cost.KINDS)
    for what in ("cpu", "seconds"):
        kinds = list(found[f"{what}_ms_a_frame"].values())
        assert min(kinds) > 0
        (ratio,) = found[f"{what}_browsers_to_page"]["turns"]
        assert ratio == pytest.approx(kinds[2] / kinds[1], rel=0.02)


def test_a_run_that_fails_is_told() -> None:
    with pytest.raises(SystemExit, match=r"nothing\.mp4"):
        page_cost.main(["nothing.mp4", "--turns", "1"])
