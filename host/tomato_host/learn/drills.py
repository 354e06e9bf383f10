"""Drills: a fault is injected, the alert's condition must come true, the loop must recover, the condition must end.

    isolation   a slot's gradients reach the host three times: quarantine, culled, scrubbed, empty again
    timeout     the policy hangs: the epoch ends after the wait with nothing done; the next one is answered
    compile     a compile job fails twice and then succeeds: the retries count up and are zero again

Each drill runs in a folder of its own with metrics of its own: nothing of a data directory is touched.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from shared_schemas.learn.budgets import VIOLATIONS_TO_QUARANTINE
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.compile.jobs import Compiled, CompileFailed, CompileJob, CompileQueue
from tomato_host.learn.modelled import modelled_signer, modelled_table, modelled_trainer
from tomato_host.learn.night_telemetry import emit_night, emit_violation
from tomato_host.learn.observability.metrics import LearnMetrics
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.telemetry import Telemetry


@dataclass
class DrillResult:
    """What a drill showed."""

    name: str
    alert: str
    fired: bool = False
    nominal: bool = False
    steps: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """The alert's condition came true and ended, and the loop is as before."""
        return self.fired and self.nominal


class CountedTelemetry(Telemetry):
    """Telemetry straight into metrics, as the observer would count it."""

    def __init__(self) -> None:
        super().__init__(modelled_signer())
        self.logs = False
        self.registry = CollectorRegistry()
        self.metrics = LearnMetrics(self.registry)
        self.events: list[TelemetryEvent] = []

    def emit(self, *words: Any, **named: Any) -> TelemetryEvent:
        """Count an event."""
        event = super().emit(*words, **named)
        self.metrics.count(event)
        self.events.append(event)
        return event

    def value(self, name: str, **labels: str) -> float:
        """A metric's value now; 0 for one that has no sample yet."""
        return float(self.registry.get_sample_value(name, labels) or 0.0)


def isolation_drill(root: Path) -> DrillResult:
    """Three violations within five minutes; the clock is the drill's own, so that the five minutes pass at once."""
    result, telemetry, clock = DrillResult("isolation", "kasmina_isolation_violation"), CountedTelemetry(), [1_000.0]
    trainer = modelled_trainer(root, PolicyService)
    trainer._now_s = lambda: clock[0]
    night = {"vpd_kpa": modelled_table()}
    for _ in range(3):
        trainer.run_epoch(night)
    name = "tomato_learn_isolation_violations_total"
    for _ in range(VIOLATIONS_TO_QUARANTINE):
        clock[0] += 1.0
        trainer.violations["vpd_kpa.0"].add(clock[0])
        emit_violation(telemetry, "vpd_kpa.0", ["host.first.weight"])
    result.fired = telemetry.value(name, slot="vpd_kpa.0") >= VIOLATIONS_TO_QUARANTINE
    trainer.run_epoch(night)
    culled = trainer.slots["vpd_kpa.0"].stage is SlotStage.CULLED
    result.steps += [f"3 violations: quarantined, {trainer.slots['vpd_kpa.0'].stage.name}"]
    clock[0] += 400.0
    stages = []
    for _ in range(12):
        trainer.run_epoch(night)
        stages.append(trainer.slots["vpd_kpa.0"].stage)
        if stages[-1] is SlotStage.DORMANT:
            break
    calm = trainer.violations["vpd_kpa.0"].count(clock[0]) == 0
    result.steps.append(f"then {' '.join(dict.fromkeys(stage.name for stage in stages))}")
    result.nominal = culled and calm and stages[-1] is SlotStage.DORMANT and not trainer.learners
    return result


def timeout_drill(root: Path) -> DrillResult:
    """A policy that hangs for one epoch."""
    result, telemetry, hold = DrillResult("timeout", "learn_policy_timeout"), CountedTelemetry(), threading.Event()
    hang = [True]

    def make(signer: Any, verifier: Any) -> Callable[[list[bytes]], bytes | None]:
        service = PolicyService(signer, verifier)

        def answer(packets: list[bytes]) -> bytes | None:
            if hang[0]:
                hold.wait(10.0)
                return None
            return service(packets)

        services.append(service)
        return answer

    services: list[PolicyService] = []
    trainer = modelled_trainer(root, make, wait_s=0.1)
    night = {"vpd_kpa": modelled_table()}
    trainer.run_epoch(night)
    emit_night(telemetry, trainer, services[0], [])
    stayed = trainer.slots["vpd_kpa.0"].stage is SlotStage.DORMANT
    result.fired = telemetry.value("tomato_learn_policy_timeouts_total") == 1.0
    result.steps.append(f"policy hangs: {trainer.answer.refused if trainer.answer else '?'}, nothing was done")
    hang[0] = False
    hold.set()
    for _ in range(50):
        trainer.run_epoch(night)
        if trainer.answer is not None and not trainer.answer.refused:
            break
    emit_night(telemetry, trainer, services[0], [])
    answered = trainer.answer is not None and trainer.answer.refused == ""
    result.steps.append(f"policy answers again: {trainer.slots['vpd_kpa.0'].stage.name}")
    result.nominal = stayed and answered and telemetry.value("tomato_learn_policy_timeouts_total") == 1.0
    return result


def compile_drill(root: Path) -> DrillResult:
    """A job that fails twice."""
    result, telemetry, calls = DrillResult("compile", "tezzeret_compile_retry_high"), CountedTelemetry(), list[str]()

    def flaky(job: CompileJob) -> Compiled:
        calls.append(job.key)
        if len(calls) <= 2:
            raise CompileFailed("injected by the drill")
        return Compiled(b"artifact", "exported", "drill", 0.0)

    highest: list[float] = []
    with Catalogue(root / "catalogue") as catalogue:
        queue = CompileQueue(catalogue, flaky, "drill", telemetry, sleep=lambda _: highest.append(retries()))

        def retries() -> float:
            return telemetry.value("tomato_learn_compile_retries")

        queue.run([CompileJob("network-16", (6,))])
        result.fired = max(highest) > 1.0
        result.steps.append(f"failed twice, retries {max(highest):.0f}; then compiled: {queue.done}")
        result.nominal = retries() == 0.0 and queue.done == ["network-16"] and queue.interrupted() == []
    return result


DRILLS: dict[str, Callable[[Path], DrillResult]] = {
    "isolation": isolation_drill,
    "timeout": timeout_drill,
    "compile": compile_drill,
}


def run_drills(names: list[str] | None = None) -> list[DrillResult]:
    """Run drills, each in a temporary folder."""
    found = []
    for name in names or list(DRILLS):
        with tempfile.TemporaryDirectory(prefix=f"tomato-drill-{name}-") as folder:
            found.append(DRILLS[name](Path(folder)))
    return found
