"""What a world reports: counts, times, log lines and spans that are right, cheap, and absent when they are off."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tomato_host.errors import TomatoError
from tomato_host.features import Features, read_features
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.telemetry import BUCKETS_S, Histogram, WorldTelemetry
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.admission.cases import agent

ROOT = Path(__file__).resolve().parents[2]


def host(telemetry: WorldTelemetry) -> Orchestrator:
    world = Orchestrator("w", TalkWorld(), ChainedLog("w"), lambda: 1_000.0, stopwatch=lambda: 0.0, telemetry=telemetry)
    for name in ("ann", "ben"):
        world.register_agent(agent(name, queue_most=3), LISTENER)
    return world


def say(world: Orchestrator, name: str, intent_id: str, text: str = "hello") -> None:
    world.submit_intent(
        {"schema_version": "intent_v1", "id": intent_id, "agent": name, "kind": "say", "payload": {"text": text}}
    )


def test_counts_and_times() -> None:
    now_s = [0.0]
    telemetry = WorldTelemetry(lambda: now_s[0])
    world = host(telemetry)
    for i in range(5):
        say(world, "ann", f"i{i}")
    say(world, "ben", "empty", "")
    now_s[0] = 0.004
    world.run_turn()
    assert telemetry.answers == {("ann", "accepted"): 3, ("ann", "BACKPRESSURE"): 2, ("ben", "INTENT_CONFLICT"): 1}
    assert (telemetry.queue_depth, telemetry.queue_high_watermark) == (0, 4)
    latency = telemetry.times["latency"]
    assert sum(latency.counts) == 6 and latency.sum_s == pytest.approx(4 * 0.004)
    assert telemetry.times["append"].counts[0] >= 4 and telemetry.deltas.total() >= 2
    shown = telemetry.snapshot()
    assert shown["answers"] == [["ann", "BACKPRESSURE", 2], ["ann", "accepted", 3], ["ben", "INTENT_CONFLICT", 1]]


def test_a_histogram_has_every_duration_in_its_bucket() -> None:
    one = Histogram()
    for seconds in (*BUCKETS_S, 5.0):
        one.add(seconds)
    assert one.counts == [1] * (len(BUCKETS_S) + 1)


def test_a_log_line_has_what_an_operator_searches_for(capsys: pytest.CaptureFixture[str]) -> None:
    world = host(WorldTelemetry(time.monotonic, Features(intent_log=True)))
    say(world, "ann", "i-1")
    world.run_turn()
    line = next(line for line in capsys.readouterr().err.splitlines() if "intent_answered" in line)
    assert all(field in line for field in ("global_seq", "view_seq", "agent_id", "req_id", "latency_ms"))
    say(host(WorldTelemetry(time.monotonic)), "ann", "i-2")
    assert "intent_answered" not in capsys.readouterr().err, "off by default: a flood must not fill the journal"


def test_spans_across_the_pipeline() -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="extra [world] is not installed")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = WorldTelemetry(time.monotonic, Features(tracing=True))
    telemetry._tracer = provider.get_tracer("test")
    world = host(telemetry)
    exporter.clear()
    say(world, "ann", "i-1")
    world.run_turn()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert {"world.submit", "world.turn", "world.append", "world.broadcast"} == set(spans)
    assert spans["world.submit"].attributes == {"agent_id": "ann", "req_id": "i-1"}
    parent, turn = spans["world.append"].parent, spans["world.turn"].context
    assert parent is not None and turn is not None and parent.span_id == turn.span_id


def test_tracing_that_is_off_is_not_imported() -> None:
    code = (
        "import sys, tomato_host.world.orchestrator, tomato_host.world.telemetry as t, time\n"
        "t.WorldTelemetry(time.monotonic)\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'host'}:{ROOT}"},
    )  # fmt: skip
    assert shown.stdout == "[]\n", shown.stderr


def test_the_report_costs_little() -> None:
    """Reporting is less than a fifth of the pipeline's calls, Python's and C's; `make bench` has its time."""

    def calls(telemetry: WorldTelemetry) -> int:
        world, counted = host(telemetry), 0

        def count(_frame: FrameType, event: str, _argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            for i in range(60):
                say(world, "ann", f"i{i}")
                if i % 3 == 2:
                    world.run_turn()
        finally:
            sys.setprofile(None)
        return counted

    class Silent(WorldTelemetry):
        def stage(self, *_: Any, **__: Any) -> Any:
            return contextlib.nullcontext()

        def enter(self, *_: Any) -> None: ...
        def answer(self, *_: Any) -> None: ...
        def queue(self, *_: Any) -> None: ...

    reporting, silent = calls(WorldTelemetry(time.monotonic)), calls(Silent(time.monotonic))
    assert silent < reporting < 1.25 * silent, (reporting, silent)


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, {"latency", "backpressure"}),
        ({"TOMATO_FEATURES": "tracing, intent_log"}, {"latency", "backpressure", "tracing", "intent_log"}),
        ({"GUNN_FEATURES": "tracing", "TOMATO_FEATURES": "-tracing -latency"}, {"backpressure"}),
    ],
)
def test_features_of_the_environment(environment: dict[str, str], on: set[str]) -> None:
    assert {name for name, value in read_features(environment).flags().items() if value} == on


def test_a_feature_that_there_is_none_of() -> None:
    with pytest.raises(TomatoError, match=r"E-FEATURE.*guardrails"):
        read_features({"TOMATO_FEATURES": "-guardrails"})


def test_features_change_what_they_say() -> None:
    slow = agent("ann", queue_most=1, latency={"base_ms": 500.0})
    for features, waiting, due_s in (
        (Features(), 1, 1_000.5),
        (Features(latency=False, backpressure=False), 5, 1_000.0),
    ):
        world = Orchestrator(
            "w", TalkWorld(), ChainedLog("w"), lambda: 1_000.0, telemetry=WorldTelemetry(lambda: 0.0, features)
        )
        handle = world.register_agent(slow, LISTENER)
        for i in range(5):
            say(world, "ann", f"i{i}")
        assert world.admission.queue.waiting("ann") == waiting
        assert world.observer(handle.name).queue.next_due_s() == due_s
