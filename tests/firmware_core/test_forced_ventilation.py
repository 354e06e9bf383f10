"""Forced ventilation has no end but its cause, and what the board tells of an output is what its pin does."""

from __future__ import annotations

import pytest
from tomato import contract as c
from tomato.core.ring import SampleRing
from tomato.core.sampler import Sampler

from tests.firmware_core import fake_machine as fake
from tests.firmware_core.bench_pins import BenchPins
from tests.firmware_core.rig import Rig, in_state

EXHAUST = 1 << c.OUT_EXHAUST_FAN


class Board:
    """A rig with real pins: every step lets the hardware timer fire, looks, ticks and acts."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.pins = rig, BenchPins()

    def step(self, ms: int = 50) -> None:
        self.pins.pass_time(ms)
        if self.rig.hold_lease:
            self.rig.lease()
        self.rig.step(ms)
        self.pins.act(self.rig.t, self.rig.core)
        health = self.rig.core.health(self.rig.t)
        assert health[c.F_OUTPUTS] == self.pins.levels, "HEALTH says what the pins do"

    def run(self, ms: int, step: int = 50) -> None:
        for _ in range(ms // step):
            self.step(step)


@pytest.mark.parametrize(("sensor", "value"), [(c.S_CO2_PPM, 5_000), (c.S_AIR_TEMP_C, 4_000)])
@pytest.mark.parametrize("begun", ["before the cause", "while forced"])
def test_a_host_s_pulse_that_ends_does_not_end_the_force(sensor: int, value: int, begun: str) -> None:
    board = Board(in_state("leased"))
    board.step()
    if begun == "before the cause":
        assert board.rig.pulse(c.OUT_EXHAUST_FAN, 5_000) == c.R_NONE
        board.step()
    board.rig.readings[sensor] = value
    board.run(1_000)
    if begun == "while forced":
        assert board.rig.pulse(c.OUT_EXHAUST_FAN, 5_000) == c.R_NONE
    for _ in range(20 * 60):
        written = len(board.rig.store.written)
        board.step(1_000)
        # A flash write takes everything off for its one tick, and for nothing else.
        assert board.pins.levels & EXHAUST or len(board.rig.store.written) > written, "on while the cause lasts"
    assert len(board.rig.store.written) < 25
    board.rig.readings[sensor] = 1_000
    board.run(1_000)
    assert not board.pins.levels & EXHAUST


def test_the_timer_is_not_armed_for_what_is_forced() -> None:
    rig = in_state("leased")
    rig.readings[c.S_AIR_TEMP_C] = 4_000
    rig.run(200)
    rig.pulse(c.OUT_EXHAUST_FAN, 5_000)
    assert rig.core.pulse_end_ms() == -1 and rig.core.ending_in(rig.core.pulse_end_ms()) == 0
    rig.pulse(c.OUT_HUMIDIFIER, 9_000)
    assert (rig.core.pulse_end_ms(), rig.core.ending_in(rig.core.pulse_end_ms())) == (9_000, 1 << c.OUT_HUMIDIFIER)


def test_a_cut_in_the_last_moment_before_the_force_is_taken_back() -> None:
    """The timer fires between two ticks, and the tick that follows finds the cause for the first time."""
    board = Board(in_state("leased"))
    board.step()
    board.rig.pulse(c.OUT_EXHAUST_FAN, 1_020)
    board.step()
    board.run(950)
    board.rig.readings[c.S_AIR_TEMP_C] = 4_000
    board.step()  # the latch is written to flash in this very tick, with everything off
    board.step()
    assert board.pins.levels & EXHAUST


def test_a_cut_holds_against_a_decision_made_before_it() -> None:
    """The timer fires while a tick runs that still believes in the pulse: its word may not put the pin on again."""
    board = Board(in_state("leased"))
    board.step()
    board.rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    board.step()
    board.run(900)
    core = board.rig.core
    assert core.outputs >> c.OUT_CIRCULATION_FAN & 1
    board.pins.deadline.timer.fire()
    board.pins.act(board.rig.t, core)
    assert board.pins.levels == 0
    assert core.health(board.rig.t)[c.F_OUTPUTS] == 0, "and HEALTH does not say what was decided, but what is"
    board.step()
    board.step()
    assert board.pins.levels == 0 and not board.rig.running(c.OUT_CIRCULATION_FAN)


def test_a_pulse_prolonged_in_time_is_not_cut() -> None:
    board = Board(in_state("leased"))
    board.step()
    board.rig.pulse(c.OUT_CIRCULATION_FAN, 1_000)
    board.step()
    board.run(900)
    board.rig.pulse(c.OUT_CIRCULATION_FAN, 60_000)
    board.step()
    board.run(5_000)
    assert board.pins.levels == 1 << c.OUT_CIRCULATION_FAN


def test_the_sample_says_what_the_pins_do_as_well() -> None:
    rig = in_state("leased")
    sampler = Sampler(rig.core, SampleRing(4))
    rig.pulse(c.OUT_CIRCULATION_FAN, 60_000)
    assert rig.core.shown == rig.core.outputs == 1 << c.OUT_CIRCULATION_FAN
    rig.core.inputs.cut = 1 << c.OUT_CIRCULATION_FAN
    n = sampler.take(rig.t)
    from tomato.core.cbor import Reader

    assert Reader().item(sampler.body, 0, n)[c.F_OUTPUTS] == 0


def test_a_cut_that_falls_into_the_driving_of_the_pins_is_mended_and_no_overrun() -> None:
    """`apply` has read the cuts when the timer fires, and stores a word that the pin does not have any more."""
    board = Board(in_state("leased"))
    board.step()
    out = board.pins.outputs
    board.rig.pulse(c.OUT_CIRCULATION_FAN, 60_000)
    board.step()
    out.cut(1 << c.OUT_CIRCULATION_FAN)
    out.cut_mask, out.word = 0, 1 << c.OUT_CIRCULATION_FAN
    assert out.mismatch() == 1 << c.OUT_CIRCULATION_FAN
    out.apply(1 << c.OUT_CIRCULATION_FAN)
    assert out.mismatch() == 0
    assert fake.Pin.levels[board.pins.places[c.OUT_CIRCULATION_FAN][1]] == 1
