"""The page's server, asked as programs ask it."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
import pytest

from streamvpr import records
from streamvpr.web import address

from .served import Answer, Served, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., Served]

TOKEN = "0123456789abcdef-right"
PATHS = [
    "/",
    "/assets/page.js",
    "/assets/page.css",
    "/events",
    "/metrics",
    "/api/run",
    "/api/loops",
    "/api/loops/0",
    "/api/loops/0/query.jpg",
    "/api/streams/0",
    "/api/streams/0/frame.jpg",
    "/api/streams/0/matrix",
    "/api/streams/0/matrix.png",
    "/no/such/path",
]


def lines(path: str, run: Served, seconds: float = 20.0) -> Iterator[tuple[str, Any]]:
    """Events as they come: kind and data; the last id in `lines.last`."""
    with socket.create_connection(("127.0.0.1", run.port), timeout=seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        kind = ""
        for raw in connection.makefile("rb"):
            line = raw.decode().rstrip("\r\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


class TestWhatThereIs:
    def test_the_page_and_all_that_it_names(self, done: Served) -> None:
        page = done.get("/")
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        names = re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())
        assert len(names) >= 4
        script = "".join(done.get(name).body.decode() for name in names if name.endswith(".js"))
        names += [f"/assets/{module}" for module in re.findall(r'from "\./(\w+\.js)"', script)]
        for name in names:
            assert done.get(name).status == 200, name
            assert b"http://www.w3.org" in done.get(name).body or b"://" not in done.get(name).body

    def test_the_run(self, done: Served, flight: Any) -> None:
        run = done.get("/api/run").json
        (stream,) = run["streams"]
        assert stream["name"] == "flight"
        assert run["summary"]["frames"] == flight.frames
        assert run["settings"]["exclude-recent"] == 10

    def test_loops_are_those_that_were_printed(self, done: Served) -> None:
        found = done.get("/api/loops").json
        printed = [r for r in map(json.loads, done.out) if r["type"] == "loop_closure"]
        assert [loop["record"] for loop in found] == printed
        assert len(found) > 5
        last = found[-1]["number"]
        assert done.get(f"/api/loops?after={last - 1}").json == found[-1:]
        assert done.get(f"/api/loops/{last + 1}").status == 404
        assert done.get("/api/loops?after=x").status == 400

    def test_a_loop_has_pictures_and_points_in_them(self, done: Served) -> None:
        number = done.get("/api/loops").json[0]["number"]
        for side in ("query", "match"):
            answer = done.get(f"/api/loops/{number}/{side}.jpg")
            assert answer.headers["content-type"] == "image/jpeg"
            picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape[1] > picture.shape[0]
        pairs = np.array(done.get(f"/api/loops/{number}").json["pairs"])
        assert len(pairs) >= 20
        assert pairs.min() >= 0
        assert pairs.max() <= 1
        # A pan that came back: the same points of nearly the same picture.
        assert np.median(np.abs(pairs[:, :2] - pairs[:, 2:])) < 0.05
        assert done.get(f"/api/loops/{number}/other.jpg").status == 404

    def test_a_stream_has_decisions_a_frame_and_a_matrix(self, done: Served, flight: Any) -> None:
        stream = done.get("/api/streams/0").json
        printed = [r for r in map(json.loads, done.out) if r["type"] == "query"]
        assert stream["points"] == printed
        assert sum(stream["decisions"].values()) == flight.frames
        assert stream["frame"] == flight.frames - 1
        assert stream["health"]["processed"] == flight.frames
        assert done.get("/api/streams/0/frame.jpg").body.startswith(b"\xff\xd8")
        assert done.get("/api/streams/0/matrix.png").body.startswith(b"\x89PNG")
        axes = done.get("/api/streams/0/matrix").json
        assert axes["places"] == [[None, "flight", row] for row in axes["rows"]]
        assert axes["rows"] == sorted(axes["rows"])
        assert not axes["fixed"]
        assert len(axes["rows"]) > 40
        assert done.get("/api/streams/1").status == 404

    def test_metrics_count_what_was_printed(self, done: Served, flight: Any) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        answer = done.get("/metrics")
        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.body.decode())
            for sample in family.samples
        }
        assert samples["streamvpr_frames_total", "flight", "processed"] == flight.frames
        closures = sum(b'"loop_closure"' in line for line in done.out)
        assert samples["streamvpr_loop_closures_total", "flight"] == closures
        assert samples["streamvpr_decisions_total", "accepted", "flight"] == closures
        assert samples["streamvpr_stream_state", "ended", "flight"] == 1
        assert samples["process_resident_memory_bytes",] > 1e7

    def test_it_is_healthy_no_more(self, done: Served) -> None:
        answer = done.get("/healthz")
        assert answer.status == 503
        assert answer.json == {"status": "no stream delivers", "streams": 1, "delivering": 0}

    def test_it_is_healthy_while_a_stream_delivers(self, serve: Start, camera: Any) -> None:
        run = serve("-")
        camera(run)
        answer = run.wait_for("/healthz", lambda found: found["delivering"] == 1, "deliver")
        assert answer == {"status": "ok", "streams": 1, "delivering": 1}
        assert run.get("/healthz").status == 200

    def test_ctrl_c_ends_it_with_0(self, serve: Start, flight: Any) -> None:
        run = serve(flight.path, "--keep-serving")
        until(lambda: "its page stays" in run.err, "end", run)
        assert run.get("/").status == 200
        run.interrupt()
        assert run.end() == 0

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_nothing_can_be_changed(self, done: Served, method: str) -> None:
        with socket.create_connection(("127.0.0.1", done.port), timeout=10) as connection:
            connection.sendall(f"{method} /api/run HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            assert connection.makefile("rb").readline().split()[1] == b"405"


class TestEvents:
    def test_records_come_as_they_are_printed(self, serve: Start, camera: Any) -> None:
        run = serve("-", "--exclude-recent", 5, "--records", "all")
        feeding = camera(run)
        found: list[tuple[str, Any]] = []
        for kind, data in lines("/events", run):
            found.append((kind, data))
            if kind == "loop_closure":
                break
        feeding.stop()
        assert run.end() == 0
        printed = [json.loads(line) for line in run.out]
        assert found[0] == ("hello", {"run": found[0][1]["run"]})
        told = [data for _, data in found[1:]]
        start = printed.index(told[0])
        assert printed[start : start + len(told)] == told
        for kind, data in found[1:]:
            assert kind == data["type"]
            msgspec.convert(data, records.Record)

    def test_one_that_comes_back_goes_on_where_it_was(self, done: Served, flight: Any) -> None:
        name = done.get("/api/run").json["run"]
        answer = done.get("/events?kinds=query", {"Last-Event-ID": f"{name}-{10}"})
        indices = [int(index) for index in re.findall(rb'"query_idx":(\d+)', answer.body)]
        assert indices == list(range(indices[0], flight.frames))
        assert indices[0] in (8, 9, 10)
        assert answer.body.endswith(b"event: end\ndata: {}\n\n")
        of_another = done.get("/events?kinds=query", {"Last-Event-ID": "other-10"})
        assert b"event: query" not in of_another.body

    def test_only_the_kinds_that_are_asked_for(self, done: Served) -> None:
        name = done.get("/api/run").json["run"]
        answer = done.get("/events?kinds=loop_closure,stream", {"Last-Event-ID": f"{name}-0"})
        kinds = set(re.findall(rb"event: (\w+)", answer.body))
        assert kinds == {b"hello", b"loop_closure", b"stream", b"end"}


class TestWhoMayLook:
    @pytest.fixture
    def open_to_all(self, serve: Start, flight: Any) -> Served:
        return serve(
            flight.path, "--exclude-recent", 10, "--keep-serving", where="0.0.0.0:0", token=TOKEN
        )

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer 0123456789abcdef-wrong"},
            {"Authorization": "Basic " + TOKEN},
            {"Cookie": "streamvpr=" + TOKEN},
            {"Host": "localhost"},
        ],
        ids=["nothing", "wrong", "another scheme", "another cookie", "this machine"],
    )
    def test_without_the_token_every_path_but_one_answers_401(
        self, open_to_all: Served, headers: dict[str, str]
    ) -> None:
        for path in PATHS:
            assert open_to_all.get(path, headers).status == 401, path
            assert open_to_all.get(f"{path}?token=wrong", headers).status == 401, path
        assert open_to_all.get("/healthz", headers).status in (200, 503)

    def test_whoever_has_it_sees(self, open_to_all: Served) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert open_to_all.get("/", headers).status == 200
        assert open_to_all.get("/api/run", headers).status == 200

    def test_a_browser_brings_it_once(self, open_to_all: Served) -> None:
        answer = open_to_all.get(f"/?token={TOKEN}")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        kept = {"Cookie": cookie.split(";")[0]}
        assert open_to_all.get("/", kept).status == 200
        assert open_to_all.get("/api/streams/0", kept).status == 200

    def test_a_browser_is_asked_for_it(self, open_to_all: Served) -> None:
        answer = open_to_all.get("/", {"Accept": "text/html"})
        assert answer.status == 401
        assert b'name="token"' in answer.body

    def test_one_that_is_set_holds_on_this_machine_too(self, serve: Start, flight: Any) -> None:
        run = serve(flight.path, "--keep-serving", token=TOKEN)
        assert run.get("/api/run").status == 401

    def test_one_is_made_up_and_printed(self, serve: Start, flight: Any) -> None:
        run = serve(flight.path, "--keep-serving", where="0.0.0.0:0")
        token = run.url.partition("?token=")[2]
        assert len(token) >= 32
        assert run.get("/api/run").status == 401
        assert run.get("/api/run", {"Authorization": f"Bearer {token}"}).status == 200

    def test_other_names_of_this_machine_are_refused(self, done: Served) -> None:
        for host in ("evil.example", "evil.example:80", "", "[bad"):
            assert done.get("/api/run", {"Host": host}).status == 421, host
        for host in ("localhost", f"127.0.0.1:{done.port}", "[::1]:80", "LOCALHOST"):
            assert done.get("/api/run", {"Host": host}).status == 200, host

    def test_what_protects_it_is_sent_with_everything(self, done: Served) -> None:
        def protected(answer: Answer) -> bool:
            return (
                "default-src 'none'" in answer.headers["content-security-policy"]
                and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                and answer.headers["cross-origin-resource-policy"] == "same-origin"
                and answer.headers["x-content-type-options"] == "nosniff"
                and "access-control-allow-origin" not in answer.headers
            )

        for path in PATHS:
            assert protected(done.get(path, {"Origin": "https://evil.example"})), path


class TestReadersThatDoNotRead:
    def test_the_run_prints_the_same_and_ends(self, serve: Start, camera: Any) -> None:
        arguments = ("-", "--exclude-recent", 10, "--records", "queries")
        arguments += ("--on-overload", "block")
        alone = serve(*arguments)
        camera(alone, fps=1000, frames=100)
        alone.process.wait(30)
        run = serve(*arguments)
        readers = [_deaf(run.port, number) for number in range(50)]
        camera(run, fps=1000, frames=100)
        assert run.process.wait(30) == 0
        for reader in readers:
            reader.close()
        assert (run.end(), alone.end()) == (0, 0)
        assert len(run.out) == 100
        assert run.out == alone.out

    def test_they_are_let_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The system ends a connection whose peer takes nothing."""
        monkeypatch.setattr(address, "SILENT_SECONDS", 1)
        door = address.open_door(address.parse_address("127.0.0.1:0"))
        reader = _deaf(door.port, 0)
        door.sockets[0].setblocking(True)
        accepted, _ = door.sockets[0].accept()
        with accepted, reader:
            began = time.monotonic()
            # No time limit of ours: the error is the system's.
            with pytest.raises(OSError, match="Connection timed out"):
                accepted.sendall(bytes(50_000_000))
            assert time.monotonic() - began < 15
        door.close()


