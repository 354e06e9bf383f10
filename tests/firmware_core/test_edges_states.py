"""Exact edges of states, faults, button, signals and configuration: what a mutation run showed nobody looked at."""

from tomato import contract as c
from tomato.core import counters, states
from tomato.core.inputs import Button

from tests.firmware_core.rig import MemoryStore, Rig, in_state


def test_reading_an_entry_that_does_not_exist():
    rig = in_state("ready")
    for key in (len(c.CONFIG), -1):
        answer = rig.send(c.M_CONFIG, config_key=key)
        assert (answer[c.F_REASON], answer[c.F_VALUE], answer[c.F_BOUND]) == (c.R_BAD_KEY, 0, 0)


def test_the_bound_of_an_earlier_refusal_is_forgotten():
    configuration = in_state("ready").core.configuration
    assert configuration.allowed(c.CFG_SURVIVAL_DOSE_ML, 251) == c.R_BAD_VALUE
    assert configuration.bound == 250
    assert configuration.allowed(-1, 0) == c.R_BAD_KEY
    assert configuration.bound == 0


def test_settling_is_due_when_it_ends():
    rig = in_state("safe")
    rig.run(500)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SETTLE_MS - 500


def test_the_clearing_window_holds_to_its_last_millisecond():
    rig = in_state("ready")
    rig.core.faults.latch(c.FAULT_STUCK_VALVE, rig.t, 0)
    rig.core.button.window_ms = 1
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_STUCK_VALVE)[c.F_REASON] == c.R_NONE


def test_clearing_takes_no_time():
    rig = in_state("safe")
    rig.core.faults.latch(c.FAULT_NO_FLOW, rig.t, 0)
    settled = rig.core.settling_ms
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_NO_FLOW)[c.F_REASON] == c.R_NONE
    assert rig.core.settling_ms == settled


def test_the_cause_of_an_emergency_stop():
    rig = in_state("ready")
    rig.core.inputs.estop = 1
    rig.run(300)
    assert rig.core.faults.cause[c.FAULT_ESTOP] == 1


def test_two_bounces_do_not_add_up_to_a_press():
    button = Button()
    for _ in range(3):
        assert button.step(1, 49) == 0
        assert button.step(0, 1) == 0


def test_the_signals_are_those_of_the_wiring_page():
    assert states.BLINK == ((4000, 0), (200, 100), (2000, 100), (2000, 1900), (1000, 500), (400, 200))
    assert states.BEEP == (1000, 200) and states.BLINK_CYCLE_MS == 4000


def test_how_everything_begins():
    rig = Rig()
    core = rig.core
    assert core.events.slots == 64
    assert (core.faults.causes, core.used.latched, core.outputs, core.pulses.active) == (0, 0, 0, 0)
    assert [core.off_ms(output) for output in range(7)] == [0] * 7
    assert list(core.inputs.t_ms) == [0] * len(c.SENSORS)
    rig.step()
    rig.step()
    assert core.blink_ms == 50


def test_a_lease_begins_the_time_alone_anew():
    rig = in_state("ready")
    assert rig.core.alone_ms > 0
    rig.lease()
    assert rig.core.alone_ms == 0


def test_what_a_start_finds_is_dated_to_the_start():
    rig = Rig(MemoryStore(provisioned=False))
    for fault in (c.FAULT_COUNTERS_LOST, c.FAULT_CONFIG_LOST):
        assert rig.core.faults.t_ms[fault] == 0
    assert [rig.core.events.at(i)[1] for i in range(rig.core.events.count)] == [0] * rig.core.events.count
    assert Rig().core.events.at(0)[1] == 0
    assert (rig.core.saver.day_ms, rig.core.saver.writes, counters.Counters().latched) == (0, 0, 0)
