"""What a look shows acts at once; what lasts latches: one sample of 50 ms brings nobody to the tent."""

from tomato import contract as c
from tomato.core import faults

from tests.firmware_core.rig import Rig, in_state

LINES = {c.FAULT_ESTOP: "estop", c.FAULT_OVERRUN: "pin_fault"}
SWITCHES = {c.FAULT_LEAK: (c.S_LEAK, 0, 1)}
LEVELS = {
    c.FAULT_OVER_TEMP: (c.S_AIR_TEMP_C, 2_400, 3_900),
    c.FAULT_CO2_HIGH: (c.S_CO2_PPM, 600, 3_500),
    c.FAULT_SOIL_HOT: (c.S_SOIL_TEMP_C, 2_000, 3_600),
}
ALL = list(LINES) + list(SWITCHES) + list(LEVELS)


def show(rig, fault, present):
    """Let the inputs show the cause of a fault, or not."""
    if fault in LINES:
        setattr(rig.core.inputs, LINES[fault], present)
    else:
        sensor, good, bad = SWITCHES.get(fault) or LEVELS[fault]
        rig.readings[sensor] = bad if present else good


def test_every_fault_that_is_found_by_looking_waits_and_no_other():
    for fault in range(len(c.FAULTS)):
        assert (faults.LATCH_AFTER_MS[fault] > 0) == (fault in ALL), fault


def test_one_sample_latches_nothing():
    for fault in ALL:
        rig = in_state("ready")
        show(rig, fault, 1)
        rig.step()
        assert rig.core.faults.causes & (1 << fault)
        show(rig, fault, 0)
        rig.run(60_000)
        assert not rig.fault(fault), fault
        assert rig.core.state == c.STATE_READY


def test_what_lasts_latches_at_its_own_time():
    for fault in ALL:
        rig = in_state("ready")
        show(rig, fault, 1)
        rig.step()
        rig.run(faults.LATCH_AFTER_MS[fault] - 50)
        assert not rig.fault(fault), fault
        assert rig.core.next_due_ms(rig.t) == rig.t + 50
        rig.step()
        assert rig.fault(fault), fault
        rig.run(200)
        assert rig.core.next_due_ms(rig.t) > rig.t + 50


def test_what_a_fault_blocks_ends_and_is_refused_at_the_first_sight_of_its_cause():
    for fault in ALL:
        if fault == c.FAULT_OVERRUN:
            continue  # the pin is driven anew at once; what does not follow after half a second halts the board
        for output in range(7):
            if not faults.BLOCKS[fault] & (1 << output):
                continue
            rig = in_state("leased")
            assert rig.pulse(output) == c.R_NONE
            show(rig, fault, 1)
            rig.step()
            assert not rig.running(output), (fault, output)
            assert not rig.fault(fault)
            rig.run(60_000)
            show(rig, fault, 0)
            rig.step()
            show(rig, fault, 1)
            assert rig.pulse(output) != c.R_NONE, (fault, output)


def test_what_comes_and_goes_adds_up():
    """Drops on the sensor, a contact that chatters: ten short sights within ten seconds are one long one."""
    rig = in_state("ready")
    for _ in range(30):
        for present in (1, 1, 0, 0, 0, 0, 0, 0):
            show(rig, c.FAULT_LEAK, present)
            rig.step()
    assert rig.fault(c.FAULT_LEAK)


def test_what_is_ten_seconds_apart_does_not():
    rig = in_state("ready")
    for _ in range(40):
        for present in (1, 1, 0):
            show(rig, c.FAULT_LEAK, present)
            rig.step()
        rig.run(c.LATCH_FORGET_MS)
    assert not rig.fault(c.FAULT_LEAK)
    show(rig, c.FAULT_LEAK, 1)
    rig.run(c.LEAK_LATCH_MS)
    assert not rig.fault(c.FAULT_LEAK)
    rig.step()
    assert rig.fault(c.FAULT_LEAK)


def test_just_below_ten_seconds_is_not_forgotten():
    for pause, latched in ((c.LATCH_FORGET_MS - 50, True), (c.LATCH_FORGET_MS, False)):
        rig = in_state("ready")
        show(rig, c.FAULT_LEAK, 1)
        rig.step()
        rig.run(c.LEAK_LATCH_MS - 50)
        show(rig, c.FAULT_LEAK, 0)
        rig.run(pause)
        show(rig, c.FAULT_LEAK, 1)
        rig.run(100)
        assert rig.fault(c.FAULT_LEAK) == latched