def _deaf(port: int, number: int) -> socket.socket:
    """A connection that asks, and never reads."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader.connect(("127.0.0.1", port))
    path = ("/events", "/api/run", "/events?kinds=vitals,query")[number % 3]
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        ("where", "said"),
        [
            ("nonsense", "write HOST:PORT"),
            ("127.0.0.1:70000", "write HOST:PORT"),
            ("198.51.100.7:8080", "name another port or address"),
            ("no.such.host.invalid:8080", "no address of this machine"),
        ],
    )
    def test_an_address_that_is_none(
        self, serve: Start, flight: Any, where: str, said: str
    ) -> None:
        run = serve(flight.path, where=where)
        assert run.end() == 2
        (line,) = run.err.splitlines()
        assert line.startswith(f"streamvpr: error: --serve {where}: ")
        assert said in line

    def test_a_port_that_is_taken(self, serve: Start, flight: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            run = serve(flight.path, where=taken.getsockname()[1])
            assert run.end() == 2
        assert "Address already in use" in run.err.splitlines()[-1]

    def test_a_token_that_is_guessed(self, serve: Start, flight: Any) -> None:
        run = serve(flight.path, where="0.0.0.0:0", token="secret")
        assert run.end() == 2
        assert "STREAMVPR_TOKEN has 6 letters" in run.err

    def test_a_token_that_nobody_would_see(self, serve: Start, flight: Any) -> None:
        run = serve(flight.path, "--quiet", where="0.0.0.0:0")
        assert run.end() == 2
        assert "set STREAMVPR_TOKEN" in run.err

    def test_a_source_that_is_not_there_lets_the_port_go(self, serve: Start) -> None:
        run = serve("none.mp4")
        assert run.end() == 4
        assert run.err.splitlines()[-1].startswith("streamvpr: error: ")


class TestTheEnd:
    def test_without_keep_serving_the_program_ends_with_the_run(
        self, serve: Start, flight: Any
    ) -> None:
        assert serve(flight.path).end() == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_while_somebody_looks(
        self, serve: Start, camera: Any, number: signal.Signals
    ) -> None:
        run = serve("-")
        camera(run)
        events = lines("/events?kinds=query,stream", run)
        assert next(events)[0] == "hello"
        assert next(events)[0] in ("stream", "query")
        run.process.send_signal(number)
        kinds = [kind for kind, _ in events]
        assert kinds[-1] == "end"
        assert run.end() == 0
