"""Where else records go, as the command line names it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("option", "value", "write"),
    [
        ("--mqtt", "broker.lan", "write mqtt[s]://"),
        ("--mqtt", "mqtt://me:hunter2@broker.lan/#", "write mqtt[s]://"),
        ("--mqtt", "mqtt://me:hunter2@broker.lan:port", "write mqtt[s]://"),
        ("--mqtt", "", "write mqtt[s]://"),
        ("--webhook", "hooks.lan/hunter2", "write http[s]://"),
        ("--webhook", "https:///hunter2", "write http[s]://"),
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
    [("--mqtt", "mqtt://broker.lan", "paho", "mqtt")],
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


def test_a_settings_file_may_name_them(cli: Make, flight: Any, tmp_path: Any) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('mqtt = "nothing"\n')
    result = cli("run", flight.path, "--config", settings)
    assert result.code == 2
    assert "--mqtt" in result.error


def test_what_was_opened_is_closed_where_another_cannot_be(
    run: Make, flight: Any, tmp_path: Any
) -> None:
    """The file is nobody's afterwards: another run may write to it."""
    records = tmp_path / "records.jsonl"
    assert run(flight.path, "--jsonl", records, "--mqtt", "nothing").code == 2
    assert run(flight.path, "--jsonl", records).code == 0
