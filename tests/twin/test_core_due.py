"""The moments at which a core must be ticked: worked out, and held against counting every ms."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tomato_host.twin.core_board import CoreBoard
from tomato_host.twin.core_due import NEVER_MS, low_in_ms
from tomato_host.twin.firmware_core import load_core

from tests.twin.hostile_script import scripted_world

LIGHT, MAT, CO2 = 0, 4, 6


def counters() -> Any:
    load_core()
    from tomato.core.counters import Counters

    return Counters()


@pytest.mark.parametrize("output", [LIGHT, MAT])
@pytest.mark.parametrize("seed", range(30))
def test_a_low_share_is_never_found_late(output: int, seed: int) -> None:
    rng = random.Random(f"{output}-{seed}")
    used = counters()
    dose = load_core().contract.OUTPUTS[output][5]
    budget = load_core().contract.OUTPUTS[output][4] * 1_000
    used.day.total[output] = rng.choice((0, rng.randrange(budget), budget - rng.randrange(2 * dose)))
    used.prepaid[output] = rng.randrange(dose + 3_000)
    waited = step = 0
    while waited < 60_000 and not used.low(output, dose):
        step = low_in_ms(used, output, dose)
        assert step >= 1
        for _ in range(min(step, 60_000 - waited)):
            assert not used.low(output, dose), "found late"
            used.use(output, 1)
            waited += 1
    if step == NEVER_MS:
        assert not used.low(output, dose)


def test_a_share_that_stands_is_found_to_the_ms() -> None:
    used = counters()
    dose = load_core().contract.OUTPUTS[LIGHT][5]
    used.prepaid[LIGHT] = dose + 4_321
    steps = []
    while not used.low(LIGHT, dose):
        steps.append(low_in_ms(used, LIGHT, dose))
        used.use(LIGHT, steps[-1])
    assert steps == [4_322]


@pytest.mark.parametrize("prepaid_ms", [905_000, 930_000, 999_950])
def test_a_lamp_that_runs_for_hours_is_interrupted_for_flash_at_the_same_tick(prepaid_ms: int) -> None:
    """The write that hands out the next share takes the lamp off for one tick; the due ticks find the very same one."""

    def moves(skip_idle: bool) -> list[tuple[int, int]]:
        world, _ = scripted_world()
        board, seen = CoreBoard(world, 10_000, skip_idle), []
        board.host_renews = True
        board.run_to(61_000)
        board.core.used.prepaid[LIGHT] = prepaid_ms
        board.command("PULSE", cmd_id=1, not_after_ms=1 << 40, output=LIGHT, amount=300_000)
        last = world.outputs
        for t_ms in range(61_000, 300_000, 50):
            board.run_to(t_ms)
            if world.outputs != last:
                seen.append((t_ms, world.outputs))
                last = world.outputs
        assert board.core.saver.writes >= 2
        return seen

    assert moves(True) == moves(False) != []
