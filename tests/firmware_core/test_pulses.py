"""Bounded pulses: their end, their renewal, their pause, and what they say they delivered."""

from tomato import contract as c
from tomato.core import pulses

from tests.firmware_core.rig import Rig, in_state

# Written by hand from devices.py: max_on_ms, min_off_ms, largest dose, may be prolonged.
TABLE = {
    c.OUT_LIGHT: (900_000, 5_000, 900_000, True),
    c.OUT_CIRCULATION_FAN: (900_000, 0, 900_000, True),
    c.OUT_EXHAUST_FAN: (900_000, 10_000, 900_000, True),
    c.OUT_HUMIDIFIER: (300_000, 60_000, 300_000, False),
    c.OUT_HEATER_MAT: (600_000, 60_000, 600_000, False),
    c.OUT_WATER_PUMP: (30_000, 60_000, 250, False),
    c.OUT_CO2_SOLENOID: (30_000, 60_000, 30_000, False),
}
RELAYS = [o for o in TABLE if o != c.OUT_WATER_PUMP]


def test_the_limits_are_those_of_the_table():
    for output, (max_on, min_off, dose, renewable) in TABLE.items():
        assert pulses.MAX_ON_MS[output] == max_on
        assert pulses.MIN_OFF_MS[output] == min_off
        assert pulses.MAX_DOSE[output] == dose
        assert pulses.RENEWABLE[output] == renewable
        assert pulses.IN_ML[output] == pulses.FINISH[output] == (output == c.OUT_WATER_PUMP)


def test_every_relay_ends_at_the_tick_in_which_its_time_is_over():
    for output in RELAYS:
        rig = in_state("leased")
        assert rig.pulse(output, 5_000) == c.R_NONE
        assert rig.on(output)
        rig.run(4_950)
        assert rig.on(output)
        rig.step()
        assert not rig.on(output)
        assert rig.last() == (output, c.STATUS_DONE, c.R_NONE, 5_000)


def test_the_largest_dose_is_allowed_and_one_more_is_not():
    for output, (_, _, dose, _) in TABLE.items():
        rig = in_state("leased")
        for amount in (dose + 1, 0, -5, 2**40, -(2**40)):
            assert rig.pulse(output, amount) == c.R_BAD_AMOUNT
            assert rig.answer[c.F_BOUND] == dose
            assert abs(rig.answer[c.F_VALUE]) <= 0x3FFFFFFF
        rig.readings[c.S_SOIL_TEMP_C] = 1_500
        rig.core.used.prepaid[output] = 10**9
        assert rig.pulse(output, dose) == c.R_NONE, output


def test_the_smallest_dose():
    rig = in_state("leased")
    assert rig.pulse(c.OUT_LIGHT, 1) == c.R_NONE
    rig.step(1)
    assert rig.last() == (c.OUT_LIGHT, c.STATUS_DONE, c.R_NONE, 1)


def test_no_pulse_outlives_its_limit_even_when_the_tick_comes_late():
    for output in RELAYS:
        rig = in_state("leased")
        rig.pulse(output, 20_000)
        rig.core.inputs.t_ms[c.S_LEAK] = rig.t
        rig.step(25_000)
        assert rig.ended[-1][c.F_DELIVERED] == 20_000
        assert rig.core.off_ms(output) == 5_000


def test_unknown_outputs():
    rig = in_state("leased")
    for output in (7, -1, 2**40, -(2**40)):
        assert rig.send(c.M_PULSE, cmd_id=1, output=output, amount=10)[c.F_REASON] == c.R_UNKNOWN_OUTPUT
    answer = rig.send(c.M_PULSE, cmd_id=1, output=7, amount=10)
    assert (answer[c.F_VALUE], answer[c.F_BOUND]) == (7, 6)
    assert rig.send(c.M_PULSE, cmd_id=1, output=2**40, amount=10)[c.F_VALUE] == 0x3FFFFFFF


def test_the_pause_holds_to_the_millisecond():
    for output, (_, min_off, _, _) in TABLE.items():
        if not min_off:
            continue
        rig = in_state("leased")
        rig.pulse(output, {c.OUT_WATER_PUMP: 20}.get(output, 1_000))
        rig.run(2_000)
        off = rig.core.off_ms(output)
        rig.run(min_off - off - 50)
        assert rig.pulse(output) == c.R_MIN_PAUSE
        assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (min_off - 50, min_off)
        rig.step()
        assert rig.pulse(output) == c.R_NONE


