"""Teach a tent's model a recorded season before the tent's own first day."""

from __future__ import annotations

from collections.abc import Callable

from tomato_host.brain.world_model.data import HISTORY_H, HourlyLog, ModelShape, tent_quantities
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.errors import TomatoError

DAY_H = 24
_FEWEST_DAYS = 2


def taught_model(
    log: HourlyLog,
    probes: tuple[str, ...],
    settings: WorldModelSettings,
    report: Callable[[float], None] = lambda share: None,
) -> WorldModel:
    """A model of this tent's shape that has learned every day of `log`, the oldest first, as it would have live.

    Probes are matched by their id; `report` gets the share learned. Raises TomatoError E-MODEL-SEASON where the log has
    none of the tent's quantities, or is shorter than two days.
    """
    shape = ModelShape(quantities=tent_quantities(probes))
    names = [q.name for q in shape.quantities]
    if not any(log.has(name) for name in names) or log.hours < _FEWEST_DAYS * DAY_H:
        raise TomatoError(
            "E-MODEL-SEASON",
            f"The season teaches nothing: it has {log.hours // DAY_H} days of {', '.join(sorted(log.values))[:200]}.",
            f"Map at least one of {', '.join(names)} when you import it.",
        )
    model = WorldModel(shape, settings)
    for end in range(log.hours % DAY_H or DAY_H, log.hours + 1, DAY_H):
        model.learn(log.window(end - HISTORY_H, end))
        report(end / log.hours)
    return model
