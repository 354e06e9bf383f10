"""A clock that was ahead for a minute or two: in the 24 h after it is right again the plants get what they always get.

Real firmware core, tent and brain; only what the host's wall clock shows differs from the control run.
"""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from functools import cache

import pytest
from tomato_host.brain.step_data import BrainSettings

from tests.incidents.clocked_tent import ClockedRun, ClockedTent, Meter

HOUR = timedelta(hours=1)
AHEAD = (HOUR, 13 * HOUR, timedelta(days=3_650))
WITHIN = 0.02
MINUTE_H = 1.0 / 60.0
WARM_UP_H = 58.0
"""At 10:00 of the third day: the pots have dried to where they are watered several times a day."""


@cache
def warmed_up() -> ClockedRun:
    """A tent at `WARM_UP_H`; every run goes on from a copy of it."""
    run = ClockedRun(ClockedTent(3, period_s=60.0), BrainSettings(), [])
    run.live(WARM_UP_H)
    return run


@cache
def day_after(ahead: timedelta, ended: str, dose: bool) -> dict[str, float]:
    """As `go_on`, in a fork of this process: a copy of the whole warmed-up tent."""
    warmed_up()
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: there.send(go_on(warmed_up(), ahead, ended, dose)))
    child.start()
    there.close()
    try:
        got: dict[str, float] = here.recv()
    finally:
        child.join()
    return got


def go_on(run: ClockedRun, ahead: timedelta, ended: str, dose: bool) -> dict[str, float]:
    """What the plants get in the 24 h after two minutes of a wrong clock, with a dose by hand in between or without.

    `ended`: the clock is set right "in process"; "by restart" the process is killed and the next one has the right
    time; with "started wrong" the process that is set right had begun under the wrong clock.
    """
    tent = run.clocked
    if ended == "started wrong":
        tent.ahead = ahead
        run = run.restart()
    elif ahead:
        run.set_clock(ahead)
    run.live(MINUTE_H)
    if dose:
        assert run.dose(100.0), "nothing refuses a dose because of the clock"
    run.live(MINUTE_H)
    if ended == "by restart":
        tent.ahead = timedelta(0)
        run = run.restart()
    elif ahead:
        run.set_clock(timedelta(0))
    meter = Meter(tent)
    run.live(24.0)
    return meter.read()


def check(ahead: timedelta, ended: str, dose: bool) -> None:
    # A process that began under a wrong clock forgets its duties, like one that begins when the clock is right.
    control = day_after(timedelta(0), "by restart" if ended == "started wrong" else ended, dose)
    got = day_after(ahead, ended, dose)
    assert control["light"] > 15 * 3_600 and control["water_ml"] > 1_000.0 and control["exhaust_fan"] > 10_000
    for name in ("light", "exhaust_fan", "circulation_fan", "water_ml"):
        assert got[name] == pytest.approx(control[name], rel=WITHIN), (name, got, control)


@pytest.mark.parametrize("ended", ["in process", "by restart"])
def test_thirteen_hours_ahead_with_a_dose(ended: str) -> None:
    check(13 * HOUR, ended, dose=True)


@pytest.mark.soak
@pytest.mark.parametrize("ahead", AHEAD, ids=["1 h", "13 h", "10 years"])
@pytest.mark.parametrize("ended", ["in process", "by restart", "started wrong"])
@pytest.mark.parametrize("dose", [False, True], ids=["no dose", "dose"])
def test_every_step_that_was_seen(ahead: timedelta, ended: str, dose: bool) -> None:
    check(ahead, ended, dose)