def test_a_request_in_the_very_moment_a_pulse_ends_finds_the_pause():
    for output, (_, min_off, _, _) in TABLE.items():
        if not min_off:
            continue
        rig = in_state("leased")
        rig.flow_per_s = 5
        rig.pulse(output, {c.OUT_WATER_PUMP: 20}.get(output, 1_000))
        rig.t += 1_000
        assert rig.pulse(output) == c.R_MIN_PAUSE
        assert not rig.on(output)


def test_a_fan_without_a_pause_starts_again_at_once():
    rig = in_state("leased")
    rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    rig.run(1_000)
    assert not rig.on(c.OUT_CIRCULATION_FAN)
    assert rig.pulse(c.OUT_CIRCULATION_FAN) == c.R_NONE


def test_after_a_reset_every_pause_begins_anew():
    rig = Rig()
    rig.run(5_000)
    rig.lease()
    for output, (_, min_off, _, _) in TABLE.items():
        want = c.R_MIN_PAUSE if min_off else c.R_NONE
        if output == c.OUT_EXHAUST_FAN:
            rig.run(2_000)
            rig.lease()
        assert rig.pulse(output) == want


def test_renewable_outputs_are_prolonged_without_a_gap_and_others_are_busy():
    for output, (_, _, _, renewable) in TABLE.items():
        rig = in_state("leased")
        amount = {c.OUT_WATER_PUMP: 150}.get(output, 10_000)
        rig.pulse(output, amount)
        first = rig.next_id
        rig.run(4_000)
        reason = rig.pulse(output, amount)
        if not renewable:
            assert reason == c.R_BUSY
            assert rig.answer[c.F_VALUE] == rig.core.left_ms(output) > 0
            continue
        assert reason == c.R_NONE
        assert rig.on(output)
        assert rig.core.left_ms(output) == 10_000
        rig.step()
        row = rig.ended[-1]
        assert (row[c.F_CMD_ID], row[c.F_STATUS], row[c.F_DELIVERED]) == (first, c.STATUS_DONE, 4_000)
        rig.run(9_900)
        assert rig.on(output)
        rig.step()
        assert not rig.on(output)
        assert rig.last() == (output, c.STATUS_DONE, c.R_NONE, 10_000)


def test_the_pulse_start_is_told_once_for_a_prolonged_pulse():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 10_000)
    rig.pulse(c.OUT_LIGHT, 20_000)
    assert rig.events(c.EV_PULSE_START) == [(c.OUT_LIGHT, 10_000)]


def test_a_dose_ends_by_the_flow_meter_and_reports_what_it_measured():
    rig = in_state("leased")
    rig.flow_per_s = 18  # 40 ml/s at 450 pulses a litre, twice the calibrated rate
    assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_NONE
    rig.run(2_450)
    assert rig.on(c.OUT_WATER_PUMP)
    rig.run(150)
    assert not rig.on(c.OUT_WATER_PUMP)
    assert rig.last() == (c.OUT_WATER_PUMP, c.STATUS_DONE, c.R_NONE, 100)


def test_a_dose_ends_by_time_when_less_flows_than_calibrated():
    rig = in_state("leased")
    rig.flow_per_s = 4
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.run(4_950)
    assert rig.on(c.OUT_WATER_PUMP)
    rig.step()
    assert not rig.on(c.OUT_WATER_PUMP)
    output, status, _, delivered = rig.last()
    assert (output, status) == (c.OUT_WATER_PUMP, c.STATUS_DONE)
    assert 40 <= delivered <= 46
    # The budget is charged with the larger of the two.
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 100_000


def test_without_a_flow_meter_time_and_calibration_decide():
    rig = Rig(config={"fitted": ~(1 << c.S_FLOW_ML)}).leased()
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.core.inputs.flow_count += 10_000
    rig.run(5_000)
    assert rig.last() == (c.OUT_WATER_PUMP, c.STATUS_DONE, c.R_NONE, 100)
    rig = in_state("leased")
    rig.core.config[c.CFG_FLOW_PULSES_PER_L] = 0
    rig.pulse(c.OUT_WATER_PUMP, 100)
    rig.run(5_000)
    assert rig.last() == (c.OUT_WATER_PUMP, c.STATUS_DONE, c.R_NONE, 100)


