"""THE REGISTRY of outputs and sensors. Everything about a device is derived from its row.

Limits are enforced on the board; the guardrails on the host may only be tighter, never wider. Further fields of a row
say how the device appears elsewhere: the action that asks for it, its column in a plan, its risk class, its metric, its
entity in Home Assistant. `make schemas` generates the board's table, the action types and the record fields from it;
host code loops over it. CONTRIBUTING lists the files that a new row touches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OutputKind = Literal["relay", "pump", "valve"]
DoseUnit = Literal["ms", "ml"]
OnLeaseLoss = Literal["off", "finish"]
Risk = Literal["gentle", "risky"]

HOST = {"host": True}
"""Marks a field that the board does not know; it takes no part in the schema hash."""
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
    action: str = field(kw_only=True, metadata=HOST)
    """Action type that asks for it; `SET_...` for relays."""
    column: str = field(kw_only=True, metadata=HOST)
    """Its column in a plan: a duty (share of the hour, 0 to 1) for relays, an amount with its unit otherwise."""
    risk: Risk = field(kw_only=True, metadata=HOST)
    """`gentle` (air and light) is allowed with a stale or doubtful state; `risky` (water, gas, mist, heat) is not."""
    label: str = field(kw_only=True, metadata=HOST)
    """Short name for people: dashboard, panel, Home Assistant."""
    carries_water: bool = field(default=False, kw_only=True, metadata=HOST)
    """It brings water into the tent: off under a leak and at frost."""
    heats: bool = field(default=False, kw_only=True, metadata=HOST)
    """It warms the tent: off when it is too hot."""
    vents: bool = field(default=False, kw_only=True, metadata=HOST)
    """It exchanges air with the room: off when it is too cold, and what forced ventilation switches on."""
    stirs: bool = field(default=False, kw_only=True, metadata=HOST)
    """It only moves the air inside: kept running in safe mode."""
    lights: bool = field(default=False, kw_only=True, metadata=HOST)
    """It is the plants' light: on by the photoperiod, and nothing else decides about it."""
    only_in_light: bool = field(default=False, kw_only=True, metadata=HOST)
    """What it gives is of use to a leaf in light only (CO2): refused in the dark."""
    added_later: bool = field(default=False, kw_only=True, metadata=HOST)
    """It came after the first datasets: a record that does not name it is valid and says that it was off."""
    explains: tuple[str, ...] = field(default=(), kw_only=True, metadata=HOST)
    """Readings whose fast change its switching explains; `soil` stands for every soil probe."""
    explains_for_s: float = field(default=0.0, kw_only=True, metadata=HOST)
    """How long after its switching, in s."""
    switchable: bool = field(default=False, kw_only=True, metadata=HOST)
    """A person may switch it on and off (bounded in time) on dashboard, API and command line."""
    power_w: float = field(default=0.0, kw_only=True, metadata=HOST)
    """Typical electric power while on, for the energy of a day; a simulated tent's parameters have their own."""
    rated_strokes: int = field(default=100_000, kw_only=True, metadata=HOST)
    """How often its relay can be switched on in its life (a hobby relay's electrical life at full load)."""
    home_assistant: str = field(default="running", kw_only=True, metadata=HOST)
    """Device class of its binary sensor in Home Assistant."""
    target_reading: str = field(default="", kw_only=True, metadata=HOST)
    """The reading without which an action would be blind; it must be trusted."""
    budget_setting: str = field(default="", kw_only=True, metadata=HOST)
    """Key of `[budgets]` that tightens `day_budget`; empty: the board's own counts."""
    hour_setting: str = field(default="", kw_only=True, metadata=HOST)
    """Key of `[guardrails]` that tightens `hour_budget`; empty: the board's own counts."""
    ceiling_setting: str = field(default="", kw_only=True, metadata=HOST)
    """Key of `[guardrails]` at or above which that reading refuses the action."""


