"""The safety tick allocates nothing after start-up: proven with the heap locked. CPython runs them without a lock."""

from tomato import contract as c

from tests.firmware_core.rig import Rig

try:
    from micropython import heap_lock, heap_unlock
except ImportError:

    def heap_lock():
        """CPython has no such lock."""

    def heap_unlock():
        """CPython has no such lock."""


def locked_ticks(rig, count, step_ms=50):
    """Ticks with the heap locked. Time is the only thing that changes."""
    tick, t = rig.core.tick, rig.t
    heap_lock()
    try:
        for _ in range(count):
            t += step_ms
            tick(t)
    finally:
        heap_unlock()
    rig.t = t


def test_a_quiet_tick():
    rig = Rig()
    locked_ticks(rig, 100)
    rig.leased()
    locked_ticks(rig, 90)


def test_a_tick_in_which_everything_runs_and_ends():
    rig = Rig().leased()
    for output, amount in (
        (c.OUT_LIGHT, 1_000),
        (c.OUT_CIRCULATION_FAN, 1_500),
        (c.OUT_HEATER_MAT, 2_000),
        (c.OUT_HUMIDIFIER, 500),
        (c.OUT_WATER_PUMP, 20),
        (c.OUT_CO2_SOLENOID, 1_000),
    ):
        assert rig.pulse(output, amount) == c.R_NONE
    locked_ticks(rig, 60)
    assert rig.core.outputs == 0


def test_a_tick_in_which_the_lease_lapses():
    rig = Rig().leased()
    rig.pulse(c.OUT_LIGHT, 60_000)
    rig.pulse(c.OUT_EXHAUST_FAN, 60_000)
    locked_ticks(rig, 200)
    assert rig.core.state == c.STATE_READY
    assert rig.core.outputs == 0


def test_a_tick_in_which_faults_latch_and_ventilation_is_forced():
    rig = Rig().leased()
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.pulse(c.OUT_CO2_SOLENOID, 10_000)
    rig.core.inputs.put(c.S_AIR_TEMP_C, 4_000, rig.t)
    rig.core.inputs.put(c.S_CO2_PPM, 5_000, rig.t)
    rig.core.inputs.put(c.S_LEAK, 1, rig.t)
    rig.core.inputs.button = 1
    locked_ticks(rig, 100, 200)
    # The leak switch is not read on, so its first sight stays: silent, it keeps what was known and makes no latch.
    assert rig.core.faults.latched & 0b100010 == 0b100010
    rig.core.inputs.put(c.S_LEAK, 1, rig.t)
    locked_ticks(rig, 30)
    assert rig.core.faults.latched & 0b100011 == 0b100011


def test_a_tick_in_survival_that_waters_and_lights():
    rig = Rig()
    rig.readings[c.S_SOIL_P1_PCT] = 1_000
    rig.run(660_000, 1_000)
    assert rig.core.state == c.STATE_SURVIVAL
    rig.core.pulses.off_ms[c.OUT_WATER_PUMP] = 7_200_000
    rig.look()
    locked_ticks(rig, 30)
    assert rig.running(c.OUT_WATER_PUMP)


def test_a_pump_without_flow():
    rig = Rig().leased()
    rig.flow_per_s = 0
    rig.pulse(c.OUT_WATER_PUMP, 200)
    for _ in range(80):
        rig.look()
        locked_ticks(rig, 1)
    assert rig.core.flow.dry_runs == 1


def test_a_tick_after_the_millisecond_count_has_left_30_bits():
    rig = Rig(t_ms=2**30 - 60_000).leased()
    rig.pulse(c.OUT_LIGHT, 60_000)
    locked_ticks(rig, 90)
    assert rig.t > 2**30
