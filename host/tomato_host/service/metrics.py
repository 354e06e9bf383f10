"""Prometheus metrics, computed from the newest records at each scrape; names follow the field's conventions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared_schemas.devices import OUTPUTS, SENSORS, Output, Sensor
from shared_schemas.records.base import Mode
from tomato_host import __version__
from tomato_host.service.live_state import LiveState
from tomato_host.service.world_metrics import world_metrics

Json = dict[str, Any]

MODES: tuple[Mode, ...] = get_args(Mode)


def _gauge(name: str, text: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(name, text, value=value)


class PlantCollector(Collector):
    """Turns the newest records into metrics; what is not known is left out, never zero."""

    def __init__(
        self, present: LiveState, sensors: Sequence[Sensor] = SENSORS, outputs: Sequence[Output] = OUTPUTS
    ) -> None:
        self._present = present
        self._sensors = sensors
        self._outputs = outputs

    def collect(self) -> Iterable[Metric]:
        """One scrape."""
        newest = self._present.newest
        yield from self._build()
        if seen := self._present.fresh("observation_v1"):
            yield from _readings(seen, self._sensors)
        yield from _last_readings(self._present)
        yield from _live(self._present.live)
        if devices := newest.get("device_status_v1"):
            yield from _devices(devices, self._outputs)
        if wanted := newest.get("targets_v1"):
            yield from _targets(wanted)
        if expected := newest.get("prediction_36h_v1"):
            yield from _forecast(expected)
        yield from self._counts()
        yield from _feeds(self._present.status.get("feeds", {}))
        yield from _disk(self._present.status.get("disk", {}))
        yield from world_metrics(self._present.status.get("world", {}))

    def _build(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "tomato_build",
            "Version of the host and the board's firmware.",
            value={"version": __version__, "firmware": str(self._present.status.get("firmware"))},
        )
        status = self._present.status
        mode = GaugeMetricFamily("tomato_mode", "1 for the mode in force.", labels=["mode"])
        for name in MODES:
            mode.add_metric([name], float(status.get("mode") == name))
        yield mode
        yield GaugeMetricFamily("tomato_link_up", "1 while the board answers.", value=float(status.get("link") == "up"))
        yield GaugeMetricFamily(
            "tomato_feed_up",
            "1 while the deciding loop sends its status to this process.",
            value=float(self._present.alive),
        )

    def _counts(self) -> Iterator[Metric]:
        tally = self._present.status.get("tally", {})
        for key, name, text in (
            ("observations", "tomato_observations", "Observations recorded."),
            ("episodes", "tomato_decisions", "Decisions made."),
            ("actions", "tomato_actions_accepted", "Actions the guardrails accepted."),
            ("refused", "tomato_actions_refused", "Actions the guardrails refused."),
            ("anomalies", "tomato_anomalies", "Anomalies opened."),
        ):
            if key in tally:
                yield CounterMetricFamily(name, text, value=float(tally[key]))
        if "water_ml" in tally:
            yield CounterMetricFamily(
                "tomato_irrigation_volume_liters", "Water delivered in this run.", value=tally["water_ml"] / 1000.0
            )
        open_now = GaugeMetricFamily(
            "tomato_anomaly_open", "1 while an anomaly is open.", labels=["type", "subject", "severity"]
        )
        for anomaly in self._present.open_anomalies.values():
            open_now.add_metric([anomaly["type"], anomaly.get("subject") or "", anomaly["severity"]], 1.0)
        yield open_now
        yield from _plan(self._present.newest.get("plan_v1"))


def _plan(plan: Json | None) -> Iterator[Metric]:
    if plan is None:
        return
    moment_s = datetime.fromisoformat(plan["ts"]).timestamp()
    yield from _gauge("tomato_last_decision_timestamp_seconds", "When the last decision was made.", moment_s)
    if plan.get("planning_ms") is not None:
        yield from _gauge("tomato_plan_duration_seconds", "Time the last plan took.", plan["planning_ms"] / 1000.0)


BROKERS = (("bus", "the bus"), ("mqtt", "MQTT"))
"""Feeds that hold a connection to a broker of their own."""


def _brokers(feeds: Json) -> Iterator[Metric]:
    for feed, label in BROKERS:
        told = feeds.get(feed, {})
        if "up" not in told:
            continue
        yield GaugeMetricFamily(f"tomato_{feed}_up", f"1 while the broker of {label} answers.", value=float(told["up"]))
        yield CounterMetricFamily(
            f"tomato_{feed}_messages",
            f"Messages that the broker of {label} has acknowledged.",
            value=float(told["sent"]),
        )
        yield CounterMetricFamily(
            f"tomato_{feed}_losses", f"Lost connections to the broker of {label}.", value=float(told["losses"])
        )
    mqtt = feeds.get("mqtt", {})
    if "refused" in mqtt:
        yield CounterMetricFamily(
            "tomato_mqtt_commands_refused", "MQTT commands refused before the guardrails.", value=float(mqtt["refused"])
        )
    yield from _plugs(mqtt.get("plugs") or {})


def _plugs(plugs: Json) -> Iterator[Metric]:
    """The smart plugs that follow outputs; without one there is no series."""
    on = GaugeMetricFamily(
        "tomato_plug_on", "1 while a smart plug is on with an off timer that was read back.", labels=["output"]
    )
    latched = GaugeMetricFamily(
        "tomato_plug_latched", "1 while a smart plug is latched off until somebody has looked.", labels=["output"]
    )
    for output, plug in plugs.items():
        on.add_metric([output], float(plug["state"] == "ON"))
        latched.add_metric([output], float(plug["state"] == "LATCHED"))
    if plugs:
        yield from (on, latched)


def _feeds(feeds: Json) -> Iterator[Metric]:
    """The child processes' feeds, and what each had to drop."""
    dropped = CounterMetricFamily(
        "tomato_feed_dropped", "Messages dropped because the reader was too slow.", labels=["feed", "rank"]
    )
    waiting = GaugeMetricFamily("tomato_feed_waiting_bytes", "Bytes waiting to be sent.", labels=["feed"])
    restarts = CounterMetricFamily("tomato_feed_restarts", "Restarts of the child process.", labels=["feed"])
    for name, told in feeds.items():
        later = told.get("bus_dropped", {})
        for rank, count in told["dropped"].items():
            dropped.add_metric([name, rank], count + later.get(rank, 0))
        waiting.add_metric([name], told["waiting_bytes"] + told.get("bus_waiting_bytes", 0))
        restarts.add_metric([name], told["restarts"])
    yield from (dropped, waiting, restarts)
    yield from _brokers(feeds)


