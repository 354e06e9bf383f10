"""The tables of the guardrails against figures written down by hand: a limit that changes must be changed twice."""

from __future__ import annotations

import pytest
from tomato_host.brain.guardrails import GuardSettings
from tomato_host.brain.guardrails.guardrails import OFF_NAMES
from tomato_host.brain.guardrails.ledger import MAX_KEYS
from tomato_host.brain.guardrails.limits import UNBOUNDED_MILLI, OutputLimit, _tighter, build_limits, check_thresholds
from tomato_host.brain.guardrails.profiles import PERMITTED, PROFILES, RANK, RISKY
from tomato_host.brain.guardrails.rules import RULE_NAMES
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.records.action_v1 import ActionType

ENDLESS = 10**12
LIMITS = {
    "WATER": ("water_pump", 200_000, 500_000, 2_200_000, 1_800.0, 5_000),
    "CO2_INJECT": ("co2_solenoid", 30_000, 120_000, 300_000, 0.0, 1_000),
    "SET_LIGHT": ("light", 900_000, ENDLESS, 64_800_000, 0.0, 1_000),
    "SET_CIRCULATION_FAN": ("circulation_fan", 900_000, ENDLESS, ENDLESS, 0.0, 1_000),
    "SET_EXHAUST_FAN": ("exhaust_fan", 900_000, ENDLESS, ENDLESS, 0.0, 1_000),
    "SET_HUMIDIFIER": ("humidifier", 300_000, 1_800_000, 21_600_000, 0.0, 1_000),
    "SET_HEATER_MAT": ("heater_mat", 600_000, 2_700_000, 43_200_000, 0.0, 1_000),
}
"""Output, then thousandths of ml or s: one pulse, an hour, a day; pause in s; the least that is worth an action."""

SETTINGS = {
    # name: (default, lowest, highest)
    "water_ml_per_hour": (500, 0, 600),
    "water_ml_per_pulse": (200, 1, 250),
    "water_pause_s": (1_800, 60, 86_400),
    "co2_s_per_hour": (120, 0, 120),
    "longest_s": (7_800, 60, 21_600),
    "state_age_s": (900, 10, 7_200),
    "proposal_age_s": (300, 1, 3_600),
    "state_lag_s": (900, 0, 7_200),
    "min_confidence": (0.5, 0.0, 1.0),
    "low_confidence_dose_ml": (60, 0, 150),
    "actions_per_hour": (60, 1, 600),
    "rh_high_pct": (88.0, 40.0, 92.0),
    "co2_high_ppm": (1_300.0, 400.0, 1_500.0),
    "soil_temp_high_c": (26.0, 15.0, 28.0),
    "soil_wet_pct": (55.0, 20.0, 80.0),
    "air_hot_c": (35.0, 25.0, 38.0),
    "air_cold_c": (10.0, -5.0, 15.0),
}
BUDGETS = {
    "water_ml_per_day": (2_200, 0, 2_500),
    "co2_s_per_day": (300, 0, 600),
    "light_s_per_day": (64_800, 0, 64_800),
    "humidifier_s_per_day": (21_600, 0, 21_600),
    "heater_s_per_day": (43_200, 0, 43_200),
}
ALL_SETTINGS = [(GuardSettings, name, *row) for name, row in SETTINGS.items()] + [
    (BudgetSettings, name, *row) for name, row in BUDGETS.items()
]


def test_the_limits_of_each_output() -> None:
    assert ENDLESS == UNBOUNDED_MILLI
    built = build_limits(GuardSettings(), BudgetSettings())
    assert built == {ActionType(kind): OutputLimit(*row) for kind, row in LIMITS.items()}


def test_the_table_of_settings_is_complete() -> None:
    assert list(SETTINGS) == list(GuardSettings.model_fields) and list(BUDGETS) == list(BudgetSettings.model_fields)


