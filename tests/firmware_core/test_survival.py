"""Ten minutes without a host, and the days after: light by elapsed time, water by a valid probe, air by heat."""

from tomato import contract as c
from tomato.core import survival

from tests.firmware_core.rig import MemoryStore, Rig, in_state

HOUR_MS = 3_600_000


def abandoned(config=None, **readings):
    """A board alone since its start, in SURVIVAL, with the given readings."""
    rig = Rig(config=config)
    for name in readings:
        rig.readings[getattr(c, "S_" + name.upper())] = readings[name]
    return rig.run(660_000, 1_000)


def doses(rig):
    return [a for o, a in rig.events(c.EV_SURVIVAL) if o == c.OUT_WATER_PUMP]


def test_light_follows_its_day_by_elapsed_time():
    rig = abandoned()
    lit = []
    for _ in range(48):
        rig.run(HOUR_MS, 10_000)
        lit.append(rig.running(c.OUT_LIGHT))
    dark = lit.count(False)
    assert 15 <= dark <= 17
    assert lit[14] and not lit[16] and not lit[22] and lit[24]


def test_the_last_light_pulse_of_the_day_ends_with_the_day():
    rig = abandoned()
    rig.core.survival.cycle_ms = 57_600_000 - 90_000
    rig.core.end(c.OUT_LIGHT, c.R_STOPPED)
    rig.core.pulses.off_ms[c.OUT_LIGHT] = 10**6
    rig.run(2_000, 1_000)
    assert rig.on(c.OUT_LIGHT)
    assert rig.core.left_ms(c.OUT_LIGHT) <= 89_000
    rig.run(90_000, 1_000)
    assert not rig.on(c.OUT_LIGHT)
    rig.run(600_000, 1_000)
    assert not rig.on(c.OUT_LIGHT)


def test_the_programme_carries_on_the_day_the_host_began():
    rig = in_state("leased")
    rig.run(survival.NIGHT_MS, 1_000)
    rig.pulse(c.OUT_LIGHT, 900_000)
    for _ in range(60):
        rig.run(60_000, 2_000)
        rig.pulse(c.OUT_LIGHT, 900_000)
    assert abs(rig.core.survival.cycle_ms - 3_600_000) < 5_000


def test_a_short_dark_pause_is_no_night():
    follower = survival.Survival(None, None, in_state("ready").core.configuration, None)
    follower.follow(True, 50)
    follower.follow(False, survival.NIGHT_MS - 1)
    follower.follow(True, 1_000)
    assert follower.cycle_ms == 50 + survival.NIGHT_MS - 1 + 1_000
    follower.follow(False, survival.NIGHT_MS)
    follower.follow(True, 1_000)
    assert follower.cycle_ms == 1_000
    follower.follow(False, 10**12)
    assert follower.dark_ms == survival.NIGHT_MS
    assert 0 <= follower.cycle_ms < 86_400_000


def test_water_comes_at_hard_low_from_a_valid_probe_only():
    for probe_1, probe_2, wet in (
        (4_000, 4_000, True),
        (2_500, 2_500, True),
        (2_499, 4_000, False),
        (4_000, 2_499, False),
        (None, None, True),
        (None, 2_000, False),
    ):
        rig = abandoned(soil_p1_pct=probe_1, soil_p2_pct=probe_2)
        rig.run(7_200_000, 10_000)
        assert bool(doses(rig)) != wet, (probe_1, probe_2)


def test_a_probe_outside_its_band_is_broken_and_does_not_count():
    """In the air, in a puddle: 600 ml a day were given for one probe at 0 % beside one at 80 %."""
    for probe_1, probe_2, wet in (
        (0, 8_000, True),
        (0, 0, True),
        (299, 7_001, True),
        (0, 4_000, True),
        (300, 8_000, False),
        (2_000, 8_000, False),
        (0, 2_000, False),
        (8_000, 300, False),
        (1_000, 6_900, False),
    ):
        rig = abandoned(soil_p1_pct=probe_1, soil_p2_pct=probe_2)
        rig.run(7_200_000, 10_000)
        assert bool(doses(rig)) != wet, (probe_1, probe_2)


