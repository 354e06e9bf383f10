"""Details that a mutation run showed nobody was looking at: exact edges, exact figures in answers."""

from tomato import contract as c
from tomato.core import counters, interlocks, pulses, slots, states, survival
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


def test_spent_means_the_hour_as_well():
    rig = Rig(MemoryStore(provisioned=False))
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] == 600_000
    assert rig.core.used.hour.total[c.OUT_CO2_SOLENOID] == 120_000
    assert rig.core.used.prepaid[c.OUT_WATER_PUMP] == 0


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


def test_settling_is_due_when_it_ends():
    rig = in_state("safe")
    rig.run(500)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SETTLE_MS - 500


def test_flow_that_stops_counts_from_zero():
    rig = in_state("ready")
    watch = interlocks.FlowWatch(rig.core.inputs, 1 << c.S_FLOW_ML)
    rig.core.inputs.flow_count += 1
    assert watch.step(1, 450, 50) == -1
    assert watch.dry_ms == 0
    assert watch.step(1, 450, c.FLOW_CHECK_AFTER_MS - 1) == -1
    assert watch.step(1, 450, 1) == c.FAULT_NO_FLOW


def test_the_age_in_an_answer_is_cut_at_thirty_bits():
    rig = in_state("leased")
    del rig.readings[c.S_CO2_PPM]
    for age, told in ((0x3FFFFFFE, 0x3FFFFFFE), (0x3FFFFFFF, 0x3FFFFFFF), (0x40000000, 0x3FFFFFFF)):
        rig.core.inputs.t_ms[c.S_CO2_PPM] = rig.t - age
        assert rig.pulse(c.OUT_CO2_SOLENOID) == c.R_CO2_STALE
        assert rig.answer[c.F_VALUE] == told


def test_the_blind_exhaust_keeps_its_ten_minutes_of_each_hour():
    rig = in_state("ready")
    rig.core.inputs.lost(c.S_AIR_TEMP_C, c.WHY_NO_ANSWER, rig.t)
    programme = rig.core.survival
    for cycle_ms, want in ((0, True), (599_999, True), (600_000, False), (3_599_999, False), (3_600_000, True),
                           (4_199_999, True), (4_200_000, False)):
        programme.cycle_ms = cycle_ms
        assert programme._wants_exhaust(rig.t) == want, cycle_ms


def test_a_board_that_starts_in_the_dark_has_had_no_night_yet():
    follower = survival.Survival(None, None, in_state("ready").core.configuration, None)
    assert (follower.dark_ms, follower.cycle_ms, follower.pace_ms, follower.venting) == (0, 0, 0, False)
    follower.follow(False, survival.NIGHT_MS - 1)
    follower.follow(True, 1)
    assert follower.cycle_ms == survival.NIGHT_MS


