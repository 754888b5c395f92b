"""Records at a real broker, whatever becomes of it meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streamvpr import records
from streamvpr.config import Records
from streamvpr.sinks.broker import parse_broker

from .broker import Broker, Subscriber, needs_mosquitto, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

pytestmark = needs_mosquitto
pytest.importorskip("paho.mqtt.client", reason="pip install 'streamvpr[mqtt]'")

from streamvpr.sinks.mqtt import WINDOW, MqttSink  # noqa: E402

# As it is typed, and as it is meant: a percent sign begins an encoded character.
TYPED, PASSWORD = "h0rse%40@/:?#w0rd", "h0rse@@/:?#w0rd"


@pytest.fixture
def make_broker(tmp_path: Path, free_port: int) -> Iterator[Make]:
    """`make(**options) -> Broker` that runs, unless `begin=False`."""
    made: list[Broker] = []

    def make(*, begin: bool = True, **options: Any) -> Broker:
        folder = tmp_path / f"broker-{len(made)}"
        folder.mkdir()
        made.append(Broker(folder, free_port, **options))
        if begin:
            made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def broker(make_broker: Make) -> Broker:
    return make_broker()


@pytest.fixture
def subscribe() -> Iterator[Make]:
    begun: list[Subscriber] = []

    def begin(broker: Broker, topic: str = "#") -> Subscriber:
        begun.append(Subscriber(broker, topic))
        return begun[-1]

    yield begin
    for subscriber in begun:
        subscriber.close()


@contextlib.contextmanager
def following(broker: Broker, topic: str = "", **options: Any) -> Iterator[MqttSink]:
    """A sink that follows a run, closed in the end."""
    sink = MqttSink(parse_broker(broker.url + topic), Records.ALL, **options)
    sink.follow(None)  # type: ignore[arg-type]
    try:
        yield sink
    finally:
        sink.close()


def query(index: int, stream: str = "cam") -> records.Query:
    return records.Query(stream=stream, query_idx=index, decision="below_threshold")


class TestRecords:
    def test_each_is_where_its_stream_and_kind_say(self, broker: Broker, subscribe: Make) -> None:
        heard = subscribe(broker)
        with following(broker, "/site/north") as sink:
            for name in ("cam", "gate/east", "a+b", "#1", "nul\0", "東京"):
                sink.take(query(7, name))
        wait_until(lambda: len(heard.of("query")) == 6, "all six records")
        assert [h.topic for h in heard.heard if h.topic.endswith("query")] == [
            f"site/north/{level}/query"
            for level in ("cam", "gate%2Feast", "a%2Bb", "%231", "nul%00", "東京")
        ]
        assert {h.qos for h in heard.heard} == {1}
        assert not any(h.retained for h in heard.heard)
        assert heard.of("query")[1] == json.loads(msgspec.json.encode(query(7, "gate/east")))

    def test_what_a_run_prints_is_published(
        self, broker: Broker, subscribe: Make, process: Make, flight: Any
    ) -> None:
        heard = subscribe(broker)
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", f"{broker.url}/lab")
        run.join()
        assert run.code == 0
        assert run.of("loop_closure")
        wait_until(lambda: heard.statuses("lab") == ["online", "offline"], "its end is known")
        for kind in ("stream", "query", "loop_closure"):
            assert heard.of(kind) == run.of(kind)
        assert "lost" not in run.err


class TestStatus:
    def test_it_is_retained_and_says_whether_a_run_is_there(
        self, broker: Broker, subscribe: Make
    ) -> None:
        heard = subscribe(broker)
        with following(broker):
            wait_until(lambda: heard.statuses() == ["online"], "it is online")
            assert broker.retained("streamvpr/status") == "online"
        assert broker.retained("streamvpr/status") == "offline"

    def test_a_run_that_was_killed_has_left_a_will(
        self, broker: Broker, subscribe: Make, process: Make, flight: Any
    ) -> None:
        heard = subscribe(broker)
        # Standard input stays open, so the run waits for more.
        reader, writer = os.pipe()
        run = process("-", "--mqtt", broker.url, stdin=reader)
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            pipe.write(_matroska(flight.path))
            wait_until(lambda: heard.statuses() == ["online"], "it is online")
            run.kill()
        wait_until(lambda: heard.statuses() == ["online", "offline"], "its will is known")
        assert broker.retained("streamvpr/status") == "offline"

    def test_it_comes_back_with_the_connection(self, broker: Broker, subscribe: Make) -> None:
        heard = subscribe(broker)
        with following(broker):
            wait_until(lambda: heard.statuses() == ["online"], "it is online")
            broker.kill()
            broker.start()
            # The subscriber comes back, too, and is told what is retained.
            wait_until(
                lambda: "offline" in heard.statuses() and heard.statuses()[-1] == "online",
                "it is online again",
            )
        assert broker.retained("streamvpr/status") == "offline"


class TestOutages:
    def test_what_comes_meanwhile_arrives_afterwards(
        self, broker: Broker, subscribe: Make, logged: Any
    ) -> None:
        heard = subscribe(broker)
        with following(broker) as sink:
            for index in range(50):
                sink.take(query(index))
            wait_until(lambda: len(heard.indices()) == 50, "all before the outage")
            broker.kill()
            for index in range(50, 100):
                sink.take(query(index))
            broker.start()
            for index in range(100, 150):
                sink.take(query(index))
            wait_until(lambda: sorted(heard.indices()) == list(range(150)), "all of them")
        assert logged.warnings[0].startswith(f"{broker.url}: the connection was lost")
        assert not [text for text in logged.warnings if "records 1" in text]

    def test_in_the_middle_of_what_is_sent(self, broker: Broker, subscribe: Make) -> None:
        heard = subscribe(broker)
        with following(broker) as sink:

            def write() -> None:
                for index in range(3000):
                    sink.take(query(index))
                    time.sleep(0.0002)

            writer = threading.Thread(target=write)
            writer.start()
            wait_until(lambda: len(heard.indices()) > 100, "the first of them")
            broker.kill()
            broker.start()
            writer.join()
            wait_until(lambda: sorted(heard.indices()) == list(range(3000)), "all of them")

    def test_a_broker_that_comes_later_is_no_error(
        self, make_broker: Make, subscribe: Make, logged: Any
    ) -> None:
        broker = make_broker(begin=False)
        said = f"{broker.url}: Connection refused; records wait, and it is tried again"
        with following(broker) as sink:
            for index in range(30):
                sink.take(query(index))
            wait_until(lambda: logged.warnings == [said], "it is said")
            time.sleep(1.5)
            broker.start()
            heard = subscribe(broker)
            sink.take(query(30))
            wait_until(lambda: 30 in heard.indices(), "what came last")
        assert logged.warnings == [said]

    def test_a_run_without_a_broker_ends_as_any_other(
        self, process: Make, flight: Any, free_port: int
    ) -> None:
        url = f"mqtt://127.0.0.1:{free_port}"
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", url)
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        said = [line for line in run.err.splitlines() if url in line]
        assert len(said) == 2
        assert "Connection refused" in said[0]
        assert said[1].endswith(f"of {len(run.said)} records {len(run.said)} not confirmed in time")

    def test_a_broker_that_stands_still_holds_up_nothing(
        self, broker: Broker, subscribe: Make, logged: Any
    ) -> None:
        """So many are on their way, so many wait, and of the rest the oldest are dropped."""
        heard = subscribe(broker)
        with following(broker, most=10) as sink:
            sink.take(query(0))
            wait_until(lambda: heard.indices() == [0], "the first one")
            broker.stop()
            for index in range(1, 1001):
                sink.take(query(index))
            broker.cont()
        *begun, total = logged.warnings
        assert set(begun) == {f"{broker.url}: 10 records wait already; the oldest are dropped"}
        found = re.fullmatch(r".*: of 1001 records (\d+) dropped, as too many waited", total)
        assert found is not None
        dropped = int(found[1])
        wait_until(lambda: len(heard.indices()) == 1001 - dropped, "what was not dropped")
        assert heard.indices() == sorted(heard.indices())
        assert heard.indices()[-10:] == list(range(991, 1001))
        assert 10 < 1001 - dropped <= 1 + WINDOW + 10

    def test_the_end_does_not_wait_for_ever(
        self, broker: Broker, process: Make, flight: Any
    ) -> None:
        broker.stop()
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", broker.url)
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert f"{len(run.said)} not confirmed in time" in run.err

    def test_nobody_who_reads(
        self, broker: Broker, subscribe: Make, flight: Any, tiny_model: Path
    ) -> None:
        """`| head -1` ends the run, and all that it found until then is published."""
        heard = subscribe(broker)
        line = [sys.executable, "-m", "streamvpr", "run", str(flight.path), "--fps", "0"]
        line += ["--records", "queries", "--model", str(tiny_model), "--mqtt", broker.url]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            assert run.stdout is not None
            run.stdout.readline()
            run.stdout.close()
            assert run.stderr is not None
            err = run.stderr.read()
        assert run.returncode == 0
        assert b"Traceback" not in err
        wait_until(lambda: heard.statuses() == ["online", "offline"], "its end is known")
        assert heard.indices() == list(range(len(heard.indices())))
        assert heard.indices()


class TestLogins:
    def test_the_right_one_is_seen_by_nobody(
        self, make_broker: Make, process: Make, flight: Any
    ) -> None:
        broker = make_broker(users={"me": PASSWORD})
        url = broker.url.replace("://", f"://me:{TYPED}@")
        reader, writer = os.pipe()
        run = process("-", "--mqtt", url, "--log-level", "debug", stdin=reader)
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            pipe.write(_matroska(flight.path))
            wait_until(lambda: f"{broker.url}: connected" in run.err, "it is connected")
            title = Path(f"/proc/{run.pid}/cmdline").read_text(encoding="utf-8")
            run.kill()
        assert "mqtt://me:***@" in title
        assert "w0rd" not in title + run.err

    def test_a_wrong_one_is_said_and_ends_nothing(
        self, make_broker: Make, process: Make, flight: Any
    ) -> None:
        broker = make_broker(users={"me": "right"})
        url = broker.url.replace("://", f"://me:{TYPED}@")
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", url, "--log-level", "debug")
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert "w0rd" not in run.err
        (said,) = [line for line in run.err.splitlines() if "refuses the login" in line]
        assert said.startswith(f"streamvpr: error: {broker.url}: the broker refuses the login (Not")

    def test_those_of_a_file(
        self, make_broker: Make, process: Make, flight: Any, tmp_path: Path
    ) -> None:
        broker = make_broker(users={"me": "pass"})
        logins = tmp_path / "logins"
        logins.write_text("machine 127.0.0.1 login me password pass\n")
        arguments = ["--fps", 0, "--mqtt", broker.url, "--credentials", logins]
        run = process(f"cam={flight.path}", *arguments)
        run.join()
        assert run.code == 0
        assert "connected" in run.err
        assert "confirmed" not in run.err


class TestEncryption:
    def test_a_certificate_that_the_system_trusts(
        self, make_broker: Make, process: Make, flight: Any, certificate: tuple[Path, Path]
    ) -> None:
        broker = make_broker(certificate=certificate)
        trusting = {**os.environ, "SSL_CERT_FILE": str(certificate[0])}
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", broker.url, env=trusting)
        run.join()
        assert run.code == 0
        assert f"{broker.url}: connected" in run.err
        assert "confirmed" not in run.err

    def test_one_that_it_does_not_trust(
        self, make_broker: Make, process: Make, flight: Any, certificate: tuple[Path, Path]
    ) -> None:
        broker = make_broker(certificate=certificate)
        run = process(f"cam={flight.path}", "--fps", 0, "--mqtt", broker.url)
        run.join()
        assert run.code == 0
        said = f"streamvpr: error: {broker.url}: its certificate is not trusted: self-signed"
        assert len([line for line in run.err.splitlines() if line.startswith(said)]) == 1


def _matroska(video: Path) -> bytes:
    """A video as a pipe takes it."""
    import av

    path = video.with_suffix(".mkv")
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path.read_bytes()
