"""A pot with a weak dripper: the planner waters it from the first day on, before anybody knows how weak it is."""

from __future__ import annotations

import pytest
from tomato_host.brain.control.settings import PolicyName
from tomato_host.twin.campaign.matrix import Cell, simulate


@pytest.mark.soak
def test_a_pot_with_a_weak_dripper_is_watered_before_that_is_known() -> None:
    """Calm 19: a pot gets 36 % of each dose. The planner once gave 1.1 l in two days: 70 h of stress, the rules 106."""

    def stress_h(controller: PolicyName) -> float:
        return float(simulate(Cell(controller, "calm", 19, 7.0, 60.0)).row["plant_stress_h"])

    assert stress_h("mpc") <= 0.4 * stress_h("rules")
