"""The air of a small tent as two balances in steady state.

A learned hourly law is straight in the duties; air exchange is not: the first tenth of the exhaust does more than the
last half. Within the hour a tent is in balance, so heat and vapour give its air from lamp, mist, leaves and exchange:

    T = T_room + Q / (wall + c * flow)        Q = lamp + fan + mat - latent heat of what evaporates
    e = e_room + (leaves + mist) / flow       not above saturation

Room and figures are learned from the air that was measured under the duties in force (lessons.py). Nameplate figures
of the tent (its size, lamp, fan, humidifier) are where learning starts; a grower reads them off the parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.psychrometric_arrays import saturation_array_kpa

Array = NDArray[np.float64]

W_PER_G_H = 0.68
"""Latent heat: 2450 J/g over an hour."""
W_PER_K_M3_H = 0.335
"""Heat that a flow of air carries: 1206 J per m3 and K over an hour."""
G_M3_PER_KPA = 2166.7
"""Vapour density in g/m3 = this times kPa over kelvin."""


Figure = float | Array


@dataclass(frozen=True)
class BalanceParameters:
    """Nameplate figures of a 0.8 m tent with two plants; arrays where several tents are thought of at once."""

    wall_w_k: Figure = 18.0
    leak_m3_h: Figure = 7.0
    exhaust_m3_h: Figure = 80.0
    lamp_w: Figure = 100.0
    fan_w: Figure = 4.0
    mat_w: Figure = 20.0
    """Root heat; it reaches the air through the pots, hours later and undiminished."""
    mist_g_h: Figure = 230.0
    leaves_light_g_h: Figure = 75.0
    """Transpiration in full light at 1 kPa ..."""
    leaves_dark_g_h: Figure = 18.0
    """... and without."""


@dataclass(frozen=True, slots=True)
class Duties:
    """Shares 0..1, arrays of one shape."""

    lamp: Array
    circulation: Array
    exhaust: Array
    mist: Array
    mat: Figure = 0.0


def vapour_g_m3(kpa: Array, temp_c: Array) -> Array:
    """Vapour density of air at `kpa` of vapour pressure."""
    return np.asarray(G_M3_PER_KPA * kpa / (temp_c + 273.15))


def vapour_of_reading_g_m3(kpa: float, temp_c: float) -> float:
    """As `vapour_g_m3`, of one reading."""
    return G_M3_PER_KPA * kpa / (temp_c + 273.15)


def transpiration_g_h(duties: Duties, vpd_kpa: Array, tent: BalanceParameters) -> Array:
    """Transpiration in g/h: grows with the deficit, less than in proportion because stomata close."""
    pull = 0.4 + 0.6 * np.minimum(np.maximum(vpd_kpa, 0.0), 2.5)
    return np.asarray((tent.leaves_light_g_h * duties.lamp + tent.leaves_dark_g_h) * pull)


def _flow_and_heat(duties: Duties, wet_g_h: Array, tent: BalanceParameters) -> tuple[Array, Array]:
    flow = tent.leak_m3_h + tent.exhaust_m3_h * duties.exhaust
    heat = tent.lamp_w * duties.lamp + tent.fan_w * duties.circulation + tent.mat_w * duties.mat
    heat = heat - W_PER_G_H * wet_g_h
    return flow, heat / (tent.wall_w_k + W_PER_K_M3_H * flow)


def steady_state_air(room_c: Figure, room_g_m3: Figure, duties: Duties, tent: BalanceParameters) -> tuple[Array, Array]:
    """(air degC, VPD kPa) in balance with a room under `duties`; room and tent may be arrays that broadcast."""
    vpd = np.full(np.broadcast_shapes(np.shape(room_c), duties.lamp.shape), 1.0)
    temp = vpd
    for _ in range(5):  # leaves and air depend on each other; half steps settle within a few rounds
        wet = transpiration_g_h(duties, vpd, tent) + tent.mist_g_h * duties.mist
        flow, lift_k = _flow_and_heat(duties, wet, tent)
        temp = room_c + lift_k
        full = saturation_array_kpa(temp)
        vapour = (room_g_m3 + wet / flow) * (temp + 273.15) / G_M3_PER_KPA
        vpd = 0.5 * vpd + 0.5 * np.maximum(full - vapour, 0.02)
    return temp, vpd