DISK_GAUGES = (
    ("free_bytes", "tomato_disk_free_bytes", "Free space on the disk of the data directory."),
    ("stored_bytes", "tomato_disk_records_bytes", "Size of all records."),
    ("is_thinning", "tomato_disk_over_budget", "1 while readings are thinned to keep the day's budget."),
)
DISK_COUNTERS = (
    ("written_bytes", "tomato_disk_written_bytes", "Records written since the host started."),
    ("thinned", "tomato_disk_readings_thinned", "Readings left out because the day's budget was spent."),
    ("let_go", "tomato_disk_readings_let_go", "Oldest readings deleted because all records exceeded their limit."),
)


def _disk(disk: Json) -> Iterator[Metric]:
    for key, name, text in DISK_GAUGES:
        yield from _gauge(name, text, disk.get(key))
    for key, name, text in DISK_COUNTERS:
        if key in disk:
            yield CounterMetricFamily(name, text, value=float(disk[key]))


def _readings(seen: Json, sensors: Sequence[Sensor]) -> Iterator[Metric]:
    """The values of the newest observation, which is fresh: a value that is not known is absent."""
    for row in sensors:
        value = seen.get(row.name)
        if row.metric and value is not None:
            text = f"{row.meaning.rstrip('.')}, 0 to 1." if row.metric.endswith("_ratio") else row.meaning
            yield GaugeMetricFamily(row.metric, text, value=value * row.metric_factor)
    soil = GaugeMetricFamily("tomato_soil_water_content_ratio", "Volumetric water content, 0 to 1.", labels=["plant"])
    for probe in seen["soil"]:
        if probe["moisture_pct"] is not None:
            soil.add_metric([probe["id"]], probe["moisture_pct"] / 100.0)
    yield soil


