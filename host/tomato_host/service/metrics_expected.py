"""Metrics of what is wanted and what is expected: target bands, and the forecast at a few horizons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

Json = dict[str, Any]

BANDS = (
    (
        "tomato_target_air_temperature_celsius",
        "Target band of the air temperature.",
        1.0,
        (("air_temp_day_c", "day"), ("air_temp_night_c", "night")),
    ),
    (
        "tomato_target_vapour_pressure_deficit_kilopascal",
        "Target band of the VPD.",
        1.0,
        (("vpd_day_kpa", "day"), ("vpd_night_kpa", "night")),
    ),
    (
        "tomato_target_soil_water_content_ratio",
        "Target band of the water content, 0 to 1.",
        0.01,
        (("soil_moisture_pct", "all"),),
    ),
)
HORIZONS_H = (1, 6, 24)
FORECASTS = (
    ("air_temp_c", "tomato_forecast_air_temperature_celsius", "Forecast of the air temperature.", 1.0),
    ("vpd_kpa", "tomato_forecast_vapour_pressure_deficit_kilopascal", "Forecast of the VPD.", 1.0),
    ("soil_pct", "tomato_forecast_soil_water_content_ratio", "Forecast of the water content, 0 to 1.", 0.01),
)


def targets(record: Json) -> Iterator[Metric]:
    """The bands in force, from a targets_v1."""
    for name, text, factor, rows in BANDS:
        family = GaugeMetricFamily(name, text, labels=["period", "bound"])
        for key, period in rows:
            for bound in ("low", "high"):
                family.add_metric([period, bound], record["adapted"][key][bound] * factor)
        yield family


def forecast(record: Json) -> Iterator[Metric]:
    """The newest prediction_36h_v1, so many hours after it was made; compare with `offset` of the same length."""
    for key, name, text, factor in FORECASTS:
        family = GaugeMetricFamily(name, text, labels=["horizon", "estimate"])
        for hours in HORIZONS_H:
            if hours > len(record["hours"]):
                continue
            hour = record["hours"][hours - 1]
            band = hour["soil_pct"].get("avg") if key == "soil_pct" else hour.get(key)
            if band is not None:
                for estimate in ("p10", "mean", "p90"):
                    family.add_metric([f"{hours}h", estimate], band[estimate] * factor)
        yield family
