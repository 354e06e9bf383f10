"""Restarts charge by risk, are told when they repeat, and the answer of a dose says that it was they who refused it."""

from tomato import contract as c
from tomato.core import counters

from tests.firmware_core.rig import MemoryStore, Rig


def restarted(times, up_ms=70_000):
    """A board that was started `times` times after its first life, each for `up_ms`; no dose was ever given."""
    store = MemoryStore()
    Rig(store).run(up_ms, 1_000)
    for _ in range(times):
        rig = Rig(store)
        rig.run(up_ms, 1_000)
    return rig


def spent(rig, output):
    """Share of the day's budget that counts as spent, in percent."""
    return 100 * rig.core.used.day.total[output] // counters.DAY_BUDGET[output]


def test_eight_power_cycles_leave_half_a_day_of_water_and_most_of_the_light():
    """They used to cost all of both."""
    rig = restarted(8)
    assert spent(rig, c.OUT_LIGHT) <= 17
    assert spent(rig, c.OUT_WATER_PUMP) <= 48
    assert spent(rig, c.OUT_HEATER_MAT) <= 48
    rig.leased()
    assert rig.pulse(c.OUT_LIGHT, 900_000) == c.R_SAVING
    rig.run(61_000, 1_000)
    assert rig.pulse(c.OUT_LIGHT, 900_000) == c.R_NONE


def test_a_dose_after_many_restarts_is_prepaid_by_itself_and_given():
    rig = restarted(8)
    rig.run(4_000_000, 10_000)
    rig.leased()
    assert rig.core.used.share(c.OUT_WATER_PUMP) < 100_000
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_SAVING
    rig.run(61_000, 1_000)
    assert rig.core.used.prepaid[c.OUT_WATER_PUMP] == 250_000
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_NONE
    rig.run(14_000)
    assert rig.last()[:2] == (c.OUT_WATER_PUMP, c.STATUS_DONE)
    # What was prepaid for it is used up, and a restart now charges only the small share again.
    again = Rig(rig.store)
    assert again.core.used.day.total[c.OUT_WATER_PUMP] >= rig.core.used.day.total[c.OUT_WATER_PUMP]


def test_what_was_prepaid_for_a_dose_counts_as_spent_when_the_board_restarts_in_it():
    rig = restarted(8)
    rig.run(4_000_000, 10_000)
    rig.leased()
    rig.pulse(c.OUT_WATER_PUMP, 250)
    rig.run(61_000, 1_000)
    before = rig.core.used.day.total[c.OUT_WATER_PUMP]
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_NONE
    rig.run(12_000)
    assert Rig(rig.store).core.used.day.total[c.OUT_WATER_PUMP] >= before + 250_000


