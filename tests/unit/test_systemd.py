"""Telling systemd: a real socket, the environment, and a systemd that is not there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamvpr.systemd import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # Paths of sockets may be no longer than 108 bytes.
    monkeypatch.chdir(tmp_path)
    return "notify"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(5)
        yield listening


def test_states_arrive_as_they_are_sent(systemd: socket.socket, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for state in ("READY=1", "WATCHDOG=1", "STATUS=drei Kameras, läuft", "STOPPING=1"):
        notifier.send(state)
        assert systemd.recv(4096).decode() == state
    notifier.close()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="abstract sockets are of Linux")
def test_an_abstract_socket_is_written_with_an_at() -> None:
    name = f"streamvpr-test-{os.getpid()}@x"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notifier.send("READY=1")
        assert listening.recv(4096) == b"READY=1"
        notifier.close()


def test_an_at_inside_of_a_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("user@1000")
        listening.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": "user@1000"})
        notifier.send("READY=1")
        assert listening.recv(4096) == b"READY=1"
        notifier.close()


def test_without_a_socket_nothing_is_sent(systemd: socket.socket) -> None:
    notifier = Notifier({})
    notifier.send("READY=1")
    notifier.close()
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


def test_a_socket_without_a_name_is_none_at_all() -> None:
    notifier = Notifier({"NOTIFY_SOCKET": ""})
    notifier.send("READY=1")
    notifier.close()


def test_a_socket_that_is_gone_is_no_error(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.send("READY=1")
    notifier.close()


def test_one_that_vanishes_and_comes_back_is_none_either(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            listening.settimeout(5)
            notifier.send("WATCHDOG=1")
            assert listening.recv(4096) == b"WATCHDOG=1"
        Path(address).unlink()
        notifier.send("WATCHDOG=1")
    notifier.close()


def test_a_systemd_that_does_not_read_holds_nobody_up(systemd: socket.socket, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(5000):
        notifier.send("STATUS=" + "x" * 1000)
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
    ],
)
def test_the_watchdog_is_as_the_environment_says(
    environment: dict[str, str], seconds: float | None
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/run/nowhere", **environment})
    assert notifier.watchdog_seconds == seconds
    notifier.close()


def test_without_a_socket_there_is_no_watchdog() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog_seconds is None
    notifier.close()


UNIT = Path(__file__).resolve().parents[2] / "docs" / "streamvpr.service"


def test_the_unit_lets_the_program_do_little() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=25", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd before 250 cannot weigh a file")
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_has_no_setting_that_systemd_does_not_know(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    # The program is not where the unit has it.
    unit = tmp_path / "streamvpr.service"
    unit.write_text(UNIT.read_text().replace("/opt/streamvpr/bin/streamvpr", "/bin/true"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "streamvpr.service:" not in done.stderr, done.stderr
