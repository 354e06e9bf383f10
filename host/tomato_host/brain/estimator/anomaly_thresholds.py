"""The thresholds of every anomaly, as data. docs/anomaly_thresholds.md prints the same tables; a test compares them.

One row is one threshold with hysteresis: it opens when the signal has been beyond `opens_at` for `hold_s`, and clears
when it has been back behind `clears_at` for `clear_s`. Rows of one type and subject share one anomaly, whose severity
is that of the worst open row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared_schemas.records import AnomalyType as T
from shared_schemas.records import FaultType, Severity

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


@dataclass(frozen=True, slots=True)
class Threshold:
    """One row of the table. `signal` names its unit; `soil_probe_pct` stands for every probe."""

    type: T
    signal: str
    side: Literal["above", "below"]
    opens_at: float
    clears_at: float
    hold_s: float
    clear_s: float
    severity: Severity


THRESHOLDS: Final[tuple[Threshold, ...]] = (
    Threshold(T.AIR_TEMP_HIGH, "air_temp_c", "above", 32.0, 30.5, 300.0, 600.0, MEDIUM),
    Threshold(T.AIR_TEMP_HIGH, "air_temp_c", "above", 35.0, 33.5, 120.0, 600.0, HIGH),
    Threshold(T.AIR_TEMP_HIGH, "air_temp_c", "above", 38.0, 36.0, 60.0, 600.0, CRITICAL),
    Threshold(T.AIR_TEMP_LOW, "air_temp_c", "below", 13.0, 14.0, 900.0, 600.0, MEDIUM),
    Threshold(T.AIR_TEMP_LOW, "air_temp_c", "below", 10.0, 11.0, 300.0, 600.0, HIGH),
    Threshold(T.AIR_TEMP_LOW, "air_temp_c", "below", 5.0, 6.0, 120.0, 600.0, CRITICAL),
    Threshold(T.RH_HIGH, "rh_pct", "above", 88.0, 84.0, 1800.0, 600.0, MEDIUM),
    Threshold(T.RH_HIGH, "rh_pct", "above", 94.0, 90.0, 1800.0, 600.0, HIGH),
    Threshold(T.RH_LOW, "rh_pct", "below", 30.0, 34.0, 1800.0, 600.0, LOW),
    Threshold(T.VPD_HIGH, "vpd_kpa", "above", 1.8, 1.6, 1800.0, 600.0, MEDIUM),
    Threshold(T.VPD_HIGH, "vpd_kpa", "above", 2.5, 2.2, 600.0, 600.0, HIGH),
    Threshold(T.VPD_LOW, "vpd_kpa", "below", 0.25, 0.32, 3600.0, 600.0, MEDIUM),
    Threshold(T.CO2_HIGH, "co2_ppm", "above", 1500.0, 1300.0, 120.0, 300.0, MEDIUM),
    Threshold(T.CO2_HIGH, "co2_ppm", "above", 3000.0, 2500.0, 60.0, 300.0, CRITICAL),
    Threshold(T.CO2_LOW, "co2_ppm", "below", 300.0, 340.0, 1800.0, 600.0, LOW),
    Threshold(T.LEAF_HOT, "leaf_air_delta_c", "above", 3.0, 2.0, 900.0, 600.0, MEDIUM),
    Threshold(T.LEAF_HOT, "leaf_air_delta_c", "above", 5.0, 4.0, 600.0, 600.0, HIGH),
    Threshold(T.SOIL_DRY, "soil_avg_pct", "below", 20.0, 22.0, 1800.0, 600.0, MEDIUM),
    Threshold(T.SOIL_DRY, "soil_probe_pct", "below", 12.0, 14.0, 1800.0, 600.0, HIGH),
    Threshold(T.SOIL_WET, "soil_avg_pct", "above", 85.0, 80.0, 21600.0, 600.0, LOW),
    Threshold(T.SOIL_TEMP_HIGH, "soil_temp_c", "above", 28.0, 27.0, 600.0, 600.0, HIGH),
    Threshold(T.SOIL_TEMP_LOW, "soil_temp_c", "below", 13.0, 14.0, 3600.0, 600.0, MEDIUM),
    Threshold(T.CONDENSATION, "dew_margin_k", "below", 0.5, 1.0, 900.0, 600.0, MEDIUM),
    Threshold(T.RAPID_CHANGE, "vpd_change_15min_kpa", "above", 0.8, 0.4, 120.0, 600.0, MEDIUM),
    Threshold(T.LIGHT_MISMATCH, "dark_under_lamp_s", "above", 300.0, 0.5, 0.0, 60.0, HIGH),
    Threshold(T.LIGHT_MISMATCH, "light_without_lamp_s", "above", 900.0, 0.5, 0.0, 60.0, MEDIUM),
    Threshold(T.LEAK, "leak", "above", 0.5, 0.5, 0.0, 60.0, CRITICAL),
    Threshold(T.RESERVOIR_LOW, "reservoir_empty", "above", 0.5, 0.5, 60.0, 60.0, MEDIUM),
    Threshold(T.WATER_NOT_ARRIVING, "unanswered_ml", "above", 99.0, 0.5, 0.0, 0.0, HIGH),
    Threshold(T.DOOR_OPEN, "door_open", "above", 0.5, 0.5, 900.0, 30.0, LOW),
    Threshold(T.MCU_DISCONNECTED, "board_gone", "above", 0.5, 0.5, 30.0, 30.0, HIGH),
    Threshold(T.MCU_RESET, "board_reset", "above", 0.5, 0.5, 0.0, 600.0, MEDIUM),
    Threshold(T.BOARD_FAULT, "board_faults", "above", 0.5, 0.5, 0.0, 30.0, HIGH),
)
"""Every threshold on a signal."""


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """How a sensor fault is reported: type of the anomaly, severity, and severity when the sensor is essential."""

    fault: FaultType
    type: T
    severity: Severity
    severity_essential: Severity
    check: str = ""
    """What to look at first, for the text of the anomaly."""


FAULT_POLICIES: Final[tuple[FaultPolicy, ...]] = (
    FaultPolicy(FaultType.STUCK_AT, T.SENSOR_FAULT, MEDIUM, HIGH),
    FaultPolicy(FaultType.JUMP, T.SENSOR_FAULT, MEDIUM, MEDIUM),
    FaultPolicy(FaultType.DRIFT, T.SENSOR_FAULT, LOW, MEDIUM),
    FaultPolicy(FaultType.OUT_OF_RANGE, T.SENSOR_FAULT, MEDIUM, HIGH),
    FaultPolicy(FaultType.DISCONNECT, T.SENSOR_DISCONNECT, MEDIUM, HIGH),
    FaultPolicy(FaultType.INCONSISTENT, T.SENSOR_FAULT, LOW, MEDIUM),
    FaultPolicy(FaultType.LIGHT_INTERFERENCE, T.SENSOR_FAULT, LOW, LOW),
    FaultPolicy(
        FaultType.REVERSED,
        T.SENSOR_FAULT,
        MEDIUM,
        HIGH,
        "It rises while no water comes, or falls when water comes. Check: dry and wet points swapped at calibration,"
        " the two probes' plugs swapped, water by hand or a dripping valve.",
    ),
    FaultPolicy(
        FaultType.UNRESPONSIVE,
        T.SENSOR_FAULT,
        MEDIUM,
        HIGH,
        "Doses that another probe notices leave it as it is. Check: is it in the wetted soil, its dripper, its plug.",
    ),
)
"""Every sensor fault."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an anomaly may do to the plant, and what must be done about it."""

    expected_effects: tuple[str, ...]
    required_response: tuple[str, ...]