def test_the_core_lets_its_budgets_roll():
    rig = in_state("ready")
    rig.core.used.use(c.OUT_WATER_PUMP, 500_000)
    rig.step(3_900_000)
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] == 0
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 500_000
    rig.step(90_000_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 0


def test_the_moment_a_dry_pump_is_found_is_a_due_moment():
    rig = in_state("leased")
    rig.flow_per_s = 0
    rig.pulse(c.OUT_WATER_PUMP, 200)
    rig.run(1_000)
    assert rig.core.flow.dry_ms == 1_000
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + 2_000


def test_survival_s_next_look_is_a_due_moment():
    rig = in_state("survival")
    rig.run(61_000, 1_000)
    rig.core.survival.pace_ms = 300
    assert rig.core.next_due_ms(rig.t) == rig.t + 700


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


def test_generations_count_up_by_one():
    rig = in_state("ready")
    for n, value in ((1, 500), (2, 501), (3, 502)):
        rig.core.configuration.set(c.CFG_FLOW_PULSES_PER_L, value)
        assert rig.core.configuration.save()
        assert rig.core.configuration.generation == n
        assert slots.generation(rig.store.records["config." + ("a" if n % 2 else "b")]) == n


def test_what_a_stored_record_begins_with():
    assert counters.fresh_record()[:4] == b"\x43\x54\x01\x07"
    rig = in_state("ready")
    rig.core.configuration.save()
    assert rig.store.records["config.a"][:4] == b"\x43\x47\x01" + bytes((len(c.CONFIG),))


def test_a_write_is_worth_it_only_for_half_a_dose_more():
    used = counters.Counters()
    used.written()
    used.prepaid[5] = 212_000
    assert not used.low(5, 250_000)
    used.prepaid[5] = 187_001
    assert not used.low(5, 250_000)
    used.prepaid[5] = 187_000
    assert used.low(5, 250_000)
    used.prepaid[5] = 156_000
    assert not used.half_spent()
    used.prepaid[5] = 155_999
    assert used.half_spent()
    assert counters.Counters().light_cycle_s == 0


def test_the_cause_of_an_emergency_stop():
    rig = in_state("ready")
    rig.core.inputs.estop = 1
    rig.step()
    assert rig.core.faults.cause[c.FAULT_ESTOP] == 1


def test_two_bounces_do_not_add_up_to_a_press():
    button = Button()
    for _ in range(3):
        assert button.step(1, 49) == 0
        assert button.step(0, 1) == 0


def watch_of(rig):
    return interlocks.FlowWatch(rig.core.inputs, 1 << c.S_FLOW_ML)


def test_dry_time_begins_at_nothing_each_time_the_pump_starts():
    rig = in_state("ready")
    watch = watch_of(rig)
    assert watch.step(1, 450, 2_999) == -1
    assert watch.step(0, 450, 50) == -1
    assert watch.step(1, 450, 2_999) == -1
    assert watch.step(1, 450, 1) == c.FAULT_NO_FLOW


def test_the_grace_after_a_dose_is_exact():
    rig = in_state("ready")
    for before, shown in ((4_999, -1), (5_000, c.FAULT_STUCK_VALVE)):
        watch = watch_of(rig)
        watch.step(1, 450, 50)
        watch.step(0, 450, before)
        rig.core.inputs.flow_count += 100
        assert watch.step(0, 450, 1) == shown


def test_the_window_of_resting_flow_is_exact_and_begins_anew():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    for _ in range(3):
        rig.core.inputs.flow_count += 9
        assert watch.step(0, 450, 599_999) == -1
        assert watch.step(0, 450, 1) == -1
    rig.core.inputs.flow_count += 9
    assert watch.step(0, 450, 599_999) == -1
    rig.core.inputs.flow_count += 1
    assert watch.step(0, 450, 0) == c.FAULT_STUCK_VALVE


def test_a_dose_begins_the_window_anew():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    watch.step(0, 450, 300_000)
    watch.step(1, 450, 50)
    watch.step(0, 450, 5_000)
    rig.core.inputs.flow_count += 9
    assert watch.step(0, 450, 599_999) == -1
    rig.core.inputs.flow_count += 1
    assert watch.step(0, 450, 0) == c.FAULT_STUCK_VALVE


def test_each_dose_is_measured_by_itself():
    rig = in_state("leased")
    for _ in range(2):
        assert rig.pulse(c.OUT_WATER_PUMP, 60) == c.R_NONE
        rig.run(5_000)
        assert 55 <= rig.last()[3] <= 60
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


def test_the_minute_between_writes_is_exact():
    rig = in_state("leased")
    rig.run(61_000, 1_000)
    rig.core.saver.asked = True
    rig.step()
    written = len(rig.store.written)
    rig.core.saver.asked = True
    rig.step(c.SAVE_RETRY_MS - 1)
    assert len(rig.store.written) == written
    rig.step(1)
    assert len(rig.store.written) == written + 1


def test_a_failed_write_is_told_with_its_number():
    rig = in_state("ready")
    rig.store.fail = True
    for n in (1, 2):
        rig.step(61_000)
        rig.core.saver.asked = True
        rig.step()
        assert rig.events(c.EV_SAVE_FAILED)[-1] == (n, 0)


def test_one_torn_slot_is_noticed():
    store = MemoryStore()
    store.records["counters.b"] = b"torn"
    assert slots.Slots(store, "counters", counters.sound, slots.generation).load()[1] is True


def test_the_signals_are_those_of_the_wiring_page():
    assert states.BLINK == ((4000, 0), (200, 100), (2000, 100), (2000, 1900), (1000, 500), (400, 200))
    assert states.BEEP == (1000, 200) and states.BLINK_CYCLE_MS == 4000


def test_dawn_comes_once_a_night():
    follower = survival.Survival(None, None, in_state("ready").core.configuration, None)
    follower.follow(False, survival.NIGHT_MS)
    follower.follow(True, 1_000)
    follower.follow(True, 1_000)
    assert follower.cycle_ms == 2_000


def test_the_day_follows_the_lamp_and_nothing_else():
    for output, want in ((c.OUT_LIGHT, 2_000), (c.OUT_CIRCULATION_FAN, None)):
        rig = in_state("leased")
        rig.core.survival.dark_ms = survival.NIGHT_MS
        rig.core.survival.cycle_ms = 50_000_000
        rig.pulse(output)
        rig.run(2_000)
        assert rig.core.survival.cycle_ms == (want or 50_002_000)


class AskedBoard:
    """Remembers what survival asked for."""

    def __init__(self, off_ms):
        self.asked = []
        self.rest_ms = off_ms

    def ask(self, output, amount):
        self.asked.append((output, amount))

    def off_ms(self, output):
        return self.rest_ms


def test_a_dose_is_asked_for_exactly_when_its_pause_is_over_and_never_of_nothing():
    rig = in_state("ready")
    rig.core.inputs.put(c.S_SOIL_P1_PCT, 1_000, rig.t)
    for dose, off_ms, asked in ((100, 7_199_999, 0), (100, 7_200_000, 1), (1, 7_200_000, 1), (0, 7_200_000, 0)):
        rig.core.config[c.CFG_SURVIVAL_DOSE_ML] = dose
        board = AskedBoard(off_ms)
        survival.Survival(board, rig.core.inputs, rig.core.configuration, rig.core.used)._water(rig.t)
        assert len(board.asked) == asked, (dose, off_ms)


def test_a_stuck_valve_is_told_once_for_its_water():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 5_000)
    rig.core.inputs.flow_count += 10
    assert watch.step(0, 450, 50) == c.FAULT_STUCK_VALVE
    assert watch.step(0, 450, 50) == -1
    assert watch.rest_ms == 50