def test_the_share_shrinks_with_restarts_and_grows_back_with_calm():
    store = MemoryStore()
    shares = []
    Rig(store).run(70_000, 1_000)
    for _ in range(6):
        rig = Rig(store)
        rig.run(70_000, 1_000)
        shares.append(rig.core.used.prepaid[c.OUT_WATER_PUMP] // 1000)
    assert shares == [312, 156, 156, 78, 78, 39]
    assert rig.core.used.restarts == 6
    for left in (5, 4, 3, 2, 1, 0, 0):
        rig.core.used.elapse(c.RESTART_FORGOTTEN_MS)
        assert rig.core.used.restarts == left
    assert rig.core.used.share(c.OUT_WATER_PUMP) == 312_000


def test_a_calm_that_is_not_long_enough_forgets_nothing():
    used = counters.Counters()
    used.restarts = 2
    used.elapse(c.RESTART_FORGOTTEN_MS - 1)
    assert used.restarts == 2
    used.elapse(1)
    assert used.restarts == 1
    used.elapse(10 * c.RESTART_FORGOTTEN_MS)
    assert used.restarts == 0
    used.elapse(c.RESTART_FORGOTTEN_MS - 1)
    used.restarts = 1
    used.elapse(c.RESTART_FORGOTTEN_MS - 1)
    assert used.restarts == 1, "calm counts from the restart"


def test_repeated_restarts_latch_a_fault_that_blocks_nothing():
    for times in range(1, 5):
        rig = restarted(times)
        assert rig.fault(c.FAULT_RESTARTS) == (times >= c.RESTARTS_ALARM), times
        if times == c.RESTARTS_ALARM:
            assert rig.core.faults.cause[c.FAULT_RESTARTS] == times
    assert rig.core.faults.blocked == 0
    assert rig.send(c.M_CLEAR_FAULT, fault=c.FAULT_RESTARTS)[c.F_REASON] == c.R_NONE
    assert not rig.fault(c.FAULT_RESTARTS)


def test_the_first_start_of_a_new_board_is_no_restart():
    rig = Rig()
    assert rig.core.used.restarts == 0
    assert counters.Counters().restarts == 0


def test_restarts_are_counted_up_to_a_bound_and_never_touch_the_latches():
    used = counters.Counters()
    used.latched = 0xFFF
    used.restarts = 19
    for want in (20, 20):
        again = counters.Counters()
        again.restore(used.record(), False)
        assert (again.restarts, again.latched) == (want, 0xFFF)
        used.restarts = again.restarts
    assert used.share(c.OUT_WATER_PUMP) == 0


def test_a_record_of_older_firmware_has_no_restarts():
    used = counters.Counters()
    used.latched = 0x7FF
    again = counters.Counters()
    again.restore(used.record(), False)
    assert (again.restarts, again.latched) == (1, 0x7FF)


def test_the_answer_says_whether_restarts_refuse_or_real_use():
    rig = restarted(8)
    rig.run(4_000_000, 10_000)
    rig.leased()
    used = rig.core.used
    held = used.held(c.OUT_WATER_PUMP) // 1000
    assert 1_000 < held <= used.day.total[c.OUT_WATER_PUMP] // 1000 + 2, "up to the rounding of a record"
    given = 2_500 - used.day.total[c.OUT_WATER_PUMP] // 1000 - 50
    used.day.add(c.OUT_WATER_PUMP, given * 1000)
    assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_BUDGET_UNKNOWN
    assert rig.answer[c.F_BOUND] == 2_500 and rig.answer[c.F_VALUE] > 2_500
    used.day.add(c.OUT_WATER_PUMP, held * 1000)
    assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_DAY_BUDGET
    used.restarts = 0
    used.day.add(c.OUT_WATER_PUMP, -held * 1000)
    assert rig.pulse(c.OUT_WATER_PUMP, 200) == c.R_DAY_BUDGET


def test_the_hour_says_so_too_and_only_in_the_first_hour():
    rig = restarted(4)
    rig.lease()
    assert rig.core.used.hour.total[c.OUT_WATER_PUMP] > 350_000
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_BUDGET_UNKNOWN
    rig.core.used.up_ms = counters.HOUR_MS
    assert rig.pulse(c.OUT_WATER_PUMP, 250) == c.R_HOUR_BUDGET
    calm = Rig().leased()
    calm.core.used.hour.add(c.OUT_WATER_PUMP, 500_000)
    assert calm.pulse(c.OUT_WATER_PUMP, 200) == c.R_HOUR_BUDGET


def test_a_lost_record_is_named_for_a_day():
    rig = Rig(MemoryStore(provisioned=False)).leased()
    assert rig.pulse(c.OUT_WATER_PUMP, 100) == c.R_BUDGET_UNKNOWN
    assert rig.core.used.held(c.OUT_WATER_PUMP) == 2_500_000
    rig.core.used.up_ms = counters.DAY_MS
    assert rig.core.used.held(c.OUT_WATER_PUMP) == 0


def test_the_time_up_is_counted_to_a_day_and_no_further():
    used = counters.Counters()
    used.elapse(counters.HOUR_MS)
    assert used.up_ms == counters.HOUR_MS
    used.elapse(10**12)
    assert used.up_ms == counters.DAY_MS


def test_no_dose_prepaid_by_itself_is_larger_than_what_a_torn_record_is_charged_with():
    for output in range(7):
        dose = c.OUTPUTS[output][c.O_MAX_DOSE] * (1_000 if c.OUTPUTS[output][c.O_IN_ML] else 1)
        assert dose <= counters.SHARE[output], output
