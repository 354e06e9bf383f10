"""The interlocks one by one, at their very edges, each on its way in and on its way back."""

from tomato import contract as c
from tomato.core import interlocks

from tests.firmware_core.rig import Rig, in_state


def refused(rig, output):
    """(reason, value, bound) of a request."""
    reason = rig.pulse(output)
    return (reason, rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) if reason else (c.R_NONE, 0, 0)


def test_edges_of_the_levels():
    for sensor, output, good, bad, reason in (
        (c.S_RH_PCT, c.OUT_HUMIDIFIER, 9_199, 9_200, c.R_RH_HIGH),
        (c.S_SOIL_TEMP_C, c.OUT_HEATER_MAT, 2_799, 2_800, c.R_SOIL_TEMP_HIGH),
        (c.S_CO2_PPM, c.OUT_CO2_SOLENOID, 1_499, 1_500, c.R_CO2_HIGH),
    ):
        rig = in_state("leased")
        rig.readings[sensor] = bad
        rig.step()
        assert refused(rig, output) == (reason, bad, bad)
        rig.readings[sensor] = good
        rig.step()
        assert refused(rig, output) == (c.R_NONE, 0, 0)


def test_edges_of_freshness():
    for sensor, output, reason in (
        (c.S_RH_PCT, c.OUT_HUMIDIFIER, c.R_RH_STALE),
        (c.S_SOIL_TEMP_C, c.OUT_HEATER_MAT, c.R_SOIL_TEMP_STALE),
        (c.S_CO2_PPM, c.OUT_CO2_SOLENOID, c.R_CO2_STALE),
    ):
        rig = in_state("leased")
        del rig.readings[sensor]
        age = rig.t - rig.core.inputs.t_ms[sensor]
        rig.run(c.SENSOR_MAX_AGE_MS - age - 1_000, 1_000)
        rig.step(1_000)
        rig.lease()
        assert rig.core.inputs.age_ms(sensor, rig.t) == c.SENSOR_MAX_AGE_MS
        assert refused(rig, output)[0] == c.R_NONE
        rig.step(1)
        assert rig.last()[:3] == (output, c.STATUS_ABORTED, reason)
        rig.run(70_000, 1_000)
        assert refused(rig, output) == (reason, rig.core.inputs.age_ms(sensor, rig.t), c.SENSOR_MAX_AGE_MS)


def test_a_silent_sensor_is_named_without_an_age():
    rig = in_state("leased")
    rig.readings[c.S_CO2_PPM] = None
    rig.step()
    assert refused(rig, c.OUT_CO2_SOLENOID) == (c.R_CO2_STALE, -1, c.SENSOR_MAX_AGE_MS)


def test_a_very_old_reading_still_fits_the_answer():
    rig = in_state("leased")
    rig.core.inputs.t_ms[c.S_CO2_PPM] = rig.t - 2**40
    del rig.readings[c.S_CO2_PPM]
    assert refused(rig, c.OUT_CO2_SOLENOID)[:2] == (c.R_CO2_STALE, 0x3FFFFFFF)


def test_switches_must_have_been_read_within_two_seconds():
    for sensor, reason in ((c.S_LEAK, c.R_LEAK_STALE), (c.S_RESERVOIR_OK, c.R_RESERVOIR_STALE)):
        rig = in_state("leased")
        del rig.readings[sensor]
        rig.run(c.SWITCH_MAX_AGE_MS)
        assert rig.core.judge.verdict(c.OUT_WATER_PUMP, 0, rig.t) == c.R_NONE
        rig.step(1)
        assert refused(rig, c.OUT_WATER_PUMP) == (reason, c.SWITCH_MAX_AGE_MS + 1, c.SWITCH_MAX_AGE_MS)


def test_leak_and_float_refuse_with_value_and_bound():
    rig = in_state("leased")
    rig.readings[c.S_RESERVOIR_OK] = 0
    assert refused(rig, c.OUT_WATER_PUMP) == (c.R_RESERVOIR_EMPTY, 0, 1)
    rig.readings[c.S_LEAK] = 1
    assert refused(rig, c.OUT_HUMIDIFIER) == (c.R_LEAK, 1, 1)


