"""The weather of Vienna and the room around the tent: a seeded generator, or hourly measured data from a file."""

from __future__ import annotations

import csv
import gzip
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.twin.params import Place
from tomato_host.twin.physics import Outside, saturation_g_m3

VIENNA_LATITUDE_DEG = 48.2
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Air:
    """Open air at one hour: degC, %, W/m2, m/s."""

    temp_c: float
    rh_pct: float
    solar_w_m2: float
    wind_m_s: float


def solar_clear_w_m2(when: datetime) -> float:
    """Global radiation under a clear sky, W/m2 (Haurwitz 1945) at the sun's height over Vienna; `when` aware."""
    utc = when.astimezone(UTC)
    day = utc.timetuple().tm_yday
    declination = math.radians(23.45) * math.sin(2.0 * math.pi * (284 + day) / 365.0)
    hour = utc.hour + utc.minute / 60.0 + 16.37 / 15.0  # local solar time of 16.37 degE
    angle = math.radians(15.0 * (hour - 12.0))
    lat = math.radians(VIENNA_LATITUDE_DEG)
    height = math.sin(lat) * math.sin(declination) + math.cos(lat) * math.cos(declination) * math.cos(angle)
    return 1_098.0 * height * math.exp(-0.057 / height) if height > 0.01 else 0.0


class Climate:
    """Seeded weather: the yearly and daily course of Vienna plus spells of some days. Hour by hour, made when asked.

    Monthly means follow the 1991-2020 normals of Wien Hohe Warte (0.9 degC in January, 21.6 in July).
    """

    def __init__(self, seed: int, start: datetime) -> None:
        self._rng = random.Random(f"climate-{seed}")
        self._start = start
        self._hours: list[Air] = []
        self._anomaly = self._rng.gauss(0.0, 3.0)
        self._cloud = self._rng.random()

    def hour(self, index: int) -> Air:
        """Open air `index` whole hours after the start."""
        while len(self._hours) <= index:
            self._hours.append(self._next())
        return self._hours[index]

    def _next(self) -> Air:
        rng = self._rng
        when = datetime.fromtimestamp(self._start.timestamp() + len(self._hours) * HOUR_S, UTC)
        self._anomaly = 0.985 * self._anomaly + rng.gauss(0.0, 0.55)
        self._cloud = min(1.0, max(0.0, self._cloud + rng.gauss(0.0, 0.12)))
        day = when.timetuple().tm_yday
        month = math.cos(2.0 * math.pi * (day - 15) / 365.0)
        mean = 11.3 - 10.4 * month
        swing = (3.0 + 2.5 * math.sin(math.pi * day / 365.0)) * (1.0 - 0.6 * self._cloud)
        temp = mean + self._anomaly + swing * math.cos(2.0 * math.pi * (when.hour - 13.0) / 24.0)
        rh = 69.0 + 8.0 * month - 9.0 * math.cos(2.0 * math.pi * (when.hour - 14.0) / 24.0) + 12.0 * (self._cloud - 0.5)
        solar = solar_clear_w_m2(when) * (1.0 - 0.72 * self._cloud**2)
        return Air(temp, min(99.0, max(25.0, rh + rng.gauss(0.0, 2.0))), solar, max(0.0, rng.gauss(3.4, 1.5)))


class MeasuredWeather:
    """Hourly weather from a CSV (plain or .gz); hours after its end start again from the beginning."""

    def __init__(self, path: Path, columns: dict[str, str] | None = None, first_row: int = 0) -> None:
        """`columns` maps temp_c, rh_pct, solar_w_m2, wind_m_s to the file's names; TomatoError when they lack."""
        names = columns or {"temp_c": "temp_c", "rh_pct": "rh_pct", "solar_w_m2": "solar_w_m2", "wind_m_s": "wind_m_s"}
        try:
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
                rows = list(csv.DictReader(file))[first_row:]
        except OSError as error:
            raise TomatoError(
                "E-TWIN-WEATHER",
                f"Cannot read the weather file {path}: {error.strerror}.",
                "Give a readable CSV, or leave it out for generated weather.",
            ) from error
        lacking = [name for name in names.values() if not rows or name not in rows[0]]
        if lacking:
            raise TomatoError(
                "E-TWIN-WEATHER",
                f"The weather file {path} lacks {', '.join(lacking)}.",
                "Name the columns that hold temperature, humidity, radiation and wind.",
            )
        self._rows: list[Air] = []
        for row in rows:
            cells = [row[names[key]] for key in ("temp_c", "rh_pct", "solar_w_m2", "wind_m_s")]
            if all(cells) and "nan" not in (c.lower() for c in cells):
                self._rows.append(Air(*(float(c) for c in cells)))
            elif self._rows:
                self._rows.append(self._rows[-1])  # a gap keeps the last good hour

    def hour(self, index: int) -> Air:
        """Open air `index` hours after the first row."""
        return self._rows[index % len(self._rows)]


