"""Faults latch with time and cause, block what the table says, and are cleared by name only."""

from tomato import contract as c
from tomato.core import faults

from tests.firmware_core.rig import MemoryStore, Rig, in_state


def clear(rig, fault):
    return rig.send(c.M_CLEAR_FAULT, cmd_id=1, fault=fault)[c.F_REASON]


CAUSES = {
    c.FAULT_LEAK: (c.S_LEAK, 1, 0, 1),
    c.FAULT_OVER_TEMP: (c.S_AIR_TEMP_C, 3_900, 3_300, 3_900),
    c.FAULT_CO2_HIGH: (c.S_CO2_PPM, 3_500, 800, 3_500),
    c.FAULT_SOIL_HOT: (c.S_SOIL_TEMP_C, 3_500, 2_700, 3_500),
}


def test_each_fault_latches_with_time_and_cause_and_tells_once():
    for fault, (sensor, bad, good, cause) in CAUSES.items():
        rig = in_state("ready")
        rig.readings[sensor] = bad
        rig.step()
        rig.run(faults.LATCH_AFTER_MS[fault] - 50)
        assert not rig.fault(fault)
        rig.step()
        assert rig.fault(fault)
        seen_at = rig.t
        assert rig.core.faults.t_ms[fault] == seen_at
        assert rig.core.faults.cause[fault] == cause
        rig.run(5_000)
        assert rig.events(c.EV_FAULT) == [(c.FAULT_CONFIG_LOST, 0), (fault, cause)]
        rig.readings[sensor] = good
        rig.run(5_000)
        assert rig.fault(fault)
        assert rig.core.faults.t_ms[fault] == seen_at


def test_clearing_is_refused_while_the_cause_lasts_and_wants_the_button_where_the_table_says():
    for fault, (sensor, bad, good, _) in CAUSES.items():
        rig = in_state("ready")
        rig.readings[sensor] = bad
        rig.run(16_000)
        rig.press(c.BUTTON_LONG_MS)
        assert clear(rig, fault) == c.R_CAUSE_LASTS
        rig.readings[sensor] = good
        rig.run(c.BUTTON_WINDOW_MS)
        if c.FAULTS[fault][1]:
            assert clear(rig, fault) == c.R_NEEDS_BUTTON
            assert rig.fault(fault)
            rig.press(c.BUTTON_LONG_MS)
        by_button = rig.core.button.window_ms > 0
        assert clear(rig, fault) == c.R_NONE
        assert not rig.fault(fault)
        assert rig.events(c.EV_FAULT_CLEARED) == [(fault, 1 if by_button else 0)]
        assert clear(rig, fault) == c.R_NOT_LATCHED


def test_only_the_named_fault_is_cleared():
    rig = in_state("ready")
    rig.core.faults.latch(c.FAULT_NO_FLOW, rig.t, 0)
    rig.core.faults.latch(c.FAULT_CO2_HIGH, rig.t, 0)
    assert clear(rig, c.FAULT_NO_FLOW) == c.R_NONE
    assert not rig.fault(c.FAULT_NO_FLOW) and rig.fault(c.FAULT_CO2_HIGH)
    assert rig.core.faults.blocked == 1 << c.OUT_CO2_SOLENOID


def test_unknown_faults():
    rig = in_state("ready")
    for bad in (-1, len(c.FAULTS), 2**40, None, "leak", 1.0, True):
        assert clear(rig, bad) == c.R_UNKNOWN_FAULT, bad


