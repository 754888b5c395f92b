"""The parts of the page that need no browser, and most no server."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvpr.errors import ConfigError
from streamvpr.web.address import Address, open_door, parse_address
from streamvpr.web.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable

NO_WEB = "needs starlette, uvicorn and prometheus-client: pip install 'streamvpr[web]'"


class TestAnAddress:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("8080", Address("127.0.0.1", 8080)),
            (":8080", Address("127.0.0.1", 8080)),
            ("localhost:0", Address("localhost", 0)),
            ("0.0.0.0:80", Address("0.0.0.0", 80)),
            ("[::1]:8080", Address("::1", 8080)),
            ("box.lan:8080", Address("box.lan", 8080)),
        ],
    )
    def test_as_people_write_it(self, text: str, found: Address) -> None:
        assert parse_address(text) == found

    @pytest.mark.parametrize(
        "text", ["", "host", "host:", "host:99999", "::1:8080", "http://host:80", "a:b:1", "-1"]
    )
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="write HOST:PORT"):
            parse_address(text)

    @pytest.mark.parametrize(
        ("host", "loopback"),
        [("127.0.0.1", True), ("localhost", True), ("127.8.9.1", True), ("0.0.0.0", False)],
    )
    def test_whether_others_reach_it(self, host: str, *, loopback: bool) -> None:
        door = open_door(Address(host, 0))
        try:
            assert door.loopback is loopback
            assert re.fullmatch(rf"http://[\w.-]+:{door.port}/", door.url)
            where = str(door.sockets[0].getsockname()[0]).replace("0.0.0.0", "127.0.0.1")
            socket.create_connection((where, door.port)).close()
        finally:
            door.close()

    def test_a_port_is_free_again_at_once(self) -> None:
        first = open_door(Address("127.0.0.1", 0))
        port = first.port
        with socket.create_connection(("127.0.0.1", port)):
            first.close()
        open_door(Address("127.0.0.1", port)).close()


class TestLines:
    @given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 20), st.integers(1, 9))
    def test_a_reader_gets_the_newest_of_what_it_lacks(
        self, steps: list[int], most: int, at_once: int
    ) -> None:
        """Against a list of all that ever came."""
        lines, all_told, place = Lines(most), [], 0
        for step in steps:
            for _ in range(step % 5):
                all_told.append(b"%d" % len(all_told))
                lines.add("query", all_told[-1])
            got = lines.after(place, at_once)
            first = max(place, len(all_told) - most)
            assert [line.data for line in got] == all_told[first : first + at_once]
            assert [line.number for line in got] == list(range(first + 1, first + 1 + len(got)))
            if got and step % 2:
                place = got[-1].number
        assert lines.newest == len(all_told)


class TestEventsThatAreMissed:
    def test_they_are_counted(self, board: Any) -> None:
        from streamvpr.web.events import EventStream

        for _ in range(2500):
            board.lines.add("query", b"{}")
        board.lines.end()
        answer = asyncio.run(_read(EventStream(board, frozenset()), f"{board.run_id}-0"))
        assert b'event: missed\ndata: {"records":500}' in answer
        assert answer.count(b"event: query") == 2000
        assert f"id: {board.run_id}-2500\n".encode() in answer


class TestTheBoard:
    def test_a_long_way_is_thinned_out_evenly(self, board: Any, make_decision: Any) -> None:
        from streamvpr.frames import Position, Verdict

        for index in range(20_000):
            position = Position(1 + index / 1e5, 7.0)
            made = make_decision(
                index, None, verdict=Verdict.EMPTY_DATABASE, verification=None, confidence=None
            )
            board.streams[0].note_position(position)
            if index < 10:
                board.note(made)
        track = board.streams[0].track
        assert 2000 <= len(track) <= 4000
        steps = {round((b[0] - a[0]) * 1e5) for a, b in pairwise(track)}
        assert len(steps) == 1

    def test_the_oldest_closures_go_with_their_pictures(
        self, board: Any, make_decision: Callable[..., Any]
    ) -> None:
        for index in range(250):
            board.note_closure(make_decision(40 + index))
        loops = board.loops()
        assert [loops[0].number, loops[-1].number, len(loops)] == [50, 249, 200]
        assert board.loop(49) is None
        assert board.loop(250) is None
        assert board.loop(100).record.query_idx == 140


class TestHealth:
    @pytest.mark.parametrize(
        ("states", "delivering"),
        [
            (["connected"], 1),
            (["reconnected", "thawed", "decoding"], 3),
            (["connected", "lost"], 1),
            (["lost", "frozen", "ended", None], 0),
        ],
    )
    def test_one_stream_that_delivers_is_enough(
        self, board: Any, states: list[str | None], delivering: int
    ) -> None:
        from streamvpr.web.application import Application

        board.streams = [replace(board.streams[0], followed=_Followed(state)) for state in states]
        app = Application(board, metrics=None).routes()  # type: ignore[arg-type]
        found = json.loads(asyncio.run(_read(app, "", path="/healthz")))
        assert found["delivering"] == delivering
        assert found["streams"] == len(states)
        assert (found["status"] == "ok") is (delivering > 0)


@dataclass
class _Followed:
    state: str | None = None
    name, live, span = "cam", False, None

    def peek(self) -> _Followed:
        return self


class _Run:
    streams = (_Followed(),)
    settings: dict[str, Any] = {}  # noqa: RUF012
    past = None


@pytest.fixture
def board() -> Any:
    pytest.importorskip("starlette", reason=NO_WEB)
    from streamvpr.web.board import Board

    return Board(_Run())  # type: ignore[arg-type]


async def _read(app: Any, last: str, path: str = "/events") -> bytes:
    """All that an application answers."""
    said: list[bytes] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message.get("body", b""))

    headers = [(b"last-event-id", last.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    await app({**scope, "query_string": b""}, receive, send)
    return b"".join(said)


def test_what_a_stranger_breaks_off_is_no_error_of_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    h11 = pytest.importorskip("h11", reason="needs the extra web")
    from streamvpr.web import server

    server._tame_log()
    log = logging.getLogger("uvicorn.error")
    broken = h11.LocalProtocolError("can't handle event type Response")
    with caplog.at_level(logging.DEBUG, logger="streamvpr"):
        log.error("Exception in ASGI application\n", exc_info=broken)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("DEBUG", "the live page: can't handle event type Response")]
