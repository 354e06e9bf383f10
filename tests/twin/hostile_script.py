"""Hostile sequences for a board in a tent: commands, faults of the world and of its sensors, lost hosts, in any order.

A script is a list of (moment in ms, act). The same script is played to the real firmware in the VM, to the core ticked
every 50 ms, and to the core as campaigns run it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tomato_host.twin.physics import Truth
from tomato_host.twin.sensors import Readings, SensorFaults, chip_bits
from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUTS
from shared_schemas.wire import CONFIG_KEYS

QUIET = Readings(
    air_temp_c=24.0,
    rh_pct=60.0,
    co2_ppm=600.0,
    leaf_temp_c=23.0,
    case_temp_c=24.6,
    light_lux=12_000.0,
    soil_temp_c=20.0,
    soil_raw=(40_000, 40_000),
    absent=0,
)
"""What the parts show while nobody meddles; far from the steps of their resolution."""


class ScriptedSensors:
    """Parts that show what a script says: no noise, no lag, so that only the board decides what differs."""

    flow_gain = 1.0

    def __init__(self) -> None:
        self.faults = SensorFaults()
        self.shown = QUIET

    def state(self) -> None:
        """A reading changes nothing that would have to be put back."""

    def restore(self, state: None) -> None:
        """Nothing was changed."""

    def read(self, now_ms: int, truth: Truth) -> Readings:
        return replace(self.shown, absent=self.faults.absent | self.faults.corrupt << 8)


def scripted_world(seed: int = 1) -> tuple[World, ScriptedSensors]:
    """A calm tent with scripted sensors."""
    world, sensors = World(seed), ScriptedSensors()
    world.sensors = sensors  # type: ignore[assignment]
    return world, sensors


@dataclass(frozen=True)
class Act:
    """One thing that happens: a message by name and fields, a change of the world by name, or `host` gone or back."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    value: float = 0.0


Script = list[tuple[int, Act]]

CHANGES: dict[str, Callable[[World, ScriptedSensors, float], None]] = {
    "air": lambda w, s, v: _show(s, air_temp_c=v),
    "rh": lambda w, s, v: _show(s, rh_pct=v),
    "co2": lambda w, s, v: _show(s, co2_ppm=v),
    "soil": lambda w, s, v: _show(s, soil_temp_c=v),
    "probes": lambda w, s, v: _show(s, soil_raw=(int(v), int(v))),
    "absent": lambda w, s, v: setattr(s.faults, "absent", int(v)),
    "corrupt": lambda w, s, v: setattr(s.faults, "corrupt", int(v)),
    "leak": lambda w, s, v: setattr(w.tent.truth(), "floor_ml", v),
    "reservoir": lambda w, s, v: setattr(w.tent.truth(), "reservoir_ml", v),
    "estop": lambda w, s, v: setattr(w, "estop", bool(v)),
    "button": lambda w, s, v: setattr(w, "button", bool(v)),
    "door": lambda w, s, v: setattr(w, "door_open", bool(v)),
    "clog": lambda w, s, v: setattr(w.tent, "pump_factor", v),
    "drip": lambda w, s, v: setattr(w.tent, "drip_ml_s", v),
    "cut": lambda w, s, v: setattr(w.serial_link, "cut", bool(v)),
    "brownout": lambda w, s, v: setattr(w.power, "brownout", True),
    "reset_on_pump": lambda w, s, v: setattr(w.power, "reset_on_pump", True),
}
"""What a script may do to the world."""


def _show(sensors: ScriptedSensors, **values: Any) -> None:
    sensors.shown = replace(sensors.shown, **values)


def schedule(script: Script, world: World, sensors: ScriptedSensors) -> Script:
    """Put the changes of the world on its own timeline; returns what is left, the commands."""
    for t_ms, act in script:
        if act.name in CHANGES:
            world.schedule(t_ms, partial(_change, sensors, act))
    return [(t_ms, act) for t_ms, act in script if act.name not in CHANGES]


def _change(sensors: ScriptedSensors, act: Act, world: World) -> None:
    CHANGES[act.name](world, sensors, act.value)


