"""Records posted to a real web server, whatever it answers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streamvpr import records
from streamvpr.config import Records
from streamvpr.sinks.receiver import parse_receiver
from streamvpr.sinks.webhook import WebhookSink

from .broker import wait_until
from .hook import Hook, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

SECRET = "T0p5ecret"


@pytest.fixture(autouse=True)
def _no_proxy_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def serve() -> Iterator[Make]:
    """`start(*replies, **options) -> Hook`; the last reply is given for ever."""
    begun: list[Hook] = []

    def start(*replies: Reply, **options: Any) -> Hook:
        hook = Hook(**options)
        begun.append(hook)
        hook.replies = list(replies) or hook.replies
        return hook

    yield start
    for hook in begun:
        hook.close()


@contextlib.contextmanager
def following(url: str, **options: Any) -> Iterator[WebhookSink]:
    """A sink that follows a run, closed in the end."""
    sink = WebhookSink(parse_receiver(url), Records.ALL, **options)
    sink.follow(None)  # type: ignore[arg-type]
    try:
        yield sink
    finally:
        sink.close()


def query(index: int) -> records.Query:
    return records.Query(stream="cam", query_idx=index, decision="below_threshold")


def post_all(url: str, count: int, **options: Any) -> None:
    with following(url, **options) as sink:
        for index in range(count):
            sink.take(query(index))


class TestRequests:
    def test_one_a_record_in_order_over_one_connection(self, serve: Make, logged: Any) -> None:
        hook = serve()
        post_all(f"{hook.url}/a/b?c=d", 200)
        assert hook.indices() == list(range(200))
        assert len({posted.peer for posted in hook.posted}) == 1
        assert {posted.target for posted in hook.posted} == {"/a/b?c=d"}
        first = hook.posted[0]
        assert first.body == msgspec.json.encode(query(0))
        assert first.headers["Content-Type"] == "application/json"
        assert first.headers["User-Agent"].startswith("streamvpr/")
        assert first.headers["Host"] == f"127.0.0.1:{hook.port}"
        assert "Authorization" not in first.headers
        assert logged.warnings == []

    def test_keys_count_the_records_of_a_run(self, serve: Make) -> None:
        hook = serve()
        post_all(hook.url, 3)
        post_all(hook.url, 2)
        runs, numbers = zip(*(posted.key.split("-") for posted in hook.posted), strict=True)
        assert numbers == ("0", "1", "2", "0", "1")
        assert len(set(runs[:3])) == len(set(runs[3:])) == 1
        assert len(set(runs)) == 2

    def test_the_login_of_the_address(self, serve: Make) -> None:
        hook = serve()
        post_all(hook.url.replace("://", "://me:p%40w@"), 1)
        assert hook.posted[0].headers["Authorization"] == "Basic bWU6cEB3"

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200, body=b"taken"),
            Reply(200, body=b"x" * 10**6),
            Reply(202, {"Connection": "close"}),
            Reply(200, {"Content-Length": "10"}, b"cut", then_close=True),
            Reply(204, then_close=True),
        ],
        ids=["body", "large body", "close", "cut body", "close without a word"],
    )
    def test_every_kind_of_yes(self, serve: Make, reply: Reply, logged: Any) -> None:
        hook = serve(reply)
        with following(hook.url) as sink:
            for index in range(5):
                sink.take(query(index))
                wait_until(lambda count=index + 1: len(hook.posted) == count, "it was posted")
                # An end of the connection is here before the next one is sent.
                time.sleep(0.05)
        assert hook.indices() == list(range(5))
        assert logged.warnings == []

    def test_what_a_run_prints_is_posted(self, serve: Make, process: Make, flight: Any) -> None:
        hook = serve()
        run = process(f"cam={flight.path}", "--fps", 0, "--webhook", hook.url)
        run.join()
        assert run.code == 0
        assert [posted.record for posted in hook.posted] == run.said
        assert run.of("loop_closure")


class TestTries:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 0])
    def test_what_is_tried_again(self, serve: Make, status: int, logged: Any) -> None:
        bad = Reply(status)
        hook = serve(Reply(), bad, bad, Reply())
        with following(hook.url) as sink:
            for index in range(3):
                sink.take(query(index))
            wait_until(lambda: len(hook.posted) == 5, "all tries")
        assert hook.indices() == [0, 1, 1, 1, 2]
        assert len({posted.key for posted in hook.posted}) == 3
        (said,) = logged.warnings
        assert said.startswith(f"{hook.url}: ")
        assert said.endswith("; records wait, and it is tried again")
        assert f"answers {status}" in said or status == 0

    def test_a_server_that_comes_later(self, serve: Make, free_port: int, logged: Any) -> None:
        url = f"http://127.0.0.1:{free_port}"
        with following(url) as sink:
            for index in range(5):
                sink.take(query(index))
            said = f"{url}: Connection refused; records wait, and it is tried again"
            wait_until(lambda: logged.warnings == [said], "it is said")
            hook = serve(port=free_port)
            wait_until(lambda: hook.indices() == list(range(5)), "all of them")
        assert logged.warnings == [said]

    def test_one_that_was_away_meanwhile(self, serve: Make, logged: Any) -> None:
        hook = serve()
        with following(hook.url) as sink:
            sink.take(query(0))
            wait_until(lambda: hook.indices() == [0], "the first")
            hook.close()
            for index in range(1, 5):
                sink.take(query(index))
            wait_until(lambda: len(logged.warnings) == 1, "it is said")
            again = serve(port=hook.port)
            wait_until(lambda: again.indices() == [1, 2, 3, 4], "the others")
        assert len(logged.warnings) == 1

    @pytest.mark.parametrize("by_date", [False, True])
    def test_a_pause_that_is_asked_for_is_kept(self, serve: Make, by_date: bool) -> None:
        after = formatdate(time.time() + 2, usegmt=True) if by_date else "1"
        hook = serve(Reply(429, {"Retry-After": after}), Reply())
        began = time.monotonic()
        post_all(hook.url, 1)
        assert hook.indices() == [0, 0]
        # A date has whole seconds.
        assert time.monotonic() - began >= 0.9

    def test_one_beyond_the_end_is_kept_too(self, serve: Make, logged: Any) -> None:
        hook = serve(Reply(503, {"Retry-After": "3600"}), Reply())
        post_all(hook.url, 1)
        assert hook.indices() == [0]
        assert logged.warnings[-1] == f"{hook.url}: of 1 records 1 not confirmed in time"

    @pytest.mark.parametrize("junk", ["", "soon", "-1", "1e9", "9" * 400, "Fri, 99 Foo"])
    def test_one_that_is_none_is_no_obstacle(self, serve: Make, junk: str) -> None:
        hook = serve(Reply(503, {"Retry-After": junk}), Reply())
        with following(hook.url) as sink:
            sink.take(query(0))
            if not junk.isdecimal():
                wait_until(lambda: hook.indices() == [0, 0], "another try")

    def test_another_try_in_the_end(self, serve: Make) -> None:
        """Where the pauses have grown, and the server is there again."""
        hook = serve(*[Reply(503)] * 4, Reply())
        with following(hook.url) as sink:
            for index in range(3):
                sink.take(query(index))
            wait_until(lambda: len(hook.posted) == 3, "some tries")
        assert hook.indices() == [0, 0, 0, 0, 0, 1, 2]


@pytest.mark.logs_errors
class TestRefusals:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
    def test_what_is_not_tried_again(self, serve: Make, status: int, logged: Any) -> None:
        hook = serve(Reply(), Reply(status), Reply(), Reply(status), Reply())
        post_all(f"{hook.url}/{SECRET}?{SECRET}", 5)
        assert hook.indices() == list(range(5))
        (said,) = logged.errors
        assert f"{hook.url}: it answers {status}" in said
        assert logged.warnings == [f"{hook.url}: of 5 records 2 refused or given up"]
        assert SECRET not in "".join(logged.errors + logged.warnings)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_nobody_is_followed_elsewhere(self, serve: Make, status: int, logged: Any) -> None:
        other = serve()
        hook = serve(Reply(status, {"Location": f"{other.url}/{SECRET}"}))
        post_all(hook.url, 2)
        assert hook.indices() == [0, 1]
        assert other.posted == []
        (said,) = logged.errors
        assert f"it answers {status}, a redirection to http://127.0.0.1" in said
        assert SECRET not in said

    def test_a_record_that_a_server_fails_at_is_given_up(self, serve: Make, logged: Any) -> None:
        hook = serve()
        hook.failing = {0}
        with following(hook.url, give_up=0.25) as sink:
            for index in range(2):
                sink.take(query(index))
            wait_until(lambda: 1 in hook.indices(), "the next one")
        assert len(hook.posted) > 2
        assert hook.indices() == [0] * (len(hook.posted) - 1) + [1]
        (said,) = logged.errors
        assert "it answers 500; the record is given up" in said
        assert logged.warnings[-1] == f"{hook.url}: of 2 records 1 refused or given up"

    def test_none_is_given_up_where_nobody_is(
        self, serve: Make, free_port: int, logged: Any
    ) -> None:
        with following(f"http://127.0.0.1:{free_port}", give_up=0.0) as sink:
            sink.take(query(0))
            time.sleep(0.5)
            hook = serve(port=free_port)
            wait_until(lambda: hook.indices() == [0], "it arrives")
        assert logged.errors == []


class TestSlowServers:
    def test_one_that_never_answers_holds_up_nothing(
        self, serve: Make, process: Make, flight: Any, tmp_path: Path
    ) -> None:
        hook = serve()
        hook.silent.set()
        beside = tmp_path / "records.jsonl"
        run = process(f"cam={flight.path}", "--fps", 0, "--webhook", hook.url, "--jsonl", beside)
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert [json.loads(line) for line in beside.read_text().splitlines()] == run.said
        assert f"{len(run.said)} not confirmed in time" in run.err
        assert len(hook.posted) == 1

    def test_its_oldest_are_dropped(self, serve: Make, logged: Any) -> None:
        hook = serve()
        hook.silent.set()
        with following(hook.url, most=10) as sink:
            sink.take(query(0))
            wait_until(lambda: hook.indices() == [0], "the first")
            for index in range(1, 101):
                sink.take(query(index))
            hook.silent.clear()
        assert hook.indices() == [0, *range(91, 101)]
        keys = [int(posted.key.split("-")[1]) for posted in hook.posted]
        assert keys == hook.indices()
        assert logged.warnings[-1] == (f"{hook.url}: of 101 records 90 dropped, as too many waited")

    def test_the_end_is_bounded(self, serve: Make, logged: Any) -> None:
        hook = serve()
        hook.silent.set()
        began = time.monotonic()
        with following(hook.url) as sink:
            sink.take(query(0))
            wait_until(lambda: hook.indices() == [0], "the first")
        assert time.monotonic() - began < 8
        assert logged.warnings == [f"{hook.url}: of 1 records 1 not confirmed in time"]

    def test_a_peer_that_accepts_and_is_silent(
        self, silent_peer: int, process: Make, flight: Any
    ) -> None:
        """Also where TLS waits for its first word."""
        run = process(
            f"cam={flight.path}", "--fps", 0, "--webhook", f"https://127.0.0.1:{silent_peer}"
        )
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert "not confirmed in time" in run.err


class TestSecrets:
    def test_only_scheme_and_host_are_seen(self, serve: Make, process: Make, flight: Any) -> None:
        hook = serve(Reply(503), Reply(404), Reply(302, {"Location": f"http://a.b/{SECRET}"}))
        url = hook.url.replace("://", f"://me:{SECRET}@") + f"/{SECRET}?key={SECRET}"
        run = process(f"cam={flight.path}", "--fps", 0, "--log-level", "debug", "--webhook", url)
        wait_until(lambda: len(hook.posted) > 2, "some requests")
        title = Path(f"/proc/{run.pid}/cmdline").read_text(encoding="utf-8")
        run.join()
        assert run.code == 0
        assert SECRET in hook.posted[0].target
        assert "--webhook 'http://127.0.0.1/***'" in title
        assert "it answers 404" in run.err
        assert SECRET not in title + run.err + json.dumps(run.said)


class TestEncryption:
    def test_a_certificate_that_the_system_trusts(
        self, serve: Make, process: Make, flight: Any, certificate: tuple[Path, Path]
    ) -> None:
        hook = serve(certificate=certificate)
        trusting = {**os.environ, "SSL_CERT_FILE": str(certificate[0])}
        run = process(f"cam={flight.path}", "--fps", 0, "--webhook", hook.url, env=trusting)
        run.join()
        assert run.code == 0
        assert [posted.record for posted in hook.posted] == run.said

    def test_one_that_it_does_not_trust(
        self, serve: Make, certificate: tuple[Path, Path], logged: Any
    ) -> None:
        hook = serve(certificate=certificate)
        with following(hook.url) as sink:
            sink.take(query(0))
            wait_until(lambda: bool(logged.warnings), "it is said")
        assert hook.posted == []
        assert "its certificate is not trusted: self" in logged.warnings[0]


class TestProxies:
    def test_one_of_http_is_asked_for_the_whole_address(
        self, serve: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = serve()
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://me:pw@"))
        post_all("http://hooks.invalid/a?b", 2)
        assert [posted.target for posted in proxy.posted] == ["http://hooks.invalid/a?b"] * 2
        assert proxy.posted[0].headers["Host"] == "hooks.invalid"
        assert proxy.posted[0].headers["Proxy-Authorization"] == "Basic bWU6cHc="
        assert len({posted.peer for posted in proxy.posted}) == 1

    def test_one_of_https_sees_nothing_but_the_host(
        self,
        serve: Make,
        monkeypatch: pytest.MonkeyPatch,
        certificate: tuple[Path, Path],
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        hook, proxy = serve(certificate=certificate), serve()
        monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://me:pw@"))
        post_all(f"{hook.url}/{SECRET}", 3)
        assert hook.indices() == [0, 1, 2]
        assert proxy.tunnels == [f"127.0.0.1:{hook.port} Basic bWU6cHc="]
        assert proxy.posted == []

    def test_it_is_gone_around_where_that_is_asked_for(
        self, serve: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook, proxy = serve(), serve()
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        post_all(hook.url, 2)
        assert hook.indices() == [0, 1]
        assert proxy.posted == []


def test_nobody_who_reads(serve: Make, flight: Any, tiny_model: Path) -> None:
    """`| head -1` ends the run, and all that it found until then is posted."""
    hook = serve()
    line = [sys.executable, "-m", "streamvpr", "run", str(flight.path), "--fps", "0"]
    line += ["--records", "queries", "--model", str(tiny_model), "--webhook", hook.url]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        err = run.stderr.read()
    assert run.returncode == 0
    assert b"Traceback" not in err
    assert hook.indices() == list(range(len(hook.indices())))
    assert hook.indices()
    assert not re.search(rb"not confirmed|dropped", err)
