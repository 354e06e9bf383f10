"""Controllers against one another on the same tents: stress, VPD in band, water, switching, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from tomato_host.brain.control.evaluation import (
    DAMP_PCT,
    OTHER_STRESS_FIGURES,
    BootstrapInterval,
    RunSeries,
    bootstrap_mean,
    evaluate_run,
    relative_change,
)
from tomato_host.brain.control.photoperiod import is_light
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.targets import stage_row
from tomato_host.brain.settings import SiteSettings
from tomato_host.twin.physics import MISTING
from tomato_host.twin.world import World

SCENARIOS = "calm/heatwave@78/dry_inflow@78/cold_spell@78"
"""What `--compare` lives through when nothing else is said: adversities on the fourth day, so that a controller that
learns has seen the tent for three days, as it has in every week but its first."""
PLANNER = "mpc"
BASELINES = ("rules", "timer")
WORST_ALLOWED_H = 1.0
"""No seed may have more stress than this beyond the baseline's."""

DAMP_ALLOWED_H = 2.0
"""Damp air of this length is counted."""

COSTS = (
    ("light_h", "light hours"),
    ("assimilated_g", "CO2 fixed"),
    ("misted_ml", "water misted"),
    ("energy_kwh", "energy"),
)
"""What else is shown: less stress for less light would be no gain."""


class Watch:
    """Collects the truth of a run for `brain.control.score`."""

    def __init__(self, settings: ControlSettings, period_s: float) -> None:
        self._settings, self._period_s = settings, period_s
        self._zone = SiteSettings().zone
        self._rows: list[tuple[float, ...]] = []
        self._outputs, self._switches = 0, 0
        self._misted_ml = 0.0

    def note(self, world: World, now: datetime) -> None:
        """Take the truth of this moment."""
        self._switches += (world.outputs ^ self._outputs).bit_count()
        self._outputs = world.outputs
        truth, settings = world.tent.truth(), self._settings
        if world.outputs & MISTING:
            self._misted_ml += world.tent.params.humidifier_g_h * self._period_s / 3_600.0
        light = is_light(
            now, self._zone, settings.light_start_local_h, stage_row(settings, settings.stage).photoperiod_h
        )
        self._rows.append(
            (
                float(light),
                truth.vpd_kpa,
                truth.air_c,
                100.0 * min(truth.theta_1, truth.theta_2),
                truth.pumped_ml,
                float(self._switches),
            )
        )

    def figures(self) -> dict[str, float]:
        """The figures of the run, named for a table."""
        columns = np.array(self._rows, dtype=np.float64).reshape(-1, 6).T
        found = evaluate_run(RunSeries(self._period_s, *columns), stage_row(self._settings, self._settings.stage))
        figures = {
            f"plant_{name}" if name.endswith("stress_h") else name: round(value, 2)
            for name, value in asdict(found).items()
            if name != "water_ml"
        }
        return {**figures, "misted_ml": round(self._misted_ml, 1)}


def _paired(rows: Sequence[dict[str, Any]], ours: str, theirs: str, figure: str) -> tuple[Any, Any]:
    """The figure of both controllers for every (scenario, seed) that both have lived, in the same order."""
    by = {(r["controller"], r["scenario"], r["seed"]): float(r[figure]) for r in rows}
    keys = [(s, n) for c, s, n in by if c == ours and (theirs, s, n) in by]
    return np.array([by[ours, s, n] for s, n in keys]), np.array([by[theirs, s, n] for s, n in keys])


