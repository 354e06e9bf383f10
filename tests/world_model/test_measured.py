"""Figures on measured greenhouses that the forecast has to hold, with the split that comes with the data."""

from __future__ import annotations

import pytest
from tomato_host.backtest.baselines import Persistence, Ridge, SeasonalNaive
from tomato_host.backtest.report import BacktestReport, reliability_svg, summarise
from tomato_host.backtest.rolling import OURS, score_case
from tomato_host.backtest.tables import load_cases, without_weather
from tomato_host.sources.measured import data_folder

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
    assert report.mae[OURS][3] <= 0.090
    assert report.mae[OURS][0] <= min(0.067, report.mae["ridge"][0])
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)
    assert reliability_svg([report]).startswith("<svg")


def test_indoor_vpd_without_weather() -> None:
    report = _report("agc3", "vpd_kpa", weather=False)
    assert report.mae[OURS][3] <= 0.150
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)


def test_slab_water_content() -> None:
    report = _report("agc2", "soil")
    assert report.mae[OURS][3] <= 1.10
    assert report.mae[OURS][0] <= min(0.45, report.mae["ridge"][0])
    assert all(ours < seasonal for ours, seasonal in zip(report.mae[OURS], report.mae["seasonal"], strict=True))
    _holds_its_intervals(report)
