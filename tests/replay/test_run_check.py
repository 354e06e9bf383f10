"""A run with the real firmware, replayed from its records: the same states, decisions and verdicts, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tomato_host.app import brain_settings
from tomato_host.loop.simulated_day import DayPlan, SimulatedDay
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from shared_schemas.records import ActionV1, EventV1

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> tuple[int, dict[str, Any]]:
    path = os.pathsep.join([str(ROOT / "host"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "tomato_host", *words, "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


FAULTS = "heatwave@0.5+3,sensor_dropout@1+0.5,link_cut@2+0.2,brownout@3+0.1"


def test_a_run_on_the_virtual_board_replays_byte_for_byte(tmp_path: Path) -> None:
    words = ["run", "--board", "sim", "--duration-hours", "5", "--time-scale", "0", "--seed", "5"]
    code, summary = command(*words, "--scenario", FAULTS, "--data-dir", str(tmp_path))
    assert code == 0 and summary["states"] >= 10
    assert verify(tmp_path).ok
    code, reported = command("replay", str(tmp_path), "--check")
    assert code == 0, reported["differences"][:3]
    assert reported["same"] and reported["compared"]["state_v1"] >= summary["states"]
    assert reported["compared"]["plan_v1"] >= 3 and reported["compared"]["action_v1"] >= 5
    names = {record.name for record in read_records(tmp_path, {"events"}) if isinstance(record, EventV1)}
    assert names >= {"ledger_allocated", "ledger_settled", "link_down", "link_up"}
    assert reported["compared"]["anomaly_v1"] >= 2
    # Another brain, here one with another idea of dry soil and another day, is found out.
    config = tmp_path / "other.toml"
    config.write_text("[control]\nlight_start_local_h = 9.0\n")
    code, reported = command("replay", str(tmp_path), "--check", "--config", str(config))
    assert code == 2 and reported["differing"]["plan_v1"] > 0 and "state_v1" not in reported["differing"]


def test_a_persons_pause_is_repeated(tmp_path: Path) -> None:
    """The wish is recorded as an event; the checker weighs trust with it as the host did."""
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)
    day = SimulatedDay(DayPlan(start, duration_h=1.0), tmp_path).run()
    records = list(read_records(day.dataset, {"sensors_raw", "devices"}))
    pause = EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": start + timedelta(minutes=10, seconds=5),
            "level": "INFO",
            "kind": "person",
            "name": "person_mode",
            "text": "asked",
            "data": {"mode": "PAUSED", "request": "r-1", "until": (start + timedelta(minutes=30)).isoformat()},
        }
    )
    checker = Checker(brain_settings(Settings()))
    modes = []
    place = next(i for i, record in enumerate(records) if record.ts > pause.ts)
    for record in [*records[:place], pause, *records[place:]]:
        checker.check([record])
        modes.append((record.ts, checker._brain.mode))
    paused = [ts for ts, mode in modes if mode == "PAUSED"]
    assert paused[0] == pause.ts and start + timedelta(minutes=29) <= paused[-1] <= start + timedelta(minutes=31)


def test_a_persons_proposal_is_judged_at_the_moment_at_which_the_host_judged_it(tmp_path: Path) -> None:
    """It was written some time before: the rest of a hold is counted from the judgement."""
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)
    day = SimulatedDay(DayPlan(start, duration_h=1.0), tmp_path).run()
    records = list(read_records(day.dataset, {"sensors_raw", "devices"}))
    place = next(i for i, record in enumerate(records) if record.ts > start + timedelta(minutes=10))
    host, checker = Checker(brain_settings(Settings())), Checker(brain_settings(Settings()))
    host.check(records[:place])
    checker.check(records[:place])
    found = []
    for number, (origin, state) in enumerate((("person", "OFF"), ("api", "ON"))):
        judged = start + timedelta(minutes=10, seconds=5 + number)
        name = f"asked-{number}"
        asked = ActionV1.model_validate(
            {
                "schema_version": "action_v1",
                "ts": judged - timedelta(seconds=0.7),
                "type": "SET_LIGHT",
                "origin": origin,
                "id": name,
                "params": {"state": state, "seconds": 600.0},
            }
        )
        event = EventV1.model_validate(
            {
                "schema_version": "event_v1",
                "ts": judged,
                "level": "INFO",
                "kind": "person",
                "name": "person_action",
                "text": "asked",
                "data": {"request": "r", "action": name},
            }
        )
        verdict = host._brain.judge(asked, host._context.at(judged)).action
        found.append(verdict)
        checker.check([event, verdict])
    assert found[0].safety.validated and found[1].safety.refused_by == "priority", found
    assert [(one.field, one.recorded, one.today) for one in checker.result.differences if one.field] == []
