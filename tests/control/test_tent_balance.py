"""The balances of a small tent, held against the twin's physics: an exhaust in strokes is no slow exhaust."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.control import tent_balance
from tomato_host.brain.control.strokes import SLOT_S
from tomato_host.brain.control.tent_balance import BalanceParameters, Duties, steady_state_air
from tomato_host.twin.campaign.oracle import DARK_C, LAMP_ON, LIT_C, STIRRING, transpired_g_h
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import Outside, TentPhysics

from shared_schemas.devices import VENT

ROOM = Outside(20.0, 9.0)
STEP_S = 10.0
VENTING = 1 << VENT.wire_id
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)


def lived_means(params: TentParams, outputs: int) -> list[float]:
    """Mean VPD in kPa of the twin's tent by share of the exhaust, after hours of strokes once in SLOT_S."""
    means = []
    for share in SHARES:
        tent, seen = TentPhysics(params), []
        steps = round(SLOT_S / STEP_S)
        for step in range(8 * steps):
            venting = step % steps < share * steps
            tent.advance(STEP_S, outputs | (VENTING if venting else 0), ROOM)
            if step >= 6 * steps:
                seen.append(tent.truth().vpd_kpa)
        means.append(float(np.mean(seen)))
    return means


def expected_means(params: TentParams, outputs: int) -> list[float]:
    """The same by the balances, with the twin's own figures."""
    tent = TentPhysics(params)
    lit, dark = transpired_g_h(tent, LAMP_ON | STIRRING, LIT_C), transpired_g_h(tent, STIRRING, DARK_C)
    known = replace(
        BalanceParameters(),
        wall_w_k=params.wall_u_w_m2k * params.wall_m2,
        leak_m3_h=params.leak_m3_h,
        exhaust_m3_h=params.exhaust_m3_h,
        lamp_w=params.lamp_w,
        leaves_light_g_h=lit - dark,
        leaves_dark_g_h=dark,
    )
    share = np.array(SHARES)
    lamp = np.full(share.shape, float(bool(outputs & LAMP_ON)))
    duties = Duties(lamp, np.ones(share.shape), share, np.zeros(share.shape))
    return steady_state_air(ROOM.temp_c, ROOM.vapour_g_m3, duties, known)[1].tolist()


@pytest.mark.parametrize("seed", [0, 3, 600])
@pytest.mark.parametrize("outputs", [LAMP_ON | STIRRING, STIRRING], ids=["lamp on", "dark"])
def test_the_mean_air_under_strokes_is_that_of_the_twin(
    seed: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between what the law is wrong by with the fan off and on; a fan at a share of its speed would be far from it."""
    params = TentParams.sample(seed)
    lived, told = np.array(lived_means(params, outputs)), np.array(expected_means(params, outputs))
    monkeypatch.setattr(tent_balance, "SLOT_S", 1.0)
    evenly = np.array(expected_means(params, outputs))
    at_the_ends = np.interp(SHARES, (0.0, 1.0), (told - lived)[[0, -1]])
    error, of_an_even_flow = (np.abs(said - lived - at_the_ends)[1:-1].mean() for said in (told, evenly))
    assert error < 0.04 and error < 0.35 * of_an_even_flow, (told - lived, evenly - lived)
    assert np.abs(told - lived).max() < 0.16


def air(share: float, slot_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    monkeypatch.setattr(tent_balance, "SLOT_S", slot_s)
    temp, vpd = steady_state_air(
        21.0, 9.0, Duties(*(np.array([v]) for v in (1.0, 1.0, share, 0.0))), BalanceParameters()
    )
    return float(temp[0]), float(vpd[0])


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_of_the_exhaust_is_drier_and_cooler_however_it_is_given(a: float, b: float) -> None:
    shares = np.array(sorted((a, b)))
    ones = np.ones(2)
    temp, vpd = steady_state_air(21.0, 9.0, Duties(ones, ones, shares, 0.0 * ones), BalanceParameters())
    assert vpd[0] <= vpd[1] + 1e-9 and temp[0] >= temp[1] - 1e-9


def test_short_strokes_are_an_even_flow_and_long_ones_the_mean_of_both_states(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [air(share, SLOT_S, monkeypatch) for share in (0.0, 1.0)]
    assert ends == [air(share, 1.0, monkeypatch) for share in (0.0, 1.0)], "off and on are the same in any strokes"
    tent = BalanceParameters()
    evenly = replace(tent, leak_m3_h=tent.leak_m3_h + 0.35 * tent.exhaust_m3_h, exhaust_m3_h=0.0)
    ones = np.ones(1)
    flow = steady_state_air(21.0, 9.0, Duties(ones, ones, 0.0 * ones, 0.0 * ones), evenly)
    assert air(0.35, 1.0, monkeypatch) == pytest.approx((float(flow[0][0]), float(flow[1][0])), abs=0.01)
    order = [air(0.35, slot_s, monkeypatch)[1] for slot_s in (1.0, 600.0, SLOT_S, 36_000.0)]
    assert order == sorted(order, reverse=True) and order[-1] > ends[0][1]
