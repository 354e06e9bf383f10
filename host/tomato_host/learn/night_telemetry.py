"""The telemetry of one night: the boundary, every slot's step, and what a hot reload did."""

from __future__ import annotations

from collections.abc import Sequence

from shared_schemas.learn.budgets import EPOCH_BOUNDARY_MS
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.stage_steps import SlotStep
from tomato_host.learn.telemetry import ALARM, INFO, WARNING, Source, Telemetry
from tomato_host.learn.trainer import Trainer

SENDER_KINDS = ("published", "retries", "delayed", "dropped", "emergency_refused")
"""What the trainer's end of the bus counts since its start."""


def emit_night(telemetry: Telemetry, trainer: Trainer, policy: PolicyService, steps: Sequence[SlotStep]) -> None:
    """One event for the epoch, one for each slot that moved or failed a gate."""
    refused = trainer.answer.refused if trainer.answer else ""
    values = {key: value for key, value in trainer.figures.items() if key.endswith("_ms")}
    values |= {
        "epoch": float(trainer.epoch),
        "conservative": float(trainer.conservative),
        "policy_version": float(policy.version),
        "risk": float(policy.assessment.level if policy.assessment else 1),
        "breaker_opened": float(policy.breaker.opened),
        "metadata_skipped": float(policy.selection.skipped),
    }
    if telemetry.publisher is not None:
        counters = telemetry.publisher.counters
        values |= {f"bus_{kind}": float(getattr(counters, kind)) for kind in SENDER_KINDS}
    for slot in trainer.slots.values():
        key = f"slots_{slot.stage.name.lower()}"
        values[key] = values.get(key, 0.0) + 1.0
    late = trainer.figures.get("boundary_ms", 0.0) > EPOCH_BOUNDARY_MS
    level = WARNING if refused or late else INFO
    text = f"epoch {trainer.epoch}: boundary {trainer.figures.get('boundary_ms', 0.0):.1f} ms {refused}".strip()
    labels = {"refused": refused.split(":")[0]} if refused else {}
    telemetry.emit(Source.TELEMETRY_SOURCE_TRAINER, "epoch_boundary", text, values, labels, level)
    for step in steps:
        emit_step(telemetry, step)


def emit_step(telemetry: Telemetry, step: SlotStep) -> None:
    """A slot's step; a quarantine is an alarm."""
    failed = step.verdict.failed if step.verdict else ()
    labels = {"slot": step.after.name, "stage": step.after.stage.name, "stage_before": step.before.stage.name}
    quarantined = any("quarantined" in text for text in failed)
    level = ALARM if quarantined else WARNING if failed else INFO
    figures = dict(step.verdict.figures) if step.verdict else {}
    text = f"{step.before.stage.name} -> {step.after.stage.name} {', '.join(failed)}".strip()
    telemetry.emit(Source.TELEMETRY_SOURCE_SLOTS, "slot_step", text, figures, labels, level)


def emit_violation(telemetry: Telemetry, slot: str, reached: Sequence[str]) -> None:
    """A gradient of a slot's loss that reached the host: an alarm, which takes the emergency path."""
    text = f"the loss of {slot} reached {', '.join(reached[:3])}"
    labels = {"slot": slot}
    values = {"reached": float(len(reached))}
    telemetry.emit(Source.TELEMETRY_SOURCE_SLOTS, "isolation_violation", text, values, labels, ALARM)


def emit_reload(telemetry: Telemetry, result: str, version: int) -> None:
    """A hot reload: activated, rolled_back or refused."""
    level = INFO if result == "activated" else WARNING
    values = {"policy_version": float(version)}
    text = f"policy {version}: {result}"
    telemetry.emit(Source.TELEMETRY_SOURCE_POLICY, "hot_reload", text, values, {"result": result}, level)
