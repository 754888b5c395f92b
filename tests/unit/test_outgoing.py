"""What waits to be sent: bounded, in order, never in the way of whoever fills it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.sinks.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

LONG = 30.0


class Recipient:
    """Takes what is handed over, as long as the gate is open."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.outgoing: Outgoing[int]

    def take(self, item: int) -> None:
        self.busy.set()
        self.gate.wait(LONG)
        self.got.append(item)
        self.outgoing.settle()


@pytest.fixture
def recipient() -> Iterator[Recipient]:
    found = Recipient()
    yield found
    found.gate.set()


def opened(recipient: Recipient, **options: Any) -> Outgoing[int]:
    recipient.outgoing = Outgoing("there", recipient.take, **options)
    recipient.outgoing.start()
    return recipient.outgoing


def test_all_arrive_in_order(recipient: Recipient, logged: Any) -> None:
    outgoing = opened(recipient)
    for item in range(1000):
        outgoing.put(item)
    outgoing.close()
    assert recipient.got == list(range(1000))
    assert logged.warnings == []


def test_the_oldest_go_where_nobody_takes_any(recipient: Recipient, logged: Any) -> None:
    recipient.gate.clear()
    outgoing = opened(recipient, most=10)
    outgoing.put(0)
    assert recipient.busy.wait(LONG)
    for item in range(1, 101):
        outgoing.put(item)
    recipient.gate.set()
    outgoing.close()
    assert recipient.got == [0, *range(91, 101)]
    assert logged.warnings == [
        "there: 10 records wait already; the oldest are dropped",
        "there: of 101 records 90 dropped, as too many waited",
    ]


def test_dropping_is_said_again_after_it_has_recovered(recipient: Recipient, logged: Any) -> None:
    outgoing = opened(recipient, most=2)
    for turn in range(2):
        recipient.gate.clear()
        recipient.busy.clear()
        outgoing.put(0)
        assert recipient.busy.wait(LONG)
        for item in range(5):
            outgoing.put(item)
        before = len(recipient.got)
        recipient.gate.set()
        while len(recipient.got) < before + 3:
            time.sleep(0.001)
        assert len(logged.warnings) == turn + 1
    outgoing.close()


def test_the_end_is_bounded_and_says_what_is_lost(recipient: Recipient, logged: Any) -> None:
    recipient.gate.clear()
    outgoing = opened(recipient)
    for item in range(5):
        outgoing.put(item)
    assert recipient.busy.wait(LONG)
    cut: list[str] = []
    outgoing.end(0.05)
    outgoing.close(lambda: cut.append("off"))
    assert recipient.got == []
    assert cut == ["off"]
    assert logged.warnings == ["there: of 5 records 5 not confirmed in time"]


def test_the_end_begins_with_the_first_that_says_so(recipient: Recipient) -> None:
    recipient.gate.clear()
    outgoing = opened(recipient)
    outgoing.put(0)
    outgoing.end(0.05)
    outgoing.end(LONG)
    outgoing.close()
    assert recipient.got == []


def test_so_many_are_on_their_way_and_no_more() -> None:
    sent: list[int] = []
    outgoing: Outgoing[int] = Outgoing("there", sent.append, window=3)
    outgoing.start()
    for item in range(8):
        outgoing.put(item)
    for there in (3, 4, 5):
        while len(sent) < there:
            time.sleep(0.001)
        time.sleep(0.02)
        assert sent == list(range(there))
        outgoing.settle()
    outgoing.end(0.05)
    outgoing.close()


def test_what_was_refused_is_no_more_on_its_way(logged: Any) -> None:
    outgoing: Outgoing[int]
    outgoing = Outgoing("there", lambda item: outgoing.settle(refused=item % 2 == 1))
    outgoing.start()
    for item in range(10):
        outgoing.put(item)
    outgoing.close()
    assert logged.warnings == ["there: of 10 records 5 refused or given up"]


class TestPauses:
    @pytest.fixture
    def tries(self) -> Iterator[Make]:
        """`start(pause)`: hands over one that never arrives; when each try was, and the end."""
        opened: list[Outgoing[int]] = []

        def start(pause: float) -> tuple[Outgoing[int], list[float], threading.Event]:
            at: list[float] = []
            over = threading.Event()

            def hand_over(_: int) -> None:
                at.append(time.monotonic())
                while outgoing.pause(pause):
                    at.append(time.monotonic())
                over.set()

            outgoing: Outgoing[int] = Outgoing("there", hand_over)
            outgoing.start()
            opened.append(outgoing)
            outgoing.put(0)
            while not at:
                time.sleep(0.001)
            return outgoing, at, over

        yield start
        for outgoing in opened:
            outgoing.close()

    def test_the_end_brings_one_more_try_at_once(self, tries: Make) -> None:
        outgoing, at, over = tries(LONG)
        outgoing.end(0.2)
        assert over.wait(LONG)
        assert len(at) == 2

    def test_tries_go_on_until_the_time_is_up(self, tries: Make) -> None:
        outgoing, at, over = tries(0.02)
        outgoing.end(0.2)
        assert over.wait(LONG)
        assert len(at) > 3

    def test_nothing_is_tried_after_it(self, tries: Make) -> None:
        outgoing, at, over = tries(LONG)
        outgoing.end(0)
        outgoing.close()
        assert over.wait(LONG)
        assert len(at) == 1


def test_one_that_never_began_ends_at_once(logged: Any) -> None:
    outgoing: Outgoing[int] = Outgoing("there", lambda _: None)
    outgoing.close()
    assert logged.warnings == []