def test_a_day_with_one_probe_in_the_air_and_one_in_a_puddle_gives_no_water():
    rig = abandoned(soil_p1_pct=0, soil_p2_pct=8_000)
    rig.run(24 * HOUR_MS, 10_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 0


def test_the_upper_end_of_the_band_binds_when_the_grower_asks_for_more():
    for value, wet in ((5_999, False), (7_000, False), (7_001, True)):
        rig = abandoned(config={"defaults": {c.CFG_SURVIVAL_SOIL_LOW_PCT: 9_000}}, soil_p1_pct=value, soil_p2_pct=None)
        rig.run(7_200_000, 10_000)
        assert bool(doses(rig)) != wet, value


def test_a_stale_probe_waters_nothing():
    rig = abandoned(soil_p1_pct=1_000, soil_p2_pct=1_000)
    del rig.readings[c.S_SOIL_P1_PCT]
    del rig.readings[c.S_SOIL_P2_PCT]
    rig.run(c.SENSOR_MAX_AGE_MS + 2_000, 1_000)
    given = len(doses(rig))
    rig.run(3 * 7_200_000, 10_000)
    assert len(doses(rig)) == given


def test_doses_keep_their_pause_and_their_daily_cap():
    rig = abandoned(soil_p1_pct=1_000)
    times = []
    for _ in range(12 * 360):
        seen = len(doses(rig))
        rig.step(10_000)
        if len(doses(rig)) > seen:
            times.append(rig.t)
    assert all(times[i + 1] - times[i] >= 7_200_000 for i in range(len(times) - 1))
    assert set(doses(rig)) == {100}
    assert len(times) in (5, 6)
    rig.run(10 * HOUR_MS, 10_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] <= 600_000


def test_water_the_host_gave_counts_for_the_cap():
    rig = abandoned(soil_p1_pct=1_000)
    rig.core.used.day.add(c.OUT_WATER_PUMP, 501_000)
    rig.run(5 * HOUR_MS, 10_000)
    assert doses(rig) == []
    rig = abandoned(soil_p1_pct=1_000)
    rig.core.used.day.add(c.OUT_WATER_PUMP, 500_000)
    rig.run(5 * HOUR_MS, 10_000)
    assert doses(rig) == [100]


def test_a_dose_of_nothing_is_not_asked_for():
    rig = abandoned(config={"defaults": {c.CFG_SURVIVAL_DOSE_ML: 0}}, soil_p1_pct=1_000)
    rig.run(3 * HOUR_MS, 10_000)
    assert doses(rig) == []
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 0


def test_a_leak_stops_survival_s_water_too():
    rig = abandoned(soil_p1_pct=1_000, leak=1)
    rig.run(3 * HOUR_MS, 10_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 0


def test_air_is_stirred_always_and_let_out_by_temperature():
    rig = abandoned()
    assert rig.on(c.OUT_CIRCULATION_FAN)
    rig.readings[c.S_AIR_TEMP_C] = 2_999
    rig.run(10_000, 1_000)
    assert not rig.on(c.OUT_EXHAUST_FAN)
    rig.readings[c.S_AIR_TEMP_C] = 3_000
    rig.run(2_000, 1_000)
    assert rig.on(c.OUT_EXHAUST_FAN)
    rig.readings[c.S_AIR_TEMP_C] = 2_700
    rig.run(300_000, 1_000)
    assert rig.on(c.OUT_EXHAUST_FAN)
    rig.readings[c.S_AIR_TEMP_C] = 2_699
    rig.run(survival.FAN_PULSE_MS, 1_000)
    assert not rig.on(c.OUT_EXHAUST_FAN)
    rig.readings[c.S_AIR_TEMP_C] = 2_800
    rig.run(10_000, 1_000)
    assert not rig.on(c.OUT_EXHAUST_FAN)


def test_without_a_thermometer_the_exhaust_runs_ten_minutes_an_hour():
    rig = abandoned(air_temp_c=None)
    ran = 0
    for _ in range(3_600):
        rig.step(1_000)
        ran += rig.on(c.OUT_EXHAUST_FAN)
    assert 600 <= ran <= 600 + survival.FAN_PULSE_MS / 1_000


def test_the_fans_run_without_a_gap():
    rig = abandoned()
    gaps = 0
    for _ in range(900):
        rig.step(1_000)
        gaps += not rig.running(c.OUT_CIRCULATION_FAN)
    assert gaps == 0


def test_the_programme_looks_once_a_second():
    asked = []

    class Board:
        def ask(self, output, amount):
            asked.append(output)

        def left_ms(self, output):
            return 0

        def off_ms(self, output):
            return 0

    rig = in_state("ready")
    programme = survival.Survival(Board(), rig.core.inputs, rig.core.configuration, rig.core.used)
    programme.step(999, rig.t)
    assert asked == []
    programme.step(1, rig.t)
    assert asked == [c.OUT_LIGHT, c.OUT_CIRCULATION_FAN]
    programme.step(999, rig.t)
    assert len(asked) == 2


def test_a_pulse_is_renewed_in_good_time_and_never_shortened():
    left = [0]
    asked = []

    class Board:
        def ask(self, output, amount):
            asked.append((output, amount))

        def left_ms(self, output):
            return left[0]

    programme = survival.Survival(Board(), None, None, None)
    for left[0], amount, want in ((20_000, 60_000, 0), (19_999, 60_000, 1), (5_000, 5_000, 0), (4_999, 5_000, 1)):
        asked.clear()
        programme._keep(c.OUT_LIGHT, amount)
        assert len(asked) == want, (left, amount)


def test_a_hand_over_from_survival_keeps_the_lamp_on():
    rig = abandoned()
    assert rig.on(c.OUT_LIGHT)
    rig.lease()
    rig.step()
    assert rig.core.state == c.STATE_LEASED
    assert rig.on(c.OUT_LIGHT)
    assert rig.pulse(c.OUT_LIGHT, 60_000) == c.R_NONE
    assert rig.core.pulses.owner[c.OUT_LIGHT] == 0


def test_what_survival_began_ends_with_the_lease_that_took_it_over():
    rig = abandoned()
    rig.lease()
    rig.run(c.LEASE_MS - 50)
    assert rig.on(c.OUT_LIGHT) and rig.on(c.OUT_CIRCULATION_FAN)
    rig.step()
    assert rig.core.state == c.STATE_READY
    assert rig.core.outputs == 0


def test_survival_s_results_are_not_the_host_s():
    rig = abandoned(soil_p1_pct=1_000)
    rig.run(2 * HOUR_MS, 10_000)
    assert rig.ended == []
    assert doses(rig) != []


def test_budgets_bind_survival_as_well():
    rig = Rig(MemoryStore(provisioned=False))
    rig.readings[c.S_SOIL_P1_PCT] = 1_000
    rig.run(5 * HOUR_MS, 10_000)
    assert rig.core.state == c.STATE_SURVIVAL
    assert doses(rig) == []
    assert not rig.on(c.OUT_LIGHT)
    assert rig.on(c.OUT_CIRCULATION_FAN)