def test_a_board_without_leak_sensor_or_float_goes_without_that_guard():
    rig = Rig(config={"fitted": ~(1 << c.S_LEAK | 1 << c.S_RESERVOIR_OK)})
    rig.readings[c.S_LEAK] = rig.readings[c.S_RESERVOIR_OK] = None
    rig.leased()
    assert refused(rig, c.OUT_WATER_PUMP)[0] == c.R_NONE
    rig.readings[c.S_LEAK] = 1
    rig.run(100)
    assert not rig.fault(c.FAULT_LEAK)


def test_emergency_stop_needs_no_latch_to_refuse():
    rig = in_state("leased")
    rig.core.inputs.estop = 1
    assert rig.core.judge.verdict(c.OUT_CIRCULATION_FAN, 0, rig.t) == c.R_ESTOP
    assert (rig.core.judge.value, rig.core.judge.bound) == (1, 0)


def test_co2_and_exhaust_exclude_each_other_both_ways():
    rig = in_state("leased")
    rig.pulse(c.OUT_EXHAUST_FAN)
    assert refused(rig, c.OUT_CO2_SOLENOID) == (c.R_GROUP_EXCLUDED, c.OUT_EXHAUST_FAN, 0)
    rig = in_state("leased")
    rig.pulse(c.OUT_CO2_SOLENOID)
    assert refused(rig, c.OUT_EXHAUST_FAN) == (c.R_GROUP_EXCLUDED, c.OUT_CO2_SOLENOID, 0)
    assert rig.on(c.OUT_CO2_SOLENOID)


def test_nothing_else_excludes_anything():
    for output, mask in enumerate(interlocks.EXCLUDES):
        want = {c.OUT_EXHAUST_FAN: 1 << c.OUT_CO2_SOLENOID, c.OUT_CO2_SOLENOID: 1 << c.OUT_EXHAUST_FAN}
        assert mask == want.get(output, 0)


def test_forced_exhaust_ends_a_running_dose_of_co2():
    rig = in_state("leased")
    rig.pulse(c.OUT_CO2_SOLENOID)
    rig.readings[c.S_AIR_TEMP_C] = 3_800
    rig.step()
    assert not rig.on(c.OUT_CO2_SOLENOID)
    assert rig.last()[:3] == (c.OUT_CO2_SOLENOID, c.STATUS_ABORTED, c.R_GROUP_EXCLUDED)
    assert rig.ended[-1][c.F_VALUE] == c.OUT_EXHAUST_FAN
    rig.run(200)
    assert rig.on(c.OUT_EXHAUST_FAN)


def test_over_temperature_forces_ventilation_until_the_lower_threshold():
    rig = in_state("leased")
    rig.readings[c.S_AIR_TEMP_C] = 3_799
    rig.step()
    assert rig.core.forced == 0
    rig.readings[c.S_AIR_TEMP_C] = 3_800
    rig.step()
    assert rig.core.forced == 1 << c.OUT_EXHAUST_FAN | 1 << c.OUT_CIRCULATION_FAN
    rig.readings[c.S_AIR_TEMP_C] = 3_400
    rig.run(200)
    assert rig.on(c.OUT_EXHAUST_FAN)
    assert refused(rig, c.OUT_LIGHT) == (c.R_OVER_TEMP, 3_400, 3_800)
    rig.run(c.LEVEL_LATCH_MS)
    rig.readings[c.S_AIR_TEMP_C] = 3_399
    rig.step()
    assert not rig.on(c.OUT_EXHAUST_FAN) and not rig.on(c.OUT_CIRCULATION_FAN)
    assert rig.events(c.EV_FORCED) == [(1, 0), (0, 0)]
    assert refused(rig, c.OUT_LIGHT)[:2] == (c.R_FAULT_LATCHED, c.FAULT_OVER_TEMP)


def test_over_temperature_ventilates_in_every_state_that_has_settled():
    for name, want in (("boot", False), ("safe", False), ("ready", True), ("leased", True), ("survival", True)):
        rig = in_state(name)
        rig.readings[c.S_AIR_TEMP_C] = 4_000
        rig.step()
        rig.step()
        assert rig.on(c.OUT_EXHAUST_FAN) == want, name


def test_a_halted_board_still_ventilates_heat_unless_the_emergency_stop_did_it():
    rig = in_state("ready")
    rig.core.inputs.pin_fault = 1
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(700)
    assert rig.core.state == c.STATE_FAULT
    assert rig.on(c.OUT_EXHAUST_FAN)
    rig = in_state("fault")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(200)
    assert rig.core.outputs == 0


