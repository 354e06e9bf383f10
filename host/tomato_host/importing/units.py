"""Units that growers' logs use, and how a number in one becomes a number in the unit of the quantity."""

from __future__ import annotations

import re
from typing import Literal

from shared_schemas.devices import SENSOR_BY_NAME

Dimension = Literal[
    "temperature", "share", "moisture", "co2", "light", "pressure", "speed", "power", "length", "volume", "switch"
]

CONVERSIONS: dict[Dimension, dict[str, tuple[float, float]]] = {
    "temperature": {"degC": (1.0, 0.0), "degF": (5.0 / 9.0, -160.0 / 9.0), "K": (1.0, -273.15)},
    "share": {"%": (1.0, 0.0), "0-1": (100.0, 0.0)},
    "moisture": {"%": (1.0, 0.0), "0-1": (100.0, 0.0), "m3/m3": (100.0, 0.0)},
    "co2": {"ppm": (1.0, 0.0), "%": (10_000.0, 0.0)},
    "light": {"lx": (1.0, 0.0), "klx": (1_000.0, 0.0), "umol": (54.0, 0.0)},
    "pressure": {"kPa": (1.0, 0.0), "hPa": (0.1, 0.0), "mbar": (0.1, 0.0), "Pa": (0.001, 0.0)},
    "speed": {"m/s": (1.0, 0.0), "km/h": (1.0 / 3.6, 0.0), "mph": (0.44704, 0.0), "kn": (0.514444, 0.0)},
    "power": {"W/m2": (1.0, 0.0), "kW/m2": (1_000.0, 0.0)},
    "length": {"mm": (1.0, 0.0), "in": (25.4, 0.0), "cm": (10.0, 0.0)},
    "volume": {"ml": (1.0, 0.0), "l": (1_000.0, 0.0), "gal": (3_785.41, 0.0)},
    "switch": {"on/off": (1.0, 0.0), "0-1": (1.0, 0.0), "%": (0.01, 0.0)},
}
"""Factor and offset by dimension and unit; the first unit is the quantity's own. Sunlight has 54 lx per umol m-2 s-1
(Thimijan and Heins 1983, HortScience 18(6): 818-822)."""

_SPELLINGS = {
    "degC": ("°c", "ºc", "℃", "degc", "celsius", "deg c", "grad"),
    "degF": ("°f", "ºf", "℉", "degf", "fahrenheit", "deg f"),
    "K": ("kelvin",),
    "%": ("%", "%rh", "% rh", "pct", "percent", "prozent", "%vwc"),
    "0-1": ("0-1", "0..1", "fraction", "ratio"),
    "m3/m3": ("m3/m3", "m³/m³", "cm3/cm3", "m^3/m^3"),
    "ppm": ("ppm",),
    "lx": ("lx", "lux"),
    "klx": ("klx", "klux"),
    "umol": ("umol", "µmol", "μmol", "ppfd", "umol/m2/s", "µmol/m²/s", "umol m-2 s-1", "par"),
    "kPa": ("kpa",),
    "hPa": ("hpa",),
    "mbar": ("mbar",),
    "Pa": ("pa",),
    "m/s": ("m/s", "mps", "ms-1"),
    "km/h": ("km/h", "kmh", "kph"),
    "mph": ("mph",),
    "kn": ("kn", "knots", "kt"),
    "W/m2": ("w/m2", "w/m²", "wm2", "w m-2", "w/m^2"),
    "kW/m2": ("kw/m2", "kw/m²"),
    "mm": ("mm",),
    "in": ("inch", "inches"),
    "cm": ("cm",),
    "ml": ("ml", "milliliter", "millilitre"),
    "l": ("l", "liter", "litre", "liters", "litres"),
    "gal": ("gal", "gallon", "gallons"),
    "on/off": ("on/off",),
}
_LETTERS = {"c": "degC", "f": "degF", "k": "K"}
_BRACKETED = re.compile(r"[\[(]\s*([^\])]+?)\s*[\])]")
_TOKENS = re.compile(r"[\s_,;:]+")

_BY_SPELLING = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


def unit_of(words: str, dimension: Dimension) -> str | None:
    """The unit that a header or a cell's suffix names, among those of the dimension; None where it names none."""
    allowed = CONVERSIONS[dimension]
    lowered = words.strip().lower()
    candidates = [*_BRACKETED.findall(lowered), *reversed(_TOKENS.split(lowered)), lowered]
    for candidate in candidates:
        bare = candidate.strip()
        unit = _BY_SPELLING.get(bare)
        if unit is None and dimension == "temperature":
            unit = _LETTERS.get(bare)
        if unit in allowed:
            return unit
    if dimension == "temperature":
        return "degF" if "°f" in lowered else "degC" if "°c" in lowered else None
    return "%" if "%" in lowered and "%" in allowed else None


def canonical_unit(name: str, dimension: Dimension) -> str | None:
    """The unit that a mapping names (`F`, `°F`, `degF`), in the spelling of `CONVERSIONS`."""
    return name if name in CONVERSIONS[dimension] else unit_of(name, dimension)


SUFFIXES = (
    r"(?:°\s?[CFcf]|℃|℉|%\s?(?:RH|rh)?|[CFK]|ppm|lux|lx|klx|kPa|hPa|mbar|Pa|mS/cm|dS/m|ml|mL|l|L|W/m2|W/m²|m/s|km/h|mm)"
)
"""Units that may follow a number in a cell: `21.5 °C`."""

_DIMENSIONS: dict[str, Dimension] = {
    "rh_pct": "share",
    "co2_ppm": "co2",
    "light_lux": "light",
    "vpd_kpa": "pressure",
    "leaf_vpd_kpa": "pressure",
    "ext_rh_pct": "share",
    "ext_cloud_cover_pct": "share",
    "ext_wind_mps": "speed",
    "ext_solar_wm2": "power",
    "ext_precip_mm": "length",
    "vent_pct": "share",
    "screen_pct": "share",
    "water_ml": "volume",
    "light_on": "switch",
    "fan_on": "switch",
}


def dimension_of(quantity: str) -> Dimension | None:
    """What a quantity measures; None for columns of free meaning (`extra.ec.P1`)."""
    if quantity.startswith("soil."):
        return "moisture"
    if quantity.endswith("temp_c"):
        return "temperature"
    return _DIMENSIONS.get(quantity)


_OUTSIDE_LIMITS: dict[str, tuple[float, float]] = {
    "ext_temp_c": (-60.0, 60.0),
    "ext_rh_pct": (0.0, 100.5),
    "ext_wind_mps": (0.0, 120.0),
    "ext_solar_wm2": (-20.0, 1_600.0),
    "ext_precip_mm": (0.0, 500.0),
    "ext_cloud_cover_pct": (0.0, 100.0),
    "vpd_kpa": (0.0, 12.0),
    "leaf_vpd_kpa": (-2.0, 15.0),
    "water_ml": (0.0, 1_000_000.0),
    "light_on": (0.0, 1.0),
    "fan_on": (0.0, 1.0),
    "vent_pct": (-1.0, 101.0),
    "screen_pct": (-1.0, 101.0),
}


def limits_of(quantity: str) -> tuple[float, float]:
    """What is physically possible, in the quantity's own unit; infinite where nothing is known."""
    if quantity.startswith("soil."):
        return (0.0, 100.0)
    if quantity in SENSOR_BY_NAME:
        row = SENSOR_BY_NAME[quantity]
        return (float(row.lowest), float(row.highest))
    return _OUTSIDE_LIMITS.get(quantity, (float("-inf"), float("inf")))
