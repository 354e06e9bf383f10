"""Rolling budgets: never more than the table allows in any hour or day of elapsed time, reset or not."""

from tomato import contract as c
from tomato.core import counters
from tomato.core.counters import DAY_MS, HOUR_MS, Counters, Window

from tests.firmware_core.rig import MemoryStore, Rig, in_state

# By hand from devices.py, in s or ml.
HOUR = (3_600, 3_600, 3_600, 1_800, 2_700, 600, 120)
DAY = (64_800, 86_400, 86_400, 21_600, 43_200, 2_500, 600)
HOUR_BINDS = (False, False, False, True, True, True, True)
DAY_BINDS = (True, False, False, True, True, True, True)


def test_the_budgets_are_those_of_the_table():
    for output in range(7):
        assert counters.HOUR_BUDGET[output] == HOUR[output] * 1_000
        assert counters.DAY_BUDGET[output] == DAY[output] * 1_000
        assert counters.BOUND_HOUR[output] == HOUR_BINDS[output]
        assert counters.BOUND_DAY[output] == DAY_BINDS[output]


def test_what_is_used_is_remembered_for_the_whole_window_and_then_forgotten():
    for cells, cell_ms, window in ((13, 300_000, HOUR_MS), (97, 900_000, DAY_MS)):
        assert (cells - 1) * cell_ms == window
        rolling = Window(cells, cell_ms)
        rolling.elapse(cell_ms - 1)
        rolling.add(2, 70)
        rolling.elapse(window)
        assert rolling.total[2] == 70
        rolling.elapse(1)
        assert rolling.total[2] == 0


def test_any_split_of_time_forgets_the_same():
    for dt in (1_000, 7_777, 299_999, 300_000, 300_001, 1_000_000):
        rolling = Window(13, 300_000)
        elapsed = 0
        rolling.add(0, 1_000)
        while elapsed < 13 * 300_000:
            assert rolling.total[0] == 1_000
            rolling.elapse(dt)
            elapsed += dt
        assert rolling.total[0] == 0


def test_a_jump_over_many_windows_forgets_everything_and_keeps_the_phase():
    rolling = Window(13, 300_000)
    for output in range(7):
        rolling.add(output, 5)
    rolling.elapse(10**11 + 123)
    assert list(rolling.total) == [0] * 7
    assert not any(any(cells) for cells in rolling.amount)
    assert rolling.into_ms == (10**11 + 123) % 300_000
    rolling.add(1, 9)
    assert rolling.total[1] == 9


def test_rows_do_not_mix():
    rolling = Window(13, 300_000)
    rolling.add(0, 1)
    rolling.elapse(300_000)
    rolling.add(6, 2)
    assert list(rolling.total) == [1, 0, 0, 0, 0, 0, 2]
    assert rolling.since(0, 0, 0) == 0
    assert rolling.since(0, 1, 1) == 1
    assert rolling.since(0, 0, 12) == 1
    assert rolling.since(6, 0, 0) == 2


def test_left_low_and_half_spent():
    used = Counters()
    assert used.hour_left(5) == 600_000 and used.day_left(5) == 2_500_000
    assert used.share(5) == 312_000
    assert used.low(5, 250_000)
    used.written()
    assert used.prepaid[5] == 312_000
    assert not used.low(5, 250_000) and not used.half_spent()
    used.use(5, 62_000)
    assert not used.low(5, 250_000)
    used.use(5, 1)
    assert used.prepaid[5] == 249_999
    # 62 ml more would be handed out: not worth a write while half a dose is not gained.
    assert not used.low(5, 250_000)
    used.use(5, 62_999)
    assert used.prepaid[5] == 187_000 and used.low(5, 250_000)
    assert not used.half_spent()
    used.use(5, 31_001)
    assert used.prepaid[5] == 155_999 and used.half_spent()


def test_an_output_whose_budget_cannot_bind_never_asks_for_a_write():
    used = Counters()
    used.written()
    for output in (1, 2):
        used.use(output, 80_000_000)
        assert not used.low(output, 900_000)
    assert not used.half_spent()


