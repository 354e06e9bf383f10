"""One screen, one moment: VPD and leaf minus air are those of the temperature and humidity that stand beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tomato_host.board.events import Sample
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.psychrometrics import vpd_kpa
from tomato_host.loop.link_events import LinkEventHandler
from tomato_host.loop.status import Status
from tomato_host.service.bus.node_summary import summarize_node
from tomato_host.service.feed import status_line
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.payloads import state_payload
from tomato_host.terminal.quantities import present_values
from tomato_host.terminal.status_lines import one_line

from shared_schemas.records import ObservationV1, StateV1
from tests.contracts.examples import parsed

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
AIR_C, RH_PCT, LEAF_C = 24.4, 71.2, 23.1
MEASURED = {"air_temp_c": AIR_C, "rh_pct": RH_PCT, "leaf_temp_c": LEAF_C}
SMOOTHED_KPA = 0.74
"""The lamp went on a few minutes ago: the estimate still lags behind."""


def status_of(age: timedelta) -> Status:
    """A status whose reading came in `age` ago."""
    seen = cast(ObservationV1, parsed("observation_v1"))
    state = cast(StateV1, parsed("state_v1"))
    smoothed = state.model_copy(update={"env": state.env.model_copy(update={"vpd_kpa": SMOOTHED_KPA})})
    status = Status(NOW, NOW, link="up")
    status.observation = seen.model_copy(update={**MEASURED, "ts": NOW - age, "received_ts": NOW - age})
    status.estimate = cast(Estimate, SimpleNamespace(ts=NOW - age, state=smoothed))
    return status


def dashboard_of(status: Status) -> LiveState:
    """What another process knows of it."""
    assert status.observation is not None
    live = LiveState()
    live.connected = True
    live.update(status_line(status))
    live.update(b'{"record":' + status.observation.to_json().encode() + b"}")
    return live


def screens(status: Status) -> dict[str, dict[str, Any]]:
    """Temperature, humidity and what is derived from them, as each screen has them side by side."""
    live = dashboard_of(status)
    glance, summary = live.overview(), summarize_node(live, "tent", {})
    assert summary is not None
    return {
        "terminal": present_values(status),
        "dashboard": {**glance["observation"], **glance["live"]},
        "MQTT": state_payload(live, 30.0),
        "fleet": summary.model_dump(),
    }


def test_every_screen_derives_from_the_reading_that_it_shows() -> None:
    expected_kpa = vpd_kpa(AIR_C, RH_PCT)
    assert abs(expected_kpa - SMOOTHED_KPA) > 0.1
    for name, shown in screens(status_of(timedelta(seconds=5))).items():
        assert (shown["air_temp_c"], shown["rh_pct"]) == (AIR_C, RH_PCT), name
        assert shown["vpd_kpa"] == pytest.approx(expected_kpa, abs=0.001), name
        if "leaf_air_delta_c" in shown:
            assert shown["leaf_air_delta_c"] == pytest.approx(LEAF_C - AIR_C, abs=0.001), name


def test_a_reading_that_is_too_old_is_unknown_as_a_whole() -> None:
    status = status_of(timedelta(minutes=5))
    found = screens(status)
    assert found["dashboard"]["reading_ts"] is None, "by this the page leaves out every value of the reading"
    derived = found.pop("dashboard")
    assert derived["vpd_kpa"] is None and derived["leaf_air_delta_c"] is None
    for name, shown in found.items():
        assert [shown[key] for key in ("air_temp_c", "rh_pct", "vpd_kpa")] == [None] * 3, name
    assert "24.4" not in one_line(status)


@pytest.mark.parametrize("late", [False, True])
def test_a_reading_that_the_board_had_kept_is_history_and_not_shown_beside_newer_figures(late: bool) -> None:
    """A link that was down gives its readings again, hours after they were taken and between those of the present."""
    status, no = status_of(timedelta(seconds=5)), cast(Any, None)
    shown, live = status.observation, dashboard_of(status)
    assert shown is not None
    kept = shown.model_copy(update={"ts": shown.ts - timedelta(hours=3 if late else 0), "rh_pct": 40.0})
    episode = SimpleNamespace(run=lambda *_: SimpleNamespace(estimate=SimpleNamespace(late=late)))
    source = SimpleNamespace(on_sample=lambda *_: (kept, None))
    clock, context = SimpleNamespace(monotonic_ms=lambda: 0), SimpleNamespace(at=lambda _: None)
    handler = LinkEventHandler(
        no, cast(Any, source), cast(Any, episode), no, no, cast(Any, context), no, status, cast(Any, clock),
        lambda: NOW, 10.0, lambda *_: None,
    )  # fmt: skip
    handler.handle(Sample(1, 1, 0, 0.0, {}, {}, 0, "LEASED", backlog=late), 0)
    assert status.observation is (shown if late else kept)
    told = live.update(b'{"record":' + kept.to_json().encode() + b"}")
    assert told is not None, "the charts of the past have it all the same"
    assert live.overview()["observation"]["rh_pct"] == (RH_PCT if late else 40.0)


def test_before_the_first_record_of_targets_those_of_the_settings_are_shown() -> None:
    live, targets = LiveState(), parsed("targets_v1")
    assert live.overview()["targets"] is None
    live.usual_targets = {"vpd_day_kpa": {"low": 0.7, "high": 1.2}}
    assert live.overview()["targets"] == {"adapted": live.usual_targets}
    live.update(b'{"record":' + targets.to_json().encode() + b"}")
    assert live.overview()["targets"]["ts"] == json.loads(targets.to_json())["ts"]
