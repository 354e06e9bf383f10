"""Exact edges of pulses, doses and their time: what a mutation run showed nobody looked at."""

from tomato import contract as c
from tomato.core import pulses

from tests.firmware_core.rig import Rig, in_state


def test_a_pulse_that_ends_well_or_by_the_host_has_no_value_and_no_bound():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    rig.pulse(c.OUT_LIGHT, 1_000)
    rig.pulse(c.OUT_LIGHT, 2_000)
    rig.run(1_000)
    rig.send(c.M_STOP_ALL)
    rig.step()
    assert len(rig.ended) == 3
    for row in rig.ended:
        assert (row[c.F_VALUE], row[c.F_BOUND]) == (0, 0)


def test_each_dose_is_measured_by_itself():
    rig = in_state("leased")
    for _ in range(2):
        assert rig.pulse(c.OUT_WATER_PUMP, 60) == c.R_NONE
        rig.run(5_000)
        assert 55 <= rig.last()[3] <= 60
        rig.run(61_000, 1_000)


def test_a_later_dose_takes_its_own_time():
    rig = in_state("leased")
    for _ in range(2):
        assert rig.pulse(c.OUT_WATER_PUMP, 60) == c.R_NONE
        rig.run(5_000)
        assert rig.core.pulses.on_ms[c.OUT_WATER_PUMP] >= 2_900
        rig.run(61_000, 1_000)


def test_the_budget_is_charged_with_what_flowed_when_that_is_more():
    rig = in_state("leased")
    rig.flow_per_s = 18
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.run(3_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 100_000


def test_without_a_meter_the_charge_is_the_time_alone():
    rig = Rig(config={"fitted": ~(1 << c.S_FLOW_ML)}).leased()
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.step(10)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 200


def test_a_dose_that_needs_a_millisecond_more_gets_it():
    rig = in_state("leased")
    for rate, lasts in ((999_999, 2), (1_000_000, 1), (1_000_001, 1)):
        rig.core.config[c.CFG_PUMP_UL_PER_S] = rate
        assert rig.core.pulses.duration_ms(c.OUT_WATER_PUMP, 1) == lasts


def test_an_output_that_waits_is_no_business_of_the_hardware_timer():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 5_000)
    rig.core.outputs = 0
    assert rig.core.pulse_end_ms() == -1
    assert rig.core.pulses.ending_with(0, 10_000) == 0
    rig.pulse(c.OUT_CIRCULATION_FAN, 9_000)
    rig.core.outputs = 1 << c.OUT_CIRCULATION_FAN
    assert rig.core.pulse_end_ms() == 9_000
    assert rig.core.ending_in(rig.core.pulse_end_ms()) == 1 << c.OUT_CIRCULATION_FAN


def test_forced_time_is_no_pulse_s_time():
    rig = in_state("ready")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(2_000)
    assert rig.on(c.OUT_EXHAUST_FAN)
    assert rig.core.pulses.on_ms[c.OUT_EXHAUST_FAN] == 0


def test_every_millisecond_counts():
    rig = in_state("leased")
    rig.pulse(c.OUT_HUMIDIFIER, 1_000)
    rig.step(1)
    assert rig.core.used.day.total[c.OUT_HUMIDIFIER] == 1
    rig.step(998)
    assert rig.on(c.OUT_HUMIDIFIER)
    rig.step(1)
    assert not rig.on(c.OUT_HUMIDIFIER)
    assert rig.core.used.day.total[c.OUT_HUMIDIFIER] == 1_000


def test_a_dropped_pulse_has_no_time_left():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT)
    rig.send(c.M_STOP, output=c.OUT_LIGHT)
    assert rig.core.left_ms(c.OUT_LIGHT) == 0


def test_no_results_at_first():
    assert not pulses.Finished().take({})


def test_the_age_in_an_answer_is_cut_at_thirty_bits():
    rig = in_state("leased")
    del rig.readings[c.S_CO2_PPM]
    for age, told in ((0x3FFFFFFE, 0x3FFFFFFE), (0x3FFFFFFF, 0x3FFFFFFF), (0x40000000, 0x3FFFFFFF)):
        rig.core.inputs.t_ms[c.S_CO2_PPM] = rig.t - age
        assert rig.pulse(c.OUT_CO2_SOLENOID) == c.R_CO2_STALE
        assert rig.answer[c.F_VALUE] == told


def test_each_missing_guard_is_its_own():
    for missing, other, reason in (
        (c.S_LEAK, c.S_RESERVOIR_OK, c.R_RESERVOIR_STALE),
        (c.S_RESERVOIR_OK, c.S_LEAK, c.R_LEAK_STALE),
    ):
        rig = Rig(config={"fitted": ~(1 << missing)})
        rig.readings[missing] = None
        rig.leased()
        assert rig.core.judge.verdict(c.OUT_WATER_PUMP, 0, rig.t) == c.R_NONE
        rig.readings[other] = None
        rig.step()
        assert rig.core.judge.verdict(c.OUT_WATER_PUMP, 0, rig.t) == reason
