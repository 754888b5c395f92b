"""What is answered at which address."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from streamvpr import __version__
from streamvpr.colours import as_css
from streamvpr.frames import StreamState
from streamvpr.sinks.heatmap import draw_heatmap
from streamvpr.web.events import EventStream

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from streamvpr.web.board import Board, Loop, StreamBoard
    from streamvpr.web.metrics import Metrics

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# In these a stream brings pictures; before the first one, lost, frozen or ended it brings none.
DELIVERING = frozenset(
    {
        StreamState.CONNECTED.value,
        StreamState.RECONNECTED.value,
        StreamState.THAWED.value,
        StreamState.DECODING.value,
    }
)


class Application:
    """The page, its pictures, the records, metrics and health of one run."""

    def __init__(self, board: Board, metrics: Metrics) -> None:
        self._board = board
        self._metrics = metrics
        self._assets = _read_assets()

    def routes(self) -> ASGIApp:
        """The application, open to all: a Guard stands before it."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/assets/{name}", self._asset),
                Route("/events", self._events),
                Route("/healthz", self._health),
                Route("/metrics", self._prometheus),
                Route("/api/run", self._run),
                Route("/api/streams/{number:int}", self._stream),
                Route("/api/streams/{number:int}/frame.jpg", self._frame),
                Route("/api/streams/{number:int}/matrix", self._matrix),
                Route("/api/streams/{number:int}/matrix.png", self._matrix_picture),
                Route("/api/loops", self._loops),
                Route("/api/loops/{number:int}", self._loop),
                Route("/api/loops/{number:int}/{side}.jpg", self._loop_picture),
            ]
        )

    async def _page(self, _: Request) -> Response:
        return self._asset_of("index.html")

    async def _asset(self, request: Request) -> Response:
        return self._asset_of(request.path_params["name"])

    async def _events(self, request: Request) -> Response | EventStream:
        kinds = request.query_params.get("kinds", "")
        return EventStream(self._board, frozenset(filter(None, kinds.split(","))))

    async def _health(self, _: Request) -> Response:
        states = [stream.followed.peek().state for stream in self._board.streams]
        delivering = sum(state in DELIVERING for state in states)
        found = {
            "status": "ok" if delivering else "no stream delivers",
            "streams": len(states),
            "delivering": delivering,
        }
        return _json(found, 200 if delivering else 503)

    async def _prometheus(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=METRICS_TYPE)

    async def _run(self, _: Request) -> Response:
        board = self._board
        streams = [
            {
                "number": stream.number,
                "name": stream.name,
                "live": stream.live,
                "span": stream.span,
            }
            for stream in board.streams
        ]
        found = {
            "run": board.run_id,
            "began": board.began,
            "version": __version__,
            "settings": board.settings,
            "streams": streams,
            "summary": board.summary,
        }
        return _json(found)

    async def _stream(self, request: Request) -> Response:
        return _json(self._board.look(self._stream_of(request)))

    async def _frame(self, request: Request) -> Response:
        frame = self._stream_of(request).frame
        if frame is None:
            raise HTTPException(404, "no picture yet")
        return Response(frame[1], media_type="image/jpeg")

    async def _matrix(self, request: Request) -> Response:
        found = self._stream_of(request).matrix.read()
        rows, places = found.queries.tolist(), found.places
        return _json({"rows": rows, "places": places, "fixed": self._board.fixed_past})

    async def _matrix_picture(self, request: Request) -> Response:
        values = self._stream_of(request).matrix.read().values
        return Response(draw_heatmap(values), media_type="image/png")

    async def _loops(self, request: Request) -> Response:
        after = _number(request.query_params.get("after", "-1"))
        return _json([_listed(loop) for loop in self._board.loops() if loop.number > after])

    async def _loop(self, request: Request) -> Response:
        loop = self._loop_of(request)
        return _json({**_listed(loop), "pairs": loop.pairs})

    async def _loop_picture(self, request: Request) -> Response:
        loop = self._loop_of(request)
        pictures = {"query": loop.query, "match": loop.match}
        picture = pictures.get(request.path_params["side"])
        if picture is None:
            raise HTTPException(404, "no such picture")
        return Response(picture, media_type="image/jpeg")

    def _stream_of(self, request: Request) -> StreamBoard:
        number: int = request.path_params["number"]
        if number >= len(self._board.streams):
            raise HTTPException(404, "no such stream")
        return self._board.streams[number]

    def _loop_of(self, request: Request) -> Loop:
        loop = self._board.loop(request.path_params["number"])
        if loop is None:
            raise HTTPException(404, "no such closure, or not kept any more")
        return loop

    def _asset_of(self, name: str) -> Response:
        if name not in self._assets:
            raise HTTPException(404, "no such file")
        suffix = name[name.rindex(".") :]
        return Response(self._assets[name], media_type=MEDIA_TYPES[suffix])


def _read_assets() -> dict[str, bytes]:
    """The files of the page by their names."""
    folder = files("streamvpr.web") / "assets"
    return {
        "colours.css": as_css().encode(),
        **{
            entry.name: entry.read_bytes()
            for entry in folder.iterdir()
            if entry.name[entry.name.rfind(".") :] in MEDIA_TYPES
        },
    }


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise HTTPException(400, f"{text} is no number") from None


def _listed(loop: Loop) -> dict[str, Any]:
    pictured = loop.query is not None and loop.match is not None
    return {"number": loop.number, "record": loop.record, "pictured": pictured}


def _json(found: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(found), status, media_type="application/json")
