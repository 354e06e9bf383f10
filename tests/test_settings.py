"""A wrong settings file is answered by one line that names the key, the value and what is allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tomato_host.app import brain_settings
from tomato_host.brain.brain import Brain
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.control_inputs import read_inputs
from tomato_host.brain.control.rules import allowance_ml
from tomato_host.brain.control.targets import base_targets, setpoints_at
from tomato_host.errors import TomatoError
from tomato_host.settings import MOVED, Key, load_settings, parse_recorded_settings, parse_settings

from tests.control.states import state

BAD = {
    "unknown key": ("[site]\nlattitude_deg = 48.2\n", "E-CONFIG-INVALID", "site.lattitude_deg is not a known key"),
    "out of range": ("[site]\nlatitude_deg = 148.2\n", "E-CONFIG-INVALID", "less than or equal to 90"),
    "wrong type": ("[site]\ntimezone = 5\n", "E-CONFIG-INVALID", "site.timezone = 5"),
    "no such zone": ("[site]\ntimezone = 'Europe/Wien'\n", "E-CONFIG-INVALID", "not a time zone"),
    "not TOML": ("[site\n", "E-CONFIG-SYNTAX", "line 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_by_key_and_range(case: str, tmp_path: Path) -> None:
    text, code, part = BAD[case]
    path = tmp_path / "tomato.toml"
    path.write_text(text)
    with pytest.raises(TomatoError) as caught:
        load_settings(path)
    assert caught.value.code == code
    assert part in caught.value.message
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_answered_with_the_one_that_was_meant_and_every_wrong_key_is_named() -> None:
    raw = {"site": {"lattitude_deg": 48.2}, "budgets": {"water_ml_per_day": 99_999, "qqq": 1}, "sensr": {}}
    with pytest.raises(TomatoError) as caught:
        parse_settings(raw)
    message = caught.value.message
    assert "site.lattitude_deg is not a known key (did you mean latitude_deg?)." in message
    assert message.endswith("Wrong as well: budgets.water_ml_per_day, budgets.qqq, sensr.")
    with pytest.raises(TomatoError) as caught:
        parse_settings({"site": {"latitude_deg": 148.2, **{f"zz{number}": 1 for number in range(8)}}})
    assert caught.value.message.endswith(" and 3 more.") and "did you mean" not in caught.value.message


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TomatoError, match="E-CONFIG-MISSING"):
        load_settings(tmp_path / "none.toml")


def test_a_binary_file_is_unreadable_not_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "tomato.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TomatoError, match="E-CONFIG-UNREADABLE"):
        load_settings(path)


def test_no_file_means_defaults() -> None:
    assert load_settings(None).site.timezone == "Europe/Vienna"


def test_a_fact_is_set_once_and_reaches_every_part(tmp_path: Path) -> None:
    path = tmp_path / "tomato.toml"
    path.write_text("[site]\ntimezone = 'Europe/Lisbon'\n[budgets]\nwater_ml_per_day = 1500\n")
    settings = load_settings(path)
    brain = Brain(brain_settings(settings))
    now = datetime(2026, 5, 1, 11, tzinfo=UTC)
    context = DecisionContext(now=now, state=state(), site=settings.site, budgets=settings.budgets)
    assert brain.guardrails.limits["WATER"].day_milli == 1_500_000
    assert setpoints_at(now, context).water_ml_per_day == 1_500.0
    assert base_targets(settings.control, settings.budgets).water_ml_budget == 1_500.0
    assert context.site.zone.key == "Europe/Lisbon"


def test_less_water_in_one_key_is_spread_over_the_day() -> None:
    """With 600 ml a day the controller plans 600 ml; it does not give two large doses and is refused until midnight."""
    settings = parse_settings({"budgets": {"water_ml_per_day": 600}})
    at = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)  # 08:00 in Vienna, early in the light hours
    dry = state(at, probes=((24.0, 0.9), (25.0, 0.9)))
    context = DecisionContext(now=at, state=dry, site=settings.site, budgets=settings.budgets)
    assert allowance_ml(read_inputs(context)) < 300.0


VALUES: dict[str, tuple[object, object]] = {
    "timezone": ("Asia/Tokyo", "Asia/Seoul"),
    "summary_every_s": (12, 13),
    "light_s_per_day": (64_000, 64_001),
}
"""Two values inside the range of a moved key; 250 and 251 suit the others."""


def tables(*entries: tuple[Key, object]) -> dict[str, dict[str, object]]:
    raw: dict[str, dict[str, object]] = {}
    for (table, key), value in entries:
        raw.setdefault(table, {})[key] = value
    return raw


@pytest.mark.parametrize(("old", "new"), MOVED)
def test_a_key_of_0_1_is_accepted_and_named(old: Key, new: Key) -> None:
    value = VALUES.get(new[1], (250, 251))[0]
    with capture_logs() as logs:
        settings = parse_settings({old[0]: {old[1]: value}})
    assert getattr(getattr(settings, new[0]), new[1]) == value
    assert [(line["old"], line["new"]) for line in logs] == [(f"[{old[0]}] {old[1]}", f"[{new[0]}] {new[1]}")]


@pytest.mark.parametrize(("old", "new"), MOVED)
def test_an_old_and_a_new_key_that_disagree_are_refused_by_both_names(old: Key, new: Key) -> None:
    one, other = VALUES.get(new[1], (250, 251))
    with pytest.raises(TomatoError, match="E-CONFIG-INVALID") as raised:
        parse_settings(tables((old, one), (new, other)))
    assert f"[{old[0]}] {old[1]}" in str(raised.value) and f"[{new[0]}] {new[1]}" in str(raised.value)
    assert parse_settings(tables((old, one), (new, one))) == parse_settings(tables((new, one)))


def test_two_old_keys_that_disagree_are_refused_by_both_names() -> None:
    with pytest.raises(TomatoError, match="E-CONFIG-INVALID") as raised:
        parse_settings({"guardrails": {"water_ml_per_day": 600}, "control": {"water_ml_per_day": 800.0}})
    assert "[guardrails] water_ml_per_day" in str(raised.value) and "[control] water_ml_per_day" in str(raised.value)


def test_settings_recorded_by_0_1_still_parse() -> None:
    """They name every key; the controller's CO2 seconds were fewer than the guardrails', so they ruled."""
    recorded = {
        "estimator": {"timezone": "Europe/Vienna", "water_ml_budget_today": 2200.0, "co2_seconds_budget_today": 600.0},
        "control": {"time_zone": "Europe/Vienna", "water_ml_per_day": 2200.0, "co2_s_per_day": 300.0},
        "guardrails": {"water_ml_per_day": 2200, "co2_s_per_day": 600, "light_s_per_day": 64800},
    }
    settings = parse_recorded_settings(recorded, "metadata.json")
    assert settings.budgets.water_ml_per_day == 2_200 and settings.budgets.co2_s_per_day == 300
