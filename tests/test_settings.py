"""A wrong settings file is answered by one line that names the key, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.settings import load_settings

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


def test_a_fact_is_set_once_and_reaches_every_room(tmp_path: Path) -> None:
    path = tmp_path / "tomato.toml"
    path.write_text("[site]\ntimezone = 'Europe/Lisbon'\n[guardrails]\nwater_ml_per_day = 1500\n")
    settings = load_settings(path)
    assert settings.control.time_zone == settings.estimator.timezone == "Europe/Lisbon"
    assert settings.estimator.water_ml_budget_today == 1500.0