def test_a_thermometer_that_falls_silent_in_the_heat_keeps_the_fans_on():
    rig = in_state("ready")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(200)
    rig.readings[c.S_AIR_TEMP_C] = None
    rig.run(200_000, 1_000)
    assert rig.on(c.OUT_EXHAUST_FAN)


def test_an_exhaust_that_is_forced_may_be_asked_for_without_a_pause():
    rig = in_state("ready")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(200)
    rig.lease()
    assert refused(rig, c.OUT_EXHAUST_FAN)[0] == c.R_NONE
    rig.readings[c.S_AIR_TEMP_C] = 2_000
    rig.step()
    assert rig.on(c.OUT_EXHAUST_FAN)
    assert not rig.on(c.OUT_CIRCULATION_FAN)


def test_a_co2_alarm_blows_the_gas_out():
    rig = in_state("leased")
    rig.readings[c.S_CO2_PPM] = 2_999
    rig.step()
    assert rig.core.forced == 0
    rig.readings[c.S_CO2_PPM] = 3_000
    rig.step()
    assert rig.core.forced == 1 << c.OUT_EXHAUST_FAN
    rig.run(c.LEVEL_LATCH_MS)
    assert rig.fault(c.FAULT_CO2_HIGH)
    rig.readings[c.S_CO2_PPM] = 1_500
    rig.run(200)
    assert rig.on(c.OUT_EXHAUST_FAN)
    rig.readings[c.S_CO2_PPM] = 1_499
    rig.step()
    assert not rig.on(c.OUT_EXHAUST_FAN)


def test_the_ceiling_stops_a_running_dose():
    rig = in_state("leased")
    rig.pulse(c.OUT_CO2_SOLENOID)
    rig.step()
    rig.readings[c.S_CO2_PPM] = 1_500
    rig.step()
    assert not rig.on(c.OUT_CO2_SOLENOID)
    row = rig.ended[-1]
    assert (row[c.F_REASON], row[c.F_VALUE], row[c.F_BOUND]) == (c.R_CO2_HIGH, 1_500, 1_500)


def test_a_dry_pump_is_stopped_after_three_seconds_and_latches():
    rig = in_state("leased")
    rig.flow_per_s = 0
    rig.pulse(c.OUT_WATER_PUMP, 200)
    rig.run(2_950)
    assert rig.on(c.OUT_WATER_PUMP)
    rig.step()
    assert not rig.on(c.OUT_WATER_PUMP)
    row = rig.ended[-1]
    assert (row[c.F_REASON], row[c.F_VALUE], row[c.F_BOUND]) == (c.R_NO_FLOW, 3_000, 3_000)
    assert row[c.F_DELIVERED] == 0
    # What may have run into the pots without being seen counts as given.
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 60_000
    for pause_ms in (300_000, 1_800_000):
        assert not rig.fault(c.FAULT_NO_FLOW)
        rig.run(pause_ms, 1_000)
        if rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_SAVING:
            rig.run(61_000, 1_000)
            assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_NONE
        rig.run(3_050)
        assert not rig.on(c.OUT_WATER_PUMP)
    assert rig.fault(c.FAULT_NO_FLOW)
    rig.run(61_000)
    assert refused(rig, c.OUT_WATER_PUMP)[:2] == (c.R_FAULT_LATCHED, c.FAULT_NO_FLOW)
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_NO_FLOW)[c.F_STATUS] == c.STATUS_DONE
    assert refused(rig, c.OUT_WATER_PUMP)[0] == c.R_NONE


def dry_dose(rig, ml=200):
    rig.flow_per_s = 0
    assert rig.pulse(c.OUT_WATER_PUMP, ml) == c.R_NONE
    rig.run(3_050)
    assert rig.last()[2] == c.R_NO_FLOW


