"""A latch that stops water is told again and again, louder while the soil dries, until it is cleared."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tomato_host.brain.estimator.soil import WaterArrival
from tomato_host.brain.estimator.water_blocked import AGAIN_S, WaterReminder
from tomato_host.service.notify.filter import NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.settings import RuleSettings

from shared_schemas.records import AnomalyV1, DeviceStatusV1
from shared_schemas.records.device_status_v1 import LatchedFault
from shared_schemas.wire import FAULTS
from tests.estimator.days import NOON, Drive, devices

HOUR_S = 3_600.0


def holding(*names: str, mcu_connected: bool = True) -> DeviceStatusV1:
    return devices(NOON, faults=tuple(LatchedFault(id=0, name=name) for name in names), mcu_connected=mcu_connected)


def remind(hours: float, soil_pct: tuple[float, ...], per_h: float = 0.0, *names: str) -> list[tuple[float, AnomalyV1]]:
    """(hours after the latch, what was written), by the minute."""
    reminder, told = WaterReminder(), list[tuple[float, AnomalyV1]]()
    for minute in range(int(hours * 60.0)):
        t_s = minute * 60.0
        now = [pct + per_h * t_s / HOUR_S for pct in soil_pct]
        status = holding(*(names or ("no_flow",)))
        told += [(t_s / HOUR_S, a) for a in reminder.update(t_s, NOON + timedelta(seconds=t_s), status, now)]
    return told


def test_it_is_told_again_the_more_often_the_drier_the_soil() -> None:
    told = remind(30.0, (40.0, 35.0), -0.5)
    hours = [h for h, _ in told]
    # The drier probe passes 28 % after 14 h and 22 % after 26 h.
    assert hours == pytest.approx(
        [0.0, 6.0, 12.0, 14.02, 16.02, 18.02, 20.02, 22.02, 24.02, 26.02, 27.02, 28.02, 29.02], abs=0.02
    )
    assert [a.severity.value for _, a in told] == ["HIGH"] * 9 + ["CRITICAL"] * 4
    assert len({a.id for _, a in told}) == 1 and {a.phase for _, a in told} == {"OPENED"}
    detail = told[-1][1].detail
    assert detail is not None and detail.startswith("Without a person the plants get no water: no_flow")


def test_without_a_trusted_probe_the_hours_count() -> None:
    told = remind(40.0, ())
    severities = [(h, a.severity.value) for h, a in told]
    assert severities[0] == (0.0, "HIGH") and (12.0, "HIGH") in severities and (36.0, "CRITICAL") in severities


def test_rain_on_dry_soil_does_not_make_it_quieter_before_it_is_cleared() -> None:
    told = remind(8.0, (20.0,), 5.0)
    assert [a.severity.value for _, a in told] == ["CRITICAL"] * 8
    assert AGAIN_S[2] == HOUR_S


@pytest.mark.parametrize("fault", [row.name for row in FAULTS])
def test_every_fault_that_stops_the_pump_and_no_other(fault: str) -> None:
    row = next(row for row in FAULTS if row.name == fault)
    assert bool(remind(0.1, (40.0,), 0.0, fault)) == bool({"*", "water_pump"} & set(row.blocks))


def test_a_fault_of_a_newer_board_counts() -> None:
    assert remind(0.1, (40.0,), 0.0, "from_a_newer_board")


def test_it_ends_when_the_fault_is_cleared_and_not_when_the_board_is_away() -> None:
    reminder = WaterReminder()
    assert len(reminder.update(0.0, NOON, holding("leak"), [40.0])) == 1
    assert reminder.update(10.0, NOON, holding(mcu_connected=False), [40.0]) == []
    (ended,) = reminder.update(20.0, NOON, devices(), [40.0])
    assert ended.phase == "CLEARED" and reminder.opened is None
    (again,) = reminder.update(HOUR_S, NOON, holding("leak"), [40.0])
    assert again.id != ended.id


def test_each_reminder_reaches_the_person() -> None:
    """Through the filter of notifications with its defaults: a repetition is a message, the last are alarms."""
    filter_ = NotificationFilter(RuleSettings(), 20)
    sent = []
    for hours, anomaly in remind(30.0, (40.0, 35.0), -0.5):
        (notice,) = notices_of(anomaly)
        assert notice is not None
        sent += filter_.apply(notice, hours * HOUR_S)
        sent += filter_.due(hours * HOUR_S + 61.0)  # a minute for the message about the fault, which never comes
    assert [message.level for message in sent] == ["WARNING"] * 9 + ["ALARM"] * 4
    assert "Without a person" in sent[0].text


def test_the_estimator_reports_it_and_keeps_it_open() -> None:
    drive = Drive(period_s=60.0)
    status = holding("no_flow")
    told = [a for a in drive.run(60.0 * 7, None, status) if a.type.value == "WATER_BLOCKED"]
    assert len(told) == 2 and told[0].id == told[1].id
    assert "WATER_BLOCKED" in {a.type.value for a in drive.estimate.open_anomalies}
    cleared = drive.run(2.0, None, devices())
    assert [a.phase for a in cleared if a.type.value == "WATER_BLOCKED"] == ["CLEARED"]
    assert "WATER_BLOCKED" not in {a.type.value for a in drive.estimate.open_anomalies}


def test_small_doses_that_no_probe_can_show_prove_nothing() -> None:
    """Two doses of 60 ml, two hours apart, rang an alarm on the ninth of 14 simulated days."""
    for doses, found in (((60.0, 60.0), 0.0), ((60.0, 110.0), 110.0)):
        arrival, used_ml = WaterArrival(), 0.0
        arrival.update(0.0, 0.0, [23.0, 30.0])
        for number, ml in enumerate(doses):
            used_ml += ml
            for minute in range(120):
                arrival.update(60.0 + number * 7_200.0 + minute * 60.0, used_ml, [23.0, 30.0])
        assert arrival.unanswered_ml == found
