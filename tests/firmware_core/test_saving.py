"""Flash: two slots, rarely written, never with an output on; torn or missing means spent, never fresh."""

from tomato import contract as c
from tomato.core import counters, slots
from tomato.core.slots import Slots

from tests.firmware_core.rig import MemoryStore, Rig, in_state


def spent(rig, output=c.OUT_WATER_PUMP):
    return rig.core.used.day.total[output] // 1_000


def generations(store):
    return [slots.generation(store.records["counters." + n]) for n in ("a", "b") if "counters." + n in store.records]


def test_no_record_at_all_means_spent():
    rig = Rig(MemoryStore(provisioned=False))
    assert rig.fault(c.FAULT_COUNTERS_LOST)
    assert rig.events(c.EV_COUNTERS) == [(2, 0)]
    rig.leased()
    for output in range(7):
        reason = rig.pulse(output)
        binds = counters.BOUND_HOUR[output] or counters.BOUND_DAY[output]
        assert (reason == c.R_BUDGET_UNKNOWN) == binds, output
        rig.send(c.M_STOP_ALL)
    assert spent(rig) == 2_500


def test_a_lost_record_rolls_over_after_a_day_without_anybody():
    rig = Rig(MemoryStore(provisioned=False))
    rig.run(86_400_000 + 1_000_000, 10_000)
    assert spent(rig) < 2_500


def test_both_slots_torn_means_spent():
    store = MemoryStore()
    for name in ("a", "b"):
        store.records["counters." + name] = store.records["counters." + name][:40]
    assert spent(Rig(store)) == 2_500


def test_provisioning_is_for_new_boards_only():
    store = MemoryStore(provisioned=False)
    assert slots.provision(store)
    assert not slots.provision(store)
    torn = MemoryStore(provisioned=False)
    torn.records["counters.b"] = b"torn"
    assert not slots.provision(torn)
    assert torn.records == {"counters.b": b"torn"}
    full = MemoryStore(provisioned=False)
    full.fail = True
    assert not slots.provision(full)


def test_a_provisioned_board_knows_its_budgets_after_settling():
    rig = Rig()
    assert rig.events(c.EV_COUNTERS) == [(0, 0)]
    rig.run(c.SETTLE_MS)
    assert rig.store.written == []
    rig.step()
    assert rig.store.written == ["counters.b"]
    assert rig.core.used.prepaid[c.OUT_WATER_PUMP] == 312_000
    assert rig.core.health(rig.t)[c.F_WRITES_TODAY] == 1


def test_slots_are_written_in_turn_and_the_newest_is_read():
    store = MemoryStore()
    keeper = Slots(store, "counters", counters.sound, slots.generation)
    assert keeper.load()[1] is False
    used = counters.Counters()
    for n in range(1, 6):
        assert keeper.save(used.record())
        used.written()
        again = Slots(store, "counters", counters.sound, slots.generation)
        record, other_lost = again.load()
        assert slots.generation(record) == n
        assert not other_lost
        assert again.next == keeper.next
    assert sorted(generations(store)) == [4, 5]


def test_a_refused_write_leaves_the_turn_where_it_was():
    store = MemoryStore()
    keeper = Slots(store, "counters", counters.sound, slots.generation)
    keeper.load()
    store.fail = True
    turn = keeper.next
    assert not keeper.save(counters.fresh_record())
    assert keeper.next == turn


def test_a_reset_never_makes_a_budget_fresh():
    store = MemoryStore()
    rig = Rig(store).leased()
    rig.pulse(c.OUT_WATER_PUMP, 250)
    rig.run(14_000)
    truth = spent(rig)
    assert truth >= 240
    again = Rig(store)
    assert spent(again) >= truth
    assert again.events(c.EV_COUNTERS) == [(1, 0)]


def test_ten_resets_in_a_row_only_ever_spend():
    store = MemoryStore()
    last = given = 0
    for _ in range(10):
        rig = Rig(store).leased()
        for _ in range(2):
            reason = rig.pulse(c.OUT_WATER_PUMP, 200)
            if reason == c.R_NONE:
                break
            assert reason in (c.R_SAVING, c.R_HOUR_BUDGET, c.R_BUDGET_UNKNOWN)
            rig.run(61_000, 1_000)
        given += 0 if reason else 190
        rig.run(11_000)
        assert spent(rig) >= max(last, given)
        last = spent(rig)
        rig.run(2 * 3_900_000, 10_000)
    assert given >= 1_000 and last >= 2_000