def test_levels_latch_at_their_edge_and_let_go_below_the_lower_one():
    for fault, sensor, on_at, off_below in (
        (c.FAULT_OVER_TEMP, c.S_AIR_TEMP_C, 3_800, 3_400),
        (c.FAULT_CO2_HIGH, c.S_CO2_PPM, 3_000, 1_500),
        (c.FAULT_SOIL_HOT, c.S_SOIL_TEMP_C, 3_500, 2_800),
    ):
        rig = in_state("ready")
        rig.readings[sensor] = on_at - 1
        rig.run(16_000)
        assert not rig.fault(fault)
        rig.readings[sensor] = on_at
        rig.step()
        assert rig.core.faults.causes & (1 << fault)
        rig.run(16_000)
        assert rig.fault(fault)
        rig.readings[sensor] = off_below
        rig.step()
        assert rig.core.faults.causes & (1 << fault)
        rig.readings[sensor] = off_below - 1
        rig.step()
        assert not rig.core.faults.causes & (1 << fault)
        rig.readings[sensor] = on_at - 1
        rig.step()
        assert not rig.core.faults.causes & (1 << fault)


def test_a_silent_leak_sensor_does_not_count_as_dry():
    rig = in_state("ready")
    rig.readings[c.S_LEAK] = 1
    rig.run(1_200)
    rig.readings[c.S_LEAK] = None
    rig.press(c.BUTTON_LONG_MS)
    assert clear(rig, c.FAULT_LEAK) == c.R_CAUSE_LASTS
    rig.readings[c.S_LEAK] = 0
    rig.step()
    assert clear(rig, c.FAULT_LEAK) == c.R_NONE


def test_a_pin_that_does_not_read_back_halts_the_board():
    rig = in_state("leased")
    rig.core.inputs.pin_fault = 1 << c.OUT_WATER_PUMP
    rig.step()
    rig.run(c.PIN_LATCH_MS)
    assert rig.core.state == c.STATE_FAULT
    assert rig.core.faults.cause[c.FAULT_OVERRUN] == 1 << c.OUT_WATER_PUMP
    rig.core.inputs.pin_fault = 0
    rig.step()
    rig.press(c.BUTTON_LONG_MS)
    assert clear(rig, c.FAULT_OVERRUN) == c.R_NONE
    assert rig.core.state == c.STATE_READY


def test_latched_faults_survive_a_reset():
    store = MemoryStore()
    rig = Rig(store)
    rig.run(70_000, 1_000)
    rig.readings[c.S_LEAK] = 1
    rig.run(61_000, 1_000)
    again = Rig(store)
    again.step()
    assert again.fault(c.FAULT_LEAK)
    again.run(70_000, 1_000)
    again.lease()
    assert again.pulse(c.OUT_WATER_PUMP) == c.R_FAULT_LATCHED


def test_a_stored_mask_with_unknown_bits_is_cut_to_what_is_known():
    rig = in_state("ready")
    rig.core.faults.restore(0xFFFFFFFF)
    assert rig.core.faults.latched == (1 << len(c.FAULTS)) - 1
    assert rig.core.faults.halting()
    rig.core.faults.restore(0)
    assert (rig.core.faults.blocked, rig.core.faults.alarm, rig.core.faults.halting()) == (0, False, False)


def test_the_first_blocker_is_named():
    rig = in_state("ready")
    assert rig.core.faults.blocker(c.OUT_WATER_PUMP) == -1
    rig.core.faults.latch(c.FAULT_STUCK_VALVE, rig.t, 0)
    rig.core.faults.latch(c.FAULT_NO_FLOW, rig.t, 0)
    assert rig.core.faults.blocker(c.OUT_WATER_PUMP) == c.FAULT_NO_FLOW
    assert rig.core.faults.blocker(c.OUT_LIGHT) == -1


def test_the_health_names_the_latched_faults():
    rig = in_state("ready")
    rig.core.faults.latch(c.FAULT_NO_FLOW, rig.t, 0)
    assert rig.core.health(rig.t)[c.F_FAULTS] == 1 << c.FAULT_NO_FLOW | 1 << c.FAULT_CONFIG_LOST


def test_a_board_without_a_leak_sensor_finds_no_leak():
    """Whatever its pin reads: nothing is connected to it."""
    for fitted, latched in ((~(1 << c.S_LEAK), False), (-1, True)):
        rig = Rig(config={"fitted": fitted})
        rig.run(70_000, 1_000)
        rig.readings[c.S_LEAK] = 1
        rig.run(5_000)
        assert rig.fault(c.FAULT_LEAK) is latched
