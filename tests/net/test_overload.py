"""A model that is too slow: what is dropped is the oldest, is counted, and delays nothing."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.embedding import Embedder
from streamvpr.stream import LIVE_BUFFER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Make = Callable[..., Any]

FPS = 25
BATCH = 8


@pytest.fixture
def slow_model(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Make the model take so many seconds for each picture."""
    real = Embedder.embed

    def slow(seconds: float) -> None:
        def embed(embedder: Embedder, images: Sequence[NDArray[Any]]) -> NDArray[Any]:
            time.sleep(seconds * len(images))
            return real(embedder, images)

        monkeypatch.setattr(Embedder, "embed", embed)

    return slow


def percentile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[int(share * (len(numbers) - 1))]


def latencies(run: Any, stream: str | None = None) -> list[float]:
    """Seconds, of all query records in order."""
    fields = {} if stream is None else {"stream": stream}
    return [line["latency_ms"] / 1e3 for line in run.of("query", **fields)]


@pytest.mark.timeout(900)
def test_ten_times_too_slow(
    rtsp_server: Make, live: Make, scene_frames: Any, slow_model: Any, long: bool
) -> None:
    """Ten minutes with --long: no delay beyond the buffer and a batch, and no frame unaccounted."""
    seconds, model = (600, 10 / FPS) if long else (16, 10 / FPS)
    slow_model(model)
    server = rtsp_server(frames=scene_frames, count=seconds * FPS)
    run = live(server.url, batch_size=BATCH, reconnect_for=0.0, health_every=5.0)
    run.join(seconds + 60)
    health = run.of("health")[-1]
    assert server.sent() == seconds * FPS
    assert health["processed"] + health["dropped"]["overload"] == server.sent()
    assert health["frames_in"] == server.sent()
    assert health["processed"] == len(run.of("query"))
    assert health["queued"] == health["left_out"] == health["dropped"]["damaged"] == 0
    late = percentile(latencies(run), 0.95)
    print(f"p95 {late:.2f} s, of {len(run.of('query'))} processed frames; {health}")
    assert late < (LIVE_BUFFER + BATCH) * model
    begin, end = latencies(run)[: len(latencies(run)) // 3], latencies(run)[-20:]
    assert percentile(end, 0.5) < 1.5 * percentile(begin, 0.5)


def test_blocking_where_it_is_asked_for(rtsp_server: Make, live: Make, slow_model: Any) -> None:
    slow_model(2 / FPS)
    server = rtsp_server(count=60)
    run = live(server.url, on_overload="block", reconnect_for=0.0, health_every=5.0)
    run.join(30)
    assert len(run.of("query")) == 60
    assert run.of("health")[-1]["dropped"] == {"overload": 0, "damaged": 0}


def test_a_fast_model_drops_nothing(rtsp_server: Make, live: Make) -> None:
    server = rtsp_server(count=100)
    run = live(server.url, reconnect_for=0.0, health_every=5.0)
    run.join(30)
    assert [line["query_idx"] for line in run.of("query")] == list(range(100))
    assert run.of("health")[-1]["dropped"] == {"overload": 0, "damaged": 0}


class TestFairness:
    def test_eight_streams_share_alike_and_files_are_what_they_are_alone(
        self, rtsp_server: Make, live: Make, make_flight: Make, slow_model: Any, long: bool
    ) -> None:
        """Five cameras and three files want a hundred times of what the model can do."""
        files = {f"file{seed}": make_flight(seed, frames=60).path for seed in range(3)}
        alone = {}
        for name, path in files.items():
            run = live(f"{name}={path}")
            run.join()
            alone[name] = run.of("query")
        slow_model(0.02)
        cameras = {f"cam{n}": rtsp_server().url for n in range(5)}
        run = live(*(f"{name}={source}" for name, source in {**cameras, **files}.items()))
        for name in files:
            run.wait_for(1, "stream", stream=name, state="ended", timeout=40)
        last = max(run.said.index(run.of("stream", stream=n, state="ended")[0]) for n in files)
        together = run.said[:last]
        run.stop()
        for name in files:
            assert run.of("query", stream=name) == alone[name]
        turns = [line["stream"] for line in together if line["type"] == "query"]
        share = len(turns) / 8
        for name in [*cameras, *files]:
            assert turns.count(name) > share / 2, name
            waits = [index for index, stream in enumerate(turns) if stream == name]
            longest = max(after - before for before, after in itertools.pairwise(waits))
            # A camera whose encoder gets no core for a while, beside four others, has nothing to
            # be taken.
            assert longest <= 3 * 8, name

    def test_a_camera_that_is_down_holds_nobody_up(
        self, live: Make, make_flight: Make, silent_peer: int
    ) -> None:
        run = live(f"down=rtsp://127.0.0.1:{silent_peer}/x", f"up={make_flight(0).path}")
        ended = run.wait_for(1, "stream", stream="up", state="ended", timeout=10)
        assert ended["frames"] == 60
        run.stop()
        assert run.error is None
        assert run.states("down")[-1] == "ended"


class TestSharedPlaces:
    def test_streams_match_each_others_past(self, live: Make, make_flight: Make) -> None:
        first, second = make_flight(0, frames=40).path, make_flight(0, frames=40, name="again").path
        run = live(f"a={first}", f"b={second}", shared_places=True)
        run.join()
        closures = run.of("loop_closure")
        pairs = {(line["stream"], line["match_stream"]) for line in closures}
        assert pairs <= {("a", "b"), ("b", "a")}
        assert sum(line["query_idx"] == line["match_idx"] for line in closures) >= 40
        again = live(f"a={first}", f"b={second}", shared_places=True)
        again.join()
        assert again.said == run.said