def section(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The comparison as Markdown; nothing when the planner or every baseline is missing."""
    present = {str(r["controller"]) for r in rows}
    if PLANNER not in present:
        return []
    lines: list[str] = []
    for base in (b for b in BASELINES if b in present):
        lines += [
            f"## {PLANNER} against {base}",
            "",
            "| scenario | pairs | stress hours | VPD in band, h | water | switching | worst seed, h |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        scenarios = [
            (name, [r for r in rows if name in ("all", r["scenario"])])
            for name in ("all", *dict.fromkeys(str(r["scenario"]) for r in rows))
        ]
        lines += [_row(chosen, name, base) for name, chosen in scenarios]
        lines += [
            "",
            f"### {PLANNER} against {base}: stress by other definitions, and what it cost",
            "",
            "| scenario | "
            + " | ".join(f"{title} | worst seed, h" for title in OTHER_STRESS_FIGURES.values())
            + " | "
            + " | ".join(title for _, title in COSTS)
            + " |",
            "|---|" + "---:|" * (2 * len(OTHER_STRESS_FIGURES) + len(COSTS)),
        ]
        lines += [_other_row(chosen, name, base) for name, chosen in scenarios]
        lines += ["", *_climate_table(scenarios, base), ""]
    if lines:
        lines += [
            "Changes are of sums over pairs, VPD in band is a mean difference; in brackets the 95 % bootstrap "
            "interval over pairs. Stress hours: see docs/control.md.",
            "",
        ]
    return lines


def _row(rows: Sequence[dict[str, Any]], name: str, base: str) -> str:
    stress, stress_base = _paired(rows, PLANNER, base, "plant_stress_h")
    band, band_base = _paired(rows, PLANNER, base, "vpd_in_band_h")
    water, switching = (relative_change(*_paired(rows, PLANNER, base, f)) for f in ("water_ml", "switches"))
    change = relative_change(stress, stress_base)
    worst = float((stress - stress_base).max()) if len(stress) else 0.0
    return (
        f"| {name} | {len(stress)} | {stress_base.sum():.0f} to {stress.sum():.0f}, {_percent(change)} | "
        f"{_hours(bootstrap_mean(band - band_base))} | {_percent(water)} | {_percent(switching)} | {worst:+.1f} |"
    )


def _other_row(rows: Sequence[dict[str, Any]], name: str, base: str) -> str:
    """Stress by the other definitions, and figures nobody may have won by: light given, CO2 fixed, mist, energy."""
    cells = [name]
    for figure in OTHER_STRESS_FIGURES:
        ours, theirs = _paired(rows, PLANNER, base, f"plant_{figure}")
        cells += [
            f"{theirs.sum():.0f} to {ours.sum():.0f}, {_percent(relative_change(ours, theirs))}",
            f"{float((ours - theirs).max()) if len(ours) else 0.0:+.1f}",
        ]
    cells += [_percent(relative_change(*_paired(rows, PLANNER, base, figure))) for figure, _ in COSTS]
    return "| " + " | ".join(cells) + " |"


def _climate_table(scenarios: Sequence[tuple[str, list[dict[str, Any]]]], base: str) -> list[str]:
    """Light hours with VPD in its band, and how long the air stayed damp: what a grower looks at first."""
    lines = [
        f"| scenario | light hours with VPD in band: {PLANNER}, {base} | worst tent | "
        f"RH above {DAMP_PCT:.0f} %, longest h: {PLANNER}, {base} | tents above {DAMP_ALLOWED_H:.0f} h |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, rows in scenarios:
        ours, theirs = _paired(rows, PLANNER, base, "lamp_in_band_h")
        lamp, _ = _paired(rows, PLANNER, base, "lamp_h")
        damp, damp_base = _paired(rows, PLANNER, base, "damp_longest_h")
        if lamp.sum() > 0.0:
            lines.append(
                f"| {name} | {ours.sum() / lamp.sum():.0%}, {theirs.sum() / lamp.sum():.0%} | "
                f"{(ours[lamp > 0.0] / lamp[lamp > 0.0]).min():.0%} | {damp.max():.1f}, {damp_base.max():.1f} | "
                f"{int((damp > DAMP_ALLOWED_H).sum())}, {int((damp_base > DAMP_ALLOWED_H).sum())} of {len(damp)} |"
            )
    return lines


def _percent(change: BootstrapInterval) -> str:
    return f"{change.mean:+.0%} [{change.low:+.0%}, {change.high:+.0%}]"


def _hours(change: BootstrapInterval) -> str:
    return f"{change.mean:+.1f} [{change.low:+.1f}, {change.high:+.1f}]"