def test_air_in_the_hose_is_forgiven_when_water_comes_at_the_second_or_third_try():
    for failures in (1, 2):
        rig = in_state("leased")
        for pause_ms in (300_000, 1_800_000)[:failures]:
            dry_dose(rig)
            rig.run(pause_ms, 1_000)
        rig.flow_per_s = 9
        assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_NONE
        rig.run(6_000)
        assert rig.last()[:2] == (c.OUT_WATER_PUMP, c.STATUS_DONE)
        assert not rig.fault(c.FAULT_NO_FLOW)
        assert (rig.core.flow.dry_runs, rig.core.flow.wait_ms) == (0, 0)
        rig.run(61_000)
        dry_dose(rig)
        assert rig.core.flow.wait_ms > 299_000, "and the count begins anew"


def test_the_tries_of_a_dry_pump_survive_restarts_and_its_rest_begins_anew():
    rig = in_state("leased")
    for tries, rest_ms in ((1, 300_000), (2, 1_800_000)):
        dry_dose(rig)
        rig.run(61_000, 1_000)
        assert not rig.core.saver.wanted, "written, and no more to write"
        rig = Rig(rig.store)
        rig.flow_per_s = 0
        assert (rig.core.flow.dry_runs, rig.core.flow.wait_ms) == (tries, rest_ms)
        rig.leased()
        assert rig.pulse(c.OUT_WATER_PUMP, 50) in (c.R_NO_FLOW, c.R_MIN_PAUSE)
        rig.run(3_900_000, 1_000)  # the rest, and the hour in which the restart counts as water
    dry_dose(rig, 100)
    assert rig.fault(c.FAULT_NO_FLOW), "the third, though two restarts lay between"


def test_forgiven_tries_are_forgiven_after_a_restart_too():
    rig = in_state("leased")
    dry_dose(rig)
    rig.run(400_000, 1_000)
    rig.flow_per_s = 9
    assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_NONE
    rig.run(70_000, 1_000)
    again = Rig(rig.store)
    assert (again.core.flow.dry_runs, again.core.flow.wait_ms) == (0, 0)


def test_between_the_tries_the_pump_rests():
    rig = in_state("leased")
    dry_dose(rig)
    left = rig.core.flow.wait_ms
    rig.run(left - left % 50 - 50)
    assert refused(rig, c.OUT_WATER_PUMP) == (c.R_NO_FLOW, rig.core.flow.wait_ms, 1)
    assert 0 < rig.core.flow.wait_ms <= 100
    assert refused(rig, c.OUT_LIGHT)[0] == c.R_NONE
    rig.run(100)
    assert refused(rig, c.OUT_WATER_PUMP)[0] == c.R_NONE


def test_a_pump_that_clogs_half_way_each_time_is_not_forgiven_for_the_half():
    rig = in_state("leased")
    for pause_ms in (300_000, 1_800_000, 0):
        rig.flow_per_s = 9
        assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_NONE
        rig.run(2_000)
        rig.flow_per_s = 0
        rig.run(3_200)
        assert rig.last()[2] == c.R_NO_FLOW
        rig.run(pause_ms, 1_000)
    assert rig.fault(c.FAULT_NO_FLOW)


def test_a_trickle_past_a_clog_forgives_nothing():
    for flow_per_s, forgiven in ((4, False), (5, True)):
        rig = in_state("leased")
        dry_dose(rig)
        rig.run(300_000, 1_000)
        rig.flow_per_s = flow_per_s  # of 9 pulses at the calibrated rate
        assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_NONE
        rig.run(6_000)
        assert rig.last()[:2] == (c.OUT_WATER_PUMP, c.STATUS_DONE)
        assert (rig.core.flow.dry_runs == 0) == forgiven


def test_who_has_looked_after_the_hose_need_not_wait():
    rig = in_state("leased")
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_NO_FLOW)[c.F_REASON] == c.R_NOT_LATCHED
    dry_dose(rig)
    rig.run(61_000)
    assert refused(rig, c.OUT_WATER_PUMP)[0] == c.R_NO_FLOW
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_LEAK)[c.F_REASON] == c.R_NOT_LATCHED
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_NO_FLOW)[c.F_REASON] == c.R_NONE
    assert refused(rig, c.OUT_WATER_PUMP)[0] == c.R_NONE


def test_a_day_of_dry_tries_costs_no_more_than_its_budget():
    rig = in_state("leased")
    rig.flow_per_s = 0
    for _ in range(24 * 60):
        if rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_NONE:
            rig.run(4_000)
        rig.run(60_000, 4_000)
    assert rig.fault(c.FAULT_NO_FLOW)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] <= 3 * 62_000


