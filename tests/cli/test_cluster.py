"""What `--cluster` refuses before anything is started."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shared-places"], "--shared-places --cluster: each stream's places are with its own"),
        (["--device", "cuda"], "--device cuda --cluster: give --cluster-gpus"),
    ],
)
def test_what_a_cluster_cannot_do_is_said(
    run: Callable[..., Any], flight: Any, options: list[str], said: str
) -> None:
    result = run(flight.path, "--cluster", "local", *options)
    assert result.code == 2
    assert result.error.startswith(f"streamvpr: error: {said}")


def test_standard_input_is_nobody_elses(run: Callable[..., Any]) -> None:
    result = run("-", "--cluster", "local")
    assert result.code == 2
    assert "- is this process's standard input" in result.error


def test_without_ray_it_says_what_to_install(
    process: Callable[..., Any], flight: Any, tmp_path: Path
) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('as where it is not installed')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    result = process(
        "run", flight.path, "--cluster", "local", env={**os.environ, "PYTHONPATH": path}
    )
    assert result.code == 2
    assert result.out == b""
    assert result.err.splitlines() == [
        "streamvpr: error: --cluster needs Ray: pip install 'streamvpr[cluster]'"
    ]


@pytest.mark.parametrize("address", ["somewhere", "http://10.0.0.1:80", "ray://10.0.0.1"])
def test_what_is_no_address_is_said(run: Callable[..., Any], flight: Any, address: str) -> None:
    pytest.importorskip("ray", reason="pip install 'streamvpr[cluster]'")
    result = run(flight.path, "--cluster", address)
    assert result.code == 2
    assert f"--cluster {address}: give ray://HOST:PORT, HOST:PORT, auto or local" in result.error


def test_where_nobody_listens_it_says_so_at_once(run: Callable[..., Any], flight: Any) -> None:
    pytest.importorskip("ray", reason="pip install 'streamvpr[cluster]'")
    result = run(flight.path, "--cluster", "127.0.0.1:1")
    assert result.code == 2
    assert "--cluster 127.0.0.1:1: no Ray cluster answers (Connection refused)" in result.error
