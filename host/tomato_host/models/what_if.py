"""What if: the next 36 hours with a proposed action and without it, in a process of its own.

The deciding loop gives what it knows (`pack_inputs`: the hourly log, weather, the plan in force; a few milliseconds)
and goes on; `python -m tomato_host.models.what_if` loads the active model and forecasts twice. Both forecasts come from
the same model and inputs, so their difference is the action's. It changes nothing: the model here is a copy from disk,
or an untrained one of the same shape before the first night. Blocks grown by the learning loop are not part of it.

What an action does to the plan: water is added to the running hour, in ml; ON and OFF replace the share of each hour
that they cover from now on; OFF without an end covers one hour; STOP_ALL is OFF for everything that is switched. CO2
moves neither air nor soil in this model.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from shared_schemas.devices import OUTPUT_BY_NAME, PUMP, names_of
from shared_schemas.records import Forecast36hV1, PlanV1, Prediction36hV1
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType
from tomato_host.brain.brain import Brain
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import HORIZON_H, HourlyLog, KnownAhead, ModelShape, tent_quantities
from tomato_host.brain.world_model.hourly_history import known_ahead
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.models.store import ModelStore
from tomato_host.world.worlds.tent import shown_prediction

Json = dict[str, Any]
HOUR_S = 3_600.0
DIGITS = 3


def pack_inputs(brain: Brain, now: datetime) -> Json | None:
    """What a forecast of this moment rests on, JSON-ready; None until a whole hour has been seen."""
    log = brain.forecast_state.history.log(now)
    if log.hours < 1 or not log.has("air_temp_c"):
        return None
    weather, plan = brain.forecasts.weather, brain.memory.last_plan
    table = np.array([log.values[name] for name in log.values], dtype="<f4")
    return {
        "now": now.isoformat(),
        "zone": brain.settings.site.timezone,
        "start_hour": log.start_hour,
        "utc_offset_h": log.utc_offset_h,
        "columns": list(log.values),
        "table": base64.b64encode(table.tobytes()).decode(),
        "plan": None if plan is None else plan.to_json(),
        "weather": None if weather is None else weather.to_json(),
        "probes": [probe.id for probe in brain.settings.estimator.probes],
        "settings": brain.settings.world_model.model_dump_json(),
    }


def forecast_both(inputs: Json, action: Json, models: Path) -> Json:
    """Forecasts with and without an action (`type`, `params` as in action_v1), and their difference by hour.

    Raises ValueError for an unknown type.
    """
    log = _log_of(inputs)
    now = datetime.fromisoformat(inputs["now"]).astimezone(ZoneInfo(inputs["zone"]))
    weather = None if inputs["weather"] is None else Forecast36hV1.from_json(inputs["weather"])
    plan = None if inputs["plan"] is None else PlanV1.from_json(inputs["plan"])
    age_min = None if weather is None else max(0.0, (now - weather.fetched_ts) / timedelta(minutes=1))
    ahead = known_ahead(weather, plan.steps if plan else (), now)
    with_action = KnownAhead({**ahead.values, **changed_plan(ahead, action["type"], action["params"], now)})
    without, changed = (_predicted(inputs, models, log, one, now, age_min) for one in (ahead, with_action))
    return {
        "model_version": without.model_version,
        "without": shown_prediction(without),
        "with": shown_prediction(changed),
        "difference": difference(without, changed),
    }


def changed_plan(ahead: KnownAhead, kind: str, params: Mapping[str, Any], now: datetime) -> dict[str, Array]:
    """The plan's columns [HORIZON_H] that an action changes. Raises ValueError for an unknown type."""
    action = ActionType(kind)
    if action is ActionType.STOP_ALL:
        switched = names_of(kind="relay")
        return {OUTPUT_BY_NAME[name].column: _switched(ahead, name, False, HOUR_S, now) for name in switched}
    output = OUTPUT_OF.get(action)
    if output is None:
        return {}
    if output == PUMP.name:
        water = np.nan_to_num(ahead.column(PUMP.column))
        water[0] += float(params.get("ml") or 0.0)
        return {PUMP.column: water}
    if OUTPUT_BY_NAME[output].kind != "relay":
        return {}
    seconds = float(params.get("seconds") or HOUR_S)
    return {OUTPUT_BY_NAME[output].column: _switched(ahead, output, params.get("state") != "OFF", seconds, now)}


def _switched(ahead: KnownAhead, output: str, is_on: bool, seconds: float, now: datetime) -> Array:
    """Shares of the hours when an output is on or off for so long from now; else as planned, unplanned is off."""
    shares = np.nan_to_num(ahead.column(OUTPUT_BY_NAME[output].column))
    begin_s = now.minute * 60.0 + now.second
    slots = np.arange(HORIZON_H) * HOUR_S
    covered = np.clip(np.minimum(begin_s + seconds, slots + HOUR_S) - np.maximum(begin_s, slots), 0.0, HOUR_S) / HOUR_S
    changed: Array = shares * (1.0 - covered) + covered * float(is_on)
    return changed


def difference(without: Prediction36hV1, changed: Prediction36hV1) -> Json:
    """Means with the action minus means without it, by hour ahead; hours without any difference are left out."""
    found: Json = {}
    for number, (old, new) in enumerate(zip(without.hours, changed.hours, strict=True), 1):
        moved = {
            name: round(after - before, DIGITS)
            for name, before, after in _pairs(old, new)
            if round(after - before, DIGITS) != 0.0
        }
        if moved:
            found[f"{number:02d}"] = moved
    return found


def _pairs(old: Any, new: Any) -> list[tuple[str, float, float]]:
    pairs = [(f"soil.{probe}", band.mean, new.soil_pct[probe].mean) for probe, band in old.soil_pct.items()]
    for name in ("air_temp_c", "rh_pct", "vpd_kpa", "leaf_vpd_kpa"):
        before, after = getattr(old, name), getattr(new, name)
        if before is not None and after is not None:
            pairs.append((name, before.mean, after.mean))
    return [*pairs, ("stress_risk", old.stress_risk, new.stress_risk)]


def _log_of(inputs: Json) -> HourlyLog:
    table = np.frombuffer(base64.b64decode(inputs["table"]), dtype="<f4").astype(np.float64)
    rows = table.reshape(len(inputs["columns"]), -1)
    return HourlyLog(inputs["start_hour"], inputs["utc_offset_h"], dict(zip(inputs["columns"], rows, strict=True)))


def _predicted(
    inputs: Json, models: Path, log: HourlyLog, ahead: KnownAhead, now: datetime, age_min: float | None
) -> Prediction36hV1:
    """By a fresh copy of the model each time: a forecast that was issued leaves its trace in the model."""
    settings = WorldModelSettings.model_validate_json(inputs["settings"])
    shape = ModelShape(quantities=tent_quantities(tuple(inputs["probes"])))
    found = ModelStore(models).load_active(settings)
    model = found[1] if found is not None and found[1].shape == shape else WorldModel(shape, settings)
    return model.predict(now, log, ahead, age_min)


def main() -> None:
    """Answer one JSON object a line (`inputs`, `action`) until the input ends; what fails is an answer, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    models = parser.parse_args().models
    if os.name == "posix":
        os.nice(5)
    for line in sys.stdin:
        began_s = time.process_time()
        try:
            asked = json.loads(line)
            answer = forecast_both(asked["inputs"], asked["action"], models)
        except (ValueError, KeyError, TypeError, OSError) as error:
            answer = {"fault": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps({**answer, "cpu_s": round(time.process_time() - began_s, 4)}), flush=True)


if __name__ == "__main__":
    main()
