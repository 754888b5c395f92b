"""Cameras that go and come back: nothing ends, nothing is forgotten, nothing leaks."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

import streamvpr
from streamvpr.embedding import Embedder, opening
from streamvpr.errors import ModelError, SourceLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

READ_TIMEOUT = 1.0


def times(live: Any) -> list[float]:
    return [line["query_time"] for line in live.of("query")]


def increases(numbers: list[float]) -> bool:
    return all(later > earlier for earlier, later in itertools.pairwise(numbers))


class TestAKilledServer:
    def test_it_is_an_outage_and_not_the_end(
        self, rtsp_server: Make, live: Make, scene_frames: Any
    ) -> None:
        server = rtsp_server(frames=scene_frames, epoch=time.time())
        run = live(server.url)
        run.wait_for(10, "query")
        before = time.monotonic()
        server.kill()
        lost = run.wait_for(1, "stream", state="lost")
        time.sleep(2)
        server.start()
        returned = time.monotonic()
        back = run.wait_for(1, "stream", state="reconnected")
        assert run.heard_at(back) - returned < 2
        assert back["seconds"] == pytest.approx(run.heard_at(back) - before, abs=0.3)
        assert back["time"] - lost["time"] == pytest.approx(back["seconds"], abs=0.3)
        run.wait_for(back["frames"] + 10, "query")
        assert increases(times(run))
        assert [line["cause"] is None for line in (lost, back)] == [False, True]

    def test_a_stream_that_ends_cleanly_is_an_outage_too(
        self, rtsp_server: Make, live: Make
    ) -> None:
        run = live(rtsp_server(count=10).url)
        run.wait_for(2, "stream", state="reconnected")
        run.stop()
        assert run.states()[:3] == ["connected", "lost", "reconnected"]
        assert run.states()[-1] == "ended"
        assert run.error is None

    def test_places_from_before_are_known_after_it(
        self, rtsp_server: Make, live: Make, scene_frames: Any
    ) -> None:
        """The scene takes 2.4 s round; only what came before the outage can be matched."""
        server = rtsp_server(frames=scene_frames, epoch=time.time())
        run = live(server.url, verify_geom=True, top_k=1)
        run.wait_for(70, "query")
        server.kill()
        at = run.wait_for(1, "stream", state="lost")["frames"]
        server.start()
        run.wait_for(1, "stream", state="reconnected")
        closure = run.wait_for(70 + 1, "query")
        assert closure is not None
        run.wait_for(at + 30, "query")
        across = [
            line for line in run.of("loop_closure") if line["match_idx"] < at <= line["query_idx"]
        ]
        assert len(across) > 15

    def test_giving_up(self, rtsp_server: Make, live: Make) -> None:
        server = rtsp_server()
        run = live(server.url, reconnect_for=1.0)
        run.wait_for(5, "query")
        server.kill()
        killed = time.monotonic()
        ended = run.wait_for(1, "stream", state="ended")
        run.join()
        assert 0.8 < run.heard_at(ended) - killed < 3.5
        assert "given up" in ended["cause"]
        assert isinstance(run.error, SourceLost)

    def test_size_and_codec_may_change_over_it(self, rtsp_server: Make, live: Make) -> None:
        server = rtsp_server(width=160, height=120)
        run = live(server.url)
        run.wait_for(5, "query")
        server.kill()
        server.options.update(width=320, height=240, codec="h265")
        server.start()
        back = run.wait_for(1, "stream", state="reconnected")
        first = run.wait_for(1, "stream", state="connected")
        assert (first["codec"], first["width"], first["height"]) == ("h264", 160, 120)
        assert (back["codec"], back["width"], back["height"]) == ("hevc", 320, 240)


class TestMany:
    @pytest.mark.timeout(900)
    def test_kills_and_restarts_leave_nothing_behind(
        self, rtsp_server: Make, process: Make, scene_frames: Any, long: bool
    ) -> None:
        """A hundred with --long; threads, descriptors and memory are those of the first minute."""
        kills, warm_seconds, frames = (100, 60, 36) if long else (8, 3, 12)
        server = rtsp_server(frames=scene_frames, epoch=time.time())
        run = process(server.url, "--top-k", 1, "--capacity", 200, "--fps", 0)
        began = time.monotonic()
        slowest = 0.0
        used: list[tuple[int, int, int]] = []
        run.wait_for(150, "query")
        for kill in range(kills):
            if time.monotonic() - began > warm_seconds:
                used.append((run.threads(), run.descriptors(), run.resident_bytes()))
            server.kill()
            run.wait_for(kill + 1, "stream", state="lost")
            server.start()
            returned = time.monotonic()
            back = run.wait_for(kill + 1, "stream", state="reconnected")
            slowest = max(slowest, run.heard_at(back) - returned)
            run.wait_for(back["frames"] + frames, "query")
        run.stop()
        assert run.code == 0
        assert run.states() == ["connected", *["lost", "reconnected"] * kills, "ended"]
        assert increases(times(run))
        threads, files, memory = zip(*used, strict=True)
        print(f"{kills} outages, slowest return {slowest:.2f} s; {used[0]} ... {used[-1]}")
        assert slowest < 2
        assert max(threads) <= threads[0]
        assert max(files) <= files[0]
        assert max(memory) < (1.02 if long else 1.1) * memory[0]
        losses = [line["frames"] for line in run.of("stream", state="lost")]
        across = [
            line
            for line in run.of("loop_closure")
            if any(line["match_idx"] < lost <= line["query_idx"] for lost in losses)
        ]
        assert len(across) > kills


class TestSilence:
    @pytest.mark.parametrize("transport", ["tcp", "udp"])
    def test_a_freeze_is_said_and_the_next_connection_goes_on(
        self, rtsp_server: Make, live: Make, transport: str
    ) -> None:
        server = rtsp_server()
        how = {"read_timeout": READ_TIMEOUT, "connect_timeout": READ_TIMEOUT}
        run = live(server.url, rtsp_transport=transport, **how)
        run.wait_for(10, "query")
        server.stop()
        stopped = time.monotonic()
        lost = run.wait_for(1, "stream", state="lost")
        assert run.heard_at(lost) - stopped < 2 * READ_TIMEOUT
        assert "nothing came for 1 s" in lost["cause"]
        time.sleep(1.5)
        server.cont()
        thawed = time.monotonic()
        back = run.wait_for(1, "stream", state="reconnected")
        assert run.heard_at(back) - thawed < 2
        run.wait_for(back["frames"] + 10, "query")
        assert increases(times(run))

    def test_a_peer_that_says_nothing_is_given_up_after_the_time_out(
        self, silent_peer: int, live: Make
    ) -> None:
        began = time.monotonic()
        run = live(f"rtsp://127.0.0.1:{silent_peer}/live", connect_timeout=1.0)
        lost = run.wait_for(1, "stream", state="lost")
        assert 0.9 < run.heard_at(lost) - began < 2.5
        assert "no answer within 1 s" in lost["cause"]
        began = time.monotonic()
        run.stop()
        assert time.monotonic() - began < 2
        assert run.error is None

    def test_nobody_there_is_tried_again(
        self, rtsp_server: Make, live: Make, free_port: int
    ) -> None:
        run = live(f"rtsp://127.0.0.1:{free_port}/live")
        lost = run.wait_for(1, "stream", state="lost")
        assert "Connection refused" in lost["cause"]
        rtsp_server(port=free_port)
        began = time.monotonic()
        connected = run.wait_for(1, "stream", state="connected")
        assert run.heard_at(connected) - began < 2
        assert run.states() == ["lost", "connected"]


class TestEnding:
    """A run that ends waits for no camera."""

    def test_a_model_that_fails_during_an_outage(
        self, live: Make, flight: Any, free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise ModelError("out of memory")

        run = live(f"down=rtsp://127.0.0.1:{free_port}/x", reconnect_delay=60.0)
        run.wait_for(1, "stream", state="lost")
        run.stop()
        monkeypatch.setattr(Embedder, "embed", broken)
        monkeypatch.setattr(opening, "prove", lambda _: None)
        run = live(f"down=rtsp://127.0.0.1:{free_port}/x", f"up={flight.path}")
        run.join(10)
        assert isinstance(run.error, ModelError)
        assert run.states("down")[0] == "lost"

    def test_leaving_the_iteration_during_an_outage(
        self, tiny_model: Path, flight: Any, free_port: int
    ) -> None:
        options = {"model": str(tiny_model), "fps": 0.0, "verify_geom": False}
        down, up = f"down=rtsp://127.0.0.1:{free_port}/x", f"up={flight.path}"

        async def scenario() -> None:
            async with aclosing(streamvpr.decide(down, up, **options)) as decisions:
                async for decision in decisions:
                    if decision.query.index == 20:
                        break

        asyncio.run(asyncio.wait_for(scenario(), 10))
