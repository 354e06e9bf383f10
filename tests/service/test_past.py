"""What was: yesterday's forecast against what came, what was not done, the photo without what a camera adds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tomato_host.service.history import History
from tomato_host.service.history_routes import photo
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings

from tests.service.test_api import example
from tests.web import season

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def state(at: datetime, vpd: float) -> dict:  # type: ignore[type-arg]
    made = example("state_v1")
    made["ts"] = at.isoformat()
    made["env"]["vpd_kpa"] = vpd
    return made


def forecast(at: datetime, mean: float) -> dict:  # type: ignore[type-arg]
    made = example("prediction_36h_v1")
    hour = made["hours"][0]
    made["ts"] = at.isoformat()
    made["hours"] = [
        hour | {"ts": (at + timedelta(hours=n)).isoformat(), "vpd_kpa": {"mean": mean, "p10": 0.9, "p90": 1.1}}
        for n in range(1, 37)
    ]
    return made


def test_the_forecast_of_a_day_ago_is_held_against_what_came(history: History) -> None:
    history.add(forecast(NOW - timedelta(hours=30), 9.0))
    history.add(forecast(NOW - timedelta(hours=25), 1.0))
    history.add(forecast(NOW - timedelta(hours=2), 9.0))
    for half_hour in range(-60, 1):
        at = NOW + half_hour * timedelta(minutes=30)
        history.add(state(at, 1.05 if half_hour < -10 else 1.4))
    past = history.past_forecast()
    vpd = past["quantities"]["vpd_kpa"]
    assert past["made_at"] == (NOW - timedelta(hours=25)).isoformat()
    assert vpd["came"][0] == 1.05 and vpd["came"][24] == 1.4 and vpd["came"][30] is None
    assert (vpd["judged"], vpd["inside"]) == (25, 19)  # one hour is half and half: 1.225, above
    assert vpd["error"] == pytest.approx((19 * 0.05 + 1 * 0.225 + 5 * 0.4) / 25, abs=0.01)


def test_on_the_first_day_there_is_nothing_to_hold_against_anything(history: History) -> None:
    assert history.past_forecast() == {"made_at": None, "t": [], "quantities": {}}
    history.add(forecast(NOW, 1.0))
    history.add(state(NOW + timedelta(hours=1), 1.0))
    assert history.past_forecast()["made_at"] is None, "an hour is too short to judge"


def test_what_was_not_done_is_kept_in_order(history: History) -> None:
    plan = example("plan_v1")
    history.add(plan | {"not_done": ["humidifier: in its band"]})
    history.add(plan | {"not_done": ["water_pump: moist enough", "co2_solenoid: exhaust is on"]})
    assert [skip["text"].split(":")[0] for skip in history.skips()] == ["humidifier", "water_pump", "co2_solenoid"]


def test_the_last_day_goes_on_with_states_where_readings_are_not_at_hand(history: History) -> None:
    for half_hour in range(-48, 0):
        history.add(state(NOW + half_hour * timedelta(minutes=30), 1.0))
    seen = example("observation_v1")
    for minute in range(3):
        history.add(seen | {"ts": (NOW + timedelta(minutes=minute)).isoformat()})
    columns = history.columns("24h")
    assert len(columns["t"]) == 48, (
        "47 states of the span, and one point for the three readings of a quarter of an hour"
    )
    assert columns["t"] == sorted(columns["t"])
    assert columns["vpd_kpa"][0] == 1.0 and columns["vpd_kpa"][-1] == pytest.approx(1.16, abs=0.02)


def test_a_photo_leaves_without_its_exif(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    season.photograph(tmp_path)
    plain = (tmp_path / "leaves.jpg").read_bytes()
    secret = b"\xff\xe1" + (2 + 30).to_bytes(2, "big") + b"Exif\0\0" + b"GPS 48.2100 N 16.37 E..."
    kept = plain[:2] + secret + plain[2:]
    digest = hashlib.sha256(kept).hexdigest()
    folder = tmp_path / "private" / "images" / "2026-06-03"
    folder.mkdir(parents=True)
    (folder / f"camera_main_120000-{digest[:12]}.jpg").write_bytes(kept)
    assert photo(tmp_path, digest) == (plain, "image/jpeg")
    client = TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path))
    answer = client.get(f"/api/photo/{digest}")
    assert answer.headers["content-type"] == "image/jpeg" and b"GPS" not in answer.content
    assert client.get(f"/api/photo/{'0' * 64}").status_code == 404
    assert client.get("/api/photo/..%2f..%2ftokens.json").status_code in (404, 422)


@pytest.mark.parametrize(
    "broken", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xff", b"GIF89a", b"\xff\xd8" + b"\xff" * 50]
)
def test_what_is_no_whole_jpeg_gives_nothing(tmp_path: Path, broken: bytes) -> None:
    digest = hashlib.sha256(broken).hexdigest()
    folder = tmp_path / "private" / "images" / "2026-06-03"
    folder.mkdir(parents=True)
    (folder / f"camera_main_120000-{digest[:12]}.jpg").write_bytes(broken)
    assert photo(tmp_path, digest) is None


def test_the_dashboards_process_holds_no_numpy_and_no_rich() -> None:
    # Nor do the settings, which every command of the command line reads.
    modules = "tomato_host.service.serve, tomato_host.settings"
    asked = f"import sys, json; import {modules}; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, timeout=60).stdout
    assert not {"numpy", "rich", "structlog", "httpx", "prometheus_client", "cv2"} & set(json.loads(told))


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux knows it")
def test_a_process_beside_the_loop_has_a_lower_priority() -> None:
    asked = (
        "import os; from tomato_host.service.process_priority import lower_priority\n"
        "before = os.nice(0); lower_priority();"
        "print(os.sched_getscheduler(0) == os.SCHED_BATCH, os.nice(0) - before)"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, timeout=60).stdout
    assert told.decode().split() in (["True", "5"], ["True", "0"])  # 0: as humble as one can be already
