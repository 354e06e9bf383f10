"""`learn` killed at any moment of a night: the brain forecasts on, the log recovers, no block is half there."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tomato_host.brain.world_model.data import ModelShape, tent_quantities
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.learn.checkpoint import CheckpointStore
from tomato_host.learn.nightly import LearningLoop, read_records
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.state_file import read_state
from tomato_host.models.blocks import BlockStore

from tests.learn.loops import KEYS
from tests.world_model.synthetic import tent_log

ROOT = Path(__file__).resolve().parents[2]
NIGHTS = """
import os, sys, time
from pathlib import Path
from tomato_host.learn import nightly
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.slot import GrowthSlot
from shared_schemas.learn.lifecycle import SlotStage
from tests.learn.loops import GOOD, KEYS, table

nightly.residual_tables = lambda *_: {"vpd_kpa": table(rows=300)}
nightly.BlockStore.read_skill = lambda self: GOOD

def learn(root):
    loop = nightly.LearningLoop(root, LearnSettings(), KEYS)
    if loop.trainer.epoch == 0:
        loop.trainer.slots["vpd_kpa.0"] = GrowthSlot("vpd_kpa.0", SlotStage.SHADOWING, 1, 1)  # served at once
    print("ready", flush=True)
    while True:
        loop.trainer.timer.now = time.process_time
        loop.night(object())
        print("night", flush=True)

for line in sys.stdin:
    pid = os.fork()  # a process of its own for each line, without the seconds of imports
    if pid == 0:
        learn(Path(line.strip()))
    print("pid", pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""


class Forecasting(threading.Thread):
    """Reads the blocks as the brain does and forecasts with them, without a pause, while the writer is killed."""

    def __init__(self, store: BlockStore) -> None:
        super().__init__(daemon=True)
        self.store, self.ended = store, threading.Event()
        self.forecasts, self.with_block, self.faults = 0, 0, list[str]()
        self.log = tent_log(4)
        self.model = WorldModel(ModelShape(quantities=tent_quantities()))
        self.model.learn(self.log)

    def run(self) -> None:
        from tomato_host.brain.world_model.promotion import ModelPair

        pair = ModelPair(self.model)
        while not self.ended.is_set():
            try:
                offers = self.store.offers()
            except ValueError as error:
                self.faults.append(str(error))
                continue
            pair.withdraw("vpd_kpa")
            for offer in offers:
                if offer.block is None:
                    self.faults.append(offer.refused)
                else:
                    pair.offer(offer.block, offer.entry.live)
                    self.with_block += 1
            found = self.model.forecast(self.log).series["vpd_kpa"]
            self.forecasts += int(np.isfinite(found).any())
            time.sleep(0.005)


def _kill_and_check(root: Path, kills: int, rng: random.Random) -> Forecasting:
    epoch, night_s, brain = 0, 0.0, Forecasting(BlockStore(root / "models" / "blocks"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "host"), *sys.path])}
    command = [sys.executable, "-c", NIGHTS]
    parent = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    brain.start()
    for number in range(kills):
        before = brain.forecasts
        pid = _started(parent, root, "ready")
        if number == 0:
            began = time.monotonic()
            _read_until(parent, "night")
            night_s = time.monotonic() - began
        time.sleep(rng.uniform(0.0, 2.0 * night_s))
        os.kill(pid, signal.SIGKILL)
        _read_until(parent, "ended")
        until = time.monotonic() + 20.0
        while brain.forecasts <= before:
            assert time.monotonic() < until, "forecasts go on"
            time.sleep(0.01)
        found = CheckpointStore(root / "learn" / "checkpoints").latest()
        assert found is not None and found.epoch >= epoch, "a committed epoch is never lost"
        epoch = found.epoch
        _check_what_is_served(root, epoch)
    parent.communicate(timeout=20)
    brain.ended.set()
    brain.join(20.0)
    assert brain.faults == [], "every block that the brain ever saw was whole"
    assert brain.with_block > 0, "blocks were served while the process was killed"
    return brain


def _started(parent: subprocess.Popen[str], root: Path, reached: str) -> int:
    """Start a process that learns night after night; returns its id once it has said `reached`."""
    assert parent.stdin is not None
    parent.stdin.write(f"{root}\n")
    parent.stdin.flush()
    lines = _read_until(parent, reached)
    named = [line for line in lines if line.startswith("pid")] or _read_until(parent, "pid")
    return int(named[-1].split()[1])


def _read_until(parent: subprocess.Popen[str], word: str) -> list[str]:
    assert parent.stdout is not None
    lines = [""]
    while not lines[-1].startswith(word):
        lines.append(parent.stdout.readline())
        assert lines[-1], "the process ended by itself"
    return lines


def _check_what_is_served(root: Path, epoch: int) -> None:
    """After a kill the brain has the blocks of one epoch; the next process serves those of the last committed one."""
    entries = BlockStore(root / "models" / "blocks").entries()
    assert len({entry.epoch for entry in entries}) <= 1, "blocks of one epoch, not of two"
    again = LearningLoop(root, LearnSettings(), KEYS)
    assert again.trainer.epoch == epoch
    with again.exclusive():
        served = again.trainer.served()
    store, state = BlockStore(root / "models" / "blocks"), read_state(root)
    assert {entry.quantity for entry in store.entries()} == set(served)
    for entry in store.entries():
        assert hashlib.sha256((store.root / entry.file).read_bytes()).hexdigest() == entry.sha256
        assert entry.stage == served[entry.quantity][0].stage.name
    assert epoch == 0 or (state is not None and state.epoch == epoch)


def test_a_kill_at_any_moment_loses_no_committed_epoch(tmp_path: Path) -> None:
    _kill_and_check(tmp_path, 3, random.Random(0))


@pytest.mark.soak
def test_two_hundred_kills_lose_no_committed_epoch(tmp_path: Path) -> None:
    brain = _kill_and_check(tmp_path, 200, random.Random(1))
    epochs = [record["epoch"] for record in read_records(tmp_path) if "epoch" in record]
    print(f"{brain.forecasts} forecasts, {brain.with_block} with a block, {max(map(int, map(str, epochs)))} epochs")