@pytest.mark.parametrize(("model", "name", "default", "lowest", "highest"), ALL_SETTINGS)
def test_each_setting_has_its_default_and_its_range_and_no_more(
    model: type[GuardSettings | BudgetSettings], name: str, default: float, lowest: float, highest: float
) -> None:
    assert getattr(model(), name) == default
    step = 1 if isinstance(default, int) else 0.001
    for inside in (lowest, highest):
        assert getattr(model.model_validate({name: inside}), name) == inside
    for outside in (lowest - step, highest + step):
        with pytest.raises(ValueError, match=name):
            model.model_validate({name: outside})


def test_settings_are_frozen_and_know_no_other_names() -> None:
    with pytest.raises(ValueError, match="frozen"):
        BudgetSettings().water_ml_per_day = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="waterr"):
        GuardSettings.model_validate({"waterr": 1})


def test_a_limit_may_lie_on_the_boards_own_and_at_nothing() -> None:
    assert _tighter(600, 600, "x") == 600 and _tighter(0, 600, "x") == 0
    check_thresholds(
        GuardSettings.model_construct(rh_high_pct=92.0, co2_high_ppm=1_500.0, soil_temp_high_c=28.0, air_hot_c=38.0)
    )


@pytest.mark.parametrize(
    ("name", "wide"),
    [("rh_high_pct", 92.1), ("co2_high_ppm", 1_500.5), ("soil_temp_high_c", 28.1), ("air_hot_c", 38.1)],
)
def test_a_threshold_above_the_boards_own_is_named(name: str, wide: float) -> None:
    low = GuardSettings.model_construct(rh_high_pct=1.0, co2_high_ppm=1.0, soil_temp_high_c=1.0, air_hot_c=1.0)
    with pytest.raises(ValueError, match=name):
        check_thresholds(low.model_copy(update={name: wide}))


def test_ranks_and_permissions() -> None:
    assert RANK == {"llm": 0, "policy": 1, "controller": 1, "mqtt": 2, "api": 2, "person": 3, "safe_mode": 4}
    actions = {ActionType(kind) for kind in LIMITS}
    risky = {ActionType(kind) for kind, row in LIMITS.items() if row[0] in RISKY}
    assert {"water_pump", "co2_solenoid", "humidifier", "heater_mat"} == RISKY
    gentle = actions - risky
    for origin in ("controller", "person", "policy", "api"):
        assert PERMITTED[origin] == actions
    assert PERMITTED["mqtt"] == actions - {ActionType.CO2_INJECT}
    assert PERMITTED["safe_mode"] == PERMITTED["llm"] == gentle | {ActionType.WATER}
    assert set(PERMITTED) == set(RANK)


def test_profiles() -> None:
    shares = {
        mode: (p.dose_share, p.day_share, p.actions_share, p.age_share, p.extra_confidence)
        for mode, p in PROFILES.items()
    }
    assert shares == {
        "NORMAL": (1.0, 1.0, 1.0, 1.0, 0.0),
        "CAUTION": (0.6, 0.5, 0.75, 0.67, 0.1),
        "SAFE": (0.4, 0.25, 0.5, 0.67, 0.1),
        "PAUSED": (1.0, 1.0, 1.0, 1.0, 0.0),
    }
    names = {mode: {kind.value for kind in p.forbidden} for mode, p in PROFILES.items()}
    assert names == {
        "NORMAL": set(),
        "CAUTION": {"CO2_INJECT"},
        "SAFE": {"CO2_INJECT", "SET_HUMIDIFIER", "SET_HEATER_MAT"},
        "PAUSED": set(LIMITS),
    }
    to_person = {mode: {kind.value for kind in p.forbidden_to_operator} for mode, p in PROFILES.items()}
    assert to_person == {"NORMAL": set(), "CAUTION": set(), "SAFE": {"CO2_INJECT", "SET_HEATER_MAT"}, "PAUSED": set()}


def test_the_order_of_the_rules() -> None:
    assert RULE_NAMES == (
        "idempotency",
        "permission",
        "mode",
        "safe_mode",
        "expiry",
        "link",
        "board_fault",
        "state_fresh",
        "state_lag",
        "priority",
        "quantity",
        "environment",
        "interval",
        "actions_per_hour",
        "confidence",
        "per_action",
        "hour_budget",
        "day_budget",
    )
    assert OFF_NAMES == ("idempotency", "expiry", "priority")
    assert MAX_KEYS == 8_192