def test_while_restarts_repeat_an_hour_that_has_rolled_over_is_written_as_such():
    store = MemoryStore()
    Rig(store).run(70_000, 1_000)
    rig = Rig(store, config={"defaults": {c.CFG_SURVIVAL_ENABLED: 0}})
    rig.run(70_000, 1_000)
    written = len(store.written)
    rig.run(3_900_000 - 70_000, 1_000)
    assert len(store.written) == written
    rig.run(62_000, 1_000)
    assert len(store.written) == written + 1
    rig.run(3 * 3_900_000, 1_000)
    assert len(store.written) == written + 2, "and once an hour while they are remembered, not for ever"
    again = counters.Counters()
    again.restore(store.records["counters." + slots.NAMES[1 - rig.core.saver.slots.next]], False)
    assert again.hour.total[c.OUT_WATER_PUMP] <= 312_000, "nothing but the newest share"


def test_a_write_torn_by_a_power_cut_costs_a_share_and_never_gives_one():
    for cut in (0, 1, 40, counters.RECORD_BYTES - 1):
        store = MemoryStore()
        rig = Rig(store).leased()
        rig.pulse(c.OUT_WATER_PUMP, 250)
        rig.run(14_000)
        store.tear = cut
        rig.core.saver.asked = True
        rig.run(61_000)
        assert rig.core.saver.failures == 1
        assert rig.events(c.EV_SAVE_FAILED) == [(1, 0)]
        torn = Rig(store)
        assert torn.events(c.EV_COUNTERS) == [(1, 1)]
        assert spent(torn) >= spent(rig) + 312


def test_nothing_is_written_while_an_output_is_on():
    rig = in_state("leased")
    rig.store.written = []
    rig.pulse(c.OUT_LIGHT, 900_000)
    rig.pulse(c.OUT_CIRCULATION_FAN, 900_000)
    rig.core.saver.asked = True
    rig.run(120_000)
    assert rig.store.written == ["counters.a"] or rig.store.written == ["counters.b"]
    assert not any(rig.store.outputs_at_write)


def test_lamp_and_fan_come_back_after_a_write():
    rig = in_state("leased")
    rig.run(61_000)
    rig.pulse(c.OUT_LIGHT, 900_000)
    rig.pulse(c.OUT_CIRCULATION_FAN, 900_000)
    rig.step()
    rig.core.saver.asked = True
    rig.step()
    assert rig.core.outputs == 0
    assert rig.core.next_due_ms(rig.t) == rig.t + 1
    rig.step()
    assert rig.on(c.OUT_CIRCULATION_FAN)
    assert not rig.on(c.OUT_LIGHT)
    rig.lease()
    assert rig.core.next_due_ms(rig.t) == rig.t + 4_950
    rig.run(4_900)
    assert not rig.on(c.OUT_LIGHT)
    rig.run(50)
    assert rig.on(c.OUT_LIGHT)
    assert rig.running(c.OUT_LIGHT)


def test_the_moment_a_waiting_output_comes_back_is_a_due_moment():
    rig = in_state("leased")
    rig.core.pulses.active = 1 << c.OUT_LIGHT
    rig.core.pulses.left_ms[c.OUT_LIGHT] = 500_000
    rig.core.outputs = 0
    rig.core.pulses.off_ms[c.OUT_LIGHT] = 4_000
    rig.core.saver.wanted = False
    assert rig.core.next_due_ms(rig.t) == rig.t + 1_000
    assert rig.core.pulses.resume_ms(0, 77) == 77
    rig.core.pulses.off_ms[c.OUT_HEATER_MAT] = 59_990
    assert rig.core.pulses.resume_ms(1 << c.OUT_LIGHT | 1 << c.OUT_HEATER_MAT, 5_000) == 10


def test_a_write_waits_for_water_and_for_co2():
    for output in (c.OUT_WATER_PUMP, c.OUT_CO2_SOLENOID):
        rig = in_state("leased")
        rig.run(61_000)
        assert rig.pulse(output) == c.R_NONE
        rig.store.written = []
        rig.core.saver.asked = True
        rig.run(2_000)
        assert rig.on(output)
        assert rig.store.written == []
        assert rig.core.saver.wanted
        rig.lease()
        wait_ms = rig.core.next_due_ms(rig.t) - rig.t
        assert wait_ms > 500, "a write that waits for a dose is no reason to wake before the dose has something to do"
        rig.run(20_000)
        assert len(rig.store.written) == 1
        assert rig.ended[-1][c.F_STATUS] == c.STATUS_DONE


