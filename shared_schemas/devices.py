"""The table of outputs and sensors: the hard limits, read by the firmware generator and the guardrails alike.

Every number here is enforced on the board. The guardrails on the host may only be tighter, never wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OutputKind = Literal["relay", "pump", "valve"]
DoseUnit = Literal["ms", "ml"]
OnLeaseLoss = Literal["off", "finish"]

SENSOR_MAX_AGE_MS = 120_000
"""A reading older than this does not count as fresh on the board (12 missed samples of 10 s)."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the board and everything that bounds it.

    Times are ms, volumes ml, concentrations ppm, temperatures degC. Budgets count per rolling board day of 24 h
    of elapsed time; `hour_budget` per rolling hour. For relays both budgets are seconds of on-time, for the pump ml.
    """

    wire_id: int
    name: str
    kind: OutputKind
    max_on_ms: int
    min_off_ms: int
    hour_budget: int
    day_budget: int
    budget_unit: Literal["s", "ml"]
    on_lease_loss: OnLeaseLoss
    """`off`: drop at once when the lease lapses. `finish`: the running pulse may reach its own (short) end."""
    group: str
    """Outputs of one interlock group exclude each other (only the CO2 valve and the exhaust share one)."""
    needs: tuple[str, ...]
    """Conditions by name, each one a tiny function in `firmware/tomato/core/interlocks.py`."""
    meaning: str
    safe_state: Literal["off"] = "off"
    dose_unit: DoseUnit = "ms"
    max_dose: int = 0
    """Largest single request in `dose_unit`; for ms outputs the same as `max_on_ms`."""
    shares: int = 8
    """A flash write prepays the day's budget divided by this; what was prepaid counts as spent after a restart. More
    shares: cheaper restarts, more writes. The lamp floods nobody, so it is charged in small shares."""
    renewable: bool = False
    """True: a running pulse may be prolonged before it ends. False: a second one waits for `min_off_ms`."""


OUTPUTS: tuple[Output, ...] = (
    Output(0, "light", "relay", 900_000, 5_000, 3_600, 64_800, "s", "off", "light",
           ("not_over_temp", "not_estop"),
           "LED grow lamp; 18 h a day at most (tomato needs a dark period), renewed every few minutes. The pause bounds"
           " inrush; it also follows the dark moments in which the budgets are written to flash, so it is short.",
           max_dose=900_000, renewable=True, shares=24),
    Output(1, "circulation_fan", "relay", 900_000, 0, 3_600, 86_400, "s", "off", "circulation",
           ("not_estop",),
           "Stirs the air inside; may run all day, pulse by pulse.", max_dose=900_000, renewable=True),
    Output(2, "exhaust_fan", "relay", 900_000, 10_000, 3_600, 86_400, "s", "off", "vent",
           ("not_estop",),
           "Blows tent air out; excludes CO2 dosing.", max_dose=900_000, renewable=True),
    Output(3, "humidifier", "relay", 300_000, 60_000, 1_800, 21_600, "s", "off", "humidify",
           ("not_estop", "no_leak", "rh_fresh", "rh_below_limit"),
           "Ultrasonic humidifier; at most half of an hour and 6 h a day.", max_dose=300_000),
    Output(4, "heater_mat", "relay", 600_000, 60_000, 2_700, 43_200, "s", "off", "heat",
           ("not_estop", "not_over_temp", "no_leak", "soil_temp_fresh", "soil_temp_below_limit"),
           "Heater mat below the pots; by soil temperature only.", max_dose=600_000),
    Output(5, "water_pump", "pump", 30_000, 60_000, 600, 2_500, "ml", "finish", "water",
           ("not_estop", "reservoir_ok", "no_leak"),
           "Irrigation pump; a dose is asked for in ml and bounded in ml and in ms.",
           dose_unit="ml", max_dose=250),
    Output(6, "co2_solenoid", "valve", 30_000, 60_000, 120, 600, "s", "off", "vent",
           ("not_estop", "co2_fresh", "co2_below_limit"),
           "CO2 valve; never together with the exhaust, never without a fresh CO2 reading.", max_dose=30_000),
)
"""All outputs, in wire order."""

OUTPUT_BY_NAME: dict[str, Output] = {o.name: o for o in OUTPUTS}


@dataclass(frozen=True, slots=True)
class Sensor:
    """One quantity the board measures: unit, fixed-point scale on the wire, plausible range and pace."""

    wire_id: int
    name: str
    unit: str
    scale: int
    """Wire integer = round(value * scale)."""
    lowest: float
    highest: float
    """What can be true in a tent; a reading beyond is no value (`out_of_range`), on the board as on the host. The high
    side is the part's own, so that a real danger is never taken for a fault of the sensor."""
    part: str
    """The part that measures it."""
    meaning: str


