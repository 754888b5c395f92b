"""Where else records go, as the command line names it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.mark.parametrize(
    ("option", "value", "write"),
    [
        ("--mqtt", "broker.lan", "write mqtt[s]://"),
        ("--mqtt", "mqtt://me:hunter2@broker.lan/#", "write mqtt[s]://"),
        ("--mqtt", "mqtt://me:hunter2@broker.lan:port", "write mqtt[s]://"),
        ("--mqtt", "", "write mqtt[s]://"),
        ("--webhook", "hooks.lan/hunter2", "write http[s]://"),
        ("--webhook", "https:///hunter2", "write http[s]://"),
        ("--rerun", "run.mp4", "write FILE.rrd, connect or connect:HOST:PORT"),
    ],
)
def test_a_wrong_address_is_told_at_once(
    run: Make, flight: Any, option: str, value: str, write: str
) -> None:
    result = run(flight.path, option, value)
    assert (result.code, result.out) == (2, b"")
    assert option in result.error
    assert write in result.error
    assert "hunter2" not in result.err
    assert "model" not in result.err, "nothing was opened"


@pytest.mark.parametrize(
    ("option", "value", "library", "extra"),
    [
        ("--mqtt", "mqtt://broker.lan", "paho", "mqtt"),
        ("--rerun", "run.rrd", "rerun", "rerun"),
        ("--rerun", "connect", "rerun", "rerun"),
    ],
)
def test_a_missing_extra_is_told_with_what_brings_it(
    run: Make,
    flight: Any,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: str,
    library: str,
    extra: str,
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    result = run(flight.path, option, value)
    assert (result.code, result.out) == (2, b"")
    assert f"{option} needs " in result.error
    assert result.error.endswith(f"pip install 'streamvpr[{extra}]'")


def test_a_settings_file_may_name_them(cli: Make, flight: Any, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('mqtt = "nothing"\n')
    result = cli("run", flight.path, "--config", settings)
    assert result.code == 2
    assert "--mqtt" in result.error


def test_what_was_opened_is_closed_where_another_cannot_be(
    run: Make, flight: Any, tmp_path: Path
) -> None:
    """The file is nobody's afterwards: another run may write to it."""
    records = tmp_path / "records.jsonl"
    assert run(flight.path, "--jsonl", records, "--mqtt", "nothing").code == 2
    assert run(flight.path, "--jsonl", records).code == 0


class TestRecordings:
    @pytest.fixture(autouse=True)
    def _rerun(self) -> None:
        pytest.importorskip("rerun", reason="pip install 'streamvpr[rerun]'")

    def test_one_changes_nothing_of_what_is_printed(
        self, process: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        arguments = ("run", flight.path, "--model", tiny_model, "--fps", 0, "--records", "all")
        plain = process(*arguments)
        recorded = process(*arguments, "--rerun", tmp_path / "run.rrd")
        assert recorded.code == plain.code == 0
        assert recorded.out == plain.out
        assert "rerun" not in recorded.err
        assert (tmp_path / "run.rrd").read_bytes().startswith(b"RRF")

    def test_one_that_cannot_be_written(self, run: Make, flight: Any) -> None:
        result = run(flight.path, "--rerun", "no/folder/run.rrd")
        assert (result.code, result.out) == (5, b"")
        assert "cannot write no/folder/run.rrd" in result.error

    @needs_dev_full
    def test_a_full_disk_ends_the_run_and_harms_no_other_output(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        full, beside = tmp_path / "full.rrd", tmp_path / "records.jsonl"
        full.symlink_to("/dev/full")
        result = run(flight.path, "--records", "all", "--rerun", full, "--jsonl", beside)
        assert result.code == 5
        assert f"cannot write {full}: No space left on device" in result.error
        assert [line["state"] for line in result.lines if line["type"] == "stream"] == [
            "connected",
            "ended",
        ]
        assert beside.read_bytes() == result.out