Weather = Climate | MeasuredWeather


class Surroundings:
    """What the tent feels: the open air for a greenhouse, a lived-in room otherwise. Adversities change it here."""

    def __init__(self, weather: Weather, place: Place) -> None:
        self._weather = weather
        self._place = place
        self.warmer_k = 0.0
        self.vapour_factor = 1.0
        self.wind_factor = 1.0
        self._kept = (-1, 0.0, 1.0, 1.0, Outside(0.0, 0.0))
        self._day_mean = (-1, 0.0)

    def at(self, t_s: float) -> Outside:
        """The surroundings `t_s` seconds after the start; constant within a minute."""
        minute = int(t_s // 60.0)
        at, warmer_k, vapour_factor, wind_factor, outside = self._kept
        if (
            at != minute
            or warmer_k != self.warmer_k
            or wind_factor != self.wind_factor
            or vapour_factor != self.vapour_factor
        ):
            outside = self._room(minute) if self._place == "room" else self._open(minute)
            self._kept = (minute, self.warmer_k, self.vapour_factor, self.wind_factor, outside)
        return outside

    def open_air(self, t_s: float) -> Air:
        """The open air, interpolated; what a weather service would report, with the adversities that are weather."""
        hour, part = divmod(t_s / HOUR_S, 1.0)
        a, b = self._weather.hour(int(hour)), self._weather.hour(int(hour) + 1)
        return Air(
            a.temp_c + (b.temp_c - a.temp_c) * part + self.warmer_k,
            a.rh_pct + (b.rh_pct - a.rh_pct) * part,
            a.solar_w_m2 + (b.solar_w_m2 - a.solar_w_m2) * part,
            (a.wind_m_s + (b.wind_m_s - a.wind_m_s) * part) * self.wind_factor,
        )

    def _open(self, minute: int) -> Outside:
        air = self.open_air(minute * 60.0)
        vapour = saturation_g_m3(air.temp_c) * air.rh_pct / 100.0 * self.vapour_factor
        return Outside(air.temp_c, vapour, 425.0, air.solar_w_m2, 0.5 + air.wind_m_s / 6.0)

    def _room(self, minute: int) -> Outside:
        """A heated room that follows the outside damped, with people who breathe and cook in it."""
        t_s = minute * 60.0
        hour = int(t_s // HOUR_S)
        if hour != self._day_mean[0]:
            mean_c = sum(self._weather.hour(max(0, hour - k)).temp_c for k in range(0, 24, 6)) / 4.0
            self._day_mean = (hour, mean_c)
        day_mean = self._day_mean[1]
        part = t_s / HOUR_S - hour
        a, b = self._weather.hour(hour), self._weather.hour(hour + 1)
        calm = a.temp_c + (b.temp_c - a.temp_c) * part + self.warmer_k - self.warmer_k
        rh_pct = a.rh_pct + (b.rh_pct - a.rh_pct) * part
        temp = 20.8 + max(0.0, day_mean - 17.0) * 0.65 + 0.06 * (calm - day_mean) + self.warmer_k
        brought_in = 2.4 if day_mean < 14.0 else 1.2  # g/m3 from people; less with the windows open
        vapour = min(saturation_g_m3(calm) * rh_pct / 100.0 + brought_in, 0.75 * saturation_g_m3(temp))
        # Wind through a window left open: some of the spike reaches the tent as a draught.
        return Outside(temp, vapour * self.vapour_factor, 560.0, 0.0, max(1.0, self.wind_factor * 0.6))
