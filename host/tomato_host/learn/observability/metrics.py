"""Prometheus metrics of the learning loop, from its telemetry. Names and labels: docs/learning_runbook.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared_schemas.learn.budgets import EPOCH_BOUNDARY_MS
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tomato_host.learn.night_telemetry import SENDER_KINDS

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.018, 0.025, 0.045, 0.06, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0)


class LearnMetrics:
    """Every metric, zero from the start, so that the first increase is seen as one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Any:
            return Gauge(f"tomato_learn_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Any:
            return Counter(f"tomato_learn_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str) -> Any:
            return Histogram(f"tomato_learn_{name}", text, buckets=_SECONDS, registry=registry)

        self.events = counter("events", "Telemetry events handled, by name.", "name")
        self.refused = counter("events_refused", "Telemetry that was refused: forged, replayed, malformed.")
        self.epochs = counter("epochs", "Epoch boundaries, by whether they kept the objective.", "good")
        self.boundary = histogram("boundary_seconds", "Epoch boundary.")
        self.policy = histogram("policy_seconds", "Answer of the policy.")
        self.graft = histogram("graft_seconds", "Fetch and graft of a block.")
        self.publish = histogram("publish_seconds", "Publishing of one message.")
        self.over = gauge("boundary_over_in_a_row", "Epochs in a row whose boundary was over its budget.")
        self.violations = counter("isolation_violations", "Gradients of a slot that reached the host.", "slot")
        self.depth = gauge("bus_depth", "Messages that a stream's group has still before it.", "stream")
        self.bus = counter("bus_messages", "Messages of the bus, by what became of them.", "kind")
        self.sender = gauge("bus_sender", "What the trainer's end of the bus counts since its start, by kind.", "kind")
        self.retries = gauge("compile_retries", "Retries of the compile jobs that are not done yet, the highest.")
        self.compiles = counter("compiles", "Compile jobs that ended, by result.", "result")
        self.conservative = gauge("conservative", "1 while conservative mode is on.")
        self.risk = gauge("risk_level", "1 green, 2 yellow, 3 orange, 4 red, 5 critical.")
        self.version = gauge("policy_version", "Version of the deciding policy; 0 is the heuristic.")
        self.timeouts = counter("policy_timeouts", "Epochs in which the policy did not answer in time.")
        self.slots = gauge("slots", "Growth slots, by stage.", "stage")
        self.entropy = gauge("policy_entropy", "Entropy of the trained policy, nats.")
        self.explained = gauge("policy_explained_variance", "Explained variance of the critic.")
        self.validations = counter("validations", "Validations of a trained policy, by result.", "result")
        self.reloads = counter("hot_reloads", "Hot reloads of a policy, by result.", "result")
        self.spool = gauge("spool_bytes", "Telemetry that waits for Elasticsearch.")
        self.elasticsearch = gauge("elasticsearch_up", "1 while Elasticsearch accepts documents.")
        for good in ("true", "false"):
            self.epochs.labels(good)
        for result in ("passed", "failed"):
            self.validations.labels(result)
        for result in ("activated", "rolled_back", "refused"):
            self.reloads.labels(result)
        self.violations.labels("")
        self._by_name: dict[str, Callable[[TelemetryEvent], None]] = {
            "epoch_boundary": self._epoch,
            "isolation_violation": lambda e: self.violations.labels(e.labels.get("slot", "")).inc(),
            "compile_retry": lambda e: self.retries.set(e.values.get("retries", 0.0)),
            "compile_done": self._compiled,
            "graft": lambda e: self.graft.observe(e.values.get("graft_ms", 0.0) / 1_000.0),
            "training": self._training,
            "validation": lambda e: self.validations.labels(e.labels.get("result", "failed")).inc(),
            "hot_reload": self._reload,
        }

    def count(self, event: TelemetryEvent) -> None:
        """Add one event. A name that is not known is counted, nothing more."""
        self.events.labels(event.name[:60]).inc()
        handler = self._by_name.get(event.name)
        if handler is not None:
            handler(event)

    def _epoch(self, event: TelemetryEvent) -> None:
        boundary = event.values.get("boundary_ms", 0.0)
        over = boundary > EPOCH_BOUNDARY_MS
        timeout = event.labels.get("refused") == "timeout"
        self.boundary.observe(boundary / 1_000.0)
        self.policy.observe(event.values.get("policy_ms", 0.0) / 1_000.0)
        if "publish_ms" in event.values:
            self.publish.observe(event.values["publish_ms"] / 1_000.0)
        self.over.set(self.over._value.get() + 1 if over else 0)
        self.timeouts.inc(int(timeout))
        self.epochs.labels("false" if over or timeout else "true").inc()
        self.conservative.set(event.values.get("conservative", 0.0))
        self.risk.set(event.values.get("risk", 1.0))
        self.version.set(event.values.get("policy_version", 0.0))
        for kind in SENDER_KINDS:
            self.sender.labels(kind).set(event.values.get(f"bus_{kind}", 0.0))
        for stage in SlotStage:
            self.slots.labels(stage.name).set(event.values.get(f"slots_{stage.name.lower()}", 0.0))

    def _compiled(self, event: TelemetryEvent) -> None:
        self.retries.set(0.0)
        self.compiles.labels(event.labels.get("result", "done")).inc()

    def _training(self, event: TelemetryEvent) -> None:
        self.entropy.set(event.values.get("entropy", 0.0))
        self.explained.set(event.values.get("explained_variance", 0.0))

    def _reload(self, event: TelemetryEvent) -> None:
        self.reloads.labels(event.labels.get("result", "refused")).inc()
        if event.labels.get("result") == "activated":
            self.version.set(event.values.get("policy_version", 0.0))