def test_an_output_that_waits_is_no_business_of_the_hardware_timer():
    rig = in_state("leased")
    rig.pulse(c.OUT_LIGHT, 5_000)
    rig.core.outputs = 0
    assert rig.core.pulse_end_ms() == -1
    assert rig.core.pulses.ending_with(0, 10_000) == 0
    rig.pulse(c.OUT_CIRCULATION_FAN, 9_000)
    rig.core.outputs = 1 << c.OUT_CIRCULATION_FAN
    assert rig.core.pulse_end_ms() == 9_000
    assert rig.core.next_due_mask == 1 << c.OUT_CIRCULATION_FAN


def test_what_a_start_tells_of_its_counters():
    fresh = Rig(MemoryStore())
    assert fresh.events(c.EV_COUNTERS) == [(0, 0)]
    used = counters.Counters()
    store = MemoryStore()
    store.records["counters.a"] = used.record()
    assert Rig(store).events(c.EV_COUNTERS) == [(1, 0)]
    store.records["counters.b"] = b""
    assert Rig(store).events(c.EV_COUNTERS) == [(1, 1)]
    lost = Rig(MemoryStore(provisioned=False))
    assert lost.events(c.EV_COUNTERS) == [(2, 0)]
    assert lost.core.faults.cause[c.FAULT_COUNTERS_LOST] == 0
    assert lost.core.faults.cause[c.FAULT_CONFIG_LOST] == 0
    assert lost.events(c.EV_FAULT) == [(c.FAULT_COUNTERS_LOST, 0), (c.FAULT_CONFIG_LOST, 0)]


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


def test_the_windows_are_an_hour_and_a_day_and_one_cell():
    used = counters.Counters()
    assert (used.hour.cells - 1) * used.hour.cell_ms == counters.HOUR_MS == 3_600_000
    assert (used.day.cells - 1) * used.day.cell_ms == counters.DAY_MS == 86_400_000


def test_a_share_that_just_covers_the_dose_is_not_low():
    used = counters.Counters()
    used.prepaid[5] = 100_000
    assert not used.low(5, 100_000)
    used.prepaid[5] = 99_999
    assert used.low(5, 100_000)


