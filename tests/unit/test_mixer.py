"""Whose frame is next: turns, streams that have nothing, and the end of each."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.channel import ChannelClosed, Overflow
from streamvpr.mixer import Mixer
from streamvpr.stream import FILE_BUFFER, LIVE_BUFFER, Stream

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

HANG_SECONDS = 5.0


def run(work: Coroutine[object, object, T]) -> T:
    """Run on a fresh loop; what would hang fails instead."""
    return asyncio.run(asyncio.wait_for(work, HANG_SECONDS))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def stream(name: str, *, live: bool = False, overflow: Overflow | None = None) -> Stream:
    source = SimpleNamespace(name=name, live=live, on_disk=not live)
    reader: Any = SimpleNamespace(source=source)
    maker: Any = None
    return Stream(reader, maker, lambda _: None, overflow=overflow)


def streams(names: str, *, live: bool = False) -> list[Stream]:
    return [stream(name, live=live) for name in names]


async def fill(one: Stream, count: int, *, first: int = 0) -> None:
    """Frames that are named by their stream and number."""
    for number in range(first, first + count):
        frame: Any = f"{one.name}{number}"
        await one.buffer.put(frame)


async def read(one: Stream, count: int, *, pauses: int = 0) -> None:
    """As a decoder does: so many frames, and the end."""
    for number in range(count):
        for _ in range(pauses):
            await asyncio.sleep(0)
        await fill(one, 1, first=number)
    one.buffer.close()


async def take_all(mixer: Mixer) -> list[str]:
    """What is taken, an end as `name.`."""
    found = []
    while taken := await mixer.take():
        one, frame = taken
        found.append(f"{one.name}." if frame is None else str(frame))
    return found


class TestFiles:
    def test_they_take_turns_to_the_end_of_each(self) -> None:
        async def scenario() -> list[str]:
            a, b = streams("ab")
            mixer = Mixer([a, b])
            reading = [asyncio.create_task(read(a, 4)), asyncio.create_task(read(b, 2))]
            found = await take_all(mixer)
            await asyncio.gather(*reading)
            return found

        assert run(scenario()) == ["a0", "b0", "a1", "b1", "a2", "b.", "a3", "a."]

    def test_one_that_is_slow_is_waited_for(self) -> None:
        async def scenario() -> None:
            a, b = streams("ab")
            mixer = Mixer([a, b])
            await fill(a, 2)
            assert await mixer.take() == (a, "a0")
            waiting = asyncio.create_task(mixer.take())
            await settle()
            assert not waiting.done()
            await fill(b, 1)
            assert await waiting == (b, "b0")

        run(scenario())

    @given(
        counts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
        pauses=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    )
    @settings(deadline=None, derandomize=True, max_examples=60)
    def test_the_order_depends_on_nothing_but_what_there_is(
        self, counts: list[int], pauses: list[int]
    ) -> None:
        async def scenario(pauses: list[int]) -> list[str]:
            all_of_them = streams("abcd"[: len(counts)])
            mixer = Mixer(all_of_them)
            reading = [
                asyncio.create_task(read(one, count, pauses=pause))
                for one, count, pause in zip(all_of_them, counts, pauses, strict=False)
            ]
            found = await take_all(mixer)
            await asyncio.gather(*reading)
            return found

        found = run(scenario(pauses))
        assert found == run(scenario([0, 0, 0, 0]))
        for name, count in zip("abcd", counts, strict=False):
            mine = [one for one in found if one[0] == name]
            assert mine == [*(f"{name}{n}" for n in range(count)), f"{name}."]

    def test_no_more_is_read_ahead_than_there_is_room_for(self) -> None:
        async def scenario() -> None:
            (a,) = streams("a")
            Mixer([a])
            reading = asyncio.create_task(read(a, 100))
            await settle()
            assert not reading.done()
            assert (len(a.buffer), a.buffer.dropped) == (FILE_BUFFER, 0)
            reading.cancel()

        run(scenario())


class TestLive:
    def test_one_that_has_nothing_is_passed_over(self) -> None:
        async def scenario() -> None:
            a, b = streams("ab", live=True)
            mixer = Mixer([a, b])
            await fill(b, 3)
            assert [await mixer.take() for _ in range(3)] == [(b, "b0"), (b, "b1"), (b, "b2")]

        run(scenario())

    def test_none_gets_a_second_frame_while_another_s_is_waiting(self) -> None:
        async def scenario() -> list[str]:
            a, b, c = streams("abc", live=True)
            mixer = Mixer([a, b, c])
            for one, count in ((a, 4), (b, 1), (c, 2)):
                await fill(one, count)
                one.buffer.close()
            return await take_all(mixer)

        found = [one for one in run(scenario()) if "." not in one]
        assert found == ["a0", "b0", "c0", "a1", "c1", "a2", "a3"]

    def test_one_that_was_passed_over_is_next_when_it_has_something(self) -> None:
        async def scenario() -> None:
            a, b, c = streams("abc", live=True)
            mixer = Mixer([a, b, c])
            await fill(b, 3)
            await fill(c, 3)
            assert [await mixer.take() for _ in range(3)] == [(b, "b0"), (c, "c0"), (b, "b1")]
            await fill(a, 1)
            assert await mixer.take() == (a, "a0")

        run(scenario())

    def test_it_waits_where_none_has_anything(self) -> None:
        async def scenario() -> None:
            a, b = streams("ab", live=True)
            mixer = Mixer([a, b])
            waiting = asyncio.create_task(mixer.take())
            await settle()
            assert not waiting.done()
            await fill(b, 1)
            assert await waiting == (b, "b0")

        run(scenario())

    def test_the_oldest_go_where_nobody_takes_them(self) -> None:
        async def scenario() -> None:
            (a,) = streams("a", live=True)
            mixer = Mixer([a])
            await fill(a, 10)
            assert (len(a.buffer), a.buffer.dropped) == (LIVE_BUFFER, 10 - LIVE_BUFFER)
            assert await mixer.take() == (a, f"a{10 - LIVE_BUFFER}")

        run(scenario())

    def test_a_fast_one_drops_its_own_frames_and_no_others(self) -> None:
        async def scenario() -> None:
            a, b = streams("ab", live=True)
            mixer = Mixer([a, b])
            taken = []
            for number in range(50):
                await fill(a, 5, first=5 * number)
                if number % 2 == 0:
                    await fill(b, 1, first=number)
                got = await mixer.take()
                assert got is not None
                taken.append(got[0].name)
            assert b.buffer.dropped == 0
            assert a.buffer.dropped > 0
            assert taken.count("b") == 25

        run(scenario())


class TestTogether:
    def test_a_file_beside_a_camera_waits_for_neither_and_neither_for_it(self) -> None:
        async def scenario() -> None:
            camera, file = stream("c", live=True), stream("f")
            mixer = Mixer([camera, file])
            await fill(file, 2)
            assert [await mixer.take() for _ in range(2)] == [(file, "f0"), (file, "f1")]
            await fill(camera, 2)
            assert [await mixer.take() for _ in range(2)] == [(camera, "c0"), (camera, "c1")]

        run(scenario())

    def test_a_camera_may_wait_and_a_file_may_drop_where_that_is_asked_for(self) -> None:
        async def scenario() -> None:
            camera = stream("c", live=True, overflow=Overflow.BLOCK)
            file = stream("f", overflow=Overflow.DROP_OLDEST)
            Mixer([camera, file])
            waiting = asyncio.create_task(fill(camera, 10))
            await fill(file, 10)
            await settle()
            assert not waiting.done()
            assert (camera.buffer.dropped, file.buffer.dropped) == (0, 10 - LIVE_BUFFER)
            waiting.cancel()

        run(scenario())


@pytest.mark.parametrize("live", [False, True])
class TestTheEnd:
    def test_none_at_all_is_the_end(self, live: bool) -> None:
        async def scenario() -> None:
            all_of_them = streams("ab", live=live)
            mixer = Mixer(all_of_them)
            for one in all_of_them:
                one.buffer.close()
            assert sorted(await take_all(mixer)) == ["a.", "b."]
            assert await mixer.take() is None

        run(scenario())

    def test_an_end_wakes_who_waits(self, live: bool) -> None:
        async def scenario() -> None:
            (a,) = streams("a", live=live)
            mixer = Mixer([a])
            waiting = asyncio.create_task(mixer.take())
            await settle()
            a.buffer.close()
            assert await waiting == (a, None)

        run(scenario())

    def test_closing_tells_every_reader_to_stop(self, live: bool) -> None:
        async def scenario() -> None:
            all_of_them = streams("ab", live=live)
            mixer = Mixer(all_of_them)
            mixer.close()
            for one in all_of_them:
                with pytest.raises(ChannelClosed):
                    await fill(one, 1)

        run(scenario())
