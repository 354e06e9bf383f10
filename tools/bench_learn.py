"""Learning loop: messages beside cbor2 and msgspec, epoch boundary, stores, bus, compiler, the deciding loop beside it.

`--quick` leaves out the compiler (minutes of a processor) and waits less.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tomato_host.learn.compile.runner import compile_all
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.messages import encode_state
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.profiling import latencies
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.settings import LearnBusSettings, LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.trainer import Trainer
from tomato_host.learn.trees import fit_trees
from tomato_host.twin import server

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


def epochs(nights: int, rows: int, now: Callable[[], float]) -> dict[str, float]:
    """Boundary (by the clock `now`), rollbacks and checkpoint of a trainer with eight slots."""
    with tempfile.TemporaryDirectory() as folder:
        own = signer()
        verifier = MessageVerifier(KEYS, lambda: NOW_MS)
        call = PolicyCall(PolicyService(own, MessageVerifier(KEYS, lambda: NOW_MS)), verifier)
        trainer = Trainer(LearnSettings(learning_slots=8), own, call, CheckpointStore(Path(folder)))
        trainer.timer.now = now
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


def operations(rounds: int) -> dict[str, dict[str, float]]:
    """Policy, stores and rollback against their budgets, as `tomato-host learn bench` has them."""
    return {
        one.name: {"p50_ms": one.p50_ms, "p95_ms": one.p95_ms, "cpu_p95_ms": one.cpu_p95_ms}
        for one in latencies(rounds)
    }


@contextmanager
def redis_server() -> Iterator[str]:
    """A broker of its own; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20.0
            while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def bus(messages: int) -> dict[str, float] | str:
    """Publish, and from publish to handler, on a real Redis, milliseconds."""
    if shutil.which("redis-server") is None:
        return "skipped: no redis-server here"
    from tomato_host.learn.bus.connect import groups_of, open_bus
    from tomato_host.learn.bus.consumer import LearnConsumer
    from tomato_host.learn.bus.publisher import LearnPublisher

    with redis_server() as url:
        wanted, ended = LearnBusSettings(enabled=True, url=url), threading.Event()
        arrived: dict[bytes, float] = {}
        stream, handle = wanted.command_stream, lambda raw: arrived.update({raw: time.perf_counter()})
        reader = LearnConsumer(open_bus(wanted), wanted.trainer_group, "bench", {stream: handle}, 60.0)
        out = LearnPublisher(open_bus(wanted), wanted, groups_of(wanted))
        thread = threading.Thread(target=lambda: [reader.poll(0.05) for _ in iter(ended.is_set, True)])
        thread.start()
        time.sleep(0.3)
        began, took = {}, []
        for number in range(messages):
            raw = b"%d" % number
            began[raw] = time.perf_counter()
            out.publish(stream, raw)
            took.append((time.perf_counter() - began[raw]) * 1e3)
            time.sleep(0.002)
        until = time.monotonic() + 10.0
        while len(arrived) < messages and time.monotonic() < until:
            time.sleep(0.01)
        ended.set()
        thread.join()
    there = [(arrived[raw] - began[raw]) * 1e3 for raw in arrived]
    return {
        "messages": float(messages),
        "arrived": float(len(arrived)),
        "publish_p50_ms": statistics.median(took),
        "publish_p95_ms": float(np.quantile(took, 0.95)),
        "delivery_p50_ms": statistics.median(there),
        "delivery_p95_ms": float(np.quantile(there, 0.95)),
    }


def compiler() -> dict[str, object]:
    """All production and experimental blueprints in child processes; then the same again, with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        started, spent = time.perf_counter(), _of_children()
        first = compile_all(Path(folder))
        wall, cpu = time.perf_counter() - started, _of_children() - spent
        started = time.perf_counter()
        again = compile_all(Path(folder))
        return {
            "jobs": len(first.done), "failed": str(first.failed), "wall_s": wall, "cpu_s": cpu,
            "again_jobs": len(again.done), "again_s": time.perf_counter() - started,
        }  # fmt: skip


def _of_children() -> float:
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


CONFIG = "[service]\nenabled = false\n[board]\nlease_renew_s = 0.5\n[weather]\nprovider = 'none'\n"
TIMED = """
import json, sys, time
from pathlib import Path
from tomato_host.cli.main import main
from tomato_host.loop.supervisor import Supervisor

folder, rows, real = Path(sys.argv[2]), [], Supervisor._renew