def test_each_missing_guard_is_its_own():
    for missing, other, reason in ((c.S_LEAK, c.S_RESERVOIR_OK, c.R_RESERVOIR_STALE),
                                   (c.S_RESERVOIR_OK, c.S_LEAK, c.R_LEAK_STALE)):
        rig = Rig(config={"fitted": ~(1 << missing)})
        rig.readings[missing] = None
        rig.leased()
        assert rig.core.judge.verdict(c.OUT_WATER_PUMP, 0, rig.t) == c.R_NONE
        rig.readings[other] = None
        rig.step()
        assert rig.core.judge.verdict(c.OUT_WATER_PUMP, 0, rig.t) == reason


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


def test_a_flow_meter_is_fitted_by_its_own_bit():
    inputs = in_state("ready").core.inputs
    assert interlocks.FlowWatch(inputs, 1 << c.S_FLOW_ML).fitted
    assert not interlocks.FlowWatch(inputs, ~(1 << c.S_FLOW_ML)).fitted


def test_the_size_of_a_stored_record():
    assert counters.RECORD_BYTES == len(counters.fresh_record()) == 160


def test_no_results_at_first():
    assert not pulses.Finished().take({})


def test_the_figures_of_the_programme():
    rig = in_state("ready")
    programme = rig.core.survival
    assert programme._day_ms() == 86_400_000
    board = AskedBoard(0)
    board.left_ms = lambda output: 0
    programme.board = board
    programme.cycle_ms = 0
    programme._light()
    programme._air(rig.t)
    assert board.asked == [(c.OUT_LIGHT, 600_000), (c.OUT_CIRCULATION_FAN, 120_000)]
    for moisture, thirsty in ((2_500, False), (2_499, True)):
        rig.core.inputs.put(c.S_SOIL_P1_PCT, moisture, rig.t)
        assert programme._thirsty(rig.t) == thirsty


def test_what_a_start_finds_is_dated_to_the_start():
    rig = Rig(MemoryStore(provisioned=False))
    for fault in (c.FAULT_COUNTERS_LOST, c.FAULT_CONFIG_LOST):
        assert rig.core.faults.t_ms[fault] == 0
    assert [rig.core.events.at(i)[1] for i in range(rig.core.events.count)] == [0] * rig.core.events.count
    assert Rig().core.events.at(0)[1] == 0
    assert (rig.core.saver.day_ms, rig.core.saver.writes, counters.Counters().latched) == (0, 0, 0)


def test_three_hours_to_a_stored_group():
    used = counters.Counters()
    used.use(5, 400_000)
    used.elapse(12 * 900_000)
    again = counters.Counters()
    again.restore(used.record(), False)
    assert again.day.since(5, 12, 12) == 400_000


def test_the_grace_after_the_start_is_exact():
    rig = in_state("ready")
    watch = watch_of(rig)
    watch.step(0, 450, 4_999)
    rig.core.inputs.flow_count += 100
    assert watch.step(0, 450, 1) == -1


def test_a_later_dose_takes_its_own_time():
    rig = in_state("leased")
    for _ in range(2):
        assert rig.pulse(c.OUT_WATER_PUMP, 60) == c.R_NONE
        rig.run(5_000)
        assert rig.core.pulses.on_ms[c.OUT_WATER_PUMP] >= 2_900
        rig.run(61_000, 1_000)


def test_a_litre_is_a_litre():
    running = in_state("ready").core.pulses
    running.inputs.flow_count = running.flow_base + 450
    assert running.flowed_ml() == 1_000


def test_the_prepaid_share_in_a_refusal():
    rig = in_state("leased")
    rig.core.used.prepaid[c.OUT_WATER_PUMP] = 200_000
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_SAVING
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (200, 250)


def test_a_night_is_two_hours_and_a_look_a_second():
    assert (survival.NIGHT_MS, survival.PACE_MS, survival.RENEW_BELOW_MS) == (7_200_000, 1_000, 20_000)


def test_the_cap_of_the_programme_is_exact():
    rig = in_state("ready")
    rig.core.inputs.put(c.S_SOIL_P1_PCT, 1_000, rig.t)
    rig.core.used.day.add(c.OUT_WATER_PUMP, 500_000)
    for more, asked in ((0, 1), (1, 0)):
        rig.core.used.day.add(c.OUT_WATER_PUMP, more)
        board = AskedBoard(7_200_000)
        survival.Survival(board, rig.core.inputs, rig.core.configuration, rig.core.used)._water(rig.t)
        assert len(board.asked) == asked
