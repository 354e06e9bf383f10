"""A probe that moves against the water, or does not notice it: found on its own signals and on a simulated tent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tomato_host.brain.estimator.probe_response import ProbeResponse
from tomato_host.brain.step_data import BrainSettings
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import AnomalyV1

HOUR_S = 3_600.0


class Pots:
    """Two probes in steps of a minute; `go` moves them steadily, `dose` pumps."""

    def __init__(self, *levels: float | None) -> None:
        self.response = ProbeResponse(len(levels))
        self.levels = list(levels)
        self.t_s, self.ml = 0.0, 0.0

    def go(self, hours: float, *per_h: float, disturbed: bool = False) -> Pots:
        for _ in range(round(hours * 60.0)):
            self.t_s += 60.0
            for i, pace in enumerate(per_h):
                level = self.levels[i]
                self.levels[i] = None if level is None else level + pace / 60.0
            self.response.update(self.t_s, self.ml, self.levels, disturbed)
        return self

    def dose(self, ml: float, *answers: float) -> Pots:
        """A dose that each probe answers within half an hour by so many points."""
        self.ml += ml
        return self.go(0.5, *(answer * 2.0 for answer in answers)).go(0.5)

    @property
    def found(self) -> tuple[tuple[bool, bool], ...]:
        return tuple((self.response.reversed(i), self.response.unresponsive(i)) for i in range(len(self.levels)))


FINE = (False, False)
REVERSED = (True, False)
UNRESPONSIVE = (False, True)


def test_a_slow_rise_without_water_is_no_soil() -> None:
    pots = Pots(40.0, 40.0).go(6.0).go(7.9, 0.5, -0.5)
    assert pots.found == (FINE, FINE), "not yet four points"
    assert pots.go(0.3, 0.5, -0.5).found == (REVERSED, FINE)


def test_a_rise_after_water_is_what_water_does() -> None:
    pots = Pots(30.0, 30.0).go(7.0, -0.3, -0.3).dose(200.0, 6.0, 6.0)
    # Water moves on within the pot for hours.
    assert pots.go(5.0, 1.0, 1.0).go(10.0, -0.3, -0.3).found == (FINE, FINE)


def test_water_by_hand_is_no_fault() -> None:
    pots = Pots(30.0).go(8.0, -0.2).go(0.25, 40.0).go(8.0, -0.2)
    assert pots.found == (FINE,)
    assert Pots(30.0).go(8.0).go(1.0, 5.0, disturbed=True).go(5.0).found == (FINE,)


def test_a_fall_at_each_dose_is_reversed_and_one_alone_is_not() -> None:
    pots = Pots(50.0, 40.0).go(1.0).dose(100.0, -4.0, 3.0)
    assert pots.found == (FINE, FINE)
    assert pots.dose(100.0, -1.0, 3.0).found == (REVERSED, FINE)


def test_drying_between_doses_is_no_fall() -> None:
    pots = Pots(40.0, 40.0)
    for _ in range(7):
        pots.go(3.0, -0.4, -0.4).dose(100.0, 0.1, 2.0)
    assert pots.found == (FINE, FINE)


def test_a_probe_that_never_answers_though_the_other_does() -> None:
    pots = Pots(40.0, 40.0)
    for _ in range(7):
        pots.go(2.0, -0.3, -0.3).dose(100.0, 0.0, 2.0)
    assert pots.found == (FINE, FINE)
    assert pots.go(2.0, -0.3, -0.3).dose(100.0, 0.0, 2.0).found == (UNRESPONSIVE, FINE)
    assert pots.dose(100.0, 2.0, 2.0).found == (UNRESPONSIVE, FINE), "one answer may be chance"
    assert pots.dose(100.0, 2.0, 2.0).found == (FINE, FINE)


def test_when_no_probe_answers_it_is_the_water_and_not_the_probe() -> None:
    pots = Pots(40.0, 40.0)
    for _ in range(20):
        pots.go(2.0).dose(100.0, 0.0, 0.0)
    assert pots.found == (FINE, FINE), "WATER_NOT_ARRIVING says that"


def test_a_sip_a_full_pot_and_a_missing_value_prove_nothing() -> None:
    sips, full, missing = Pots(40.0, 40.0), Pots(65.0, 40.0), Pots(None, 40.0)
    for _ in range(12):
        sips.go(2.0).dose(20.0, 0.0, 2.0)
        full.go(2.0).dose(100.0, 0.0, 2.0)
        missing.go(2.0).dose(100.0, 0.0, 2.0)
    assert sips.found == full.found == missing.found == (FINE, FINE)


def test_a_pot_as_full_as_it_ever_was_need_not_answer_until_it_has_dried() -> None:
    """The near pot of an uneven pair stands at 42 %: what it gets runs through, and its probe is right."""
    pots = Pots(38.0, 30.0).go(1.0).dose(100.0, 4.5, 1.0)
    for _ in range(12):
        pots.go(2.0, -0.2, -0.3).dose(100.0, 0.4, 1.0)
    assert pots.found == (FINE, FINE)
    pots.levels[0] = 38.0
    for _ in range(8):
        pots.go(2.0, -0.2, -0.3).dose(100.0, 0.0, 1.0)
    assert pots.found == (UNRESPONSIVE, FINE)


def faults_of(scenario_mirrored: bool, hours: float) -> tuple[list[AnomalyV1], TentRun]:
    tent = SimulatedTent(3, TentParams.sample(3), None, datetime(2026, 3, 10, 6, tzinfo=UTC), period_s=20.0)
    tent.world.sensors.faults.probe_mirrored[:] = [scenario_mirrored] * 2
    tent_run, told = TentRun(tent, BrainSettings(), forecasts=False), list[AnomalyV1]()
    for _ in range(int(hours * 180.0)):
        step = tent_run.step()
        assert step is not None
        told += [a for a in step.estimate.anomalies if a.signals.get("fault") in ("REVERSED", "UNRESPONSIVE")]
    return told, tent_run


def test_swapped_points_are_found_and_the_plant_is_watered_by_the_clock_again() -> None:
    """As the issue saw it: the pot dries, "moisture" rises, confidence is 1.0, no water, no anomaly."""
    told, tent_run = faults_of(True, 30.0)
    assert {a.subject for a in told} == {"soil.P1", "soil.P2"}
    assert all(a.severity.value == "HIGH" and "swapped at calibration" in (a.detail or "") for a in told)
    estimate = tent_run.brain.estimate
    assert estimate is not None
    assert [p.confidence for p in estimate.state.soil.probes] == [0.1, 0.1]
    assert estimate.state.soil.avg_moisture_pct is None, "no probe is believed"
    before = tent_run.tent.world.tent.truth().pumped_ml
    for _ in range(24 * 180):
        tent_run.step()
    assert tent_run.tent.world.tent.truth().pumped_ml >= before + 100.0, "small doses by the clock"


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_right_probes_are_left_in_peace_for_fourteen_days() -> None:
    """Two days: test_quiet_tent.py."""
    assert faults_of(False, 336.0)[0] == []
