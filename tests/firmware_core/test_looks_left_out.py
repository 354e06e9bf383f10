"""A look that is left out changes nothing: a core that looks at every call, beside one that looks when it must."""

from __future__ import annotations

import random

import pytest
from tomato import contract as c

from tests.firmware_core.rig import DOSE, GOOD, Rig

SHOWN = {
    c.S_AIR_TEMP_C: (2_400, 3_899, 3_900, 3_500, 3_300, None),
    c.S_CO2_PPM: (600, 1_500, 3_500, None),
    c.S_SOIL_TEMP_C: (2_000, 2_900, 3_600, None),
    c.S_RH_PCT: (6_000, 9_300, None),
    c.S_LEAK: (0, 0, 1, None),
    c.S_RESERVOIR_OK: (1, 1, 0, None),
}
PASSES = (0, 0, 0, 1, 7, 50, 50, 950, 2_400, 5_100, 11_000, 61_000, 130_000, 700_000)


class Silent(Rig):
    """A rig that brings no readings by itself: its inputs stay as they were, and age."""

    def look(self) -> None:
        return


class Forgetful(Silent):
    """A core that remembers no look: each command and each tick looks at everything."""

    def forget(self) -> None:
        self.core.seen = False
        self.core.faults.calm = False


def pair() -> tuple[Silent, Forgetful]:
    return Silent(), Forgetful()


def put(rig: Rig, sensor: int, value: int | None) -> None:
    if value is None:
        rig.core.inputs.lost(sensor, c.WHY_NO_ANSWER, rig.t)
    else:
        rig.core.inputs.put(sensor, value, rig.t)


def step(rig: Rig, ms: int) -> None:
    if isinstance(rig, Forgetful):
        rig.forget()
    rig.step(ms)


def told(rig: Rig) -> tuple[object, ...]:
    core = rig.core
    rows = [[*core.events.at(i)] for i in range(core.events.count)]
    return (
        core.outputs, core.state, core.faults.latched, core.faults.causes, core.forced, core.led, core.buzzer,
        core.lease_ms, core.pulses.active, list(core.pulses.left_ms), list(core.pulses.off_ms), list(core.used.prepaid),
        list(core.used.hour.total), list(core.used.day.total), core.flow.dry_runs, core.button.manual_ms,
        core.survival.cycle_ms, core.saver.writes, rows, rig.ended, core.next_due_ms(rig.t),
    )  # fmt: skip


def move(rig: Rig, name: str, a: int, b: int | None) -> None:
    """One thing that the world or the host does."""
    if name == "pass":
        step(rig, a)
    elif name == "show":
        put(rig, a, b)
    elif name == "look":
        for sensor, value in GOOD.items():
            put(rig, sensor, value)
    elif name == "line":
        setattr(rig.core.inputs, ("estop", "button", "pin_fault")[a], b)
    elif name == "flow":
        rig.core.inputs.flow_count += a
    else:
        if isinstance(rig, Forgetful):
            rig.forget()
        if name == "lease":
            rig.send(c.M_LEASE, lease_ms=a)
        elif name == "pulse":
            rig.pulse(a, b)
        elif name == "stop":
            rig.send(c.M_STOP, output=a)
        else:
            rig.send(c.M_CLEAR_FAULT, fault=a)


def moves(seed: int) -> list[tuple[str, int, int | None]]:
    """What happens: mostly time, readings and leases, and much of it within one millisecond."""
    rng = random.Random(seed)
    found: list[tuple[str, int, int | None]] = [("look", 0, None), ("pass", 70_000, None), ("look", 0, None)]
    for _ in range(400):
        name = rng.choice(["pass", "pass", "pass", "show", "show", "look", "lease", "lease", "pulse", "line", "rare"])
        if name == "pass":
            found.append((name, rng.choice(PASSES), None))
        elif name == "show":
            sensor = rng.choice(list(SHOWN))
            found.append((name, sensor, rng.choice(SHOWN[sensor])))
        elif name == "line":
            found.append((name, rng.randrange(3), rng.choice([0, 0, 0, 1])))
        elif name == "lease":
            found.append((name, rng.choice([5_000, 5_000, 5_000, 0]), None))
        elif name == "pulse":
            output = rng.randrange(7)
            found.append((name, output, DOSE[output]))
        elif name == "look":
            found.append((name, 0, None))
        else:
            name = rng.choice(["flow", "stop", "clear"])
            found.append((name, rng.randrange(7 if name == "stop" else len(c.FAULTS)), None))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_both_do_the_same(seed: int) -> None:
    usual, forgetful = pair()
    for place, (name, a, b) in enumerate(moves(seed)):
        move(usual, name, a, b)
        move(forgetful, name, a, b)
        assert told(usual) == told(forgetful), (place, name, a, b)


def test_a_reading_that_was_too_old_counts_when_the_same_comes_again() -> None:
    rig = Silent()
    move(rig, "look", 0, None)
    step(rig, 50)
    put(rig, c.S_AIR_TEMP_C, 3_950)
    rig.core.inputs.t_ms[c.S_AIR_TEMP_C] = rig.t - c.SENSOR_MAX_AGE_MS - 1_000
    step(rig, 50)
    assert rig.core.faults.causes == 0, "it came too late to count"
    put(rig, c.S_AIR_TEMP_C, 3_950)
    step(rig, 50)
    assert rig.core.faults.causes == 1 << c.FAULT_OVER_TEMP


@pytest.mark.parametrize("what", ["leak", "estop", "silence"])
def test_what_comes_between_a_renewed_lease_and_its_tick_acts_in_that_tick(what: str) -> None:
    rig = Rig()
    rig.leased()
    assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_NONE
    rig.step()
    rig.lease()
    assert rig.on(c.OUT_WATER_PUMP)
    if what == "leak":
        rig.core.inputs.put(c.S_LEAK, 1, rig.t)
    elif what == "silence":
        rig.core.inputs.lost(c.S_LEAK, c.WHY_NO_ANSWER, rig.t)
    else:
        rig.core.inputs.estop = 1
    rig.core.tick(rig.t)
    assert not rig.on(c.OUT_WATER_PUMP)


def test_an_output_that_was_on_for_no_time_waits_out_its_pause_all_the_same() -> None:
    rig = Rig()
    rig.leased()
    assert rig.pulse(c.OUT_HUMIDIFIER) == c.R_NONE
    assert rig.on(c.OUT_HUMIDIFIER)
    rig.send(c.M_STOP, output=c.OUT_HUMIDIFIER)
    assert rig.pulse(c.OUT_HUMIDIFIER) == c.R_MIN_PAUSE
    assert rig.answer[c.F_VALUE] == 0
