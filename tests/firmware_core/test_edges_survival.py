"""Exact edges of the programme of a board that is alone: what a mutation run showed nobody looked at."""

from tomato import contract as c
from tomato.core import survival

from tests.firmware_core.rig import in_state


class AskedBoard:
    """Remembers what survival asked for."""

    def __init__(self, off_ms):
        self.asked = []
        self.rest_ms = off_ms

    def ask(self, output, amount):
        self.asked.append((output, amount))

    def off_ms(self, output):
        return self.rest_ms


def test_the_blind_exhaust_keeps_its_ten_minutes_of_each_hour():
    rig = in_state("ready")
    rig.core.inputs.lost(c.S_AIR_TEMP_C, c.WHY_NO_ANSWER, rig.t)
    programme = rig.core.survival
    for cycle_ms, want in (
        (0, True),
        (599_999, True),
        (600_000, False),
        (3_599_999, False),
        (3_600_000, True),
        (4_199_999, True),
        (4_200_000, False),
    ):
        programme.cycle_ms = cycle_ms
        assert programme._wants_exhaust(rig.t) == want, cycle_ms


def test_a_board_that_starts_in_the_dark_has_had_no_night_yet():
    follower = survival.Survival(None, None, in_state("ready").core.configuration, None)
    assert (follower.dark_ms, follower.cycle_ms, follower.pace_ms, follower.venting) == (0, 0, 0, False)
    follower.follow(False, survival.NIGHT_MS - 1)
    follower.follow(True, 1)
    assert follower.cycle_ms == survival.NIGHT_MS


def test_survival_s_next_look_is_a_due_moment():
    rig = in_state("survival")
    rig.run(61_000, 1_000)
    rig.core.survival.pace_ms = 300
    assert rig.core.next_due_ms(rig.t) == rig.t + 700


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


def test_a_dose_is_asked_for_exactly_when_its_pause_is_over_and_never_of_nothing():
    rig = in_state("ready")
    rig.core.inputs.put(c.S_SOIL_P1_PCT, 1_000, rig.t)
    for dose, off_ms, asked in ((100, 7_199_999, 0), (100, 7_200_000, 1), (1, 7_200_000, 1), (0, 7_200_000, 0)):
        rig.core.config[c.CFG_SURVIVAL_DOSE_ML] = dose
        board = AskedBoard(off_ms)
        survival.Survival(board, rig.core.inputs, rig.core.configuration, rig.core.used)._water(rig.t)
        assert len(board.asked) == asked, (dose, off_ms)


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
