"""Uneven drippers under the planner: a task within a week, and pots that part no further once they are turned."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.sources.scenarios import HOUR_MS
from tomato_host.twin.campaign.matrix import Cell, begin

WEEK = timedelta(days=7)
DAYS = 14.0


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_uneven_drippers_are_a_task_within_a_week_until_a_person_turns_them(tmp_path: Path) -> None:
    scenario = tmp_path / "evened.toml"
    scenario.write_text('[[fault]]\nname = "uneven_drippers"\nat_h = 0.0\nfor_h = 170.0\nstrength = 0.1\n')
    run = begin(Cell("mpc", str(scenario), 28, DAYS, 60.0))
    told: dict[datetime, tuple[str, ...]] = {}
    while run.tent.now_ms < DAYS * 24 * HOUR_MS:
        result = run.step()
        assert result is not None and run.observation is not None
        if result.decision is not None:
            told[run.observation.ts] = result.decision.plan.tasks
    begun = min(told)
    first = min(at for at, tasks in told.items() if tasks)
    assert first < begun + WEEK and told[first][0].startswith("even out the drippers: P1 gains")
    last = [" ".join(tasks) for at, tasks in told.items() if at > begun + 2 * WEEK - timedelta(days=1)]
    assert last and not any("points a day" in text for text in last), "the pots part no further"
