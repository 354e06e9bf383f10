"""One tent's hours under two controllers side by side: state, duties, reason, forecast, and what each term cost.

Costs are those of the planner's own objective, taken on what really was (the mean of the hour) instead of what was
forecast, and weighted as the planner weighs them. Regret is ours less theirs: positive where the other controller had
the better hour. Stress hours are counted as in the campaign's report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any

import numpy as np

from shared_schemas.devices import MAT, MIST, OUTPUTS, VENT
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.evaluation import RunSeries, evaluate_run
from tomato_host.brain.control.photoperiod import is_light
from tomato_host.brain.control.plan_columns import COLUMN_OF, COLUMNS, DOSE_K
from tomato_host.brain.control.planner.horizon import horizon_targets
from tomato_host.brain.control.planner.objective import (
    Array,
    Expected,
    HorizonTargets,
    Weights,
    action_churn,
    hourly_stress,
    resource_use,
    wear_price,
    yield_proxy,
)
from tomato_host.brain.control.settings import PolicyName
from tomato_host.brain.control.targets import STAGES
from tomato_host.brain.step_data import StepResult
from tomato_host.twin.campaign.matrix import Cell, begin
from tomato_host.twin.campaign.tent_run import TentRun

PERIOD_S = 60.0
HOUR_MS = 3_600_000
COSTS = ("vpd", "air", "soil", "yield", "resources", "churn")
"""Terms of the objective, its stress by what it comes from; cold roots count as soil."""


@dataclass(frozen=True, slots=True)
class TentHour:
    """One hour of one run. Climate is the mean of what really was, moisture that of its end."""

    start: datetime
    light: bool
    vpd_kpa: float
    vpd_measured_kpa: float | None
    """Mean of what the estimator believed: with a fan in strokes its last minute says nothing of the hour."""
    vpd_forecast_kpa: float | None
    """What was expected of this hour at the last decision before it."""
    air_c: float
    driest_pct: float
    wettest_pct: float
    driest_measured_pct: float | None
    stress_h: float
    on: Mapping[str, float]
    """Share of the hour that each relay was on."""
    water_ml: float
    strokes: int
    """Relay transitions."""
    reason: str
    """Of the newest plan."""
    costs: Mapping[str, float]
    """By `COSTS`, weighted; what the planner maximises is less their sum and the crop's own terms, which need whole
    days (`crop_terms`)."""


@dataclass(frozen=True, slots=True)
class HourComparison:
    """The same hours of one tent under two controllers."""

    scenario: str
    seed: int
    controllers: tuple[str, str]
    ours: tuple[TentHour, ...]
    theirs: tuple[TentHour, ...]

    def regret(self, hour: int) -> dict[str, float]:
        """Ours less theirs, by term."""
        return {name: self.ours[hour].costs[name] - self.theirs[hour].costs[name] for name in COSTS}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {"start": a.start.isoformat(), "ours": _plain(a), "theirs": _plain(b), "regret": _rounded(self.regret(k))}
            for k, (a, b) in enumerate(zip(self.ours, self.theirs, strict=True))
        ]
        return {
            "tent": f"{self.scenario}:{self.seed}",
            "controllers": list(self.controllers),
            "stress_h": [sum(h.stress_h for h in run) for run in (self.ours, self.theirs)],
            "regret": _rounded(self.total_regret()),
            "hours": rows,
        }

    def total_regret(self) -> dict[str, float]:
        """Sum over all hours, by term."""
        return {name: sum(self.regret(k)[name] for k in range(len(self.ours))) for name in COSTS}


def _plain(hour: TentHour) -> dict[str, Any]:
    row = asdict(hour)
    del row["start"]
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
    return {**rounded, "on": _rounded(hour.on), "costs": _rounded(hour.costs)}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def compare_hours(
    scenario: str,
    seed: int,
    controllers: tuple[PolicyName, PolicyName],
    days: float,
    report: Callable[[float], None] = lambda share: None,
) -> HourComparison:
    """Run the tent under both controllers; `report` gets the share done. Raises TomatoError: an unknown scenario."""
    count, runs = round(24 * days), list[tuple[TentHour, ...]]()
    for name in controllers:
        hours = []
        for hour in _hours(begin(Cell(name, scenario, seed, days, PERIOD_S)), count):
            hours.append(hour)
            report((len(runs) + len(hours) / count) / len(controllers))
        runs.append(tuple(hours))
    ours, theirs = runs
    both = min(len(ours), len(theirs))
    return HourComparison(scenario, seed, controllers, ours[:both], theirs[:both])


class _Minutes:
    """What happened within one hour."""

    def __init__(self, run: TentRun) -> None:
        self._run, self.start = run, run.tent.now
        self.rows: list[tuple[float, ...]] = []
        self.believed_kpa: list[float] = []
        self.bits: list[int] = []

    def note(self) -> None:
        """Take this moment's truth, and what the estimator believes of it."""
        believed = self._run.brain.estimate
        if believed is not None and believed.state.env.vpd_kpa is not None:
            self.believed_kpa.append(believed.state.env.vpd_kpa)
        world = self._run.tent.world
        truth, control = world.tent.truth(), self._run.brain.settings.control
        light = is_light(
            self._run.tent.now,
            self._run.brain.settings.site.zone,
            control.light_start_local_h,
            STAGES[control.stage].photoperiod_h,
        )
        soil = sorted((100.0 * truth.theta_1, 100.0 * truth.theta_2))
        self.rows.append((float(light), truth.vpd_kpa, truth.air_c, *soil, truth.pumped_ml))
        self.bits.append(world.outputs)

    def strokes(self, before: int) -> int:
        """Relay transitions since `before`, the outputs as the hour began."""
        return sum((a ^ b).bit_count() for a, b in zip([before, *self.bits], self.bits, strict=False))


