"""The matrix of a campaign: every controller in every scenario with every seed. `parallel.tasks` runs it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, get_args

from tomato_host.brain.brain import CONTROLLERS as CONTROLLERS_WITHOUT_FORESIGHT
from tomato_host.brain.control.settings import ControlSettings, PolicyName
from tomato_host.brain.step_data import BrainSettings
from tomato_host.errors import TomatoError
from tomato_host.sources.scenarios import FAULTS, Scenario
from tomato_host.twin.campaign.compare import Watch
from tomato_host.twin.campaign.score import TentScore
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

START = datetime.fromisoformat("2026-05-01T06:00:00+02:00")
CONTROLLERS: tuple[PolicyName, ...] = get_args(PolicyName)
CHART_PERIOD_S = 300.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the matrix."""

    controller: PolicyName
    scenario: str
    seed: int
    days: float
    period_s: float
    chart: bool = False
    """Whether to keep the course of the last day."""


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What came of a run: one flat row, and the last day's course when asked for."""

    row: dict[str, Any]
    course: tuple[tuple[float, ...], ...] = ()
    """(hour of the day, air degC, RH %, VPD kPa, theta 1, theta 2, CO2 ppm, outputs) every few minutes."""


def cells(
    controllers: tuple[PolicyName, ...], scenarios: tuple[str, ...], seeds: range, days: float, period_s: float
) -> list[Cell]:
    """The matrix in a fixed order. The first seed's calm run of each controller keeps its course for the chart."""
    return [
        Cell(c, s, seed, days, period_s, chart=s == scenarios[0] and seed == seeds[0])
        for c in controllers
        for s in scenarios
        for seed in seeds
    ]


SELDOM = 20_000
"""New objects that outlive their moment between two collections; 700 cost a run a twentieth of its time."""


def simulate(cell: Cell) -> CellOutcome:
    """Run one cell. Depends on nothing but the cell."""
    with seldom_collected():
        return observe_run(begin(cell, forecasts=cell.controller not in CONTROLLERS_WITHOUT_FORESIGHT), cell)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Without the garbage collections that a run does not need; this process must do nothing else meanwhile."""
    if gc.get_freeze_count():  # whoever has frozen what was loaded decides when that ends
        yield
        return
    # What was loaded before stays as long as the process, and a run hardly makes a cycle: the collector comes seldom.
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(SELDOM, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def begin(cell: Cell, forecasts: bool = True) -> TentRun:
    """The cell's tent under its controller, at the start. Raises TomatoError for an unknown scenario.

    `forecasts` False: without those that no figure of a run shows and no controller without foresight reads.
    """
    brain = BrainSettings(control=ControlSettings(policy=cell.controller))
    params, zone = TentParams.sample(cell.seed), brain.site.timezone
    tent = SimulatedTent(cell.seed, params, cell.scenario, START, cell.period_s, timezone=zone)
    return TentRun(tent, brain, forecasts=forecasts)


def observe_run(run: TentRun, cell: Cell) -> CellOutcome:
    """Let the run live through its days and measure it on the truth."""
    tent, settings = run.tent, run.brain.settings.control
    score, watch, course = TentScore(), Watch(settings, cell.period_s), []
    end_ms = round(cell.days * 86_400_000.0)
    last_day_ms, next_ms = max(0, end_ms - 86_400_000), 0
    while tent.now_ms < end_ms:
        before_ms = tent.now_ms
        if run.step() is None:
            break
        score.note(tent.world, (tent.now_ms - before_ms) / 1_000.0)
        watch.note(tent.world, tent.now)
        if cell.chart and tent.now_ms >= max(last_day_ms, next_ms):
            next_ms = tent.now_ms + round(CHART_PERIOD_S * 1_000.0)
            course.append(_point(tent))
    row = {
        **asdict(cell),
        **score.row(tent.world),
        **watch.figures(),
        "refused": run.refused,
        "anomalies": run.anomalies,
        "mode": run.brain.mode,
    }
    row.pop("chart")
    return CellOutcome(row, tuple(course))


def _point(tent: SimulatedTent) -> tuple[float, ...]:
    truth, now = tent.world.tent.truth(), tent.now
    hour = now.hour + now.minute / 60.0
    return (
        hour,
        truth.air_c,
        truth.rh_pct,
        truth.vpd_kpa,
        truth.theta_1,
        truth.theta_2,
        truth.co2_ppm,
        float(tent.world.outputs),
    )


def read_seeds(text: str) -> range:
    """`7` or `0-31`, both ends included. Raises TomatoError `E-CAMPAIGN`."""
    first, dash, last = text.partition("-")
    try:
        seeds = range(int(first), int(last if dash else first) + 1)
    except ValueError:
        seeds = range(0)
    if not 0 < len(seeds) <= 10_000:
        raise TomatoError("E-CAMPAIGN", f"'{text}' is no range of seeds.", "Write one number, or first-last: 0-31.")
    return seeds


def read_tent(text: str) -> tuple[str, int]:
    """`calm:8` or `heatwave@78:3` as (scenario, seed). Raises TomatoError for what is none."""
    scenario, _, seed = text.rpartition(":")
    seeds = read_seeds(seed)
    if not scenario or len(seeds) != 1:
        raise TomatoError("E-CAMPAIGN", f"'{text}' is no tent.", "Write a scenario and a seed: calm:8.")
    return read_scenarios(scenario)[0], seeds[0]


def read_scenarios(text: str) -> tuple[str, ...]:
    """`all`, or scenarios separated by `/` (faults of one scenario by commas). Raises TomatoError."""
    if text == "all":
        return ("calm", *FAULTS)
    named = tuple(part.strip() or "calm" for part in text.split("/"))
    for name in named:
        Scenario.parse(name)
    return named


def read_controllers(text: str) -> tuple[PolicyName, ...]:
    """Names separated by commas, or `all`. Raises TomatoError `E-CAMPAIGN`."""
    if text == "all":
        return CONTROLLERS
    wanted = [part.strip() for part in text.split(",")]
    found = tuple(name for name in CONTROLLERS if name in wanted)
    unknown = [name for name in wanted if name not in CONTROLLERS]
    if unknown or not found:
        raise TomatoError(
            "E-CAMPAIGN",
            f"There is no controller '{(unknown or [''])[0]}'.",
            f"Known controllers: {', '.join(CONTROLLERS)}, or all.",
        )
    return found
