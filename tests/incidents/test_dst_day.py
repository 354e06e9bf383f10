"""The days of 23 and 25 hours in Vienna: water, the nightly rebuild at 00:10 and every chart, no double, no gap."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.app import brain_settings
from tomato_host.brain.forecast_state import ForecastState
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.cli.explain import read_report
from tomato_host.replay.check import Checker
from tomato_host.service.history import History
from tomato_host.settings import Settings
from tomato_host.sources.day_meters import WaterMeter

from shared_schemas.records import PlanV1, StateV1, TargetsV1
from tests.incidents.loop import Loop

VIENNA = ZoneInfo("Europe/Vienna")
CHANGES = {"spring": date(2026, 3, 29), "autumn": date(2026, 10, 25)}
MINUTE = timedelta(minutes=1)


def four_days(change: date) -> list[datetime]:
    """Every minute of elapsed time from noon two days before the change."""
    begin = datetime(change.year, change.month, change.day, 12, tzinfo=VIENNA).astimezone(UTC) - timedelta(days=2)
    return [begin + n * MINUTE for n in range(4 * 24 * 60)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_nightly_rebuild_is_once_a_night_at_ten_past_midnight(change: date) -> None:
    foresight = ForecastState(WorldModelSettings(), VIENNA, ("P1", "P2"))
    nights = [m.astimezone(VIENNA) for m in four_days(change) if foresight.night_is_due(m)]
    assert [(m.hour, m.minute) for m in nights] == [(0, 10)] * 4
    assert [m.date() for m in nights] == [change + timedelta(days=n) for n in (-1, 0, 1, 2)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_days_water_begins_at_local_midnight(change: date) -> None:
    """1 ml a minute: the count of a day is as long as the day really is."""
    meter, flow, most = WaterMeter(), 0.0, dict[date, float]()
    for moment in four_days(change):
        flow += 1.0
        local = moment.astimezone(VIENNA)
        meter.update(flow, local)
        most[local.date()] = meter.used_ml
    hours = {change + timedelta(days=n): h for n, h in ((-1, 24), (0, 23 if change.month == 3 else 25), (1, 24))}
    for day, length_h in hours.items():
        assert most[day] == pytest.approx(length_h * 60, abs=1.0)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_night_of_the_change_with_the_real_firmware(tmp_path: Path, change: date) -> None:
    """From 23:50 to beyond the change: states, charts, decisions and what `explain` finds in the doubled hour."""
    start = datetime(change.year, change.month, change.day, tzinfo=VIENNA).astimezone(UTC) - timedelta(minutes=10)
    loop = Loop(tmp_path, start=start)
    try:
        loop.live(3.6 * 3_600)
    finally:
        loop.close()
    records = loop.kept.records
    assert not loop.events("clock_set"), "a change of the offset is none of the clock"
    (rebuilt,) = [r.ts.astimezone(VIENNA) for r in records if isinstance(r, TargetsV1)]
    assert (rebuilt.date(), rebuilt.hour, rebuilt.minute) == (change, 0, 10)

    states = [r.ts for r in records if isinstance(r, StateV1)]
    assert states == sorted(set(states))
    assert max(later - earlier for earlier, later in pairwise(states)) <= timedelta(minutes=30, seconds=15)
    offsets = {state.utcoffset() for state in states}
    assert len(offsets) == 2, "the record carries the offset of its moment"
    plans = [r for r in records if isinstance(r, PlanV1) and not r.shadow]
    assert all(later.ts - earlier.ts <= timedelta(hours=2, minutes=2) for earlier, later in pairwise(plans))

    history = History(tmp_path)
    history.load()
    for span, widest_s in (("24h", 915.0), ("7d", 3_600.0), ("season", 21_600.0)):
        gaps = [later - earlier for earlier, later in pairwise(history.columns(span)["t"])]
        assert min(gaps, default=1.0) > 0.0 and max(gaps, default=0.0) <= widest_s, span
    newest = history.columns("24h")["t"][-1]
    fine = [
        t for n in range(-4, 1) for t in history.columns("24h", newest + n * 18_000, newest + n * 18_000 + 17_999)["t"]
    ]
    gaps = [later - earlier for earlier, later in pairwise(fine)]
    assert gaps and min(gaps) > 0.0 and max(gaps) <= 75.0, "every reading, five hours at a time"
    assert len(history.csv_rows(0.0, 4e9)[1]) == len(states)

    for plan in plans:
        assert read_report(tmp_path, plan.ts).plan.id == plan.id, "one moment, one decision"
    checked = Checker(brain_settings(Settings())).check(records)
    assert checked.same, [d.text for d in checked.differences[:3]]
    assert json.loads(records[-1].to_json())
