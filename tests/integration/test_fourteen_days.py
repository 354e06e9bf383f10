"""14 simulated days with the real firmware and the shipped settings, read as a sceptical grower would."""

from __future__ import annotations

from pathlib import Path

import pytest
from tomato_host.settings import Settings

from shared_schemas.records import PlanV1
from tests.integration.grower_checks import _of_bounds, alarms_missing, alarms_without_cause, reasons_against_numbers
from tests.integration.grower_days import FOURTEEN_DAYS, GrowerDays, live


@pytest.fixture(scope="module", params=["rules", "mpc"])
def days(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GrowerDays:
    """All of it, once for each controller."""
    settings = Settings.model_validate({"control": {"policy": request.param}})
    return live(tmp_path_factory.mktemp(request.param), FOURTEEN_DAYS, 336.0, settings=settings)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_no_reason_contradicts_its_numbers(days: GrowerDays) -> None:
    assert reasons_against_numbers(days) == []


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_no_alarm_is_without_cause(days: GrowerDays) -> None:
    assert alarms_without_cause(days, FOURTEEN_DAYS) == []


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_no_alarm_is_missing(days: GrowerDays) -> None:
    assert alarms_missing(days, FOURTEEN_DAYS) == []


def test_six_hours_with_an_empty_reservoir_pass_and_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The same checks on a short run; and they can fail: another story, another number, another limit."""
    scenario = "reservoir_empty@1+2"
    short = live(tmp_path, scenario, 4.0)
    assert reasons_against_numbers(short) == []
    assert alarms_without_cause(short, scenario) == [] and alarms_missing(short, scenario) == []
    assert alarms_without_cause(short, "brownout@1") != [] and alarms_missing(short, "leak@1+1") != []
    plan = next(r for r in short.of(PlanV1) if isinstance(r, PlanV1) and "soil at" in " ".join(r.not_done))
    wrong = plan.model_copy(update={"not_done": ("heater_mat: soil at 12.0 degC is warm enough (from 18 degC on)",)})
    short.story.records[short.story.records.index(plan)] = wrong
    assert len(reasons_against_numbers(short)) == 2, "neither the reading nor on the right side of its limit"
    assert list(_of_bounds("VPD 0.72 kPa is above 0.9: less air out"))
