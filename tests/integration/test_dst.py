"""Both change days of Vienna: the plant's light is 16 h to the minute, no record is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.app import brain_settings
from tomato_host.brain.control.photoperiod import is_light
from tomato_host.loop.simulated_day import DayPlan, SimulatedDay
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings
from tomato_host.sources.synthetic import SyntheticDay
from tomato_host.storage.reader import read_records, stream_files
from tomato_host.storage.verify import verify

from shared_schemas.records import DeviceStatusV1, ObservationV1, StateV1

ROOT = Path(__file__).resolve().parents[2]
VIENNA = ZoneInfo("Europe/Vienna")
CHANGES = {
    "spring": datetime(2026, 3, 28, 0, 0, tzinfo=VIENNA),
    "autumn": datetime(2026, 10, 24, 0, 0, tzinfo=VIENNA),
    "last day of a month, spring": datetime(2030, 3, 30, 0, 0, tzinfo=VIENNA),
}
LIGHTS = {"by day": (time(6, 0), 16.0), "over the change": (time(18, 30), 14.0), "in the gap": (time(2, 30), 12.0)}
ONE_MINUTE_H = 1.0 / 60.0


def light_spans(statuses: list[DeviceStatusV1]) -> list[float]:
    """Hours of each whole stretch of light, from the recorded switching of the lamp."""
    switched = [(s.ts, s.outputs.light) for s in statuses]
    edges = [(ts, lamp) for (_, before), (ts, lamp) in pairwise(switched) if lamp != before]
    return [(b - a) / timedelta(hours=1) for (a, on), (b, off) in pairwise(edges) if (on, off) == ("ON", "OFF")]


@pytest.mark.parametrize("change", ["spring", "autumn"])
@pytest.mark.parametrize("light", LIGHTS)
def test_photoperiod_and_records_over_the_change(tmp_path: Path, change: str, light: str) -> None:
    start = CHANGES[change]
    lights_on, photoperiod_h = LIGHTS[light]
    day = SyntheticDay(lights_on=lights_on, photoperiod_h=photoperiod_h)
    result = SimulatedDay(DayPlan(start, duration_h=72.0, day=day, rotate="day"), tmp_path).run()
    records = list(read_records(result.dataset))
    seen = [r.ts for r in records if isinstance(r, ObservationV1)]
    states = [r.ts for r in records if isinstance(r, StateV1)]
    begin = start.astimezone(UTC)
    assert seen == [begin + timedelta(minutes=n) for n in range(72 * 60)]
    assert sorted(set(states)) == states
    assert {begin + timedelta(minutes=30 * n) for n in range(144)} <= set(states)
    assert verify(result.dataset).ok
    # Days of files are days of 24 h in UTC, the change included; nothing is filed twice.
    counts = [len(path.read_bytes().splitlines()) for path in stream_files(result.dataset / "private")["sensors_raw"]]
    assert sum(counts) == 72 * 60 and set(counts[1:-1]) == {1_440}
    spans = light_spans([r for r in records if isinstance(r, DeviceStatusV1)])
    assert len(spans) >= 2
    assert all(abs(span - photoperiod_h) <= ONE_MINUTE_H for span in spans), spans


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("light", LIGHTS)
def test_the_controllers_light_window_over_the_change(change: str, light: str) -> None:
    lights_on, photoperiod_h = LIGHTS[light]
    start_h = lights_on.hour + lights_on.minute / 60.0
    begin = CHANGES[change].astimezone(UTC) - timedelta(days=1)
    minutes = [is_light(begin + timedelta(minutes=n), VIENNA, start_h, photoperiod_h) for n in range(5 * 24 * 60)]
    edges = [n for n in range(1, len(minutes)) if minutes[n] != minutes[n - 1]]
    spans = [b - a for a, b in pairwise(edges) if minutes[a]]
    assert len(spans) >= 3 and all(abs(span - photoperiod_h * 60) <= 1 for span in spans)
    # Except where the wall itself has no such time, light begins by the wall clock.
    for minute in (n for n in edges if minutes[n]):
        wall = (begin + timedelta(minutes=minute)).astimezone(VIENNA)
        assert (wall.hour, wall.minute) == (lights_on.hour, lights_on.minute) or wall.hour == 3


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        ("2026-10-24T23:30", "3"),
        pytest.param("2026-03-28T23:30", "3", marks=pytest.mark.soak),
    ],
)
def test_the_real_loop_over_the_change(tmp_path: Path, start: str, hours: str) -> None:
    """Firmware, line and brain: a sample each 10 s of elapsed time, and a replay that says the same."""
    words = ["run", "--board", "sim", "--time-scale", "0", "--seed", "2", "--json", "--data-dir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tomato_host", *words, "--start", start, "--duration-hours", hours],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=ROOT / "host",
    )
    assert done.returncode == 0, done.stderr
    records = list(read_records(tmp_path))
    seen = [r.ts for r in records if isinstance(r, ObservationV1) and r.board is not None and not r.board.backlog]
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert {(later - earlier) / timedelta(seconds=1) for earlier, later in pairwise(seen)} == {10.0}
    assert seen[0] - begin < timedelta(seconds=60) and len(seen) >= int(hours) * 360 - 6
    states = [r.ts for r in records if isinstance(r, StateV1)]
    assert sorted(set(states)) == states and len(states) >= int(hours) * 2
    checked = Checker(brain_settings(Settings())).check(records)
    assert checked.same and checked.compared["plan_v1"] >= 2, checked.differences[:3]
