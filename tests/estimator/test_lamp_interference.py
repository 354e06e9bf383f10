"""Soil probes that hear the lamp: the shift is seen, told, taken off, and never hides a real fault for long."""

from __future__ import annotations

from typing import Any

import pytest

from shared_schemas.records.device_status_v1 import Outputs
from tests.estimator.days import LIT, Drive, devices, faults

DARK = devices(outputs=LIT.model_copy(update={"light": "OFF"}))
BRIGHT = devices(outputs=LIT)


def _night(readings: dict[str, Any], _: float) -> None:
    readings["light_lux"] = 0.0


def _hears(share: float) -> Any:
    return lambda readings, _: readings.update(P1=min(100.0, readings["P1"] * (1.0 + share)))


@pytest.mark.parametrize("share", [0.25, 0.12, -0.15])
def test_shift_of_the_lamp_is_taken_off_and_told_as_what_it_is(share: float) -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    told = drive.run(60.0, _hears(share), BRIGHT)
    assert faults(told) == [("soil.P1", "LIGHT_INTERFERENCE")]
    moisture = drive.estimate.state.soil.probes[0].moisture_pct
    assert moisture == pytest.approx(34.0, abs=0.5)
    told = drive.run(60.0, _night, DARK) + drive.run(60.0, _hears(share), BRIGHT)
    assert faults(told) == []
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(34.0, abs=0.5)


def test_what_comes_after_the_switch_has_settled_is_no_shift_of_the_lamp() -> None:
    """Three points of water half an hour into the light are water: the offset was found once and stays."""
    drive = Drive()
    drive.run(20.0, _night, DARK)
    drive.run(30.0, _hears(0.25), BRIGHT)
    drive.run(60.0, lambda readings, _: readings.update(P1=readings["P1"] * 1.25 + 3.0), BRIGHT)
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(37.0, abs=0.5)


def test_value_stands_still_with_less_trust_while_the_switch_settles() -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    drive.run(1.0, _hears(0.25), BRIGHT)
    probe = drive.estimate.state.soil.probes[0]
    assert probe.moisture_pct == pytest.approx(34.0, abs=0.5)
    assert probe.confidence == pytest.approx(0.6, abs=0.01)
    drive.run(3.0, _hears(0.25), BRIGHT)
    assert drive.estimate.state.soil.probes[0].confidence > 0.9


def test_probe_that_hears_nothing_is_left_alone() -> None:
    drive = Drive()
    told = drive.run(20.0, _night, DARK) + drive.run(30.0, None, BRIGHT) + drive.run(30.0, _night, DARK)
    assert faults(told) == []
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(34.0, abs=0.3)


def test_step_too_large_for_a_lamp_is_a_jump() -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    told = drive.run(10.0, _hears(0.6), BRIGHT)
    assert ("soil.P1", "JUMP") in faults(told)


def test_jump_hidden_in_the_switch_comes_out_when_the_lamp_goes_off() -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    shifted = drive.run(30.0, lambda r, _: r.update(P1=r["P1"] + 9.0), BRIGHT)
    assert faults(shifted) == [("soil.P1", "LIGHT_INTERFERENCE")]

    def shifted_night(readings: dict[str, Any], second: float) -> None:
        _night(readings, second)
        readings["P1"] += 9.0

    told = drive.run(10.0, shifted_night, DARK)
    assert ("soil.P1", "JUMP") in faults(told)


def test_lamp_burning_from_the_start_is_learned_when_it_goes_off() -> None:
    drive = Drive()
    drive.run(30.0, _hears(0.2), BRIGHT)
    told = drive.run(30.0, _night, DARK)
    assert faults(told) == [("soil.P1", "LIGHT_INTERFERENCE")]
    drive.run(30.0, _hears(0.2), BRIGHT)
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(34.0, abs=0.5)


def test_watering_during_the_switch_uses_what_was_learned_before() -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    drive.run(30.0, _hears(0.2), BRIGHT)
    drive.run(30.0, _night, DARK)
    pumping = devices(outputs=Outputs.model_validate({**LIT.model_dump(), "water_pump": "ON"}))
    drive.run(1.0, _hears(0.2), pumping)
    told = drive.run(20.0, lambda r, t: r.update(P1=(r["P1"] + 5.0) + 6.8), BRIGHT)
    assert faults(told) == []
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(39.0, abs=0.8)


def test_half_hourly_samples_are_compared_one_before_with_one_after() -> None:
    drive = Drive(period_s=1_800.0)
    drive.run(240.0, _night, DARK)
    told = drive.run(240.0, _hears(0.2), BRIGHT)
    assert faults(told) == [("soil.P1", "LIGHT_INTERFERENCE")]
    assert drive.estimate.state.soil.probes[0].moisture_pct == pytest.approx(34.0, abs=0.6)


def test_what_is_taken_off_a_pot_that_dries_out_under_the_lamp_never_leaves_the_scale() -> None:
    drive = Drive()
    drive.run(20.0, _night, DARK)
    drive.run(60.0, _hears(0.25), BRIGHT)  # 8.5 points are the lamp's
    drive.run(10.0 * 60.0, lambda readings, s: readings.update(P1=max(0.5, 42.5 - 4.5 * s / 3_600.0)), BRIGHT)
    moisture = drive.estimate.state.soil.probes[0].moisture_pct  # what is below the scale is no StateV1 at all
    assert moisture is not None and 0.0 <= moisture <= 0.5
