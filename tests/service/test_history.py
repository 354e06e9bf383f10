"""What the charts are drawn from: ranges, extremes, the target of each moment, day totals, the table to take along."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tomato_host.service.history import COLUMNS, History
from tomato_host.service.history_columns import point_s, thinned
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings

from shared_schemas.records import RECORDS

Json = dict  # type: ignore[type-arg]
START = datetime.fromisoformat("2026-03-01T00:00:00+01:00")


def example(kind: str) -> Json:
    return dict(json.loads((RECORDS[kind].__doc__ or "").split("Example:", 1)[1]))


def state(at: datetime, vpd: float, lamp: str = "ON") -> Json:
    made = example("state_v1") | {"ts": at.isoformat()}
    made["env"]["vpd_kpa"] = vpd
    made["devices"]["light"] = lamp
    return made


@pytest.fixture
def season(tmp_path: Path) -> History:
    """A hundred days of half hours; one half hour of the 40th day was dangerously dry."""
    history = History(tmp_path)
    for n in range(100 * 48):
        at = START + n * timedelta(minutes=30)
        history.add(state(at, 4.2 if n == 40 * 48 else 1.0, "ON" if at.hour >= 6 else "OFF"))
    return history


def test_a_spike_stays_visible_at_every_span(season: History) -> None:
    columns = season.columns("season")
    assert 400 <= len(columns["t"]) <= 401, "a point for each quarter of a day"
    assert max(columns["high"]["vpd_kpa"]) == 4.2 and max(columns["vpd_kpa"]) < 4.2
    assert min(columns["low"]["vpd_kpa"]) == 1.0


def test_a_chart_shows_the_means_of_half_hours_and_the_extremes_of_moments(tmp_path: Path) -> None:
    """States and the strokes of a fan come back each half hour: each state was seen in the pause of a stroke."""
    history = History(tmp_path)
    for n in range(7 * 48):
        seen = state(START + n * timedelta(minutes=30), 0.45)
        seen["means"] = {"over_s": 1_790.0, "air_temp_c": 24.0, "rh_pct": 68.0, "co2_ppm": None, "vpd_kpa": 0.95}
        history.add(seen)
    week = history.columns("7d")
    assert set(week["vpd_kpa"]) == {0.95} and set(week["rh_pct"]) == {68.0}
    assert set(week["low"]["vpd_kpa"]) == {0.45} and set(week["high"]["vpd_kpa"]) == {0.95}
    assert set(week["co2_ppm"]) == {439.0}, "a mean that is not known leaves the moment's value"
    _, values = history.latest()
    assert values["vpd_kpa"] == 0.45, "now is now"
    assert {row[2] for row in history.csv_rows(0.0, 1e12)[2]} == {0.45}, "the table holds what was recorded"


def test_a_range_holds_what_lies_in_it(season: History) -> None:
    since = (START + timedelta(days=40)).timestamp()
    columns = season.columns("24h", since, since + 6 * 3_600)
    assert columns["t"][0] == since and columns["t"][-1] == since + 6 * 3_600
    assert columns["vpd_kpa"][0] == 4.2 and columns["high"] == {}, "each point is one row"
    assert season.columns("24h", since, since - 1)["t"] == []


def test_the_band_is_that_of_the_moment(season: History) -> None:
    targets = example("targets_v1") | {"ts": (START + timedelta(days=50)).isoformat()}
    season.add(targets)
    since = (START + timedelta(days=51)).timestamp()
    bands = season.columns("24h", since, since + 86_399)["bands"]["vpd_kpa"]
    day, night = targets["adapted"]["vpd_day_kpa"], targets["adapted"]["vpd_night_kpa"]
    assert bands["low"][0] == night["low"] and bands["high"][0] == night["high"], "at midnight the lamp is off"
    assert bands["low"][24] == day["low"] and bands["high"][24] == day["high"]
    before = season.columns("24h", since - 10 * 86_400, since - 9 * 86_400)["bands"]["vpd_kpa"]
    assert set(before["low"]) == {None}, "nobody had said a target yet"
    season.usual_targets = targets["base"] | {"vpd_day_kpa": {"low": 0.1, "high": 0.2}}
    before = season.columns("24h", since - 10 * 86_400, since - 9 * 86_400)["bands"]["vpd_kpa"]
    assert (before["low"][24], before["high"][24]) == (0.1, 0.2), "what the settings ask for stands in"
    bands = season.columns("24h", since, since + 86_399)["bands"]["vpd_kpa"]
    assert bands["low"][24] == day["low"], "and no longer than until the first record"


def action(kind: str, at: datetime, **outcome: object) -> Json:
    made = example("action_v1") | {"type": kind, "ts": at.isoformat(), "id": f"{kind}-{at.isoformat()}"}
    made["outcome"] = {"status": "DONE", "cmd_ids": [1, 2, 3], **outcome}
    return made


def test_a_day_counts_its_water_light_and_energy_once(tmp_path: Path) -> None:
    history = History(tmp_path)
    lamp = action("SET_LIGHT", START + timedelta(hours=6), delivered_s=36_000.0)
    water = action("WATER", START + timedelta(hours=9), delivered_ml=250.0)
    for record in (lamp, water, lamp, water, action("WATER", START + timedelta(hours=30), delivered_ml=100.0)):
        history.add(record)
    evening = state(START + timedelta(hours=23), 1.0)
    evening["env"]["dli_mol_m2"] = 15.5
    history.add(evening)
    first, second = history.days()
    assert first == {
        "day": "2026-03-01",
        "water_ml": 250.0,
        "dli_mol_m2": 15.5,
        "light_h": 10.0,
        "energy_kwh": 1.0,
        "strokes": {"light": 1, "water_pump": 3},
    }
    assert second["day"] == "2026-03-02" and second["water_ml"] == 100.0


def test_the_table_holds_every_state(season: History, tmp_path: Path) -> None:
    app = create_app(LiveState(), season, ServiceSettings(), tmp_path)
    answer = TestClient(app).get("/api/history.csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert (
        answer.headers["content-type"].startswith("text/csv") and "attachment" in answer.headers["content-disposition"]
    )
    assert rows[0] == ["time", *COLUMNS, "soil_p1_pct", "soil_p2_pct"]
    assert len(rows) == 1 + 100 * 48 and rows[1][0] == "2026-02-28T23:00:00+00:00"
    assert rows[1][1 + COLUMNS.index("vpd_kpa")] == "1"


@given(
    st.lists(st.one_of(st.none(), st.floats(-50, 50)), min_size=1, max_size=300),
    st.sampled_from([0.0, 1.0, 7.0, 100.0]),
)
def test_extremes_enclose_every_value(values: list[float | None], step_s: float) -> None:
    thin = thinned([float(n) for n in range(len(values))], [(value,) for value in values], 1, step_s)
    assert len(thin.t) == (-(-len(values) // int(step_s)) if step_s else len(values))
    assert thin.t == sorted(thin.t)
    known = [value for value in values if value is not None]
    low = [v for column in (thin.low or thin.mean) for v in column if v is not None]
    high = [v for column in (thin.high or thin.mean) for v in column if v is not None]
    assert (min(low), max(high)) == (min(known), max(known)) if known else not low and not high


def test_no_span_draws_more_points_than_a_screen_has() -> None:
    for span_s in (6 * 3_600.0, 86_400.0, 2 * 86_400.0, 7 * 86_400.0, 30 * 86_400.0, 200 * 86_400.0):
        assert span_s / (point_s(span_s) or 60.0) <= 800
