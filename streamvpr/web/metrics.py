"""A run as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from streamvpr import __version__
from streamvpr.frames import StreamState, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from streamvpr.frames import Decision
    from streamvpr.web.board import Board

# Seconds from a frame's arrival to its record.
BUCKETS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """All that is counted of a run, and of its process."""

    def __init__(self, board: Board) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(board))
        ProcessCollector(registry=self._registry)
        self._latency = Histogram(
            "streamvpr_latency_seconds",
            "From a live frame's arrival to its record.",
            ["stream"],
            buckets=BUCKETS,
            registry=self._registry,
        )

    def note(self, decision: Decision) -> None:
        """Count how long a frame took."""
        if decision.latency is not None:
            self._latency.labels(decision.query.stream).observe(decision.latency)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _Counts(Collector):
    """What is on the board and in the streams, read when it is asked for."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Every metric with a value a stream."""
        model = str(self._board.settings.get("model", ""))
        device = str(self._board.settings.get("device", ""))
        facts = {"version": __version__, "model": model, "device": device}
        yield InfoMetricFamily("streamvpr", "What runs.", value=facts)
        yield from self._counters()
        yield from self._gauges()

    def _counters(self) -> Iterator[Metric]:
        frames = CounterMetricFamily(
            "streamvpr_frames", "Pictures, by what became of them.", labels=["stream", "outcome"]
        )
        decisions = CounterMetricFamily(
            "streamvpr_decisions", "Processed frames by decision.", labels=["stream", "decision"]
        )
        closures = CounterMetricFamily(
            "streamvpr_loop_closures", "Closures that were reported.", labels=["stream"]
        )
        reconnects = CounterMetricFamily(
            "streamvpr_reconnects", "Times that a lost source came back.", labels=["stream"]
        )
        for stream in self._board.streams:
            health, name = stream.followed.peek(), stream.name
            outcomes = {
                "processed": health.processed,
                "left_out": health.left_out,
                "dropped_overload": health.dropped.overload,
                "dropped_damaged": health.dropped.damaged,
            }
            for outcome, count in outcomes.items():
                frames.add_metric([name, outcome], count)
            for verdict in Verdict:
                decisions.add_metric([name, verdict.value], stream.decisions[verdict.value])
            closures.add_metric([name], stream.closures)
            reconnects.add_metric([name], health.reconnects)
        yield from (frames, decisions, closures, reconnects)

    def _gauges(self) -> Iterator[Metric]:
        queued = GaugeMetricFamily(
            "streamvpr_queued_frames", "Frames on their way.", labels=["stream"]
        )
        places = GaugeMetricFamily("streamvpr_places", "Places remembered.", labels=["stream"])
        size = GaugeMetricFamily(
            "streamvpr_places_bytes", "Memory that the places take.", labels=["stream"]
        )
        states = StateSetMetricFamily(
            "streamvpr_stream_state", "The last that happened to a stream.", labels=["stream"]
        )
        for stream in self._board.streams:
            health, labels = stream.followed.peek(), [stream.name]
            queued.add_metric(labels, health.queued)
            places.add_metric(labels, health.places)
            size.add_metric(labels, health.places_bytes)
            known = {state.value: state.value == health.state for state in StreamState}
            states.add_metric(labels, known)
        yield from (queued, places, size, states)