MODEST = (60_000, 60_000, 90_000, 45_000, 90_000, 60, 15_000)
BOUNDS: dict[str, tuple[float, ...]] = {
    "air": (24.0, 24.0, 36.0, 39.0, 33.0),
    "rh": (60.0, 60.0, 91.0, 95.0),
    "co2": (600.0, 600.0, 1_450.0, 1_600.0, 3_200.0),
    "soil": (20.0, 20.0, 27.5, 29.0, 36.0),
    "probes": (40_000.0, 40_000.0, 51_000.0, 65_535.0),
    "absent": (0.0, 0.0, float(chip_bits("sht4x")), float(chip_bits("ds18b20")), float(chip_bits("sht4x", "bh1750"))),
    "corrupt": (0.0, 0.0, float(chip_bits("sht4x"))),
    "leak": (0.0, 0.0, 0.0, 40.0),
    "reservoir": (20_000.0, 20_000.0, 500.0),
    "estop": (0.0, 0.0, 1.0),
    "door": (0.0, 1.0),
    "clog": (1.0, 1.0, 0.0, 0.3),
    "drip": (0.0, 0.0, 0.0, 4.0),
    "brownout": (1.0,),
    "reset_on_pump": (1.0,),
}
CONFIGS = (("pump_ul_per_s", (12_000, 20_000, 30_000)), ("flow_pulses_per_l", (0, 450, 450, 450)),
           ("survival_enabled", (0, 1, 1)), ("survival_soil_low_pct", (2_500, 5_000)))  # fmt: skip
STEP_MS = 1_000
KEY_OF = {row.name: row.key for row in CONFIG_KEYS}


def hostile_script(seed: int, minutes: int, paces_s: tuple[int, ...] = (1, 1, 2, 3, 5, 10, 20, 61)) -> Script:
    """Random, the same for the same seed: acts `paces_s` apart, with quiet stretches and lost hosts between."""
    rng, script, now_ms = random.Random(f"hostile-{seed}"), [], 61_000
    while now_ms < minutes * 60_000:
        kind = rng.random()
        if kind < 0.45:
            script.append((now_ms, _command(rng)))
        elif kind < 0.52:
            key, values = rng.choice(CONFIGS)
            script.append((now_ms, Act("CONFIG", {"config_key": KEY_OF[key], "config_value": rng.choice(values)})))
        elif kind < 0.60:
            script += _pressed(rng, now_ms)
            now_ms += 5_000
        elif kind < 0.64:
            away_ms = rng.choice((2_000, 8_000, 30_000, 700_000))
            begin_ms = -(-now_ms // 2_000) * 2_000  # right after a renewal
            gone, back = rng.choice(((Act("cut", value=1.0), Act("cut")), (Act("host"), Act("host", value=1.0))))
            script += [(begin_ms, gone), (begin_ms + away_ms, back)]
            now_ms = begin_ms + (away_ms if gone.name == "cut" else 1_000)
        else:
            name = rng.choice(tuple(BOUNDS))
            script.append((now_ms, Act(name, value=rng.choice(BOUNDS[name]))))
            if rng.random() < 0.3:
                script += [(now_ms + 1_000, Act(n, value=values[0])) for n, values in BOUNDS.items()
                           if n not in ("brownout", "reset_on_pump")]  # fmt: skip
                now_ms += 1_000
        now_ms += STEP_MS * rng.choice(paces_s)
    return script


def _command(rng: random.Random) -> Act:
    kind = rng.random()
    if kind < 0.75:
        output = rng.randrange(len(OUTPUTS))
        amount = max(1, min(1_000_000, round(MODEST[output] * rng.choice((0.1, 0.5, 1.0, 1.0, 2.0, 20.0)))))
        return Act("PULSE", {"output": output, "amount": amount})
    if kind < 0.85:
        return Act("STOP", {"output": rng.randrange(len(OUTPUTS))})
    if kind < 0.88:
        return Act("STOP_ALL")
    return Act("CLEAR_FAULT", {"fault": rng.randrange(11)})


def _pressed(rng: random.Random, now_ms: int) -> Script:
    """The button, short or long, and after a long press every fault asked to clear."""
    held_ms = rng.choice((1_000, 4_000, 4_000))
    script = [(now_ms, Act("button", value=1.0)), (now_ms + held_ms, Act("button", value=0.0))]
    if held_ms > 3_000:
        script += [(now_ms + held_ms + 1_000, Act("CLEAR_FAULT", {"fault": fault})) for fault in range(11)]
    return script


def abandoned_script() -> Script:
    """A board under way whose host goes for twelve minutes: SURVIVAL lights, airs and waters, until it comes back."""
    light, pump = 0, 5
    return [
        (62_000, Act("PULSE", {"output": light, "amount": 600_000})),
        (64_000, Act("PULSE", {"output": pump, "amount": 40})),
        (70_000, Act("host")),
        (72_000, Act("probes", value=51_000.0)),
        (300_000, Act("CONFIG", {"config_key": KEY_OF["survival_pause_s"], "config_value": 600})),
        (720_000, Act("air", value=31.0)),
        (760_000, Act("air", value=24.0)),
        (790_000, Act("host", value=1.0)),
        (800_000, Act("PULSE", {"output": light, "amount": 30_000})),
    ]
