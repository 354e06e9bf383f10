"""Outputs without effect are found in the documented time, on a simulated tent (quiet ones: test_quiet_tent.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tomato_host.brain.estimator.actuator_effect import STROKE_TESTS, ActuatorSupervision
from tomato_host.brain.step_data import BrainSettings
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.devices import GAS, MAT, MIST, OUTPUTS, PUMP, STIRRER, VENT
from shared_schemas.records import AnomalyType, AnomalyV1
from shared_schemas.records.device_status_v1 import Outputs
from tests.estimator.days import LIT, NOON, devices

START = datetime(2026, 3, 10, 6, tzinfo=UTC)
COLD = datetime(2026, 1, 10, 6, tzinfo=UTC)
ALL_OFF = {row.name: "OFF" for row in OUTPUTS}


def run(seed: int, days: float, scenario: str | None = None, start: datetime = START) -> TentRun:
    tent = SimulatedTent(seed, TentParams.sample(seed), scenario, start, period_s=10.0)
    made = TentRun(tent, BrainSettings(), forecasts=False)
    advance(made, days * 24.0)
    return made


def advance(tent_run: TentRun, hours: float, until: Callable[[AnomalyV1], bool] | None = None) -> list[AnomalyV1]:
    """Go on for `hours`, or until an anomaly is `until`; what was reported about outputs and water."""
    told: list[AnomalyV1] = []
    for _ in range(int(hours * 360.0)):
        step = tent_run.step()
        assert step is not None
        new = [a for a in step.estimate.anomalies if a.type in WATCHED]
        told += new
        if until is not None and any(map(until, new)):
            break
    return told


WATCHED = (AnomalyType.ACTUATOR_NO_EFFECT, AnomalyType.LIGHT_MISMATCH, AnomalyType.WATER_NOT_ARRIVING)

BROKEN = {
    MIST.name: (3, None, START, 24.0, AnomalyType.ACTUATOR_NO_EFFECT),
    VENT.name: (3, None, START, 6.0, AnomalyType.ACTUATOR_NO_EFFECT),
    MAT.name: (6, "cold_spell@0+300", COLD, 8.0, AnomalyType.ACTUATOR_NO_EFFECT),
    "light": (3, None, START, 3.0, AnomalyType.LIGHT_MISMATCH),
    PUMP.name: (3, None, START, 24.0, AnomalyType.WATER_NOT_ARRIVING),
}
"""Output -> seed, scenario, start, hours in which docs/actuators.md promises an alarm, and which."""


@pytest.mark.parametrize("output", BROKEN)
def test_an_output_without_effect_is_an_alarm_in_the_documented_time(output: str) -> None:
    seed, scenario, start, within_h, alarm = BROKEN[output]
    tent_run = run(seed, 1.0 if output == VENT.name else 0.5, scenario, start)
    assert tent_run.brain.estimate is not None
    assert not [a for a in tent_run.brain.estimate.open_anomalies if a.type in WATCHED]
    bit = 1 << next(row.wire_id for row in OUTPUTS if row.name == output)
    tent_run.tent.world.tent.dead_outputs = bit
    told = advance(tent_run, within_h, lambda a: a.type is alarm)
    assert [(a.type, a.phase) for a in told] == [(alarm, "OPENED")]
    if alarm is AnomalyType.ACTUATOR_NO_EFFECT:
        assert told[0].subject == output and told[0].detail is not None and "Check: " in told[0].detail
        assert tent_run.brain.mode in ("NORMAL", "SAFE"), "no reason to water less"
        tent_run.tent.world.tent.dead_outputs = 0
        repaired = advance(tent_run, 2.0 * within_h, lambda a: a.phase == "CLEARED")
        assert [(a.subject, a.phase, a.id) for a in repaired] == [(output, "CLEARED", told[0].id)]


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(1, 6))
def test_fourteen_quiet_days_bring_no_alarm(seed: int) -> None:
    assert advance(run(seed, 0.0), 14 * 24.0) == []


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_quiet_days_of_seedlings_heat_and_cold_bring_no_alarm() -> None:
    seedlings = SimulatedTent(4, replace(TentParams.sample(4), lai_0=0.3, fruit_load_0=0), None, START, period_s=10.0)
    assert advance(TentRun(seedlings, BrainSettings()), 144.0) == []
    assert advance(run(5, 0.0, start=datetime(2026, 7, 10, 6, tzinfo=UTC)), 144.0) == []
    assert advance(run(6, 0.0, "cold_spell@0+300", COLD), 144.0) == []


class Bench:
    """The supervision alone, with readings and relays set by hand."""

    def __init__(self) -> None:
        self.supervision = ActuatorSupervision()
        self.t_s = 0.0
        self.values: list[float | None] = [24.0, 55.0, 450.0, 23.0, 18_000.0, 20.0]
        self.told: list[AnomalyV1] = []

    def run(self, seconds: float, per_s: dict[int, float] | None = None, gas_s: float = 0.0, /, **on: str) -> Bench:
        """Time with these relays; `per_s` moves readings (by index) at a steady pace."""
        outputs = Outputs.model_validate({**ALL_OFF, "light": "ON", "circulation_fan": "ON", **on})
        for _ in range(int(seconds / 10.0)):
            self.t_s += 10.0
            for at, pace in (per_s or {}).items():
                value = self.values[at]
                self.values[at] = None if value is None else value + pace * 10.0
            status = devices(NOON, outputs, co2_seconds_used_today=gas_s)
            self.told += self.supervision.update(
                self.t_s, NOON + timedelta(seconds=self.t_s), self.values, status, self.disturbed
            )
        return self

    disturbed = False


def strokes(bench: Bench, count: int, per_s: dict[int, float] | None = None, output: str = MIST.name) -> Bench:
    for _ in range(count):
        bench.run(300.0).run(200.0, per_s, 0.0, **{output: "ON"})
    return bench


def test_two_strokes_of_mist_without_effect_are_enough_and_one_is_not() -> None:
    bench = strokes(Bench(), 1)
    assert bench.told == [] and bench.supervision.open == ()
    strokes(bench, 1)
    assert [(a.subject, a.phase) for a in bench.told] == [(MIST.name, "OPENED")]
    assert bench.supervision.open == tuple(bench.told)
    strokes(bench, 3)
    assert len(bench.told) == 1, "one event is one anomaly"
    strokes(bench, 1, {1: 0.05})
    assert [a.phase for a in bench.told] == ["OPENED", "CLEARED"] and bench.supervision.open == ()


@pytest.mark.parametrize(("pace", "found"), [(1.9 / 180.0, True), (2.2 / 180.0, False)])
def test_what_counts_as_an_effect_of_mist(pace: float, found: bool) -> None:
    bench = Bench()
    for _ in range(4):
        bench.values[1] = 55.0
        strokes(bench, 1, {1: pace})
    assert bool(bench.told) is found


def test_strokes_that_show_nothing_do_not_count() -> None:
    short = Bench()
    for _ in range(10):
        short.run(300.0).run(50.0, humidifier="ON")
    no_rest = Bench().run(300.0)
    for _ in range(10):
        no_rest.run(200.0, humidifier="ON").run(100.0)
    # The first stroke is clean, the others begin too soon after the one before.
    full = Bench()
    full.values[1] = 81.0
    open_tent = Bench()
    open_tent.disturbed = True
    unknown = Bench()
    unknown.values[1] = None
    assert short.told == no_rest.told == []
    assert strokes(full, 6).told == strokes(open_tent, 6).told == strokes(unknown, 6).told == []


def test_what_switches_meanwhile_or_just_before_spoils_a_stroke() -> None:
    during, before = Bench(), Bench()
    for _ in range(6):
        during.run(300.0).run(100.0, humidifier="ON").run(100.0, humidifier="ON", exhaust_fan="ON")
        before.run(250.0).run(50.0, exhaust_fan="ON").run(200.0, humidifier="ON", exhaust_fan="ON")
    assert during.told == before.told == []


def test_an_exhaust_is_judged_under_the_lamp_only() -> None:
    dark = Bench()
    for _ in range(8):
        dark.run(300.0, light="OFF").run(200.0, light="OFF", exhaust_fan="ON")
    assert dark.told == []
    lit = strokes(Bench(), 3, output=VENT.name)
    assert lit.told == []
    strokes(lit, 1, output=VENT.name)
    assert [a.subject for a in lit.told] == [VENT.name]
    cooled = Bench()
    for _ in range(6):
        cooled.values[0] = 24.0
        strokes(cooled, 1, {0: -0.3 / 180.0}, VENT.name)
    assert cooled.told == [], "either reading is enough"


def test_a_tent_like_its_room_expects_nothing_of_the_exhaust() -> None:
    bench = Bench()
    bench.supervision.tent = replace(
        bench.supervision.tent, lamp_w=1.0, fan_w=0.0, leaves_light_g_h=0.0, leaves_dark_g_h=0.0
    )
    assert strokes(bench, 8, output=VENT.name).told == []


def test_gas_that_does_not_come_is_told_though_a_dose_lies_between_two_samples() -> None:
    bench, given = Bench(), 0.0
    for _ in range(2):
        bench.run(600.0, None, given)
        given += 8.0
        bench.run(300.0, None, given)
    assert [a.subject for a in bench.told] == [GAS.name]
    bench.run(600.0, None, given)
    given += 8.0
    bench.run(10.0, None, given).run(290.0, {2: 0.5}, given)
    assert [a.phase for a in bench.told] == ["OPENED", "CLEARED"]


def test_a_mat_is_judged_by_what_the_air_alone_explains() -> None:
    for warms, found in ((False, True), (True, False)):
        bench = Bench()
        bench.values[0] = bench.values[5] = 16.0
        for _ in range(60):
            # 10 min on, 10 off: half of the time, so the pot tends to 5 K above the air, with 5.5 h to get there.
            soil = bench.values[5]
            assert soil is not None
            pace = (16.0 + 5.0 - soil) / 20_000.0 if warms else 0.0
            bench.run(600.0, {5: pace}, heater_mat="ON").run(600.0, {5: pace})
        assert [a.subject for a in bench.told if a.phase == "OPENED"] == ([MAT.name] if found else [])


def test_each_output_is_supervised_or_said_why_not() -> None:
    tested = {row.output for row in STROKE_TESTS} | {MAT.name}
    by_others = {"light", PUMP.name}
    not_observable = {STIRRER.name}
    assert tested | by_others | not_observable == {row.name for row in OUTPUTS}
    assert LIT.light == "ON"
