"""The bounded queue between stages: order, bound, end; it never hangs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.channel import Channel, ChannelClosed, Overflow

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

HANG_SECONDS = 5.0


def run(work: Coroutine[object, object, T]) -> T:
    """Run on a fresh loop; what would hang fails instead."""
    return asyncio.run(asyncio.wait_for(work, HANG_SECONDS))


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def drain(channel: Channel[T], most: int = 3) -> list[T]:
    taken: list[T] = []
    while batch := await channel.get_batch(most):
        assert len(batch) <= most
        taken.extend(batch)
    return taken


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_below_one_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=str(capacity)):
        Channel(capacity)


def test_items_come_out_in_the_order_in_which_they_went_in() -> None:
    async def scenario() -> list[int]:
        channel: Channel[int] = Channel(8)
        for item in range(5):
            await channel.put(item)
        channel.close()
        return await drain(channel, 2)

    assert run(scenario()) == [0, 1, 2, 3, 4]


def test_put_waits_while_the_channel_is_full_and_goes_on_when_there_is_room() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(2)
        await channel.put(0)
        await channel.put(1)
        waiting = asyncio.create_task(channel.put(2))
        await settle()
        assert not waiting.done()
        assert len(channel) == 2
        assert await channel.get_batch(1) == [0]
        await waiting
        assert await channel.get_batch(9) == [1, 2]

    run(scenario())


def test_get_batch_takes_no_more_than_asked_for() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        for item in range(4):
            await channel.put(item)
        assert await channel.get_batch(3) == [0, 1, 2]
        assert await channel.get_batch(3) == [3]

    run(scenario())


def test_get_batch_waits_for_the_first_item() -> None:
    async def scenario() -> None:
        channel: Channel[str] = Channel(1)
        waiting = asyncio.create_task(channel.get_batch(4))
        await settle()
        assert not waiting.done()
        await channel.put("late")
        assert await waiting == ["late"]

    run(scenario())


def test_closing_leaves_what_is_queued_to_be_taken_and_then_ends() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        await channel.put(1)
        await channel.put(2)
        channel.close()
        assert channel.closed
        assert await channel.get_batch(1) == [1]
        assert await channel.get_batch(1) == [2]
        assert await channel.get_batch(1) == []
        assert await channel.get_batch(1) == []

    run(scenario())


def test_put_after_close_is_refused_also_where_there_is_room() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        channel.close()
        with pytest.raises(ChannelClosed):
            await channel.put(1)
        assert len(channel) == 0

    run(scenario())


def test_put_that_waits_is_refused_when_the_channel_closes() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        await channel.put(0)
        waiting = [asyncio.create_task(channel.put(item)) for item in (1, 2, 3)]
        await settle()
        channel.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [ChannelClosed] * 3
        assert await drain(channel) == [0]

    run(scenario())


def test_closing_ends_a_get_that_waits() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        waiting = asyncio.create_task(channel.get_batch(1))
        await settle()
        channel.close()
        assert await waiting == []

    run(scenario())


def test_closing_twice_is_as_closing_once() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        await channel.put(7)
        channel.close()
        channel.close()
        assert await drain(channel) == [7]

    run(scenario())


def test_linger_gives_a_part_of_a_batch_when_its_time_is_up() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        await channel.put(1)
        began = time.monotonic()
        assert await channel.get_batch(4, linger=0.03) == [1]
        assert time.monotonic() - began >= 0.025

    run(scenario())


def test_linger_waits_for_more_and_ends_as_soon_as_the_batch_is_full() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(8)
        await channel.put(0)
        waiting = asyncio.create_task(channel.get_batch(3, linger=3600))
        await settle()
        await channel.put(1)
        await settle()
        assert not waiting.done()
        await channel.put(2)
        assert await waiting == [0, 1, 2]

    run(scenario())


def test_linger_ends_when_the_channel_holds_all_that_it_can() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(2)
        producing = asyncio.create_task(_put_all(channel, [0, 1, 2]))
        assert await channel.get_batch(10, linger=3600) == [0, 1]
        await producing

    run(scenario())


def test_linger_ends_when_the_channel_closes() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        await channel.put(1)
        waiting = asyncio.create_task(channel.get_batch(4, linger=3600))
        await settle()
        channel.close()
        assert await waiting == [1]

    run(scenario())


def test_without_linger_a_batch_is_what_is_there() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        await channel.put(1)
        assert await channel.get_batch(4) == [1]

    run(scenario())


@pytest.mark.parametrize("linger", [0.0, 3600.0])
def test_a_get_that_is_cancelled_loses_nothing(linger: float) -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(4)
        if linger:
            await channel.put(0)
        waiting = asyncio.create_task(channel.get_batch(3, linger=linger))
        await settle()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not linger:
            await channel.put(0)
        await channel.put(1)
        assert await channel.get_batch(3) == [0, 1]

    run(scenario())


def test_a_put_that_is_cancelled_leaves_no_item_and_blocks_nobody() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        await channel.put(0)
        given_up = asyncio.create_task(channel.put(1))
        patient = asyncio.create_task(channel.put(2))
        await settle()
        given_up.cancel()
        await settle()
        assert await channel.get_batch(9) == [0]
        await patient
        assert await channel.get_batch(9) == [2]

    run(scenario())


async def _put_all(channel: Channel[T], items: list[T]) -> None:
    for item in items:
        await channel.put(item)
        assert len(channel) <= channel.capacity


@given(
    capacity=st.integers(1, 5),
    most=st.integers(1, 7),
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    linger=st.sampled_from([0.0, 1e-4]),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_several_producers_lose_nothing_and_each_keeps_its_order(
    capacity: int, most: int, counts: list[int], linger: float
) -> None:
    async def scenario() -> list[tuple[int, int]]:
        channel: Channel[tuple[int, int]] = Channel(capacity)

        async def produce() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for who, count in enumerate(counts):
                        group.create_task(_put_all(channel, [(who, n) for n in range(count)]))
            finally:
                channel.close()

        producing = asyncio.create_task(produce())
        taken: list[tuple[int, int]] = []
        while batch := await channel.get_batch(most, linger):
            assert len(batch) <= min(most, capacity)
            taken.extend(batch)
        await producing
        return taken

    taken = run(scenario())
    assert len(taken) == sum(counts)
    for who, count in enumerate(counts):
        assert [n for producer, n in taken if producer == who] == list(range(count))


@given(capacity=st.integers(1, 4), read=st.integers(0, 6), producers=st.integers(1, 4))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_producers_stop_when_the_consumer_leaves(capacity: int, read: int, producers: int) -> None:
    async def scenario() -> list[object]:
        channel: Channel[int] = Channel(capacity)
        endless = [
            asyncio.create_task(_put_all(channel, list(range(1000)))) for _ in range(producers)
        ]
        for _ in range(read):
            await channel.get_batch(1)
        channel.close()
        return await asyncio.gather(*endless, return_exceptions=True)

    assert all(isinstance(result, ChannelClosed) for result in run(scenario()))


class TestDropOldest:
    def test_a_full_one_drops_the_oldest_and_counts_it(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(2, Overflow.DROP_OLDEST)
            for item in range(5):
                await channel.put(item)
                assert len(channel) <= 2
            assert channel.dropped == 3
            assert await channel.get_batch(9) == [3, 4]

        run(scenario())

    def test_nothing_is_dropped_while_there_is_room(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(3, Overflow.DROP_OLDEST)
            for item in range(3):
                await channel.put(item)
            assert (channel.dropped, len(channel)) == (0, 3)

        run(scenario())

    def test_putting_never_waits(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
            for item in range(1000):
                putting = channel.put(item)
                with pytest.raises(StopIteration):
                    putting.send(None)

        run(scenario())

    def test_a_closed_one_refuses_and_drops_nothing(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
            await channel.put(0)
            channel.close()
            with pytest.raises(ChannelClosed):
                await channel.put(1)
            assert (channel.dropped, await drain(channel)) == (0, [0])

        run(scenario())

    @given(
        capacity=st.integers(1, 5),
        steps=st.lists(st.sampled_from(["put", "put", "take", "batch"]), max_size=120),
    )
    @settings(deadline=None, derandomize=True, max_examples=200)
    def test_what_was_put_is_taken_or_dropped_in_order_and_the_newest_stay(
        self, capacity: int, steps: list[str]
    ) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(capacity, Overflow.DROP_OLDEST)
            taken: list[int] = []
            put = 0
            for step in steps:
                if step == "put":
                    await channel.put(put)
                    put += 1
                elif step == "take" or not len(channel):
                    item = channel.take()
                    taken += [] if item is None else [item]
                else:
                    taken += await channel.get_batch(2)
                assert len(taken) + channel.dropped + len(channel) == put
            left = len(channel)
            channel.close()
            rest = await drain(channel)
            assert rest == list(range(put - left, put))
            taken += rest
            assert taken == sorted(set(taken))
            assert len(taken) + channel.dropped == put

        run(scenario())


class TestBlock:
    def test_nothing_is_dropped(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(2)
            producing = asyncio.create_task(_put_all(channel, list(range(50))))
            taken = [item for _ in range(50) for item in await channel.get_batch(1)]
            await producing
            assert (taken, channel.dropped) == (list(range(50)), 0)

        run(scenario())


@pytest.mark.parametrize("overflow", list(Overflow))
class TestPush:
    def test_it_neither_waits_nor_drops(self, overflow: Overflow) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1, overflow)
            await channel.put(0)
            channel.push(1)
            channel.push(2)
            assert (len(channel), channel.dropped) == (3, 0)
            assert await channel.get_batch(9) == [0, 1, 2]

        run(scenario())

    def test_it_wakes_who_waits(self, overflow: Overflow) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1, overflow)
            waiting = asyncio.create_task(channel.get_batch(1))
            await settle()
            channel.push(7)
            assert await waiting == [7]

        run(scenario())

    def test_on_a_closed_one_it_does_nothing(self, overflow: Overflow) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1, overflow)
            channel.close()
            channel.push(7)
            assert await channel.get_batch(1) == []

        run(scenario())


def test_a_put_waits_until_what_was_pushed_beyond_the_capacity_is_taken() -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel(1)
        for item in range(3):
            channel.push(item)
        waiting = asyncio.create_task(channel.put(3))
        for item in range(3):
            await settle()
            assert not waiting.done()
            assert channel.take() == item
        await waiting
        assert channel.take() == 3

    run(scenario())


class TestTake:
    def test_the_oldest_or_nothing_at_once(self) -> None:
        async def scenario() -> None:
            channel: Channel[str] = Channel(3)
            assert channel.take() is None
            await channel.put("a")
            await channel.put("b")
            assert [channel.take(), channel.take(), channel.take()] == ["a", "b", None]

        run(scenario())

    def test_it_makes_room(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1)
            await channel.put(0)
            waiting = asyncio.create_task(channel.put(1))
            await settle()
            assert channel.take() == 0
            await waiting
            assert channel.take() == 1

        run(scenario())

    def test_what_is_left_of_a_closed_one(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(2)
            await channel.put(0)
            channel.close()
            assert [channel.take(), channel.take()] == [0, None]

        run(scenario())


class TestWait:
    @pytest.mark.parametrize("what", ["put", "push", "close"])
    def test_it_ends_with_something_to_take_or_the_end(self, what: str) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1)
            waiting = asyncio.create_task(channel.wait())
            await settle()
            assert not waiting.done()
            if what == "put":
                await channel.put(1)
            elif what == "push":
                channel.push(1)
            else:
                channel.close()
            await waiting
            assert len(channel) == (what != "close")

        run(scenario())

    def test_it_does_not_wait_where_there_is_something(self) -> None:
        async def scenario() -> None:
            channel: Channel[int] = Channel(1)
            await channel.put(1)
            await channel.wait()
            channel.close()
            await channel.wait()

        run(scenario())


class TestOnChange:
    def test_it_is_told_of_items_and_of_the_end(self) -> None:
        async def scenario() -> list[tuple[int, bool]]:
            seen: list[tuple[int, bool]] = []
            channel: Channel[int] = Channel(
                2,
                Overflow.DROP_OLDEST,
                on_change=lambda: seen.append((len(channel), channel.closed)),
            )
            await channel.put(0)
            channel.push(1)
            await channel.put(2)
            channel.take()
            channel.close()
            return seen

        # What is seen is there already, or who was told would wait for it in vain.
        assert run(scenario()) == [(1, False), (2, False), (2, False), (1, True)]

    def test_it_is_not_told_of_what_is_refused(self) -> None:
        async def scenario() -> int:
            told = []
            channel: Channel[int] = Channel(1, on_change=lambda: told.append(1))
            channel.close()
            channel.push(0)
            with pytest.raises(ChannelClosed):
                await channel.put(0)
            return len(told)

        assert run(scenario()) == 1