# fmt: off
OUTPUTS: tuple[Output, ...] = (
    Output(0, "light", "relay", 900_000, 5_000, 3_600, 64_800, "s", "off", "light",
           ("not_over_temp", "not_estop"),
           "LED grow lamp; 18 h a day at most (tomato needs a dark period), renewed every few minutes. The pause bounds"
           " inrush; it also follows the dark moments in which the budgets are written to flash, so it is short.",
           max_dose=900_000, renewable=True, shares=24,
           action="SET_LIGHT", column="light", risk="gentle", label="light", heats=True, lights=True,
           switchable=True, power_w=100.0, budget_setting="light_s_per_day", explains=("light_lux",),
           explains_for_s=180.0, home_assistant="light"),
    Output(1, "circulation_fan", "relay", 900_000, 0, 3_600, 86_400, "s", "off", "circulation",
           ("not_estop",),
           "Stirs the air inside; may run all day, pulse by pulse.", max_dose=900_000, renewable=True,
           action="SET_CIRCULATION_FAN", column="circulation_fan", risk="gentle", label="circulation", stirs=True,
           switchable=True, power_w=4.0, explains=("rh_pct", "co2_ppm"), explains_for_s=300.0),
    Output(2, "exhaust_fan", "relay", 900_000, 10_000, 3_600, 86_400, "s", "off", "vent",
           ("not_estop",),
           "Blows tent air out; excludes CO2 dosing.", max_dose=900_000, renewable=True,
           action="SET_EXHAUST_FAN", column="exhaust_fan", risk="gentle", label="exhaust", vents=True,
           switchable=True, power_w=8.0, explains=("rh_pct", "co2_ppm"), explains_for_s=300.0),
    Output(3, "humidifier", "relay", 300_000, 60_000, 1_800, 21_600, "s", "off", "humidify",
           ("not_estop", "no_leak", "rh_fresh", "rh_below_limit"),
           "Ultrasonic humidifier; at most half of an hour and 6 h a day.", max_dose=300_000,
           action="SET_HUMIDIFIER", column="humidifier", risk="risky", label="humidifier", carries_water=True,
           switchable=True, power_w=25.0, budget_setting="humidifier_s_per_day",
           target_reading="rh_pct", ceiling_setting="rh_high_pct", explains=("rh_pct",), explains_for_s=300.0),
    Output(4, "heater_mat", "relay", 600_000, 60_000, 2_700, 43_200, "s", "off", "heat",
           ("not_estop", "not_over_temp", "no_leak", "soil_temp_fresh", "soil_temp_below_limit"),
           "Heater mat below the pots; by soil temperature only.", max_dose=600_000,
           action="SET_HEATER_MAT", column="heater_mat", risk="risky", label="heater mat", heats=True, switchable=True,
           power_w=20.0, budget_setting="heater_s_per_day",
           home_assistant="heat", target_reading="soil_temp_c", ceiling_setting="soil_temp_high_c"),
    Output(5, "water_pump", "pump", 30_000, 60_000, 600, 2_500, "ml", "finish", "water",
           ("not_estop", "reservoir_ok", "no_leak"),
           "Irrigation pump; a dose is asked for in ml and bounded in ml and in ms.",
           dose_unit="ml", max_dose=250,
           action="WATER", column="water_ml", risk="risky", label="water pump", carries_water=True, power_w=12.0,
           budget_setting="water_ml_per_day", hour_setting="water_ml_per_hour",
           explains=("soil_temp_c", "soil"), explains_for_s=900.0),
    Output(6, "co2_solenoid", "valve", 30_000, 60_000, 120, 600, "s", "off", "vent",
           ("not_estop", "co2_fresh", "co2_below_limit"),
           "CO2 valve; never together with the exhaust, never without a fresh CO2 reading.", max_dose=30_000,
           action="CO2_INJECT", column="co2_seconds", risk="risky", label="CO2 valve", power_w=6.0,
           only_in_light=True, explains=("co2_ppm",), explains_for_s=600.0,
           budget_setting="co2_s_per_day", hour_setting="co2_s_per_hour",
           home_assistant="opening", target_reading="co2_ppm", ceiling_setting="co2_high_ppm"),
)
# fmt: on
"""All outputs, in wire order."""

OUTPUT_BY_NAME: dict[str, Output] = {o.name: o for o in OUTPUTS}


