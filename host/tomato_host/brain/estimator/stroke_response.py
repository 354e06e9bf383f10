"""What a stroke of an output should change, and what the readings would have done without it.

The expected response is that of the tent as it is believed (`tent_balance`, one volume of air that is exchanged) seen
through sensors that lag: it depends on how long the output was on, on the exchange of air meanwhile, on how far the
tent had recovered from the stroke before, and for mist on how much vapour the air still takes. The drift is where
the readings were heading when the stroke began: the tent may still be coming to rest from what switched before.

The tent's own figures are nameplate figures here: a learned humidifier of 0 g/h would excuse the dead one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp
from typing import Final

from tomato_host.brain.control.tent_balance import BalanceParameters, vapour_of_reading_g_m3
from tomato_host.brain.psychrometrics import saturation_vapour_pressure_kpa

HEAT_TAU_S: Final = 190.0
"""A tent's heat capacity (9 kJ/K, `tent_balance`) against walls and exhaust (47 W/K)."""
LAG_S: Final[Mapping[str, float]] = {"air_temp_c": 70.0, "rh_pct": 60.0, "vapour_g_m3": 60.0, "co2_ppm": 120.0}
"""The part's own lag and the estimator's noise filter, one behind the other."""
FULL_PCT: Final = 98.0
"""Beyond this vapour condenses on the fabric."""
GAS_PPM_PER_S: Final = 10.0
"""What a second of the valve adds to the tent: 0.02 g/s, 546 ppm to the g/m3."""


def air_change_s(tent: BalanceParameters, exhaust: bool) -> float:
    """Time constant of an exchange of the tent's air, s."""
    return 3_600.0 * tent.volume_m3 / float(tent.leak_m3_h + (tent.exhaust_m3_h if exhaust else 0.0))


def seen_share(seconds: float, tau_s: float, lag_s: float) -> float:
    """Share of a step of the air, approached with `tau_s`, that a reading with `lag_s` shows after `seconds`."""
    if seconds <= 0.0:
        return 0.0
    if abs(tau_s - lag_s) < 1.0:
        tau_s = lag_s + 1.0
    return 1.0 - (tau_s * exp(-seconds / tau_s) - lag_s * exp(-seconds / lag_s)) / (tau_s - lag_s)


def slope_per_s(trail: Iterable[tuple[float, float]]) -> float:
    """Slope of the straight line through (s, reading) by least squares; 0 with fewer than three."""
    points = list(trail)
    if len(points) < 3:
        return 0.0
    t_mean = sum(t for t, _ in points) / len(points)
    spread = sum((t - t_mean) ** 2 for t, _ in points)
    return sum((t - t_mean) * value for t, value in points) / spread if spread > 0.0 else 0.0


def drift(name: str, slope: float, seconds: float, tent: BalanceParameters, exhaust: bool) -> float:
    """How far a reading with this slope would go in `seconds` if nothing switched: it comes to rest with the tent."""
    tau_s = (HEAT_TAU_S if name == "air_temp_c" else air_change_s(tent, exhaust)) + LAG_S[name]
    return slope * tau_s * (1.0 - exp(-seconds / tau_s))


def mist_points(
    before: Mapping[str, float], drift_pct: float, seconds: float, tent: BalanceParameters, exhaust: bool
) -> float:
    """Points of humidity that mist adds within `seconds`: none beyond what the air takes."""
    air_c = before.get("air_temp_c", 20.0)
    full_g_m3 = vapour_of_reading_g_m3(saturation_vapour_pressure_kpa(air_c), air_c)
    tau_s = air_change_s(tent, exhaust)
    added_g_m3 = float(tent.mist_g_h) * tau_s / 3_600.0 / tent.volume_m3 * seen_share(seconds, tau_s, LAG_S["rh_pct"])
    room_pct = (FULL_PCT - before["rh_pct"] - drift_pct) * (1.0 - exp(-seconds / LAG_S["rh_pct"]))
    return max(0.0, min(100.0 * added_g_m3 / full_g_m3, room_pct))


def exchange_share(name: str, seconds: float, rested_s: float, tent: BalanceParameters) -> float:
    """Share of the way from closed to ventilated that a stroke of the exhaust shows, `rested_s` after the last one."""
    recovers_s = HEAT_TAU_S if name == "air_temp_c" else air_change_s(tent, exhaust=False)
    tau_s = HEAT_TAU_S if name == "air_temp_c" else air_change_s(tent, exhaust=True)
    return (1.0 - exp(-rested_s / recovers_s)) * seen_share(seconds, tau_s, LAG_S[name])


def gas_ppm(given_s: float, seconds: float, tent: BalanceParameters, exhaust: bool) -> float:
    """What a dose of `given_s` still shows `seconds` after its beginning."""
    lag_s = LAG_S["co2_ppm"] / 2.0
    seen = 1.0 - (1.0 + seconds / lag_s) * exp(-seconds / lag_s)
    return GAS_PPM_PER_S * given_s * seen * exp(-seconds / air_change_s(tent, exhaust))
