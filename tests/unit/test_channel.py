"""The bounded queue between stages: order, bound, end; it never hangs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.channel import Channel, ChannelClosed

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
