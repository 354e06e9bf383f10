"""Which quantity a column's or a sensor's name means: words of loggers and greenhouses, English and German."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r"outdoor|outside|\bout\b|_out\b|out_|\bext|weather|aussen|außen|ambient outside", re.I)
_SOIL = re.compile(r"soil|substrate|root|slab|pot\b|topf|boden|erde|medium|probe|vwc|\bwc\b|wc_", re.I)
_LEAF = re.compile(r"leaf|canopy|blatt|foliage", re.I)
_TEMPERATURE = re.compile(r"temp|°c|°f|celsius|fahrenheit|\bt\b|\bt_|_t\b", re.I)
_HUMIDITY = re.compile(r"humid|feucht|\brh\b|\brh_|_rh\b|rhin|%rh", re.I)
_MOISTURE = re.compile(r"moist|vwc|\bwc\b|wc_|water content|wassergehalt|bodenfeucht|feucht|humid", re.I)
_IGNORED = re.compile(
    r"dew|taupunkt|absolute|battery|batterie|rssi|signal|linkquality|\blqi\b|voltage|pressure|wet.?bulb|heat.?index|max|min(?!ut)"
    r"|setpoint|target|soll|average|avg|voc|pm2|pm10|uptime|\bid\b|\bindex\b|status|enthalpy|resistance",
    re.I,
)
_EC = re.compile(r"\bec\b|ec_|_ec\b|conductivity|leitwert", re.I)
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("leaf_vpd_kpa", re.compile(r"(leaf|canopy|blatt).*vpd|vpd.*(leaf|canopy|blatt)", re.I)),
    ("vpd_kpa", re.compile(r"vpd|vapou?r pressure deficit|sättigungsdefizit", re.I)),
    ("co2_ppm", re.compile(r"co2|co₂|carbon dioxide|kohlendioxid", re.I)),
    ("screen_pct", re.compile(r"screen|curtain|schirm", re.I)),
    ("vent_pct", re.compile(r"\bvent|window|lüftung|fenster", re.I)),
    ("transpiration", re.compile(r"transpiration", re.I)),
)
_SUN = re.compile(r"solar|global|radiation|irradian|strahlung|pyranometer|iglob|w/m", re.I)
_WIND = re.compile(r"wind(?!ow)(?!.*dir)", re.I)
_RAIN = re.compile(r"rain|precip|niederschlag|regen", re.I)
_CLOUD = re.compile(r"cloud|bewölkung", re.I)
_LUX = re.compile(r"lux|\blx\b|illumin|light(?!ing)|\bpar\b|ppfd|helligkeit|licht", re.I)
_LAMP = re.compile(r"lamp|light|grow.?light|licht|led", re.I)
_FAN = re.compile(r"fan|ventilator|exhaust|lüfter", re.I)
_WATER = re.compile(r"water|irrig|pump|bewässer|wasser|gegossen|dose", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def quantity_of(name: str, is_switch: bool, place: str = "") -> str | None:
    """The quantity of one column; a soil probe is `soil.` alone, its id is given later. None where nothing is known.

    `place` is the file's name, which may say what the column does not: `outside.csv`.
    """
    words = _CAMEL.sub(" ", name).replace(".", " ")
    spaced = f"{words} {words.replace('_', ' ')}"
    if is_switch:
        return _switch(spaced)
    if _IGNORED.search(spaced) and not re.search(r"vpd", spaced, re.I):
        return None
    if _WIND.search(spaced):
        return "ext_wind_mps"
    if _RAIN.search(spaced):
        return "ext_precip_mm"
    if _CLOUD.search(spaced):
        return "ext_cloud_cover_pct"
    if _OUTSIDE.search(spaced):
        return _outside(spaced)
    found = next((quantity for quantity, rule in _RULES if rule.search(spaced)), None)
    if found is None and _OUTSIDE.search(place.replace("_", " ")):
        return _outside(spaced)
    return found or _inside(spaced)


def _switch(words: str) -> str | None:
    if _FAN.search(words):
        return "fan_on"
    return "light_on" if _LAMP.search(words) else None


def _outside(words: str) -> str | None:
    if _HUMIDITY.search(words):
        return "ext_rh_pct"
    if _SUN.search(words):
        return "ext_solar_wm2"
    return "ext_temp_c" if _TEMPERATURE.search(words) else None


def _inside(words: str) -> str | None:
    if _EC.search(words):
        return "extra.ec"
    if _SOIL.search(words):
        is_temperature = _TEMPERATURE.search(words) and not _MOISTURE.search(words)
        return "soil_temp_c" if is_temperature else "soil."
    if _HUMIDITY.search(words):
        return "rh_pct"
    if re.search(r"moist", words, re.I):
        return "soil."
    if _LEAF.search(words):
        return "leaf_temp_c" if _TEMPERATURE.search(words) else None
    if re.search(r"temp", words, re.I):
        return "air_temp_c"
    if _SUN.search(words):
        return "ext_solar_wm2"
    if _LUX.search(words):
        return "light_lux"
    if _WATER.search(words):
        return "water_ml"
    return "air_temp_c" if _TEMPERATURE.search(words) else None


def is_time_name(name: str) -> bool:
    """Whether a column's name says that it holds the time."""
    return bool(
        re.search(r"time|date|zeit|datum|observed|last_changed|last_updated|^_time$|^ts$|^start(_ts)?$|^t$", name, re.I)
    )
