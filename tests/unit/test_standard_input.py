"""Standard input: read as it comes, and ended while it waits."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from streamvpr.sources.standard_input import StandardInput

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[StandardInput, int]]:
    """What is read, and the descriptor to write to."""
    reading, writing = os.pipe()
    read = StandardInput(reading)
    yield read, writing
    read.close()
    os.close(reading)
    os.close(writing)


def test_bytes_come_as_soon_as_there_are_any(pipe: tuple[StandardInput, int]) -> None:
    read, writing = pipe
    os.write(writing, b"abc")
    assert read.read(100) == b"abc"
    os.write(writing, b"defg")
    assert [read.read(2), read.read(100)] == [b"de", b"fg"]


def test_the_end_of_the_other_program_is_the_end() -> None:
    reading, writing = os.pipe()
    read = StandardInput(reading)
    os.close(writing)
    assert read.read(100) == b""
    read.close()
    os.close(reading)


def test_stopping_ends_a_read_that_waits(pipe: tuple[StandardInput, int]) -> None:
    read, _ = pipe
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(read.read(100)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    read.stop()
    thread.join(5)
    assert found == [b""]


def test_after_it_nothing_is_read_any_more(pipe: tuple[StandardInput, int]) -> None:
    read, writing = pipe
    read.stop()
    read.stop()
    os.write(writing, b"abc")
    assert [read.read(100), read.read(100)] == [b"", b""]


def test_it_can_be_stopped_and_closed_in_any_order_and_twice() -> None:
    reading, writing = os.pipe()
    read = StandardInput(reading)
    read.close()
    read.stop()
    read.close()
    os.close(reading)
    os.close(writing)


def test_stopping_it_is_done_before_it_is_closed(
    pipe: tuple[StandardInput, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that ends by itself closes it while another thread tells it to end."""
    read, _ = pipe
    closer = threading.Thread(target=read.close)
    write = os.write

    def write_slowly(descriptor: int, data: bytes) -> int:
        closer.start()
        closer.join(0.1)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_slowly)
    read.stop()
    closer.join()
    read.stop()
