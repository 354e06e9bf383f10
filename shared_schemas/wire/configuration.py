"""What CONFIG may set on the board: calibration, survival programme, sampling. Integers with scale and range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One entry. The stored integer is the value times `scale`; bounds and default are stored integers."""

    key: int
    name: str
    unit: str
    scale: int
    lowest: int
    highest: int
    default: int
    meaning: str


CONFIG_KEYS: tuple[ConfigKey, ...] = (
    ConfigKey(0, "sample_period_ms", "ms", 1, 1_000, 600_000, 10_000, "Sampling period after boot."),
    ConfigKey(1, "soil_p1_dry_raw", "count", 1, 0, 64_500, 52_000, "Probe 1 in dry substrate; 0 = not set."),
    ConfigKey(2, "soil_p1_wet_raw", "count", 1, 0, 64_500, 22_000, "Probe 1 in the same substrate, saturated."),
    ConfigKey(3, "soil_p2_dry_raw", "count", 1, 0, 64_500, 52_000, "Probe 2, dry."),
    ConfigKey(4, "soil_p2_wet_raw", "count", 1, 0, 64_500, 22_000, "Probe 2, wet."),
    ConfigKey(5, "pump_ul_per_s", "ul/s", 1, 1_000, 200_000, 20_000, "What the pump really delivers."),
    ConfigKey(6, "flow_pulses_per_l", "1/l", 1, 0, 100_000, 450, "Flow meter constant; 0 = no flow meter fitted."),
    ConfigKey(7, "survival_light_on_s", "s", 1, 0, 64_800, 57_600, "SURVIVAL: light on, per cycle (16 h)."),
    ConfigKey(8, "survival_light_off_s", "s", 1, 21_600, 86_400, 28_800, "SURVIVAL: light off, per cycle (8 h)."),
    ConfigKey(9, "survival_soil_low_pct", "%", 100, 0, 6_000, 2_500, "SURVIVAL: water below this moisture."),
    ConfigKey(10, "survival_dose_ml", "ml", 1, 0, 250, 100, "SURVIVAL: one dose."),
    ConfigKey(11, "survival_pause_s", "s", 1, 600, 86_400, 7_200, "SURVIVAL: pause between doses."),
    ConfigKey(12, "survival_doses_per_day", "", 1, 0, 10, 6, "SURVIVAL: doses per 24 h at most."),
    ConfigKey(13, "survival_vent_on_c", "degC", 100, 1_500, 3_800, 3_000, "SURVIVAL: exhaust on above this."),
    ConfigKey(14, "survival_vent_off_c", "degC", 100, 1_000, 3_700, 2_700, "SURVIVAL: exhaust off below this."),
    ConfigKey(15, "survival_enabled", "bool", 1, 0, 1, 1, "0 = stay READY with everything off when the host is gone."),
    ConfigKey(16, "soil_p1_dry_pct", "%", 100, 0, 3_000, 0, "Water content at probe 1's dry point."),
    ConfigKey(17, "soil_p1_wet_pct", "%", 100, 3_001, 10_000, 10_000, "Water content at probe 1's wet point."),
    ConfigKey(18, "soil_p2_dry_pct", "%", 100, 0, 3_000, 0, "Water content at probe 2's dry point."),
    ConfigKey(19, "soil_p2_wet_pct", "%", 100, 3_001, 10_000, 10_000, "Water content at probe 2's wet point."),
)
"""All entries, by key."""