def test_a_pump_that_clogs_half_way():
    rig = in_state("leased")
    rig.pulse(c.OUT_WATER_PUMP, 200)
    rig.run(2_000)
    rig.flow_per_s = 0
    rig.run(2_850)
    assert rig.on(c.OUT_WATER_PUMP)
    rig.run(200)
    assert rig.last()[2] == c.R_NO_FLOW
    assert 30 <= rig.last()[3] <= 42


def test_slow_flow_is_flow():
    rig = in_state("leased")
    rig.flow_per_s = 1
    rig.pulse(c.OUT_WATER_PUMP, 200)
    rig.run(9_900)
    assert rig.on(c.OUT_WATER_PUMP)


def drip(rig, pulses):
    """Let water through the meter while the pump rests, a pulse a tick."""
    for _ in range(pulses):
        rig.core.inputs.flow_count += 1
        rig.step()


def test_water_without_a_pump_is_a_stuck_valve():
    rig = in_state("ready")
    drip(rig, 9)  # 20 ml
    assert not rig.fault(c.FAULT_STUCK_VALVE)
    drip(rig, 1)
    assert rig.fault(c.FAULT_STUCK_VALVE)
    assert rig.core.faults.cause[c.FAULT_STUCK_VALVE] == 10


def test_a_burst_on_the_meter_s_wire_is_no_water():
    """A relay that switches: no hose delivers 400 ml in 50 ms. A person would have had to come for it."""
    rig = in_state("ready")
    for _ in range(9):
        rig.core.inputs.flow_count += 200
        rig.step()
        rig.run(60_000, 1_000)
        assert not rig.fault(c.FAULT_STUCK_VALVE)


def test_water_of_any_pump_without_a_pump_is_found_within_two_seconds():
    for ml_per_s in (20, 40, 80):
        rig = in_state("ready")
        pulses = 0
        for tick in range(1, 41):
            flown = 450 * ml_per_s * tick * 50 // 1_000_000
            rig.core.inputs.flow_count += flown - pulses
            pulses = flown
            rig.step()
        assert rig.fault(c.FAULT_STUCK_VALVE), ml_per_s


def test_the_hose_may_run_empty_after_a_dose():
    rig = in_state("leased")
    rig.pulse(c.OUT_WATER_PUMP, 50)
    rig.run(2_500)
    assert not rig.on(c.OUT_WATER_PUMP)
    for _ in range(int(c.FLOW_OFF_GRACE_MS / 50)):
        drip(rig, 1)
    assert not rig.fault(c.FAULT_STUCK_VALVE)
    for _ in range(9):
        drip(rig, 1)
    assert not rig.fault(c.FAULT_STUCK_VALVE)
    drip(rig, 1)
    assert rig.fault(c.FAULT_STUCK_VALVE)


def test_a_few_drops_in_ten_minutes_are_forgiven():
    rig = in_state("ready")
    for _ in range(6):
        drip(rig, 8)
        rig.run(c.FLOW_OFF_WINDOW_MS, 1_000)
    assert not rig.fault(c.FAULT_STUCK_VALVE)
    rig.step()
    drip(rig, 5)
    rig.run(300_000, 1_000)
    drip(rig, 5)
    assert rig.fault(c.FAULT_STUCK_VALVE)


def test_a_board_without_a_flow_meter_does_not_judge_flow():
    for rig in (Rig(config={"fitted": ~(1 << c.S_FLOW_ML)}).leased(), in_state("leased")):
        rig.core.config[c.CFG_FLOW_PULSES_PER_L] = 0
        rig.flow_per_s = 0
        rig.pulse(c.OUT_WATER_PUMP, 200)
        rig.run(9_000)
        rig.core.inputs.flow_count += 10_000
        rig.step()
        drip(rig, 100)
        assert rig.core.faults.latched & (1 << c.FAULT_NO_FLOW | 1 << c.FAULT_STUCK_VALVE) == 0
    watch = interlocks.FlowWatch(in_state("ready").core.inputs, 0)
    assert watch.step(1, 450, 100_000) == -1


def test_first_bit():
    for mask, bit in ((1, 0), (2, 1), (6, 1), (64, 6), (96, 5)):
        assert interlocks.first_bit(mask) == bit
