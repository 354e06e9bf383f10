"""How long the key operations take, against their budgets; with torch also where a training epoch spends its time."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared_schemas.learn import budgets
from shared_schemas.learn.command_pb2 import AdaptationCommand, SlotCommand
from shared_schemas.learn.report_pb2 import FieldReport
from shared_schemas.learn.state_pb2 import SlotState
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.messages import encode_command, encode_state
from tomato_host.learn.modelled import (
    modelled_signer,
    modelled_table,
    modelled_trainer,
    modelled_verifier,
    now_ms,
)
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.report_store import ReportStore


@dataclass(frozen=True)
class Latency:
    """One operation: p50 and p95 of the wall clock, p95 of the processor's, milliseconds, and its budget."""

    name: str
    p50_ms: float
    p95_ms: float
    cpu_p95_ms: float
    budget_ms: float | None

    @property
    def within(self) -> bool:
        """By the processor's clock: other work of the machine is not this operation's latency."""
        return self.budget_ms is None or self.cpu_p95_ms <= self.budget_ms


def measure(name: str, call: Callable[[], Any], rounds: int, budget_ms: float | None = None) -> Latency:
    """Time `rounds` calls."""
    wall, cpu = [], []
    for _ in range(rounds):
        w, c = time.perf_counter(), time.process_time()
        call()
        cpu.append((time.process_time() - c) * 1_000.0)
        wall.append((time.perf_counter() - w) * 1_000.0)
    p95 = (float(np.quantile(wall, 0.95)), float(np.quantile(cpu, 0.95)))
    return Latency(name, statistics.median(wall), *p95, budget_ms)


def latencies(rounds: int = 100) -> list[Latency]:
    """Every key operation, on made-up residuals in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="tomato-profile-") as folder:
        return [*_messages(rounds), *_loop(Path(folder), rounds), *_stores(Path(folder), rounds)]


def _messages(rounds: int) -> list[Latency]:
    signer, verifier = modelled_signer(), modelled_verifier()
    slots = [SlotState(slot="vpd_kpa.0", stage="SLOT_STAGE_TRAINING", loss=0.9)]
    metrics = dict.fromkeys(range(1, 7), 0.5)
    policy = PolicyService(signer, verifier)
    epochs = iter(range(1, 1_000_000))

    def ask() -> None:
        policy(encode_state(signer, 1, next(epochs), metrics, slots))

    command = AdaptationCommand(command_id=1, slot=SlotCommand(action=1, slot="vpd_kpa.0", blueprint=1))  # type: ignore[arg-type]
    encode_ms = budgets.MESSAGE_ENCODE_US / 1_000.0
    return [
        measure("encode_state", lambda: encode_state(signer, 1, 1, metrics, slots), rounds * 10),
        measure("encode_command", lambda: encode_command(signer, command), rounds * 10, encode_ms),
        measure("policy", ask, rounds, budgets.POLICY_INFERENCE_MS),
    ]


def _loop(root: Path, rounds: int) -> list[Latency]:
    trainer = modelled_trainer(root, PolicyService)
    trainer.timer.now = time.process_time
    night, boundary = {"vpd_kpa": modelled_table()}, []
    for _ in range(max(rounds // 4, 12)):
        trainer.run_epoch(night)
        boundary.append(trainer.figures["boundary_ms"])
    p50, p95 = statistics.median(boundary), float(np.quantile(boundary, 0.95))
    back = measure("fast_rollback", lambda: trainer.fast_rollback(trainer.epoch), 5, budgets.FAST_ROLLBACK_MS)
    return [Latency("epoch_boundary", p50, p95, p95, budgets.EPOCH_BOUNDARY_MS), back]


def _stores(root: Path, rounds: int) -> list[Latency]:
    signer, store = modelled_signer(), ReportStore(root / "reports.wal")
    numbers = iter(range(1, 1_000_000))

    def append() -> None:
        report = FieldReport(schema=1, report_id=next(numbers))
        signer.stamp(report)
        store.append(report.report_id, signer.encode(report), now_ms())

    with Catalogue(root / "catalogue") as catalogue:
        catalogue.put(6, b"x" * 1_500_000, "exported", "profile", 0.0)

        def fetch() -> None:
            catalogue.fetch(6, lambda path, _row: path)

        def fetch_cold() -> None:
            catalogue._cache.clear()
            fetch()

        return [
            measure("report_append_fsync", append, rounds, budgets.REPORT_SEND_MS),
            measure("fetch_warm", fetch, rounds, budgets.FETCH_P50_MS),
            measure("fetch_cold", fetch_cold, rounds, budgets.FETCH_P50_MS),
        ]


def as_rows(found: list[Latency]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(one) | {"within": one.within} for one in found]


def torch_profile(steps: int = 75, trace: Path | None = None) -> list[dict[str, Any]]:
    """The ten operators that a network's epoch spends most time in, by torch's profiler; `trace` takes its timeline.

    Raises ImportError without the extra [learn].
    """
    from tomato_host.learn.network_profile import profile_epoch

    return profile_epoch(modelled_table(rows=5_000), steps, trace)
