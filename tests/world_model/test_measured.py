"""Figures on measured greenhouses that the forecast has to hold, with the split that comes with the data."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from tomato_host.backtest.baselines import Climatology, Persistence, Ridge, SeasonalNaive
from tomato_host.backtest.report import BacktestReport, reliability_svg, summarise
from tomato_host.backtest.rolling import OURS, score_case
from tomato_host.backtest.tables import load_cases, without_weather
from tomato_host.brain.world_model.data import HourlyLog
from tomato_host.brain.world_model.prediction_record import usual_water_ml
from tomato_host.sources.measured import data_folder

from tools.tunnel_mapping import TUNNEL

HORIZONS = (1, 6, 12, 24, 36)
RULES = (Persistence(), SeasonalNaive(), Ridge())

pytestmark = pytest.mark.skipif(not data_folder().is_dir(), reason="needs the measured data (TOMATO_DATA)")


def _report(data: str, only: str, weather: bool = True) -> BacktestReport:
    cases = load_cases(data, time_zone="UTC")
    cases = cases if weather else [without_weather(case) for case in cases]
    judged = [one for case in cases for one in score_case(case, HORIZONS, RULES, only=(only,))]
    return summarise(judged, HORIZONS)[0]


def _holds_its_intervals(report: BacktestReport) -> None:
    for h, coverage in zip(HORIZONS, report.coverage, strict=True):
        assert 0.77 <= coverage <= 0.83, f"{h} h: {coverage:.1%}"


def test_indoor_vpd_with_the_weather_known() -> None:
    report = _report("agc3", "vpd_kpa")
    assert report.mae[OURS][3] <= 0.086
    assert report.mae[OURS][0] <= min(0.067, report.mae["ridge"][0])
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)
    assert reliability_svg([report]).startswith("<svg")


def test_indoor_vpd_without_weather() -> None:
    report = _report("agc3", "vpd_kpa", weather=False)
    assert report.mae[OURS][3] <= 0.142
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)


def test_slab_water_content() -> None:
    report = _report("agc2", "soil")
    assert report.mae[OURS][3] <= 1.07
    assert report.mae[OURS][0] <= min(0.30, report.mae["ridge"][0])
    assert report.mae[OURS][1] <= 0.82
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)


def test_pots_of_a_tunnel_never_lose_to_a_naive_rule(tmp_path: Path) -> None:
    mapping = tmp_path / "tunnel.toml"
    mapping.write_text(TUNNEL)
    (case,) = load_cases(str(data_folder() / "tunnel_greenhouse1_15min.csv.gz"), mapping, time_zone="UTC")
    rules = (Persistence(), SeasonalNaive(), Climatology())
    (report,) = summarise(score_case(case, HORIZONS, rules, only=("soil",)), HORIZONS)
    best = [min(report.mae[rule.name][j] for rule in rules) for j in range(len(HORIZONS))]
    assert all(ours <= 1.01 * naive for ours, naive in zip(report.mae[OURS], best, strict=True)), report.mae
    assert report.mae[OURS][3] <= 0.62
    _holds_its_intervals(report)


def test_the_water_of_a_day_on_recorded_slabs() -> None:
    """Irrigation of every compartment and day, l/m2, as a plant of one square metre."""
    with gzip.open(data_folder() / "agc2_resources_daily.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["Irr"]]
    hits = []
    for place in {row["compartment"] for row in rows}:
        given = np.array([1_000.0 * float(row["Irr"]) for row in rows if row["compartment"] == place])
        log = HourlyLog(0, 1.0, {"water_ml": np.repeat(given / 24.0, 24)})
        for day in range(45, len(given)):
            usual = usual_water_ml(log.until(24 * day))
            if given[day] > 300.0:
                hits.append(usual is not None and abs(usual - given[day]) <= 0.2 * given[day])
    assert len(hits) > 600 and np.mean(hits) >= 0.84, (len(hits), np.mean(hits))
