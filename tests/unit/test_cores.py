"""Threads for the machine as this process may use it, read from made-up trees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamvpr.embedding.cores import count_cores, cpu_quota, own_groups, usable_cores

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="ascii")


class TestQuota:
    @pytest.mark.parametrize(
        ("limit", "cores"),
        [("max 100000", None), ("200000 100000", 2.0), ("150000 100000", 1.5), ("50000 0", None)],
    )
    def test_of_a_container(self, tmp_path: Path, limit: str, cores: float | None) -> None:
        write(tmp_path / "cpu.max", limit)
        assert cpu_quota(tmp_path, ["/"]) == cores

    @pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("400000", 4.0)])
    def test_of_an_older_container(self, tmp_path: Path, quota: str, cores: float | None) -> None:
        write(tmp_path / "cpu/cpu.cfs_quota_us", quota)
        write(tmp_path / "cpu/cpu.cfs_period_us", "100000")
        assert cpu_quota(tmp_path, ["/"]) == cores

    def test_the_tightest_of_all_groups_above_counts(self, tmp_path: Path) -> None:
        write(tmp_path / "cpu.max", "800000 100000")
        write(tmp_path / "system.slice/cpu.max", "300000 100000")
        write(tmp_path / "system.slice/vpr.service/cpu.max", "max 100000")
        write(tmp_path / "own", "0::/system.slice/vpr.service")
        groups = own_groups(tmp_path / "own")
        assert cpu_quota(tmp_path, groups) == 3.0

    def test_groups_of_other_resources_are_left_out(self, tmp_path: Path) -> None:
        write(tmp_path / "own", "4:memory:/a\n3:cpu,cpuacct:/b/c\n0::/d")
        assert set(own_groups(tmp_path / "own")) == {"/", "/b", "/b/c", "/d"}

    def test_without_control_groups(self, tmp_path: Path) -> None:
        assert cpu_quota(tmp_path, own_groups(tmp_path / "none")) is None


class TestCores:
    def test_two_threads_of_one_core_are_one(self, tmp_path: Path) -> None:
        for cpu in range(4):
            siblings = f"{cpu % 2},{cpu % 2 + 2}"
            write(tmp_path / f"cpu{cpu}/topology/thread_siblings_list", siblings)
        assert count_cores({0, 1, 2, 3}, tmp_path) == 2
        assert count_cores({0, 2}, tmp_path) == 1
        assert count_cores({0, 3}, tmp_path) == 2

    def test_where_nothing_is_known_each_is_one(self, tmp_path: Path) -> None:
        assert count_cores({3, 5, 7}, tmp_path) == 3

    def test_here(self) -> None:
        assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))

    def test_a_model_starts_no_more_threads_than_there_are_cores(self, tiny_model: Path) -> None:
        """In a process of its own that may use one core, however many the machine has."""
        code = (
            "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
            "from streamvpr.embedding import open_embedder\n"
            "from streamvpr.embedding.runtime import load_runtime\n"
            "load_runtime(); before = len(os.listdir('/proc/self/task'))\n"
            f"kept = open_embedder({str(tiny_model)!r}, device='cpu')\n"
            "print(len(os.listdir('/proc/self/task')) - before)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert (done.stdout, done.stderr) == (b"0\n", b"")

    def test_affinity_is_respected(self) -> None:
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(mine)})
        try:
            assert usable_cores() == 1
        finally:
            os.sched_setaffinity(0, mine)
