"""What a world reports about itself: counts, a breakdown of times, log lines, spans. It decides nothing.

Stages of an intent, each timed: `submit` (the entrance), `turn` (judging what waits), `append` (the log), `broadcast`
(views and events). `latency` is the time from the entrance to the answer; `lease`, in the deciding loop of a tent, how
late the board's lease was renewed. Times come from a stopwatch that is injected; in a simulation it stands still.

OpenTelemetry is imported only when tracing is on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

from tomato_host.brain.admission.answers import Answer
from tomato_host.features import Features
from tomato_host.logs import Log

Stage = Literal["submit", "turn", "append", "broadcast", "latency", "lease"]
STAGES: tuple[Stage, ...] = ("submit", "turn", "append", "broadcast", "latency", "lease")
BUCKETS_S = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds; the last bucket of a histogram is what takes longer."""
MOST_WAITING = 20_000
"""Intents whose entrance is remembered until their answer."""


class Histogram:
    """Counts of durations by bucket, and their sum."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


class WorldTelemetry:
    """Counts and times of one world since its process began."""

    def __init__(self, stopwatch: Callable[[], float], features: Features | None = None) -> None:
        """`stopwatch`: seconds, monotonic. Raises TomatoError E-EXTRA-WORLD when tracing is on and not installed."""
        self.features = features or Features()
        self._stopwatch = stopwatch
        self.times: dict[Stage, Histogram] = {stage: Histogram() for stage in STAGES}
        self.answers: Counter[tuple[str, str]] = Counter()
        """By agent and code (`accepted`, `clipped`, or the code of a refusal)."""
        self.cancelled = 0
        self.deltas: Counter[str] = Counter()
        """Messages of views sent as `patch` and as `snapshot`."""
        self.queue_depth = self.queue_high_watermark = 0
        self._entered: dict[tuple[str, str], float] = {}
        self._log = Log("world")
        self._tracer = _tracer() if self.features.tracing else None

    @contextmanager
    def stage(self, stage: Stage, **facts: Any) -> Iterator[None]:
        """Time a stage of the pipeline, as a span when tracing is on."""
        began_s = self._stopwatch()
        with self._span(stage, facts):
            yield
        self.times[stage].add(self._stopwatch() - began_s)

    def enter(self, agent: str, intent_id: str) -> None:
        """An intent has come; its latency counts from here. A repeat that waits does not begin anew."""
        if len(self._entered) < MOST_WAITING:
            self._entered.setdefault((agent, intent_id), self._stopwatch())

    def answer(self, answer: Answer, global_seq: int, view_seq: int) -> None:
        """An intent has its answer."""
        self.outcome(answer.agent, answer.id, answer.code or answer.status, view_seq, global_seq)

    def outcome(self, agent: str, intent_id: str, code: str, view_seq: int, global_seq: int | None = None) -> None:
        """What became of an intent: `accepted`, `clipped`, or what refused it."""
        began_s = self._entered.pop((agent, intent_id), None)
        latency_s = None if began_s is None else self._stopwatch() - began_s
        if latency_s is not None:
            self.times["latency"].add(latency_s)
        self.answers[agent, code] += 1
        self.cancelled += code == "CANCELLED"
        if self.features.intent_log:
            self._log.info(
                "intent_answered",
                global_seq=global_seq,
                view_seq=view_seq,
                agent_id=agent,
                req_id=intent_id,
                latency_ms=None if latency_s is None else round(latency_s * 1_000.0, 3),
                answer=code,
            )

    def queue(self, depth: int) -> None:
        """How many intents wait; a new high is logged when it doubles."""
        self.queue_depth = depth
        if depth > self.queue_high_watermark:
            if depth >= 64 and depth.bit_length() > self.queue_high_watermark.bit_length():
                self._log.warning("queue_high_watermark", depth=depth)
            self.queue_high_watermark = depth

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON, for the status of a host."""
        return {
            "answers": [[agent, code, count] for (agent, code), count in sorted(self.answers.items())],
            "times": {stage: {"counts": one.counts, "sum_s": one.sum_s} for stage, one in self.times.items()},
            "cancelled": self.cancelled,
            "deltas": dict(self.deltas),
            "queue_depth": self.queue_depth,
            "queue_high_watermark": self.queue_high_watermark,
            "features": self.features.flags(),
        }

    def _span(self, stage: str, facts: dict[str, Any]) -> AbstractContextManager[Any]:
        if self._tracer is None:
            return nullcontext()
        span: AbstractContextManager[Any] = self._tracer.start_as_current_span(f"world.{stage}", attributes=facts)
        return span


def _tracer() -> Any:
    try:
        from opentelemetry import trace
    except ImportError as error:
        from tomato_host.errors import TomatoError

        raise TomatoError(
            "E-EXTRA-WORLD", "opentelemetry is missing, which TOMATO_FEATURES=tracing needs.",
            "pip install '.[world]'",
        ) from error  # fmt: skip
    return trace.get_tracer("tomato_host.world")