def plan_order(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """The outputs in the order of a plan's columns: water, the relays, then valves."""
    ranks = {"pump": 0, "relay": 1, "valve": 2}
    return tuple(sorted(outputs, key=lambda row: (ranks[row.kind], row.wire_id)))


PLAN_COLUMNS: tuple[str, ...] = tuple(row.column for row in plan_order(OUTPUTS))
"""Columns of a plan; this order is the only one."""


def names_of(**facts: object) -> tuple[str, ...]:
    """Names of the outputs whose row has all these facts, in wire order. `names_of(risk="risky")`."""
    return tuple(row.name for row in OUTPUTS if all(getattr(row, key) == value for key, value in facts.items()))


def output_with(**facts: object) -> Output:
    """The first output, in wire order, whose row has all these facts. Raises ValueError when there is none.

    The tent's physics knows one lamp, one mist and so on: of two with the same facts the first is planned with, the
    other is guarded, recorded and shown like every output, and switched by rules and by people.
    """
    names = names_of(**facts)
    if not names:
        raise ValueError(f"no output has {facts}")
    return OUTPUT_BY_NAME[names[0]]


PUMP: Output = output_with(kind="pump")
"""The irrigation pump: the one output that is asked for ml."""
LAMP: Output = output_with(lights=True)
"""The grow lamp."""
STIRRER: Output = output_with(stirs=True)
"""The fan that moves the air inside."""
VENT: Output = output_with(vents=True)
"""The fan that exchanges air with the room."""
MIST: Output = output_with(kind="relay", carries_water=True)
"""What moistens the air."""
MAT: Output = output_with(heats=True, lights=False)
"""What warms the roots."""
GAS: Output = output_with(kind="valve")
"""The valve of the CO2 bottle."""


def actions_of(**facts: object) -> frozenset[str]:
    """Action types of the outputs whose row has all these facts. `actions_of(kind="pump")`."""
    return frozenset(OUTPUT_BY_NAME[name].action for name in names_of(**facts))


def budget_of(setting: str) -> int:
    """The board's own budget that a key of `[budgets]` (per day) or `[guardrails]` (per hour) tightens, in s or ml.

    Raises KeyError when no output has such a key.
    """
    days = {row.budget_setting: row.day_budget for row in OUTPUTS if row.budget_setting}
    hours = {row.hour_setting: row.hour_budget for row in OUTPUTS if row.hour_setting}
    return {**hours, **days}[setting]


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
    label: str = field(default="", kw_only=True, metadata=HOST)
    """Name for people; empty: not shown on its own."""
    metric: str = field(default="", kw_only=True, metadata=HOST)
    """Prometheus name, base units; empty: not exported on its own."""
    metric_factor: float = field(default=1.0, kw_only=True, metadata=HOST)
    """Multiplies the value into the metric's base unit."""
    home_assistant: str = field(default="", kw_only=True, metadata=HOST)
    """Device class of its sensor in Home Assistant; empty: no entity of its own."""
    display_unit: str = field(default="", kw_only=True, metadata=HOST)
    """Unit as people write it."""


# fmt: off
SENSORS: tuple[Sensor, ...] = (
    Sensor(0, "air_temp_c", "degC", 100, -20.0, 85.0, "SHT4x", "Air temperature in the canopy.",
           label="Air temperature", metric="tomato_air_temperature_celsius", home_assistant="temperature",
           display_unit="°C"),
    Sensor(1, "rh_pct", "%", 100, 2.0, 100.0, "SHT4x", "Relative humidity of the air.",
           label="Humidity", metric="tomato_air_relative_humidity_ratio", metric_factor=0.01, home_assistant="humidity",
           display_unit="%"),
    Sensor(2, "co2_ppm", "ppm", 1, 150.0, 40_000.0, "SCD4x", "CO2 concentration of the air.",
           label="CO2", metric="tomato_air_co2_ppm", home_assistant="carbon_dioxide", display_unit="ppm"),
    Sensor(3, "leaf_temp_c", "degC", 100, -20.0, 85.0, "MLX90614", "Leaf temperature by infrared.",
           label="Leaf temperature", metric="tomato_leaf_temperature_celsius", home_assistant="temperature",
           display_unit="°C"),
    Sensor(4, "light_lux", "lx", 1, 0.0, 120_000.0, "BH1750", "Illuminance at canopy height.",
           label="Light", metric="tomato_light_illuminance_lux", home_assistant="illuminance", display_unit="lx"),
    Sensor(5, "soil_temp_c", "degC", 100, -20.0, 85.0, "DS18B20", "Temperature of the substrate.",
           label="Soil temperature", metric="tomato_soil_temperature_celsius", home_assistant="temperature",
           display_unit="°C"),
    Sensor(6, "soil_p1_pct", "%", 100, 0.0, 100.0, "capacitive probe", "Volumetric water content, zone 1."),
    Sensor(7, "soil_p2_pct", "%", 100, 0.0, 100.0, "capacitive probe", "Volumetric water content, zone 2."),
    Sensor(8, "soil_p1_raw", "count", 1, 0, 65_535, "ADC", "Raw ADC count of probe 1."),
    Sensor(9, "soil_p2_raw", "count", 1, 0, 65_535, "ADC", "Raw ADC count of probe 2."),
    Sensor(10, "flow_ml", "ml", 1, 0, 1_000_000_000, "flow meter", "Water through the flow meter since boot."),
    Sensor(11, "reservoir_ok", "bool", 1, 0, 1, "float switch", "1 while the reservoir holds enough water to pump."),
    Sensor(12, "leak", "bool", 1, 0, 1, "leak sensor", "1 while water lies where none should."),
    Sensor(13, "door_open", "bool", 1, 0, 1, "reed contact", "1 while the tent is open."),
)
# fmt: on
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
    "probe_span_least_counts": 2_000,
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