def test_when_nobody_writes_the_outputs_come_back():
    rig = in_state("leased")
    rig.run(61_000)
    rig.saving = False
    rig.pulse(c.OUT_CIRCULATION_FAN, 900_000)
    rig.core.saver.asked = True
    rig.step()
    assert rig.core.outputs == 0 and rig.core.save_due
    rig.step()
    assert rig.on(c.OUT_CIRCULATION_FAN) and not rig.core.save_due
    rig.core.next_due_ms(rig.t)
    rig.run(59_900)
    assert rig.on(c.OUT_CIRCULATION_FAN)
    assert rig.core.next_due_ms(rig.t) == rig.t + c.SAVE_RETRY_MS - 59_900


def test_save_refuses_when_it_is_not_due_or_something_is_on():
    rig = in_state("leased")
    assert not rig.core.save(rig.t)
    rig.run(61_000)
    rig.saving = False
    rig.core.saver.asked = True
    rig.step()
    assert rig.core.save_due
    rig.core.outputs = 1
    assert not rig.core.save(rig.t)
    assert rig.core.save_due
    rig.core.outputs = 0
    assert rig.core.save(rig.t)
    assert not rig.core.save_due
    assert not rig.core.saver.asked


def test_a_request_beyond_the_prepaid_share_asks_for_a_write_and_is_let_in_after_it():
    rig = in_state("leased")
    rig.run(61_000)
    rig.core.used.prepaid[c.OUT_WATER_PUMP] = 249_999
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_SAVING
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (249, 250)
    rig.run(100)
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_NONE
    exact = in_state("leased")
    exact.core.used.prepaid[c.OUT_WATER_PUMP] = 250_000
    assert exact.pulse(c.OUT_WATER_PUMP, 250) == c.R_NONE


def test_writes_keep_a_minute_apart():
    rig = in_state("leased")
    rig.store.written = []
    for _ in range(30 * 60):
        rig.core.saver.asked = True
        rig.lease()
        rig.step(1_000)
    assert len(rig.store.written) == 30


def test_a_quiet_half_spent_board_writes_after_ten_minutes():
    rig = in_state("ready")
    rig.core.configuration.set(c.CFG_SURVIVAL_ENABLED, 0)
    rig.run(62_000, 1_000)
    rig.store.written = []
    rig.core.used.prepaid[c.OUT_LIGHT] = 1_349_999
    rig.run(520_000, 1_000)
    assert rig.store.written == []
    rig.run(80_000, 1_000)
    assert len(rig.store.written) == 1
    assert rig.core.used.prepaid[c.OUT_LIGHT] == 2_700_000


def test_the_writes_of_a_busy_half_day_stay_few():
    rig = Rig(config={"defaults": {c.CFG_SURVIVAL_ENABLED: 0}}).leased()
    rig.store.written = []
    for minute in range(12 * 60):
        if minute % 10 == 0:
            for output in (c.OUT_LIGHT, c.OUT_CIRCULATION_FAN, c.OUT_HUMIDIFIER, c.OUT_HEATER_MAT):
                rig.lease()
                rig.pulse(output, 300_000)
        if minute % 60 == 5:
            rig.pulse(c.OUT_WATER_PUMP, 80)
        rig.run(60_000, 4_000)
    assert 5 < len(rig.store.written) < 75, len(rig.store.written)
    assert rig.core.health(rig.t)[c.F_WRITES_TODAY] <= len(rig.store.written) + 1


def test_the_count_of_writes_is_of_the_running_day():
    rig = in_state("ready")
    assert rig.core.saver.writes == 1
    rig.core.saver.elapse(86_400_000 - rig.core.saver.day_ms - 1)
    assert rig.core.saver.writes == 1
    rig.core.saver.elapse(1)
    assert (rig.core.saver.writes, rig.core.saver.day_ms) == (0, 0)
    rig.core.saver.elapse(86_400_000 * 3 + 5)
    assert rig.core.saver.day_ms == 5


def test_the_light_s_day_survives_a_reset():
    store = MemoryStore()
    rig = Rig(store)
    rig.run(70_000, 1_000)
    rig.core.survival.cycle_ms = 40_000_000
    rig.core.saver.asked = True
    rig.run(2_000)
    assert abs(Rig(store).core.survival.cycle_ms - 40_000_000) < 3_000


def test_flash_that_cannot_be_written_hands_out_nothing():
    rig = Rig()
    rig.store.fail = True
    rig.leased()
    assert rig.pulse(c.OUT_WATER_PUMP, 10) == c.R_SAVING
    assert rig.pulse(c.OUT_CIRCULATION_FAN) == c.R_NONE
    assert rig.core.saver.failures >= 1


def test_a_calm_board_does_not_write_because_an_hour_has_rolled_over():
    """Only while restarts repeat is an old hour worth a write: flash wears out."""
    rig = in_state("leased")
    assert rig.core.used.restarts == 0
    before = len(rig.store.written)
    rig.run(2 * 3_600_000, 4_000)
    assert len(rig.store.written) == before
