"""The air of a small tent as two balances in steady state.

A learned hourly law is straight in the duties; air exchange is not: the first tenth of the exhaust does more than the
last half. Within the hour a tent is in balance, so heat and vapour give its air from lamp, mist, leaves and exchange:

    T = T_room + Q / (wall + c * flow)        Q = lamp + fan + mat - latent heat of what evaporates
    e = e_room + (leaves + mist) / flow       not above saturation

Room and figures are learned from the air that was measured under the duties in force (parameter_estimation.py).
Nameplate figures of the tent (its size, lamp, fan, humidifier) are where learning starts; a grower reads them off the
parts.

A duty of the exhaust is given in strokes (`strokes.SLOT_S`), and a small tent is in balance with either state in
minutes: its mean air lies between that of the fan on and that of the fan off, and not where a fan at a third of its
speed would hold it. The difference is large: with strokes of a third of half an hour the twin's tents are 0.2 kPa
moister than a steady third of the flow would make them (`tests/control/test_tent_balance.py`). So what is taken is the
mean of 1 / flow (and of 1 / (wall + c * flow)) over a period. With x following dx/dt = (x_state - x) / tau in
either state, the periodic solution has the mean

    on s + off (1 - s) - (off - on) (tau_off - tau_on) / P * (1 - a) (1 - b) / (1 - a b)
    a = exp(-s P / tau_on), b = exp(-(1 - s) P / tau_off), P the period, tau = volume / flow, heat capacity / loss

which for short periods becomes 1 / (mean flow), and for long ones the mean of both states. Mist and mat act on the air
in proportion to their time, so their shares stand for their strokes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.strokes import SLOT_S
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
    volume_m3: float = 1.0
    """Air of a tent of 0.8 x 0.8 x 1.6 m."""
    heat_capacity_j_k: float = 9_000.0
    """Air, fabric, frame, lamp body and leaves together."""


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


def _mean_of_strokes(on: Figure, off: Figure, capacity: float, share: Array) -> Array:
    """Mean over a period of strokes of what is drawn to `on` for `share` of it, else to `off`, each in `capacity` times
    itself seconds (see above)."""
    tau_on_s, tau_off_s = capacity * on, capacity * off
    towards_on, towards_off = np.exp(-SLOT_S * share / tau_on_s), np.exp(-SLOT_S * (1.0 - share) / tau_off_s)
    lag = (1.0 - towards_on) * (1.0 - towards_off) / (1.0 - towards_on * towards_off)
    return np.asarray(off + share * (on - off) - (off - on) * (tau_off_s - tau_on_s) / SLOT_S * lag)


def _exchange(exhaust: Array, tent: BalanceParameters) -> tuple[Array, Array]:
    """(h/m3, K/W): what a g/h of vapour and a watt of heat add to the air, in the mean over the exhaust's strokes."""
    closed, vented = tent.leak_m3_h, tent.leak_m3_h + tent.exhaust_m3_h
    vapour_h_m3 = _mean_of_strokes(1.0 / vented, 1.0 / closed, 3_600.0 * tent.volume_m3, exhaust)
    loss_w_k = [tent.wall_w_k + W_PER_K_M3_H * flow for flow in (vented, closed)]
    return vapour_h_m3, _mean_of_strokes(1.0 / loss_w_k[0], 1.0 / loss_w_k[1], tent.heat_capacity_j_k, exhaust)


def steady_state_air(room_c: Figure, room_g_m3: Figure, duties: Duties, tent: BalanceParameters) -> tuple[Array, Array]:
    """(air degC, VPD kPa) in balance with a room under `duties`; room and tent may be arrays that broadcast."""
    vapour_h_m3, heat_k_w = _exchange(duties.exhaust, tent)
    dry_w = tent.lamp_w * duties.lamp + tent.fan_w * duties.circulation + tent.mat_w * duties.mat
    vpd = np.full(np.broadcast_shapes(np.shape(room_c), duties.lamp.shape), 1.0)
    temp = vpd
    for _ in range(5):  # leaves and air depend on each other; half steps settle within a few rounds
        wet = transpiration_g_h(duties, vpd, tent) + tent.mist_g_h * duties.mist
        temp = room_c + (dry_w - W_PER_G_H * wet) * heat_k_w
        full = saturation_array_kpa(temp)
        vapour = (room_g_m3 + wet * vapour_h_m3) * (temp + 273.15) / G_M3_PER_KPA
        vpd = 0.5 * vpd + 0.5 * np.maximum(full - vapour, 0.02)
    return temp, vpd
