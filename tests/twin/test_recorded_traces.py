"""The simulated tent lives exactly as it did when its traces were recorded: nothing that makes it faster changes it.

A trace holds digests of every observation, reward, truth and record of some hours full of faults. The digests were made
before the simulator was made faster and hold to the last bit, where exp, log and the sum of floats are the same to the
last bit; a machine on which they are not (another libm, Python 3.12's compensated `sum`) compares rounded figures.
Made anew by `python -m tests.twin.test_recorded_traces` - with a change that is meant to change the tent, and only so.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tomato_host.brain.brain import BrainSettings
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.twin.campaign.matrix import START
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import Record

GOLDEN = Path(__file__).parent / "golden" / "traces.json"
BLOCK = 8
"""Steps under one digest."""
PERIOD_S = 60.0
ENVIRONMENT_FAULTS = "leak@1+3,heatwave@2+4,sensor_dropout@3+1,link_cut@5+0.5,pump_clog@6+2,brownout@8+1"
CAMPAIGN_FAULTS = "probe_drift@1+3,board_reset@1+3,valve_stuck@3+0.5,dry_inflow@2+3,host_kill@4+0.3,reservoir_empty@4+1"


def arithmetic() -> str:
    """Tells machines apart whose elementary functions differ in a bit."""
    values = [f(x / 7.0) for f in (math.exp, math.sin, math.cos) for x in range(-300, 300)]
    values += [math.log(x / 7.0) for x in range(1, 300)] + [sum([0.1] * 10)]
    return hashlib.sha256(" ".join(value.hex() for value in values).encode()).hexdigest()[:16]


def truth_of(tent: SimulatedTent) -> tuple[float, ...]:
    """What the tent really is, plants and promises included."""
    world = tent.world
    plant = world.tent.plant
    return (*astuple(world.tent.truth()), *astuple(world.safety), plant.lai, plant.leaf_g, plant.fruit_g)


def environment(steps: int = 48) -> Iterator[tuple[bytes, tuple[float, ...]]]:
    """The Gymnasium environment under changing actions: what is exact of each step, and its figures."""
    from tomato_host.twin.gym_env import TomatoTent

    env, random = TomatoTent(days=10.0, scenario=ENVIRONMENT_FAULTS), np.random.default_rng(17)
    seen, _ = env.reset(seed=17)
    action = random.random(7).astype(np.float32)
    for number in range(steps):
        if number % 3 == 0:
            action = (random.random(7) * (random.random(7) < 0.7)).astype(np.float32)
        seen, reward, dead, over, info = env.step(action)
        figures = (reward, *truth_of(env.twin), *(float(value) for value in seen))
        yield f"{dead} {over} {sorted(info)} {info['refused']} {info['clipped']} {info['mode']}".encode(), figures


class _Lines:
    """A sink that collects the records of a run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def record(self, record: Record) -> None:
        self.lines.append(record.to_json())


def campaign(hours: float = 6.0) -> Iterator[tuple[bytes, tuple[float, ...]]]:
    """A tent under the rules with everything it records, by quarters of an hour."""
    tent = SimulatedTent(5, TentParams.sample(5), CAMPAIGN_FAULTS, START, PERIOD_S, timezone="Europe/Vienna")
    sink = _Lines()
    run = TentRun(tent, BrainSettings(control=ControlSettings(policy="rules")), sink=sink)
    until_ms = 0
    while tent.now_ms < hours * 3_600_000:
        until_ms += 900_000
        while tent.now_ms < until_ms and run.step() is not None:
            pass
        yield "\n".join(sink.lines).encode(), truth_of(tent)
        sink.lines.clear()


TRACES: dict[str, Callable[[], Iterator[tuple[bytes, tuple[float, ...]]]]] = {
    "environment": environment,
    "campaign": campaign,
}


def trace(name: str) -> list[dict[str, Any]]:
    """Blocks of a trace: a digest to the last bit, and the figures of the last step in nine digits."""
    blocks, digest = list[dict[str, Any]](), hashlib.sha256()
    for count, (exact, figures) in enumerate(TRACES[name](), start=1):
        digest.update(exact + " ".join(float(value).hex() for value in figures).encode())
        if count % BLOCK == 0:
            rounded = [float(f"{value:.9g}") for value in figures]
            blocks.append({"sha256": digest.hexdigest(), "figures": rounded})
    return blocks


@pytest.mark.parametrize("name", TRACES)
def test_a_recorded_trace_is_lived_again_to_the_last_bit(name: str) -> None:
    if name == "environment":
        pytest.importorskip("gymnasium", reason="needs the extra tomato-host[gym]")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = trace(name)
    assert len(found) == len(golden[name]) >= 3
    for number, (now, then) in enumerate(zip(found, golden[name], strict=True)):
        if arithmetic() == golden["arithmetic"]:
            assert now == then, f"{name} differs first in block {number}"
        else:
            assert now["figures"] == pytest.approx(then["figures"], rel=1e-4, abs=1e-4), f"{name}, block {number}"


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps({"arithmetic": arithmetic(), **{name: trace(name) for name in TRACES}}, indent=1) + "\n",
        encoding="utf-8",
    )