SENSORS: tuple[Sensor, ...] = (
    Sensor(0, "air_temp_c", "degC", 100, -20.0, 85.0, "SHT4x", "Air temperature in the canopy."),
    Sensor(1, "rh_pct", "%", 100, 2.0, 100.0, "SHT4x", "Relative humidity of the air."),
    Sensor(2, "co2_ppm", "ppm", 1, 150.0, 40_000.0, "SCD4x", "CO2 concentration of the air."),
    Sensor(3, "leaf_temp_c", "degC", 100, -20.0, 85.0, "MLX90614", "Leaf temperature by infrared."),
    Sensor(4, "light_lux", "lx", 1, 0.0, 120_000.0, "BH1750", "Illuminance at canopy height."),
    Sensor(5, "soil_temp_c", "degC", 100, -20.0, 85.0, "DS18B20", "Temperature of the substrate."),
    Sensor(6, "soil_p1_pct", "%", 100, 0.0, 100.0, "capacitive probe", "Volumetric water content, zone 1."),
    Sensor(7, "soil_p2_pct", "%", 100, 0.0, 100.0, "capacitive probe", "Volumetric water content, zone 2."),
    Sensor(8, "soil_p1_raw", "count", 1, 0, 65_535, "ADC", "Raw ADC count of probe 1."),
    Sensor(9, "soil_p2_raw", "count", 1, 0, 65_535, "ADC", "Raw ADC count of probe 2."),
    Sensor(10, "flow_ml", "ml", 1, 0, 1_000_000_000, "flow meter", "Water through the flow meter since boot."),
    Sensor(11, "reservoir_ok", "bool", 1, 0, 1, "float switch", "1 while the reservoir holds enough water to pump."),
    Sensor(12, "leak", "bool", 1, 0, 1, "leak sensor", "1 while water lies where none should."),
    Sensor(13, "door_open", "bool", 1, 0, 1, "reed contact", "1 while the tent is open."),
)
"""All quantities the board reports, in wire order."""

SENSOR_BY_NAME: dict[str, Sensor] = {s.name: s for s in SENSORS}


LIMITS: dict[str, int] = {
    "lease_ms": 5_000,
    "survival_after_ms": 600_000,
    "settle_ms": 2_000,
    "safety_tick_ms": 50,
    "watchdog_ms": 2_000,
    "sensor_max_age_ms": SENSOR_MAX_AGE_MS,
    "switch_max_age_ms": 2_000,
    "co2_cutoff_ppm": 1_500,
    "co2_alarm_ppm": 3_000,
    "rh_cutoff_pct": 92,
    "soil_temp_cutoff_c": 28,
    "soil_hot_c": 35,
    "over_temp_on_c": 38,
    "over_temp_off_c": 34,
    "flow_check_after_ms": 3_000,
    "no_flow_pause_ms": 300_000,
    "no_flow_long_pause_ms": 1_800_000,
    "flow_off_grace_ms": 5_000,
    "flow_off_ml": 20,
    "flow_off_window_ms": 600_000,
    "manual_ms": 900_000,
    "estop_latch_ms": 200,
    "leak_latch_ms": 1_000,
    "pin_latch_ms": 500,
    "level_latch_ms": 15_000,
    "latch_forget_ms": 10_000,
    "float_open_ms": 1_000,
    "survival_light_least_s": 21_600,
    "survival_water_least_ml": 100,
    "survival_soil_least_pct": 5,
    "soil_band_low_pct": 3,
    "soil_band_high_pct": 70,
    "button_long_ms": 3_000,
    "button_window_ms": 60_000,
    "restart_forgotten_ms": 10_800_000,
    "restarts_alarm": 3,
    "save_pause_ms": 600_000,
    "save_retry_ms": 60_000,
}
"""Thresholds of the board's own interlocks and timers, units in the names. docs/safety.md says why each latch waits."""
