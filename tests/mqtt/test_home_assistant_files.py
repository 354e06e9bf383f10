"""The files for Home Assistant name entities that discovery announces, and automations have what its rules ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tomato_host.service.mqtt.payloads import ALARM_EVENTS, discovery

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "homeassistant"
ENTITY = re.compile(r"\b(?:sensor|binary_sensor|event|button|number)\.tomato_\w+")


def announced() -> set[str]:
    parts = discovery("tent", "homeassistant", ["P1", "P2"], commands=True)["components"]
    return {part["default_entity_id"] for part in parts.values()}


@pytest.mark.parametrize("name", ["package.yaml", "dashboard.yaml"])
def test_every_entity_is_announced(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    named = set(ENTITY.findall(text))
    assert len(named) >= 3
    assert named <= announced(), named - announced()


def test_automations_have_what_home_assistant_asks_for() -> None:
    """Rules of the automation schema since 2024.10: triggers, conditions and actions are lists, each with its kind."""
    automations = yaml.safe_load((FOLDER / "package.yaml").read_text(encoding="utf-8"))["automation"]
    assert len({automation["id"] for automation in automations}) == len(automations) >= 4
    for automation in automations:
        assert set(automation) <= {"id", "alias", "description", "mode", "triggers", "conditions", "actions"}
        assert automation["mode"] in ("single", "queued")
        assert all("trigger" in trigger for trigger in automation["triggers"])
        assert all("condition" in condition for condition in automation.get("conditions", ()))
        for action in automation["actions"]:
            assert set(action) == {"action", "data"}
            assert action["data"]["title"] and action["data"]["message"]
    alarm = automations[0]["conditions"][0]["value_template"]
    assert set(re.findall(r"'(\w+)'", alarm)) <= set(ALARM_EVENTS)


def test_the_view_has_cards_with_entities() -> None:
    view = yaml.safe_load((FOLDER / "dashboard.yaml").read_text(encoding="utf-8"))
    assert set(view) == {"title", "path", "icon", "cards"}
    for card in view["cards"]:
        assert card["type"] in ("entities", "history-graph", "statistics-graph")
        assert all(set(row) == {"entity"} for row in card["entities"])