def timed(self, run):
    late, wall, cpu = self._clock.monotonic_ms() - run.due_ms, time.perf_counter(), time.thread_time()
    real(self, run)
    rows.append([time.monotonic(), late, (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3])

Supervisor._renew = timed
try:
    main(["run", "--json", "--board", sys.argv[1], "--config", f"{folder}/t.toml", "--data-dir", f"{folder}/data"])
finally:
    (folder / "ticks").write_text("\\n".join(map(json.dumps, rows)))
"""
"""A host as the command line runs it, with a stop-watch on the task that keeps the board's lease alive."""

LEARNING = """
import sys
from pathlib import Path
from tomato_host.learn import nightly
from tomato_host.learn.modelled import MODEL_KEYS, modelled_table
from tomato_host.learn.settings import LearnSettings
from tomato_host.service.process_priority import lower_priority
lower_priority()
nightly.residual_tables = lambda *_: {"vpd_kpa": modelled_table(rows=26_000)}
loop = nightly.LearningLoop(Path(sys.argv[1]), LearnSettings(), MODEL_KEYS)
while True:
    loop.night(object())
"""
"""Night after night without a pause, in the host's own data directory."""


def beside(phase_s: float) -> dict[str, object]:
    """The deciding loop alone, then with the learning loop at work: lateness, time and memory; is torch in there?"""
    if not Path("/proc/self/smaps_rollup").exists():
        return {"skipped": "no /proc here"}
    with tempfile.TemporaryDirectory() as name, server.start(flash=Path(name) / "flash") as board:
        folder = Path(name)
        (folder / "t.toml").write_text(CONFIG)
        words = [sys.executable, "-c", TIMED, board.port_path, str(folder)]
        host = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            time.sleep(10.0)
            alone, memory = time.monotonic(), _resident_mb(host.pid)
            time.sleep(phase_s)
            memory_alone = _resident_mb(host.pid)
            learning = subprocess.Popen([sys.executable, "-c", LEARNING, str(folder / "data")])
            both = time.monotonic()
            time.sleep(phase_s)
            over, memory_both = time.monotonic(), _resident_mb(host.pid)
            torch = "torch" in Path(f"/proc/{host.pid}/maps").read_text()
            learning.kill()
            learning.wait()
        finally:
            host.send_signal(signal.SIGINT)
            host.wait(30)
        rows = [json.loads(line) for line in (folder / "ticks").read_text().splitlines()]
    return {
        "torch_in_the_host": torch,
        "load_average_1min": os.getloadavg()[0],
        "resident_mb": {"begin": memory, "alone": memory_alone, "with_learning": memory_both},
        "alone": _lateness([row for row in rows if alone <= row[0] < both]),
        "with_learning": _lateness([row for row in rows if both <= row[0] < over]),
    }


def _resident_mb(pid: int) -> float:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _lateness(rows: list[list[float]]) -> dict[str, float]:
    late, wall, cpu = (np.array([row[column] for row in rows]) for column in (1, 2, 3))
    return {
        "ticks": float(len(rows)), "late_p50_ms": float(np.median(late)), "late_p99_ms": float(np.quantile(late, 0.99)),
        "tick_p50_ms": float(np.median(wall)), "tick_p99_ms": float(np.quantile(wall, 0.99)),
        "cpu_p50_ms": float(np.median(cpu)), "cpu_p99_ms": float(np.quantile(cpu, 0.99)),
    }  # fmt: skip


def run(quick: bool) -> dict[str, object]:
    """All figures."""
    rounds = 2_000 if quick else 20_000
    found: dict[str, object] = {f"state_{n}_slots": encoders(state(n), rounds) for n in range(4)}
    found["command"] = encoders(command(), rounds)
    split = encode_state(signer(), 1, 1, {}, [slot(n) for n in range(9)])
    found["nine_slots_bytes"] = str([len(raw) for raw in split])
    nights = 12 if quick else 40
    found["epoch"] = epochs(nights, 1_500, time.perf_counter)
    found["epoch_by_the_processors_clock"] = epochs(nights, 1_500, time.process_time)
    table = residuals(26_000)
    started = time.process_time()
    fit_trees(table.x, table.y)
    found["tree_fit_month_cpu_s"] = time.process_time() - started
    found["operations"] = operations(40 if quick else 200)
    found["bus"] = bus(100 if quick else 1_000)
    found["beside_the_deciding_loop"] = beside(5.0 if quick else 30.0)
    if find_spec("torch") is None:
        found["compiler"] = "skipped: no torch here"
    elif not quick:
        found["compiler"] = compiler()
    return found
