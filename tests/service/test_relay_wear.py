"""How far relays are worn: strokes of all days, the pace of the last whole ones, the rated life of the registry."""

from __future__ import annotations

from typing import Any

import pytest
from tomato_host.service.day_totals import CountedDays
from tomato_host.service.relay_wear import relay_wear

from shared_schemas.devices import LAMP, VENT


def pulse(at: str, number: int, **params: Any) -> dict[str, Any]:
    outcome = {"delivered_s": 60.0, "cmd_ids": list(range(number))}
    return {"ts": at, "id": at, "type": VENT.action, "params": params, "outcome": outcome}


def days_of(*counts: int) -> list[dict[str, Any]]:
    counted = CountedDays()
    for day, count in enumerate(counts, 1):
        counted.add_action(pulse(f"2026-06-{day:02d}T10:00:00+02:00", count, period_s=3_600.0))
    return counted.rows()


def test_a_row_has_total_pace_and_share_of_the_rated_life() -> None:
    (row,) = relay_wear(days_of(*[100] * 10, 7))
    assert (row["output"], row["label"], row["strokes"]) == (VENT.name, VENT.label, 1_007)
    assert row["per_day"] == 100.0, "the day under way, with 7 strokes, is no whole day"
    assert row["rated"] == VENT.rated_strokes == 100_000
    assert row["used"] == pytest.approx(0.0101, abs=1e-4)
    assert row["years_left"] == pytest.approx((100_000 - 1_007) / 100 / 365.25, abs=0.05)


def test_the_pace_is_that_of_the_last_seven_whole_days() -> None:
    (row,) = relay_wear(days_of(*[900] * 5, *[10] * 7, 0))
    assert row["per_day"] == 10.0


def test_the_life_of_what_is_fitted_counts_and_an_outlived_relay_has_no_years_left() -> None:
    (row,) = relay_wear(days_of(600, 600, 600), {VENT.name: 1_000, LAMP.name: 5})
    assert (row["rated"], row["used"], row["years_left"]) == (1_000, 1.8, 0.0)


def test_a_relay_that_rests_has_no_end_and_one_never_used_no_row() -> None:
    (row,) = relay_wear([{"day": "2026-06-01", "strokes": {LAMP.name: 3}}, *[{"day": "x", "strokes": {}}] * 9])
    assert (row["output"], row["per_day"], row["years_left"]) == (LAMP.name, 0.0, None)
    assert relay_wear([]) == []