def _last_readings(present: LiveState) -> Iterator[Metric]:
    """When each sensor last gave a value. The series stays when the sensor drops out, so that an alert can see it.

    A fitted sensor that has given none since the host started counts from that start.
    """
    last = GaugeMetricFamily(
        "tomato_sensor_last_reading_timestamp_seconds", "When a sensor last gave a value.", labels=["sensor"]
    )
    started = present.status.get("started_at")
    moments = dict(present.last_value_at)
    if started is not None:
        for sensor in present.newest.get("sensor_health_v1", {}).get("sensors", ()):
            if sensor["status"] != "NOT_FITTED":
                moments.setdefault(sensor["id"], datetime.fromisoformat(started).timestamp())
    for name, moment_s in sorted(moments.items()):
        last.add_metric([name], moment_s)
    yield last


def _live(live: Json) -> Iterator[Metric]:
    """The present, as the deciding loop computed it; a value that is too old is absent, not frozen."""
    yield from _gauge("tomato_vapour_pressure_deficit_kilopascal", "VPD of the air.", live.get("vpd_kpa"))
    yield from _gauge("tomato_state_confidence_ratio", "Confidence in the estimated state.", live.get("confidence"))
    yield from _gauge("tomato_estimate_age_seconds", "Age of the newest estimate.", live.get("age_s"))
    moment = live.get("ts")
    yield from _gauge(
        "tomato_estimate_timestamp_seconds",
        "When the newest estimate was made.",
        None if moment is None else datetime.fromisoformat(moment).timestamp(),
    )
    left_ml = live.get("water_ml_left_today")
    yield from _gauge(
        "tomato_water_budget_left_liters",
        "Water that may still be given today.",
        None if left_ml is None else left_ml / 1000.0,
    )


def _devices(devices: Json, outputs: Sequence[Output]) -> Iterator[Metric]:
    on = GaugeMetricFamily("tomato_output_on", "1 while an output is on.", labels=["output"])
    for row in outputs:
        if (state := devices["outputs"].get(row.name)) is not None:
            on.add_metric([row.name], float(state == "ON"))
    yield on
    latched = GaugeMetricFamily(
        "tomato_interlock_active", "1 while the fault is latched on the board.", labels=["rule"]
    )
    for fault in devices["faults"]:
        latched.add_metric([fault["name"]], 1.0)
    yield latched
    if devices.get("free_heap_bytes") is not None:
        yield GaugeMetricFamily(
            "tomato_board_heap_free_bytes", "Free heap on the board.", value=devices["free_heap_bytes"]
        )


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


def _targets(record: Json) -> Iterator[Metric]:
    """The bands in force, from a targets_v1."""
    for name, text, factor, rows in BANDS:
        family = GaugeMetricFamily(name, text, labels=["period", "bound"])
        for key, period in rows:
            for bound in ("low", "high"):
                family.add_metric([period, bound], record["adapted"][key][bound] * factor)
        yield family


def _forecast(record: Json) -> Iterator[Metric]:
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


def metrics_page(
    present: LiveState, sensors: Sequence[Sensor] = SENSORS, outputs: Sequence[Output] = OUTPUTS
) -> tuple[bytes, str]:
    """The metrics of this moment, and their content type. A sensor or output has those that its row names."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(present, sensors, outputs))
    return generate_latest(registry), CONTENT_TYPE_LATEST