_SAMPLE_MORE = "increase_sampling"
CONSEQUENCES: Final[dict[T, Consequence]] = {
    T.AIR_TEMP_HIGH: Consequence(("leaf_stress", "vpd_rise"), (_SAMPLE_MORE, "ventilate", "notify")),
    T.AIR_TEMP_LOW: Consequence(("growth_stops", "chilling"), (_SAMPLE_MORE, "check_heating", "notify")),
    T.RH_HIGH: Consequence(("botrytis_risk",), (_SAMPLE_MORE, "ventilate")),
    T.RH_LOW: Consequence(("vpd_rise",), ("check_humidifier",)),
    T.VPD_HIGH: Consequence(("rapid_drying", "stomata_close"), (_SAMPLE_MORE, "humidify")),
    T.VPD_LOW: Consequence(("weak_transpiration", "botrytis_risk"), ("ventilate",)),
    T.CO2_HIGH: Consequence(("danger_to_people",), (_SAMPLE_MORE, "stop_co2", "ventilate", "notify")),
    T.CO2_LOW: Consequence(("slow_growth",), ("ventilate",)),
    T.LEAF_HOT: Consequence(("closed_stomata", "thirst"), (_SAMPLE_MORE, "check_soil", "check_light")),
    T.SOIL_DRY: Consequence(("water_stress",), (_SAMPLE_MORE, "check_irrigation", "notify")),
    T.SOIL_WET: Consequence(("root_suffocation",), ("hold_irrigation",)),
    T.SOIL_TEMP_HIGH: Consequence(("root_damage",), (_SAMPLE_MORE, "stop_heater", "notify")),
    T.SOIL_TEMP_LOW: Consequence(("slow_uptake",), ("check_heating",)),
    T.CONDENSATION: Consequence(("botrytis_risk",), (_SAMPLE_MORE, "ventilate")),
    T.RAPID_CHANGE: Consequence(("rapid_drying", "leaf_temp_delta_change"), (_SAMPLE_MORE, "check_fan_modes")),
    T.LIGHT_MISMATCH: Consequence(("wrong_day_length",), (_SAMPLE_MORE, "check_lamp", "notify")),
    T.LEAK: Consequence(("water_damage",), (_SAMPLE_MORE, "stop_water", "notify")),
    T.RESERVOIR_LOW: Consequence(("irrigation_stops",), ("refill_reservoir", "notify")),
    T.WATER_NOT_ARRIVING: Consequence(("water_stress", "water_elsewhere"), (_SAMPLE_MORE, "check_pump", "notify")),
    T.DOOR_OPEN: Consequence(("climate_escapes",), ("close_door",)),
    T.MCU_DISCONNECTED: Consequence(("survival_programme",), (_SAMPLE_MORE, "check_link", "notify")),
    T.MCU_RESET: Consequence(("outputs_dropped",), (_SAMPLE_MORE, "check_power")),
    T.BOARD_FAULT: Consequence(("outputs_blocked",), (_SAMPLE_MORE, "read_board_faults", "notify")),
    T.ACTUATOR_NO_EFFECT: Consequence(("climate_drifts",), ("check_actuator", "notify")),
    T.WATER_BLOCKED: Consequence(("water_stress",), (_SAMPLE_MORE, "clear_fault", "water_by_hand", "notify")),
    T.SENSOR_FAULT: Consequence(("blind_spot",), (_SAMPLE_MORE, "check_sensor")),
    T.SENSOR_DISCONNECT: Consequence(("blind_spot",), (_SAMPLE_MORE, "check_sensor", "notify")),
}
"""Effects and responses by type."""