def test_what_is_prepaid_never_exceeds_what_is_left():
    used = Counters()
    used.use(5, 2_400_500)
    assert used.share(5) == 99_000
    used.use(5, 200_000)
    assert used.share(5) == 0


def restored(record, other_lost=False):
    used = Counters()
    used.restore(record, other_lost)
    return used


def test_a_restored_record_counts_what_was_prepaid_as_spent():
    used = Counters()
    used.use(5, 100_500)
    used.use(0, 1_000_000)
    record = used.record()
    again = restored(record)
    assert again.generation == 1
    assert again.day.total[5] == 101_000 + 312_000
    assert again.hour.total[5] == 101_000 + 312_000
    assert again.day.total[0] == 1_000_000 + 2_700_000
    assert again.prepaid[5] == 0
    lost = restored(record, other_lost=True)
    assert lost.day.total[5] == 101_000 + 2 * 312_000 + 500
    assert lost.hour.total[5] == lost.day.total[5]


def test_a_restored_day_rolls_on_never_earlier_than_it_would_have():
    for hours in (0, 1, 3, 7, 12, 20, 23):
        used = Counters()
        used.use(5, 400_000)
        used.elapse(hours * HOUR_MS)
        again = restored(used.record())
        spent = again.day.total[5]
        assert spent == 400_000 + 312_000, hours
        again.elapse((24 - hours) * HOUR_MS - 900_000)
        assert again.day.total[5] == spent, hours
        again.elapse(900_000 + 3 * HOUR_MS + 900_000)
        assert again.day.total[5] <= 312_000, hours


def test_a_full_day_in_all_its_cells_comes_back_whole():
    used = Counters()
    for _ in range(96):
        used.use(5, 20_000)
        used.use(0, 300_000)
        used.elapse(900_000)
    again = restored(used.record())
    assert again.day.total[5] == 96 * 20_000 + 312_000
    assert again.day.total[0] == 96 * 300_000 + 2_700_000
    assert again.hour.total[5] == used.hour.total[5] + 312_000


def test_latches_and_the_light_s_day_ride_along():
    used = Counters()
    used.latched = 0x55
    used.light_cycle_s = 86_399
    again = restored(used.record())
    assert (again.latched, again.light_cycle_s) == (0x55, 86_399)


def test_each_number_of_dry_doses_rides_along_beside_the_latches():
    """They share a word: neither may be read as the other."""
    for dry_runs in range(4):
        for latched in (0, 0x55):
            used = Counters()
            used.latched, used.dry_runs = latched, dry_runs
            again = restored(used.record())
            assert (again.latched, again.dry_runs, again.restarts) == (latched, dry_runs, 1)


def test_a_new_board_has_all_its_tries_at_a_dry_pump():
    assert Counters().dry_runs == 0
    assert Rig().core.flow.dry_runs == 0


def test_more_than_fits_is_stored_as_the_most_that_fits():
    used = Counters()
    used.use(1, 80_000_000)
    assert restored(used.record()).day.total[1] >= 65_535_000


