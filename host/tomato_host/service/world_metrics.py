"""Prometheus metrics of the shared world, from the counts that the deciding loop sends with its status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from tomato_host.world.telemetry import BUCKETS_S, STAGES

Json = dict[str, Any]
GAUGES = (
    ("queue_depth", "tomato_intent_queue_depth", "Intents that wait for a turn."),
    ("queue_high_watermark", "tomato_intent_queue_high_watermark", "The most that have waited since the start."),
)


def world_metrics(world: Json) -> Iterator[Metric]:
    """What is known; nothing before the first status."""
    if not world:
        return
    answers = CounterMetricFamily("tomato_intents", "Intents answered, by agent and answer.", labels=["agent", "code"])
    for agent, code, count in world["answers"]:
        answers.add_metric([agent, code], count)
    yield answers
    yield CounterMetricFamily("tomato_intents_cancelled", "Intents taken back.", value=float(world["cancelled"]))
    messages = CounterMetricFamily("tomato_view_messages", "Messages of views, whole or as patch.", labels=["kind"])
    for kind, count in sorted(world["deltas"].items()):
        messages.add_metric([kind], count)
    yield messages
    for key, name, text in GAUGES:
        yield GaugeMetricFamily(name, text, value=float(world[key]))
    yield _stages(world["times"])
    enabled = GaugeMetricFamily("tomato_feature_enabled", "1 where a feature flag is on.", labels=["feature"])
    for name, on in sorted(world["features"].items()):
        enabled.add_metric([name], float(on))
    yield enabled


def _stages(times: Json) -> Metric:
    """The stages of an intent; `latency` is the whole way, `lease` how late the board's lease was renewed."""
    text = "Seconds of a stage of the agents' intents, of the whole way (latency), and a lease's lateness (lease)."
    family = HistogramMetricFamily("tomato_world_stage_seconds", text, labels=["stage"])
    for stage in STAGES:
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), times[stage]["counts"], strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([stage], buckets, times[stage]["sum_s"])
    return family