def _hours(run: TentRun, count: int) -> Iterator[TentHour]:
    reason, expected, outputs, pumped = "", dict[int, float](), -1, 0.0
    duty = np.zeros(COLUMNS)
    for hour in range(count):
        minutes = _Minutes(run)
        end_ms = (hour + 1) * HOUR_MS
        while run.tent.now_ms < end_ms:
            step = run.step()
            if step is None:
                return
            minutes.note()
            reason = _reason(step) or reason
            expected.update(_expected_vpd(step, run.tent.now_ms))
        outputs = (
            minutes.bits[0] if outputs < 0 else outputs
        )  # the first minute switches on: no stroke, as in the report
        done, duty = _close(run, minutes, (outputs, pumped, duty), reason, expected.get(hour))
        yield done
        outputs, pumped = minutes.bits[-1], minutes.rows[-1][5]


def _reason(step: StepResult) -> str:
    """The newest plan's explanation."""
    return "" if step.decision is None else f"{step.why}: {step.decision.plan.explanation}"


def _expected_vpd(step: StepResult, now_ms: int) -> dict[int, float]:
    """The forecast made with this decision, by hours of the run."""
    if step.prediction is None:
        return {}
    first = now_ms // HOUR_MS
    hours = enumerate(step.prediction.hours)
    return {first + k: hour.vpd_kpa.mean for k, hour in hours if hour.vpd_kpa is not None}


def _close(
    run: TentRun, minutes: _Minutes, before: tuple[int, float, Array], reason: str, forecast: float | None
) -> tuple[TentHour, Array]:
    """The hour that has ended, and its plan row: the duties as they really were."""
    outputs, pumped, duty_before = before
    light, vpd, air, dry, wet, water = np.array(minutes.rows).T
    estimate = run.brain.estimate
    assert estimate is not None  # the run has stepped
    state, band = estimate.state, STAGES[run.brain.settings.control.stage]
    strokes = minutes.strokes(outputs)
    found = evaluate_run(RunSeries(PERIOD_S, light, vpd, air, dry, water, np.zeros(len(water))), band)
    on = {
        row.name: sum(bool(bits & 1 << row.wire_id) for bits in minutes.bits) / len(minutes.bits)
        for row in OUTPUTS
        if row.name in COLUMN_OF
    }
    duty = np.zeros(COLUMNS)
    for name, share in on.items():
        duty[COLUMN_OF[name]] = share
    duty[DOSE_K] = water[-1] - pumped
    settings, site = run.brain.settings, run.brain.settings.site
    context = DecisionContext(minutes.start, state, settings.control, site, settings.budgets)
    climate = (float(vpd.mean()), float(air.mean()), float(dry.mean()), float(wet.mean()))
    believed = fmean(minutes.believed_kpa) if minutes.believed_kpa else None
    probes = [p.moisture_pct for p in state.soil.probes if p.moisture_pct is not None]
    return TentHour(
        minutes.start, bool(light.mean() >= 0.5), climate[0], believed, forecast, climate[1],
        float(dry[-1]), float(wet[-1]), min(probes, default=None), found.stress_h, on,
        float(duty[DOSE_K]), strokes, reason, hour_costs(context, climate, duty, duty_before),
    ), duty  # fmt: skip


