"""The oracle ladder: what each further piece of knowledge is worth, from a blind timer to a planner told the future.

Each rung runs the same tents. What could be gained in a scenario is the stress of the rules less that of the topmost
rung; how much of it a rung takes, and what is left (its *regret share*), follow. The topmost rung is the best that this
planner does with this knowledge, not the best there is: a rung may take more than all. Rungs that know need no day of
learning, so the first day counts as worth of knowing, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tomato_host.brain.control.settings import PolicyName
from tomato_host.twin.campaign.matrix import START, Cell, begin, observe_run, seldom_collected
from tomato_host.twin.campaign.oracle import TwinOracle, surroundings_course
from tomato_host.twin.campaign.tent_run import TentRun

SCENARIOS = "calm/heatwave@30/dry_inflow@30/cold_spell@30"
"""Adversities on the second day: a planner that learns has then seen one."""
FIGURES = ("plant_stress_h", "vpd_in_band_h", "water_ml", "switches")
FORESIGHT_H = 37.0
"""So far beyond its end the weather of a run must be known: the longest horizon, and an hour for its roundings."""


@dataclass(frozen=True, slots=True)
class LadderRung:
    """One controller of the ladder; `title` is its row."""

    title: str
    policy: PolicyName
    knows: Callable[[TentRun, Cell], TwinOracle] | None = None


def _own_parameters(run: TentRun, cell: Cell) -> TwinOracle:
    return TwinOracle(run)


def _perfect_weather(run: TentRun, cell: Cell) -> TwinOracle:
    params, hours = run.tent.world.tent.params, 24.0 * cell.days + FORESIGHT_H
    return TwinOracle(run, surroundings_course(cell.seed, params, cell.scenario, START, hours))


RUNGS: Mapping[str, LadderRung] = {
    "timer": LadderRung("timer", "timer"),
    "rules": LadderRung("rules", "rules"),
    "learned": LadderRung("planner, learned model", "mpc"),
    "parameters": LadderRung("planner, the twin's own parameters", "mpc", _own_parameters),
    "weather": LadderRung("planner, and perfect weather", "mpc", _perfect_weather),
}
"""From the least to the most that is known."""
WORST, BEST = "rules", "weather"
"""Between these lies what can be gained."""


@dataclass(frozen=True, slots=True)
class LadderCell:
    """One run."""

    rung: str
    scenario: str
    seed: int
    days: float
    period_s: float


def ladder_cells(scenarios: Sequence[str], seeds: range, days: float, period_s: float) -> list[LadderCell]:
    """All rungs of all tents, in a fixed order."""
    return [LadderCell(r, s, seed, days, period_s) for r in RUNGS for s in scenarios for seed in seeds]


def climb(cell: LadderCell) -> dict[str, Any]:
    """One run and its figures. Depends on nothing but the cell."""
    rung = RUNGS[cell.rung]
    same = Cell(rung.policy, cell.scenario, cell.seed, cell.days, cell.period_s)
    with seldom_collected():
        run = begin(same)
        if rung.knows is not None:
            run.brain.use_controller(rung.policy, rung.knows(run, same).decide)
        row = observe_run(run, same).row
    return {**asdict(cell), **{name: row[name] for name in FIGURES}, "broken": row["broken"]}


@dataclass(frozen=True, slots=True)
class LadderLine:
    """A rung in a scenario ("all": in all): sums over its tents, and its share of what can be gained."""

    scenario: str
    rung: str
    tents: int
    sums: Mapping[str, float]
    taken: float | None
    """Share of the possible gain that the rung takes; None where there is nothing to gain."""

    @property
    def regret(self) -> float | None:
        """Share of the possible gain that is left."""
        return None if self.taken is None else 1.0 - self.taken


def ladder_lines(rows: Sequence[Mapping[str, Any]]) -> list[LadderLine]:
    """The table, scenario by scenario, "all" last."""
    names = list(dict.fromkeys(str(row["scenario"]) for row in rows))
    return [line for name in (*names, "all") for line in _of_scenario(name, rows)]


def _of_scenario(name: str, rows: Sequence[Mapping[str, Any]]) -> list[LadderLine]:
    chosen = [row for row in rows if name in ("all", row["scenario"])]
    sums = {
        rung: {figure: sum(float(row[figure]) for row in chosen if row["rung"] == rung) for figure in FIGURES}
        for rung in RUNGS
    }
    worst, best = (sums[rung]["plant_stress_h"] for rung in (WORST, BEST))
    gain = worst - best
    return [
        LadderLine(
            name, rung, sum(row["rung"] == rung for row in chosen), found,
            (worst - found["plant_stress_h"]) / gain if gain > 0.0 else None,
        )
        for rung, found in sums.items()
    ]  # fmt: skip


def ladder_table(lines: Sequence[LadderLine]) -> list[str]:
    """As Markdown."""
    table = [
        "| scenario | controller | tents | stress, h | taken | left | VPD in band, h | water, ml | switching |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        shares = ["-", "-"] if line.taken is None else [f"{line.taken:.0%}", f"{1.0 - line.taken:.0%}"]
        stress, band, water, switching = (line.sums[name] for name in FIGURES)
        table.append(
            f"| {line.scenario} | {RUNGS[line.rung].title} | {line.tents} | {stress:.1f} | {' | '.join(shares)} | "
            f"{band:.1f} | {water:.0f} | {switching:.0f} |"
        )
    return table


def ladder_json(lines: Sequence[LadderLine]) -> list[dict[str, Any]]:
    """For scripts."""
    return [{**asdict(line), "title": RUNGS[line.rung].title, "left": line.regret} for line in lines]
