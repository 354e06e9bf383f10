"""Exact edges of budgets, their windows and what is stored of them: what a mutation run showed nobody looked at."""

from tomato import contract as c
from tomato.core import counters, slots

from tests.firmware_core.rig import MemoryStore, Rig, in_state


def test_spent_means_the_hour_as_well():
    rig = Rig(MemoryStore(provisioned=False))
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] == 600_000
    assert rig.core.used.hour.total[c.OUT_CO2_SOLENOID] == 120_000
    assert rig.core.used.prepaid[c.OUT_WATER_PUMP] == 0


def test_the_core_lets_its_budgets_roll():
    rig = in_state("ready")
    rig.core.used.use(c.OUT_WATER_PUMP, 500_000)
    rig.step(3_900_000)
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] == 0
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 500_000
    rig.step(90_000_000)
    assert rig.core.used.day.total[c.OUT_WATER_PUMP] == 0


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


def test_the_size_of_a_stored_record():
    assert counters.RECORD_BYTES == len(counters.fresh_record()) == 160


def test_three_hours_to_a_stored_group():
    used = counters.Counters()
    used.use(5, 400_000)
    used.elapse(12 * 900_000)
    again = counters.Counters()
    again.restore(used.record(), False)
    assert again.day.since(5, 12, 12) == 400_000


def test_the_prepaid_share_in_a_refusal():
    rig = in_state("leased")
    rig.core.used.prepaid[c.OUT_WATER_PUMP] = 200_000
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_SAVING
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (200, 250)


def test_only_water_and_gas_hold_a_write_back():
    for output, waits in (
        (c.OUT_LIGHT, False),
        (c.OUT_CIRCULATION_FAN, False),
        (c.OUT_EXHAUST_FAN, False),
        (c.OUT_HUMIDIFIER, False),
        (c.OUT_HEATER_MAT, False),
        (c.OUT_WATER_PUMP, True),
        (c.OUT_CO2_SOLENOID, True),
    ):
        rig = in_state("leased")
        rig.step(c.SAVE_RETRY_MS)
        rig.lease()
        assert rig.pulse(output) == c.R_NONE
        rig.step()
        written = len(rig.store.written)
        rig.core.saver.asked = True
        rig.step()
        assert (len(rig.store.written) == written) == waits, output
