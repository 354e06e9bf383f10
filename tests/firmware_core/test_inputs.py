"""Readings with their age and reason, and the one button."""

from tomato import contract as c
from tomato.core.inputs import LONG, SHORT, Button, Inputs

from tests.firmware_core.rig import in_state


def test_nothing_is_known_at_first():
    inputs = Inputs()
    for sensor in range(len(c.SENSORS)):
        assert inputs.age_ms(sensor, 0) == -1
        assert inputs.why[sensor] == c.WHY_NEVER_READ
        assert not inputs.fresh(sensor, 0, 10**6)


def test_a_reading_is_kept_with_its_time():
    inputs = Inputs()
    inputs.lost(c.S_RH_PCT, c.WHY_BAD_CRC, 900)
    assert (inputs.valid[c.S_RH_PCT], inputs.why[c.S_RH_PCT], inputs.t_ms[c.S_RH_PCT]) == (0, c.WHY_BAD_CRC, 900)
    inputs.put(c.S_RH_PCT, 5_500, 1_000)
    assert (inputs.value[c.S_RH_PCT], inputs.valid[c.S_RH_PCT], inputs.why[c.S_RH_PCT]) == (5_500, 1, c.WHY_NONE)
    assert inputs.age_ms(c.S_RH_PCT, 1_250) == 250
    assert inputs.age_ms(c.S_RH_PCT, 1_000) == 0


def test_freshness_ends_after_the_limit_and_a_reading_from_the_future_is_none():
    inputs = Inputs()
    inputs.put(c.S_CO2_PPM, 500, 1_000)
    assert inputs.fresh(c.S_CO2_PPM, 1_000, 0)
    assert inputs.fresh(c.S_CO2_PPM, 1_100, 100)
    assert not inputs.fresh(c.S_CO2_PPM, 1_101, 100)
    assert inputs.age_ms(c.S_CO2_PPM, 999) == -1
    assert not inputs.fresh(c.S_CO2_PPM, 999, 100)


def test_a_value_outside_the_part_is_no_value():
    for sensor, row in enumerate(c.SENSORS):
        for value, good in ((row[2], True), (row[3], True), (row[2] - 1, False), (row[3] + 1, False)):
            inputs = Inputs()
            inputs.put(sensor, value, 10)
            assert bool(inputs.valid[sensor]) == good, (row[0], value)
            assert inputs.why[sensor] == (c.WHY_NONE if good else c.WHY_OUT_OF_RANGE)
            assert inputs.t_ms[sensor] == 10


def presses(button, ms, dt=10):
    return [button.step(1, dt) for _ in range(ms // dt)]


def test_a_short_press_switches_manual_override_when_let_go():
    button = Button()
    assert set(presses(button, 500)) == {0}
    assert button.step(0, 10) == SHORT
    assert button.manual_ms == c.MANUAL_MS
    assert button.step(0, 10) == 0
    assert button.manual_ms == c.MANUAL_MS - 10
    presses(button, 500)
    assert button.step(0, 10) == SHORT
    assert button.manual_ms == 0


def test_a_bounce_is_no_press():
    button = Button()
    presses(button, 40)
    assert button.step(0, 10) == 0
    presses(button, 50)
    assert button.step(0, 10) == SHORT


def test_a_long_press_opens_the_window_once_and_is_no_short_press():
    button = Button()
    told = presses(button, c.BUTTON_LONG_MS)
    assert told.count(LONG) == 1 and told[-1] == LONG
    assert button.window_ms == c.BUTTON_WINDOW_MS
    assert set(presses(button, 5_000)) == {0}
    assert button.step(0, 10) == 0
    assert button.manual_ms == 0
    assert button.window_ms == c.BUTTON_WINDOW_MS - 5_010
    assert button.step(0, c.BUTTON_WINDOW_MS) == 0
    assert button.window_ms == 0
    assert LONG in presses(button, c.BUTTON_LONG_MS)


def test_override_ends_by_itself():
    button = Button()
    presses(button, 100)
    button.step(0, 10)
    button.step(0, c.MANUAL_MS - 1)
    assert button.manual_ms == 1
    button.step(0, 5_000)
    assert button.manual_ms == 0


def test_manual_override_stops_and_refuses_everything_and_ends():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT)
    rig.press(200)
    assert rig.core.outputs == 0
    assert rig.last()[:3] == (c.OUT_LIGHT, c.STATUS_ABORTED, c.R_OVERRIDE)
    assert rig.pulse(c.OUT_CIRCULATION_FAN) == c.R_OVERRIDE
    assert rig.answer[c.F_VALUE] == rig.core.button.manual_ms
    assert rig.events(c.EV_MANUAL) == [(1, 0)]
    rig.press(200)
    assert rig.events(c.EV_MANUAL) == [(1, 0), (0, 0)]
    assert rig.pulse(c.OUT_CIRCULATION_FAN) == c.R_NONE


def test_manual_override_still_ventilates_heat():
    rig = in_state("leased")
    rig.press(200)
    rig.readings[c.S_AIR_TEMP_C] = 3_900
    rig.run(100)
    assert rig.on(c.OUT_EXHAUST_FAN) and rig.on(c.OUT_CIRCULATION_FAN)


def test_manual_override_stills_the_survival_programme():
    rig = in_state("survival")
    assert rig.running(c.OUT_CIRCULATION_FAN)
    rig.press(200)
    rig.run(5_000)
    assert not rig.running(c.OUT_CIRCULATION_FAN)
    rig.run(c.MANUAL_MS, 1_000)
    assert rig.running(c.OUT_CIRCULATION_FAN)


def test_the_long_press_is_told():
    rig = in_state("ready")
    rig.press(c.BUTTON_LONG_MS)
    assert rig.events(c.EV_BUTTON) == [(0, c.BUTTON_LONG_MS)]