def hour_costs(
    context: DecisionContext, climate: tuple[float, float, float, float], duty: Array, before: Array
) -> dict[str, float]:
    """What one hour cost by the planner's objective, weighted, by `COSTS`.

    `climate`: (VPD kPa, air degC, driest %, wettest % by volume), means of the hour; `duty` and `before` [K] are plan
    rows of this hour and of the one before.
    """
    weights, aim = Weights(), horizon_targets(context)
    plans = np.repeat(duty[None, None], len(aim.light_share), axis=1)
    vpd, air, dry, wet = (np.full(plans.shape[:2], value) for value in climate)
    expected = Expected({"vpd_kpa": vpd, "air_temp_c": air}, dry, wet, {})

    def stress(part: HorizonTargets) -> float:
        return float(weights.stress * hourly_stress(part, expected, plans)[0, 0])

    no_roots = replace(aim, soil_temp_short=0.0)
    one, price = _first_hour(aim), np.broadcast_to(wear_price(aim, expected), plans.shape[:2])[:, :1]
    now = Expected({"vpd_kpa": vpd[:, :1], "air_temp_c": air[:, :1]}, dry[:, :1], wet[:, :1], {})
    return {
        "vpd": stress(_without_soil(_without_air(no_roots))),
        "air": stress(_without_soil(_without_vpd(no_roots))),
        "soil": stress(_without_air(_without_vpd(aim))),
        "yield": -float(weights.yield_ * yield_proxy(one, now, plans[:, :1])[0]),
        "resources": float(weights.resource * resource_use(aim, plans[:, :1])[0]),
        "churn": float(weights.smooth * action_churn(plans[:, :1], before, price)[0]),
    }


def _first_hour(aim: HorizonTargets) -> HorizonTargets:
    return replace(
        aim,
        light_share=aim.light_share[:1],
        vpd_low=aim.vpd_low[:1],
        vpd_high=aim.vpd_high[:1],
        air_low=aim.air_low[:1],
        air_high=aim.air_high[:1],
    )


def _without_vpd(aim: HorizonTargets) -> HorizonTargets:
    return replace(aim, vpd_low=np.full_like(aim.vpd_low, -np.inf), vpd_high=np.full_like(aim.vpd_high, np.inf),
                   vpd_harm=())  # fmt: skip


def _without_air(aim: HorizonTargets) -> HorizonTargets:
    return replace(aim, air_low=np.full_like(aim.air_low, -np.inf), air_high=np.full_like(aim.air_high, np.inf),
                   air_harm=())  # fmt: skip


def _without_soil(aim: HorizonTargets) -> HorizonTargets:
    return replace(aim, soil_low_pct=-np.inf, soil_harm_pct=-np.inf, soil_high_pct=np.inf)


SHOWN = (VENT.name, MIST.name, MAT.name)


def table(found: HourComparison, everything: bool = False) -> list[str]:
    """Lines for a terminal: hours in which stress differs (or all), then the sums."""
    ours, theirs = found.controllers
    lines = [
        f"{found.scenario}:{found.seed}, {len(found.ours)} h, {ours} | {theirs}",
        "                 VPD kPa (measured, forecast)               air degC    soil, driest-wettest %   "
        "exhaust/mist/heat %           water ml  stress h",
    ]
    for k, (a, b) in enumerate(zip(found.ours, found.theirs, strict=True)):
        if everything or a.stress_h != b.stress_h:
            lines += _hour_lines(a, b, found.regret(k))
    stress = [sum(h.stress_h for h in run) for run in (found.ours, found.theirs)]
    water = [sum(h.water_ml for h in run) for run in (found.ours, found.theirs)]
    strokes = [sum(h.strokes for h in run) for run in (found.ours, found.theirs)]
    lines += [
        f"stress {stress[0]:.1f} | {stress[1]:.1f} h, water {water[0]:.0f} | {water[1]:.0f} ml, "
        f"strokes {strokes[0]} | {strokes[1]}",
        f"regret of {ours} by term: {_terms(found.total_regret())}",
    ]
    return lines


def _hour_lines(a: TentHour, b: TentHour, regret: Mapping[str, float]) -> list[str]:
    def duties(hour: TentHour) -> str:
        return "/".join(f"{100.0 * hour.on[name]:.0f}" for name in SHOWN)

    def number(value: float | None, digits: int = 2) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    def vpd(hour: TentHour) -> str:
        return f"{hour.vpd_kpa:.2f} ({number(hour.vpd_measured_kpa)}, {number(hour.vpd_forecast_kpa)})"

    return [
        f"{a.start:%a %d %H:%M} {'day  ' if a.light else 'night'} {vpd(a)} | {vpd(b)}  {a.air_c:.1f} | {b.air_c:.1f}  "
        f"{a.driest_pct:.1f}-{a.wettest_pct:.1f} | {b.driest_pct:.1f}-{b.wettest_pct:.1f}  "
        f"{duties(a)} | {duties(b)}  {a.water_ml:.0f} | {b.water_ml:.0f}  {a.stress_h:.1f} | {b.stress_h:.1f}",
        f"    regret: {_terms(regret)}",
        f"    {a.reason}",
    ]


def _terms(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:+.2f}" for name, value in values.items() if abs(value) >= 0.005) or "none"
