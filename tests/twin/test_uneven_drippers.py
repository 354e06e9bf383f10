"""Uneven drippers in a tent of the planner: a task within a week, and none any more once a person has turned them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tomato_host.twin.campaign.matrix import Cell, begin

WEEK = timedelta(days=7)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_uneven_drippers_are_a_task_within_a_week_until_a_person_turns_them() -> None:
    run = begin(Cell("mpc", "uneven_drippers@0+170", 28, 14.0, 60.0))
    told: dict[datetime, tuple[str, ...]] = {}
    while (result := run.step()) is not None and run.observation is not None:
        if result.decision is not None:
            told[run.observation.ts] = result.decision.plan.tasks
    begun = min(told)
    first = min(at for at, tasks in told.items() if tasks)
    assert first < begun + WEEK and told[first][0].startswith("even out the drippers: P1 gains")
    assert [tasks for at, tasks in told.items() if at > begun + 2 * WEEK - timedelta(days=1)], "it goes on deciding"
    assert not any(tasks for at, tasks in told.items() if at > begun + 2 * WEEK - timedelta(days=1)), "done"
