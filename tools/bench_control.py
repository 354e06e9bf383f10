"""Measures the planner and the guardrails: CPU time per plan and per verdict, and distance from the optimum."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
from tomato_host.brain.control import ControllerMemory, ControlSettings, DecisionContext
from tomato_host.brain.control.planner import mpc
from tomato_host.brain.control.planner.beam_search import SearchSettings, search
from tomato_host.brain.control.planner.world_model_adapter import bind_model
from tomato_host.brain.guardrails import GuardContext, Guardrails, GuardSettings
from tomato_host.brain.world_model.data import HourlyLog
from tomato_host.brain.world_model.model import WorldModel

from shared_schemas.records import ActionV1, StateV1
from tests.control.states import devices

TITLE = "Planner and guardrails"
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def _state(now: datetime, vpd: float, soil: float) -> StateV1:
    return StateV1.model_validate(
        {
            "schema_version": "state_v1",
            "ts": now,
            "env": {"air_temp_c": 24.0, "rh_pct": 60.0, "co2_ppm": 600.0, "vpd_kpa": vpd},
            "plant": {"leaf_temp_c": 23.0, "leaf_air_delta_c": -1.0},
            "soil": {
                "temp_c": 20.0,
                "avg_moisture_pct": soil,
                "zone_pattern": "uniform",
                "probes": [
                    {"id": "P1", "moisture_pct": soil, "confidence": 0.9},
                    {"id": "P2", "moisture_pct": soil + 2.0, "confidence": 0.9},
                ],
            },
            "devices": devices(),
            "budgets": {
                "water_ml_used_today": 300.0,
                "water_ml_budget_today": 2200.0,
                "co2_seconds_used_today": 0.0,
                "co2_seconds_budget_today": 600.0,
            },
            "confidence": 0.9,
            "quantity_confidence": {},
        }
    )


def _learned(days: int = 6) -> tuple[WorldModel, HourlyLog]:
    """A model that has learned a plausible week; what it learned does not matter for the time it takes."""
    rng, hours = np.random.default_rng(1), days * 24
    h = np.arange(hours)
    light = ((h % 24) >= 4).astype(float) * ((h % 24) < 20)
    columns = {
        "air_temp_c": 20.0 + 3.0 * light + rng.normal(0, 0.3, hours),
        "vpd_kpa": 0.8 + 0.4 * light,
        "leaf_vpd_kpa": 0.9 + 0.4 * light,
        "soil.P1": 38.0 - 0.08 * h % 8,
        "soil.P2": 40.0 - 0.07 * h % 8,
        "light": light,
        "circulation_fan": np.ones(hours),
        "exhaust_fan": rng.uniform(0, 1, hours),
        "humidifier": rng.uniform(0, 0.4, hours),
        "heater_mat": np.zeros(hours),
        "water_ml": np.where(h % 12 == 6, 300.0, 0.0),
    }
    log = HourlyLog(int(NOON.timestamp() // 3600) - hours, 2.0, columns)
    model = WorldModel()
    for day in range(2, days + 1):
        model.learn(log.until(day * 24))
    return model, log


def planning(count: int) -> dict[str, float]:
    """Times of `count` plans of 36 h, one after another with warm start and lessons, under the default deadline."""
    model, log = _learned()
    rng, memory, times = np.random.default_rng(2), ControllerMemory(), []
    decide = mpc.planner(lambda context: bind_model(model, log, context), time.thread_time)
    settings = ControlSettings(policy="mpc", horizon_h=36)
    for n in range(count):
        now = NOON + timedelta(hours=2 * n)
        seen = _state(now, float(rng.uniform(0.4, 1.8)), float(rng.uniform(24.0, 40.0)))
        recent = {"vpd_kpa": float(rng.uniform(0.4, 1.8)), "air_temp_c": float(rng.uniform(19, 28)), "rh_pct": 60.0}
        context = DecisionContext(now=now, state=seen, settings=settings, memory=memory, recent=recent)
        began = time.thread_time()
        made = decide(context)
        times.append(1_000.0 * (time.thread_time() - began))
        if made.plan.controller != "mpc" and not made.plan.explanation.startswith("safeguard"):
            raise RuntimeError("the planner did not plan")
        memory = made.memory
    return {
        "plans": count,
        "mean_ms": round(float(np.mean(times)), 1),
        "p50_ms": round(float(np.median(times)), 1),
        "p99_ms": round(float(np.quantile(times, 0.99)), 1),
    }


def verdicts(count: int) -> dict[str, float]:
    """Mean time of one verdict in microseconds: allowed and clipped ones, and refused ones."""
    seen = _state(NOON, 1.0, 30.0)
    out = {}
    kinds = {
        "allowed": {"state": "ON", "seconds": 600.0},
        "clipped": {"state": "ON", "seconds": 3600.0},
        "refused": {"state": "ON", "seconds": 600.0, "period_s": 9000.0},
    }
    for name, params in kinds.items():
        guardrails = Guardrails(GuardSettings(actions_per_hour=600))
        actions = [
            ActionV1.model_validate(
                {
                    "schema_version": "action_v1",
                    "ts": NOON,
                    "type": "SET_HUMIDIFIER",
                    "params": params,
                    "id": f"a-{n}",
                    "why": {"state_ts": NOON},
                }
            )
            for n in range(count)
        ]
        moments = [GuardContext(NOON + timedelta(seconds=n * 10), seen) for n in range(count)]
        spread = [action.model_copy(update={"ts": moment.now}) for action, moment in zip(actions, moments, strict=True)]
        here = [GuardContext(m.now, seen.model_copy(update={"ts": m.now})) for m in moments]
        began = time.thread_time()
        for action, moment in zip(spread, here, strict=True):
            guardrails.judge(action, moment)
        out[f"{name}_us"] = round(1e6 * (time.thread_time() - began) / count, 1)
    return out


class _Grid:
    """PlanEdits of a 4 x 2 plan on three levels."""

    def __init__(self) -> None:
        changes = []
        spans = [slice(h, h + 1) for h in range(4)] + [slice(0, 4)]
        for rows, k in product(spans, range(2)):
            for size in (0.5, -0.5, 1.0, -1.0):
                change = np.zeros((4, 2))
                change[rows, k] = size
                changes.append(change)
        self._changes = np.stack(changes)

    def variants(self, plans: Any, level: int) -> Any:
        edited = plans[:, None] + self._changes[None]
        return self.project(edited.reshape(-1, 4, 2)).reshape(len(plans), -1, 4, 2)

    def project(self, plans: Any) -> Any:
        return np.clip(np.round(plans * 2.0) / 2.0, 0.0, 1.0)


def optimality(problems: int) -> dict[str, float]:
    """The beam against the counted optimum of 6561 plans on random small problems: worst and mean gap in percent."""
    everything = np.array(list(product((0.0, 0.5, 1.0), repeat=8))).reshape(-1, 4, 2)
    plain = np.array([np.tile(row, (4, 1)) for row in product((0.0, 0.5, 1.0), repeat=2)])
    gaps = []
    for seed in range(problems):
        rng = np.random.default_rng(seed)
        wanted, coupling = rng.uniform(0.2, 0.9, (4, 2)), rng.uniform(0.1, 0.5, (2, 2))

        def score(plans: Any, wanted: Any = wanted, coupling: Any = coupling) -> Any:
            level, total = np.full((len(plans), 2), 0.5), np.zeros(len(plans))
            for h in range(4):
                level = 0.6 * level + plans[:, h] @ coupling
                total -= np.abs(level - wanted[h]).sum(axis=1) + 0.05 * plans[:, h].sum(axis=1)
            return total

        best = float(score(everything).max())
        found = search(score, _Grid(), plain, SearchSettings(width=12, levels=1, pairs=40), lambda: False)
        gaps.append(100.0 * (best - float(found.j[0])) / abs(best))
    return {"problems": problems, "worst_gap_pct": round(max(gaps), 3), "mean_gap_pct": round(float(np.mean(gaps)), 4)}


def run(quick: bool) -> dict[str, object]:
    """All figures; `quick` with fewer repetitions."""
    return {
        "planning": planning(20 if quick else 200),
        "verdict": verdicts(2_000 if quick else 20_000),
        "optimality": optimality(10 if quick else 50),
    }


if __name__ == "__main__":
    print(json.dumps(run(quick=False), indent=1))