def test_a_record_has_the_layout_that_boards_in_the_field_have_stored():
    """Head, hour, eight parts of the day, prepaid, told, light's cycle, check sum; shifted, old ones read wrongly."""
    import struct

    n = counters.N_OUTPUTS
    layout = f"<HBBI{10 * n}HIII"
    record = bytes(counters.Counters().record())
    assert len(record) == struct.calcsize(layout)
    numbers = struct.unpack(layout, record)
    prepaid = numbers[4 + 9 * n : 4 + 10 * n]
    assert numbers[:4] == (0x5443, 1, n, 1) and not any(numbers[4 : 4 + 9 * n])
    assert prepaid == tuple(counters.Counters().share(i) // 1000 for i in range(n)) and any(prepaid)


def test_a_record_is_sound_only_when_whole_and_of_this_version():
    record = counters.fresh_record()
    assert counters.sound(record)
    assert len(record) == counters.RECORD_BYTES
    assert not counters.sound(None)
    assert not counters.sound(b"")
    for cut in range(len(record)):
        assert not counters.sound(record[:cut])
    assert not counters.sound(record + b"\0")
    for at in range(len(record)):
        bad = bytearray(record)
        bad[at] ^= 0x10
        assert not counters.sound(bytes(bad)), at


def test_another_version_with_a_good_check_sum_is_not_sound():
    import binascii
    import struct

    for at in range(4):
        body = bytearray(counters.fresh_record()[:-4])
        body[at] += 1
        assert not counters.sound(bytes(body) + struct.pack("<I", binascii.crc32(bytes(body)))), at


def test_a_fresh_record_gives_nothing_away():
    used = restored(counters.fresh_record())
    assert list(used.day.total) == [0] * 7 and list(used.prepaid) == [0] * 7
    assert used.generation == 0


def test_the_hour_binds_before_the_day():
    rig = in_state("leased")
    given = 0
    reasons = []
    for _ in range(8):
        reason = rig.pulse(c.OUT_WATER_PUMP, 140)
        reasons.append(reason)
        given += 140 if reason == c.R_NONE else 0
        rig.run(75_000, 500)
    assert given == 560
    assert reasons == [c.R_NONE] * 4 + [c.R_HOUR_BUDGET] * 4
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] <= 600_000


def test_the_refusal_names_what_it_would_have_come_to():
    rig = in_state("leased")
    rig.core.used.use(c.OUT_WATER_PUMP, 550_000)
    assert rig.pulse(c.OUT_WATER_PUMP, 51) == c.R_HOUR_BUDGET
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (601, 600)
    rig.core.used.prepaid[c.OUT_WATER_PUMP] = 10**9
    assert rig.pulse(c.OUT_WATER_PUMP, 50) == c.R_NONE


def test_the_day_binds():
    rig = in_state("leased")
    rig.core.used.day.add(c.OUT_WATER_PUMP, 2_450_000)
    rig.core.used.prepaid[c.OUT_WATER_PUMP] = 10**9
    assert rig.pulse(c.OUT_WATER_PUMP, 51) == c.R_DAY_BUDGET
    assert (rig.answer[c.F_VALUE], rig.answer[c.F_BOUND]) == (2_501, 2_500)
    assert rig.pulse(c.OUT_WATER_PUMP, 50) == c.R_NONE


def test_relays_are_charged_by_the_time_they_are_on():
    rig = in_state("leased")
    rig.pulse(c.OUT_HUMIDIFIER, 10_000)
    rig.run(4_000)
    assert rig.core.used.day.total[c.OUT_HUMIDIFIER] == 4_000
    rig.send(c.M_STOP, output=c.OUT_HUMIDIFIER)
    rig.run(4_000)
    assert rig.core.used.day.total[c.OUT_HUMIDIFIER] == 4_000
    assert rig.core.used.hour.total[c.OUT_HUMIDIFIER] == 4_000
    assert rig.core.health(rig.t)[c.F_DAY_USED][c.OUT_HUMIDIFIER] == 4
    assert rig.core.health(rig.t)[c.F_HOUR_USED][c.OUT_HUMIDIFIER] == 4


def test_forced_ventilation_is_charged_but_never_refused():
    rig = in_state("ready")
    rig.core.used.use(c.OUT_EXHAUST_FAN, 86_400_000)
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(10_200)
    assert rig.on(c.OUT_EXHAUST_FAN)
    assert 86_409_000 <= rig.core.used.day.total[c.OUT_EXHAUST_FAN] <= 86_411_000


def test_the_lamp_gets_its_eighteen_hours_and_no_more():
    rig = Rig(store=MemoryStore())
    rig.leased()
    on_s = 0
    for _ in range(24 * 60):
        if not rig.running(c.OUT_LIGHT) or rig.core.left_ms(c.OUT_LIGHT) < 120_000:
            rig.lease()
            rig.pulse(c.OUT_LIGHT, 600_000)
        for _ in range(15):
            rig.lease()
            rig.step(4_000)
            on_s += 4 if rig.on(c.OUT_LIGHT) else 0
    assert rig.core.used.day.total[c.OUT_LIGHT] <= 64_800_000
    assert 60_000 <= on_s <= 64_900