def test_the_time_of_a_dose_is_rounded_up_and_bounded():
    rig = in_state("leased")
    rig.core.config[c.CFG_PUMP_UL_PER_S] = 30_001
    assert rig.core.pulses.duration_ms(c.OUT_WATER_PUMP, 100) == 3_334
    assert rig.core.pulses.duration_ms(c.OUT_LIGHT, 100) == 100
    rig.core.config[c.CFG_PUMP_UL_PER_S] = 8_333
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_MAX_ON
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (30_002, 30_000)
    rig.core.config[c.CFG_PUMP_UL_PER_S] = 8_334
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_NONE


def test_water_by_time_counts_in_steps_of_a_tenth_ml_per_s_rounded_up():
    rig = in_state("leased")
    rig.core.config[c.CFG_PUMP_UL_PER_S] = 10_001
    rig.core.pulses.on_ms[c.OUT_WATER_PUMP] = 1_000
    assert rig.core.pulses.timed_ul(c.OUT_WATER_PUMP) == 10_100
    rig.core.config[c.CFG_PUMP_UL_PER_S] = 10_000
    assert rig.core.pulses.timed_ul(c.OUT_WATER_PUMP) == 10_000


def test_the_hardware_timer_is_told_the_soonest_end_and_its_outputs():
    rig = in_state("leased")
    assert rig.core.pulse_end_ms() == -1
    assert rig.core.ending_in(rig.core.pulse_end_ms()) == 0
    rig.pulse(c.OUT_LIGHT, 8_000)
    rig.pulse(c.OUT_EXHAUST_FAN, 3_000)
    rig.pulse(c.OUT_CIRCULATION_FAN, 3_000)
    assert rig.core.pulse_end_ms() == 3_000
    assert rig.core.ending_in(rig.core.pulse_end_ms()) == 1 << c.OUT_EXHAUST_FAN | 1 << c.OUT_CIRCULATION_FAN
    rig.run(1_000)
    assert rig.core.pulse_end_ms() == 2_000
    rig.run(2_000)
    assert rig.core.pulse_end_ms() == 5_000
    assert rig.core.ending_in(rig.core.pulse_end_ms()) == 1 << c.OUT_LIGHT


def test_results_nobody_takes_are_overwritten_oldest_first():
    finished = pulses.Finished()
    for n in range(1, 21):
        finished.push(n, 1, c.R_NONE if n % 2 else c.R_STOPPED, n * 10, n, n + 1)
    rows = []
    row = {}
    while finished.take(row):
        rows.append(dict(row))
    assert [r[c.F_CMD_ID] for r in rows] == list(range(5, 21))
    assert rows[0] == {
        c.F_CMD_ID: 5,
        c.F_OUTPUT: 1,
        c.F_STATUS: c.STATUS_DONE,
        c.F_REASON: c.R_NONE,
        c.F_DELIVERED: 50,
        c.F_VALUE: 5,
        c.F_BOUND: 6,
    }
    assert rows[1][c.F_STATUS] == c.STATUS_ABORTED
    assert not finished.take(row)


def test_stop_ends_with_what_was_given():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 60_000)
    rig.run(2_000)
    answer = rig.send(c.M_STOP, cmd_id=9, output=c.OUT_LIGHT)
    assert answer[c.F_STATUS] == c.STATUS_DONE
    assert not rig.on(c.OUT_LIGHT)
    rig.step()
    assert rig.last() == (c.OUT_LIGHT, c.STATUS_ABORTED, c.R_STOPPED, 2_000)
    assert rig.events(c.EV_PULSE_END) == [(c.OUT_LIGHT, 2_000)]
    assert rig.events(c.EV_PULSE_ABORTED) == [(c.OUT_LIGHT, c.R_STOPPED)]


def test_a_pulse_that_ends_well_is_not_told_as_aborted():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 1_000)
    rig.run(1_000)
    assert rig.events(c.EV_PULSE_ABORTED) == []
    assert rig.events(c.EV_PULSE_END) == [(c.OUT_LIGHT, 1_000)]


def test_the_same_amount_counts_in_thousandths_of_the_budget():
    assert pulses.thousandths(c.OUT_WATER_PUMP, 250) == 250_000
    assert pulses.thousandths(c.OUT_LIGHT, 900_000) == 900_000


def test_a_long_rest_is_counted_without_end():
    rig = in_state("ready")
    for _ in range(10):
        rig.core.pulses.elapse(0, 0x1FFFFFFF)
    assert rig.core.off_ms(c.OUT_LIGHT) == 0x1FFFFFFF