def test_a_cause_that_is_seen_cannot_be_cleared_and_forces_at_once():
    rig = in_state("ready")
    show(rig, c.FAULT_OVER_TEMP, 1)
    rig.step()
    assert rig.core.forced == 1 << c.OUT_EXHAUST_FAN | 1 << c.OUT_CIRCULATION_FAN
    rig.core.faults.latch(c.FAULT_OVER_TEMP, rig.t, 0)
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_OVER_TEMP)[c.F_REASON] == c.R_CAUSE_LASTS


def test_a_stop_that_is_only_seen_is_stronger_than_forced_ventilation():
    rig = in_state("ready")
    show(rig, c.FAULT_OVER_TEMP, 1)
    rig.run(200)
    assert rig.on(c.OUT_EXHAUST_FAN)
    rig.core.inputs.estop = 1
    rig.step()
    assert rig.core.outputs == 0
    rig.core.inputs.estop = 0
    rig.step()
    assert rig.on(c.OUT_EXHAUST_FAN)


def test_a_stop_that_chatters_is_told_once_each_way():
    rig = in_state("ready")
    for _ in range(20):
        rig.core.inputs.estop = 1
        rig.step()
        rig.core.inputs.estop = 0
        rig.step()
    assert rig.events(c.EV_ESTOP) == [(1, 0)]
    assert rig.fault(c.FAULT_ESTOP) is False, "twenty single samples are no second"
    assert rig.core.next_due_ms(rig.t) <= rig.t + 1_000
    rig.run(1_000)
    assert rig.events(c.EV_ESTOP) == [(1, 0), (0, 0)]


def dose(rig):
    assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_NONE
    rig.run(1_000)
    assert rig.on(c.OUT_WATER_PUMP)


def test_a_float_that_bounces_does_not_end_a_dose():
    rig = in_state("leased")
    dose(rig)
    for _ in range(12):
        rig.readings[c.S_RESERVOIR_OK] = 0
        rig.run(c.FLOAT_OPEN_MS - 400)
        assert rig.on(c.OUT_WATER_PUMP)
        rig.readings[c.S_RESERVOIR_OK] = 1
        rig.step()
    rig.run(20_000)
    assert rig.last()[:3] == (c.OUT_WATER_PUMP, c.STATUS_DONE, c.R_NONE)


def test_a_float_that_stays_open_ends_it_after_a_second():
    rig = in_state("leased")
    dose(rig)
    rig.readings[c.S_RESERVOIR_OK] = 0
    rig.run(c.FLOAT_OPEN_MS - 50)
    assert rig.on(c.OUT_WATER_PUMP)
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + 50
    rig.step()
    assert not rig.on(c.OUT_WATER_PUMP)
    assert rig.last()[:3] == (c.OUT_WATER_PUMP, c.STATUS_ABORTED, c.R_RESERVOIR_EMPTY)


def test_no_dose_begins_while_the_float_is_open_even_for_a_moment():
    rig = in_state("leased")
    rig.readings[c.S_RESERVOIR_OK] = 0
    assert rig.pulse(c.OUT_WATER_PUMP) == c.R_RESERVOIR_EMPTY


def test_a_float_that_is_not_read_ends_a_dose_without_grace():
    rig = in_state("leased")
    dose(rig)
    rig.readings[c.S_RESERVOIR_OK] = None
    rig.step()
    assert rig.last()[:3] == (c.OUT_WATER_PUMP, c.STATUS_ABORTED, c.R_RESERVOIR_STALE)


def test_a_float_that_is_not_read_has_no_open_time():
    rig = Rig()
    rig.readings[c.S_RESERVOIR_OK] = 0
    rig.run(2_000)
    assert rig.core.judge.open_ms == c.FLOAT_OPEN_MS
    rig.readings[c.S_RESERVOIR_OK] = None
    rig.step()
    assert rig.core.judge.open_ms == 0
    rig.readings[c.S_RESERVOIR_OK] = 0
    rig.step()
    assert rig.core.judge.open_ms == 0
