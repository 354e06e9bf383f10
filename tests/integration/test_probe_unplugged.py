"""One soil probe disconnected on the virtual board: confidence falls, the plan turns careful, nothing is unsafe."""

from __future__ import annotations

from pathlib import Path

from tomato_host.twin.world import World

from shared_schemas.records import ActionV1, PlanV1
from tests.integration.scenario_run import Actuator, Story, run_scenario

DRY, LESS_DRY = 0.19, 0.25
"""Of these the less dry pot can wait: below 23 % it would get full doses whatever is said of the other probe."""


def one_pot_drier(world: World) -> None:
    truth = world.tent.truth()
    truth.theta_1, truth.theta_2 = DRY, LESS_DRY


def unplug(*probes: int) -> object:
    def pull(hands: Actuator) -> None:
        for probe in probes:
            hands.world.sensors.faults.probe_unplugged[probe] = True

    return pull


def doses(story: Story, from_h: float, to_h: float) -> list[ActionV1]:
    """Waterings that were asked for in these hours, once each."""
    return [a for a in story.actions("WATER", from_h, to_h) if a.outcome is None]


def test_one_probe_gone(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "", 2.1, prepare=one_pot_drier, help_at=((0.4, unplug(0)),))  # type: ignore[arg-type]
    before, after = story.states(0.0, 0.4)[-1], story.states(0.55, 2.1)[-1]
    assert after.confidence < before.confidence
    trust = {probe.id: (probe.moisture_pct, probe.confidence) for probe in after.soil.probes}
    assert trust["P1"] == (None, 0.0) and trust["P2"][1] > 0.5
    assert story.anomalies("SENSOR_DISCONNECT", 0.4, 0.6)
    assert any("soil.P1" in "".join(a.why.rules_fired) for a in doses(story, 0.0, 0.4))
    later = doses(story, 0.45, 2.1)
    assert later and all("half dose: doubt" in a.why.rules_fired for a in later)
    assert all("soil.P1" not in "".join(a.why.rules_fired) for a in later), "a missing probe is not a dry one"
    full = max(a.params.ml or 0.0 for a in doses(story, 0.0, 0.4))
    assert all((a.params.ml or 0.0) <= full / 2 + 1.0 for a in later)
    assert story.world.safety.broken() == []


def test_both_probes_gone(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "", 1.6, prepare=one_pot_drier, help_at=((0.4, unplug(0, 1)),))  # type: ignore[arg-type]
    last = story.states(0.6, 1.6)[-1]
    assert last.soil.avg_moisture_pct is None and all(p.confidence == 0.0 for p in last.soil.probes)
    later = doses(story, 0.5, 1.6)
    assert all((a.params.ml or 0.0) <= 60.0 for a in later if a.safety.validated)
    plans = [r for r in story.records if isinstance(r, PlanV1) and r.ts > last.ts.replace(minute=0)]
    assert any("no trusted soil probe" in text for plan in plans for text in plan.not_done)
    assert story.world.safety.broken() == []
