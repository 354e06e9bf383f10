"""Learning loop: messages beside cbor2 and msgspec, the epoch boundary, rollback, checkpoint, tree fit."""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.boundary import PolicyCall
from tomato_host.learn.checkpoint import CheckpointStore
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.messages import encode_state
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.trainer import Trainer
from tomato_host.learn.trees import fit_trees

from shared_schemas.learn.command_pb2 import AdaptationCommand, ReasonCode, RiskLevel, SlotAction, SlotCommand
from shared_schemas.learn.lifecycle_pb2 import SlotStage
from shared_schemas.learn.state_pb2 import SlotState, SystemStatePacket

TITLE = "Learning loop: messages, epoch boundary, rollback"
KEYS = SigningKeys((b"k" * 32,))
NOW_MS = 1_780_000_000_000


def signer() -> MessageSigner:
    """A signer with a still clock and counted nonces."""
    numbers = count(1 << 63)
    return MessageSigner(KEYS, lambda: NOW_MS, lambda: next(numbers))


def slot(number: int) -> SlotState:
    """A slot with every field set."""
    return SlotState(
        slot=f"vpd_kpa.{number}", stage=SlotStage.SLOT_STAGE_PROBATIONARY, blueprint=35, share=0.25, ramp=0.7,
        loss=0.91, gradient_norm=0.33, held_out_error=0.98, age_epochs=129, violations=2,
    )  # fmt: skip


def command() -> AdaptationCommand:
    """A command as the heuristic sends it."""
    return AdaptationCommand(
        schema=1, command_id=1 << 63, sent_ms=NOW_MS, nonce=1 << 63, issuer="heuristic", deadline_ms=2_000, epoch=42,
        risk=RiskLevel.RISK_LEVEL_GREEN, reason=ReasonCode.REASON_CODE_RESIDUAL_PERSISTS,
        slot=SlotCommand(action=SlotAction.SLOT_ACTION_GERMINATE, slot="vpd_kpa.0", blueprint=1),
    )  # fmt: skip


def state(slots: int) -> SystemStatePacket:
    """A packet with six metrics."""
    metrics = {number: 0.123 * number for number in range(1, 7)}
    packet = SystemStatePacket(
        schema=1, run_id=1 << 63, epoch=42, sent_ms=NOW_MS, nonce=1 << 63, metrics=metrics, parts=1
    )
    packet.slots.extend(slot(n) for n in range(slots))
    return packet


def as_dict(message: Any) -> dict[str, Any]:
    """The same content for the other encoders."""
    out: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "metrics":
            out[field.name] = dict(value)
        elif field.name == "slots":
            out[field.name] = [as_dict(one) for one in value]
        else:
            out[field.name] = as_dict(value) if field.message_type else value
    return out


def micros(call: Callable[[], object], rounds: int) -> float:
    """Median of five runs, microseconds of CPU a call."""
    runs = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(rounds):
            call()
        runs.append((time.process_time() - started) / rounds * 1e6)
    return statistics.median(runs)


def blocks(call: Callable[[], bytes], rounds: int = 500) -> float:
    """Blocks that live on after a call."""
    kept: list[bytes | None] = [None] * rounds
    gc.collect()
    gc.disable()
    before = sys.getallocatedblocks()
    for i in range(rounds):
        kept[i] = call()
    gc.enable()
    return (sys.getallocatedblocks() - before) / rounds


def encoders(message: Any, rounds: int) -> dict[str, Any]:
    """Encode one message by every encoder that is installed; protobuf also with its tag."""
    content, own = as_dict(message), signer()
    calls: dict[str, Callable[[], bytes]] = {
        "protobuf": message.SerializeToString,
        "protobuf_signed": lambda: own.encode(message),
        "cbor2": lambda: cbor2.dumps(content),
    }
    if find_spec("msgspec") is not None:
        import msgspec

        encode = msgspec.msgpack.Encoder().encode
        calls["msgspec"] = lambda: encode(content)
    return {
        name: {"us": micros(call, rounds), "bytes": len(call()), "blocks": blocks(call)} for name, call in calls.items()
    }


def residuals(rows: int) -> ResidualTable:
    """Made-up residuals of a month."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, len(FEATURES)))
    return ResidualTable(x, np.clip(0.5 * np.sign(x[:, 0]) + rng.normal(0, 0.3, rows), -3, 3), np.ones(HORIZON_H), True)


def epochs(nights: int, rows: int) -> dict[str, float]:
    """Boundary, rollbacks and checkpoint of a trainer with eight slots."""
    with tempfile.TemporaryDirectory() as folder:
        own = signer()
        verifier = MessageVerifier(KEYS, lambda: NOW_MS)
        call = PolicyCall(PolicyService(own, MessageVerifier(KEYS, lambda: NOW_MS)), verifier)
        trainer = Trainer(LearnSettings(learning_slots=8), own, call, CheckpointStore(Path(folder)))
        for number in range(8):
            trainer.register(f"vpd_kpa.{number}")
        boundary, save, table = [], [], {"vpd_kpa": residuals(rows)}
        for _ in range(nights):
            trainer.run_epoch(table)
            boundary.append(trainer.figures["boundary_ms"])
            started = time.perf_counter()
            trainer.store.save(trainer.checkpoint())
            save.append((time.perf_counter() - started) * 1e3)
        fast = trainer.fast_rollback()
        full = trainer.full_rollback() * 1e3
    return {
        "boundary_p50_ms": statistics.median(boundary),
        "boundary_p95_ms": float(np.quantile(boundary, 0.95)),
        "checkpoint_fsync_p50_ms": statistics.median(save),
        "fast_rollback_ms": fast,
        "full_rollback_ms": full,
    }


def run(quick: bool) -> dict[str, object]:
    """All figures."""
    rounds = 2_000 if quick else 20_000
    found: dict[str, object] = {f"state_{n}_slots": encoders(state(n), rounds) for n in range(4)}
    found["command"] = encoders(command(), rounds)
    split = encode_state(signer(), 1, 1, {}, [slot(n) for n in range(9)])
    found["nine_slots_bytes"] = str([len(raw) for raw in split])
    found["epoch"] = epochs(12 if quick else 40, 1_500)
    table = residuals(26_000)
    started = time.process_time()
    fit_trees(table.x, table.y)
    found["tree_fit_month_cpu_s"] = time.process_time() - started
    return found
