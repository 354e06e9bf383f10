"""The past for charts: columns of states and doses, read once from the dataset, then extended by new records."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared_schemas.devices import LAMP, OUTPUT_BY_NAME
from tomato_host.loop.live_values import leaf_minus_air_k, vpd_of_reading_kpa
from tomato_host.service.day_totals import OUTPUT_OF_ACTION, CountedDays
from tomato_host.service.forecast_review import ForecastReview
from tomato_host.service.history_columns import HistoryRow, Value, point_s, thinned
from tomato_host.storage.journal_entries import STREAM as JOURNAL
from tomato_host.storage.journal_entries import JournalEntries

Json = dict[str, Any]
Soil = dict[str, float | None]

SPANS_S: dict[str, float] = {"24h": 86_400.0, "7d": 7 * 86_400.0, "30d": 30 * 86_400.0, "season": 200 * 86_400.0}
FINE_PERIOD_S = 60.0
FINE_KEPT = 2_000
"""Observations at a minute's pace for the last day, on top of the states."""
TAILS_BYTES = {"sensors_raw": 6_000_000, "predictions": 2_000_000, "plans": 1_000_000}
"""Of these streams only the end is read at the start; of the others all."""
LAST_DAY_BYTES = {"states": 600_000, "sensors_raw": 6_000_000, "targets": 200_000}
"""Ends of the streams that hold the last day's values and targets for sure."""
SKIPS_KEPT = 200
MOST_HOLDS = 2_000
"""No chart marks more."""
AIR_COLUMNS = ("air_temp_c", "rh_pct", "vpd_kpa", "co2_ppm")
COLUMNS = (
    *AIR_COLUMNS,
    "leaf_air_delta_c",
    "light_on",
    "confidence",
    "light_lux",
    "dli_mol_m2",
    "soil_temp_c",
)
DERIVED = frozenset({"light_on", "confidence", "dli_mol_m2"})
"""Columns of the charts that are no reading of a moment."""
BANDS: dict[str, tuple[str, str]] = {
    "vpd_kpa": ("vpd_day_kpa", "vpd_night_kpa"),
    "air_temp_c": ("air_temp_day_c", "air_temp_night_c"),
    "soil": ("soil_moisture_pct", "soil_moisture_pct"),
    "co2_ppm": ("co2_day_ppm", ""),
}
"""Quantity: its target by day and by night in `targets_v1`; by night nobody doses CO2, so it has none."""
LIGHT_ON = COLUMNS.index("light_on")


def epoch(ts: str) -> float:
    """Seconds since 1970 of an ISO time."""
    return datetime.fromisoformat(ts).timestamp()


def lines_of(data_dir: Path, stream: str, tail_bytes: int | None = None) -> Iterator[Json]:
    """Records of one stream, oldest first; with `tail_bytes` only the end of it. Broken lines are passed over."""
    for path in sorted((data_dir / "private").glob(f"{stream}_[0-9]*.jsonl")):
        with path.open("rb") as file:
            if tail_bytes is not None and path.stat().st_size > tail_bytes:
                file.seek(-tail_bytes, 2)
                file.readline()
            for line in file:
                try:
                    yield json.loads(line)["record"]
                except (ValueError, KeyError):
                    continue


class History:
    """States, fine readings and doses in columns. `load` may run in another thread before the first request."""

    def __init__(self, data_dir: Path, power_w: Mapping[str, float] | None = None) -> None:
        """`power_w`: measured power by output; without it that of the registry counts."""
        self._data_dir = data_dir
        self.power_w: Mapping[str, float] = power_w or {}
        self.usual_targets: Json | None = None
        """The targets before the first `targets_v1`; None: not known."""
        self._t: list[float] = []
        self._rows: list[HistoryRow] = []
        """By state, the air as the mean of its half hour: a moment in the pause of a fan's stroke is none."""
        self._moments: list[HistoryRow] = []
        """By state, as it was at that moment."""
        self._soil: list[Soil] = []
        self._fine_t: list[float] = []
        self._fine: list[HistoryRow] = []
        self._fine_soil: list[Soil] = []
        self._doses: list[tuple[float, float]] = []
        self._holds: list[tuple[str, float, float]] = []
        self._targets: list[tuple[float, Json]] = []
        self._days = CountedDays(self.power_w)
        self._forecasts = ForecastReview()
        self.journal = JournalEntries()
        """What the grower wrote down."""
        self._skips: deque[Json] = deque(maxlen=SKIPS_KEPT)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the dataset."""
        for stream in ("states", "actions", "sensors_raw", "predictions", "plans", "targets", JOURNAL):
            for record in lines_of(self._data_dir, stream, TAILS_BYTES.get(stream)):
                self.add(record)

    def load_last_day(self) -> None:
        """Read only what the columns of the last 24 hours need: for a terminal, at the start of a host."""
        for stream, most in LAST_DAY_BYTES.items():
            for record in lines_of(self._data_dir, stream, most):
                self.add(record)

    def latest(self) -> tuple[float | None, dict[str, Value]]:
        """Unix time and values, by column and probe, of the newest reading or state; None and nothing before it."""
        with self._lock:
            fine = bool(self._fine_t) and (not self._t or self._fine_t[-1] >= self._t[-1])
            if not fine and not self._t:
                return None, {}
            times, rows, soil = (
                (self._fine_t, self._fine, self._fine_soil) if fine else (self._t, self._moments, self._soil)
            )
            measured = {name: value for name, value in zip(COLUMNS, rows[-1], strict=True) if name not in DERIVED}
            return times[-1], {**measured, **soil[-1]}

    def add(self, record: Json) -> None:
        """Add one record; kinds that no chart shows are ignored."""
        kind = record.get("schema_version")
        with self._lock:
            if kind == "state_v1":
                self._add_state(record)
            elif kind == "observation_v1":
                self._add_fine(record)
            elif kind == "action_v1":
                self._add_dose(record)
            elif kind == "journal_v1":
                self.journal.add(record)
            elif kind == "prediction_36h_v1":
                self._forecasts.add(record)
            elif kind == "targets_v1":
                _drop_later(epoch(record["ts"]), self._target_times(), self._targets)
                self._targets.append((epoch(record["ts"]), record["adapted"]))
            elif kind == "plan_v1":
                self._skips.extend({"ts": record["ts"], "text": text} for text in record.get("not_done", ()))

    def _add_dose(self, action: Json) -> None:
        outcome = action.get("outcome")
        if not outcome:
            return
        self._days.add_action(action)
        end = epoch(outcome.get("finished_ts") or action["ts"])
        if outcome.get("delivered_ml"):
            self._doses.append((end, outcome["delivered_ml"]))
        elif outcome.get("delivered_s") and action["type"] in OUTPUT_OF_ACTION:
            # A hold's pulses may be spread: the mark spans from its request to its end.
            self._holds.append((OUTPUT_OF_ACTION[action["type"]].name, min(epoch(action["ts"]), end), end))

    def _add_state(self, state: Json) -> None:
        t = epoch(state["ts"])
        if self._t and t == self._t[-1]:
            return
        _drop_later(t, self._t, self._rows, self._moments, self._soil)
        self._days.add_state(state)
        env, means = state["env"], state.get("means") or {}
        air = [env[name] for name in AIR_COLUMNS]
        others: HistoryRow = (
            state["plant"]["leaf_air_delta_c"],
            1.0 if state["devices"][LAMP.name] == "ON" else 0.0,
            state["confidence"],
            env.get("light_lux"),
            env.get("dli_mol_m2"),
            state["soil"]["temp_c"],
        )
        known = (means.get(name) for name in AIR_COLUMNS)
        self._t.append(t)
        self._moments.append((*air, *others))
        self._rows.append((*(now if mean is None else mean for mean, now in zip(known, air, strict=True)), *others))
        self._soil.append({probe["id"]: probe["moisture_pct"] for probe in state["soil"]["probes"]})

    def _add_fine(self, seen: Json) -> None:
        t = epoch(seen["ts"])
        if (seen.get("board") or {}).get("backlog"):
            return
        _drop_later(t, self._fine_t, self._fine, self._fine_soil)
        if self._fine_t and t < self._fine_t[-1] + FINE_PERIOD_S:
            return
        air, light = seen["air_temp_c"], seen["light_lux"]
        self._fine_t.append(t)
        self._fine.append(
            (
                air,
                seen["rh_pct"],
                vpd_of_reading_kpa(air, seen["rh_pct"]),
                seen["co2_ppm"],
                leaf_minus_air_k(seen["leaf_temp_c"], air),
                None if light is None else float(light > 200.0),
                None,
                light,
                None,
                seen["soil_temp_c"],
            )
        )
        self._fine_soil.append({probe["id"]: probe["moisture_pct"] for probe in seen["soil"]})
        if len(self._fine_t) > FINE_KEPT:
            del self._fine_t[:200], self._fine[:200], self._fine_soil[:200]

    def skips(self) -> list[Json]:
        """What was considered and not done, each with its reason; newest last."""
        with self._lock:
            return list(self._skips)

    def past_forecast(self) -> Json:
        """Yesterday's forecast with what was measured since."""
        with self._lock:
            return self._forecasts.review(self._t[-1] if self._t else 0.0, self._hourly_mean)

    def _hourly_mean(self, name: str, end: float) -> float | None:
        hour = range(bisect_right(self._t, end - 3_600.0), bisect_right(self._t, end))
        if name == "soil_avg_pct":
            found = [value for i in hour for value in self._soil[i].values() if value is not None]
        else:
            column = COLUMNS.index(name)
            found = [value for i in hour if (value := self._rows[i][column]) is not None]
        return round(sum(found) / len(found), 3) if found else None

    def columns(self, span: str, since: float | None = None, until: float | None = None) -> Json:
        """The columns of one span (a key of SPANS_S), or of the times between `since` and `until` (Unix time, s).

        `t` in epoch seconds, null where nothing is known; `low` and `high` hold the extremes of each point where a
        point stands for several rows; `bands` the target of each point's own moment.
        """
        with self._lock:
            newest = max(self._fine_t[-1] if self._fine_t else 0.0, self._t[-1] if self._t else 0.0)
            if since is None or until is None:
                since, until = newest - SPANS_S[span], newest
            return {"span": span, **self._columns(since, until)}

    def csv_rows(self, since: float, until: float) -> tuple[list[str], list[float], list[HistoryRow]]:
        """Names, times (Unix time, s) and values of every recorded state between the two, not thinned."""
        with self._lock:
            part = slice(bisect_left(self._t, since), bisect_right(self._t, until))
            times, rows, soil = self._t[part], self._moments[part], self._soil[part]
        probes = sorted({probe for one in soil for probe in one})
        whole = [(*row, *(one.get(probe) for probe in probes)) for row, one in zip(rows, soil, strict=True)]
        return [*COLUMNS, *(f"soil_{probe.lower()}_pct" for probe in probes)], times, whole

    def days(self) -> list[Json]:
        """What each local day took and gave."""
        with self._lock:
            return self._days.rows()

    def _columns(self, since: float, until: float) -> Json:
        fine = until - since <= SPANS_S["24h"]
        times, rows, soil = self._last_day() if fine else (self._t, self._rows, self._soil)
        part = slice(bisect_left(times, since), bisect_right(times, until))
        times, rows, soil = times[part], rows[part], soil[part]
        moments = rows if fine else self._moments[part]
        probes = sorted({probe for one in soil for probe in one})
        whole = [(*row, *(one.get(probe) for probe in probes)) for row, one in zip(rows, soil, strict=True)]
        thin = thinned(times, whole, len(COLUMNS) + len(probes), point_s(until - since), moments)
        names = [*COLUMNS, *probes]
        out: Json = {"t": thin.t, **dict(zip(COLUMNS, thin.mean, strict=False))}
        out["soil"] = dict(zip(probes, thin.mean[len(COLUMNS) :], strict=True))
        out["low"] = dict(zip(names, thin.low, strict=False))
        out["high"] = dict(zip(names, thin.high, strict=False))
        out["bands"] = self._bands(thin.t, thin.mean[LIGHT_ON])
        out["doses"] = [{"t": t, "ml": ml} for t, ml in self._doses if since <= t <= until]
        out["holds"] = [
            {"output": name, "label": OUTPUT_BY_NAME[name].label, "from": start, "to": end}
            for name, start, end in self._holds
            if start <= until and end >= since
        ][-MOST_HOLDS:]
        out["journal"] = [
            {"t": epoch(one["ts"]), "kind": one["kind"], "task": one["task"], "text": one["text"][:80]}
            for one in self.journal.rows(since, until)
        ]
        return out

    def _bands(self, times: list[float], light_on: list[Value]) -> dict[str, dict[str, list[Value]]]:
        """The target of each moment: that of the day or of the night by the lamp, as it held then."""
        known = self._target_times()
        held = [self._targets[at - 1][1] if (at := bisect_right(known, t)) else self.usual_targets for t in times]
        out: dict[str, dict[str, list[Value]]] = {}
        for name, (by_day, by_night) in BANDS.items():
            picked = [
                None if target is None else target.get(by_day if (lit or 0.0) > 0.5 else by_night)
                for target, lit in zip(held, light_on, strict=True)
            ]
            out[name] = {edge: [None if one is None else one[edge] for one in picked] for edge in ("low", "high")}
        return out

    def _target_times(self) -> list[float]:
        return [moment for moment, _ in self._targets]

    def _last_day(self) -> tuple[list[float], list[HistoryRow], list[Soil]]:
        """Readings at a minute's pace as far back as they are at hand, states before that."""
        if len(self._fine_t) < 2:
            return self._t, self._rows, self._soil
        since = bisect_left(self._t, self._fine_t[-1] - SPANS_S["24h"])
        until = max(since, bisect_left(self._t, self._fine_t[0]))
        coarse = slice(since, until)
        return (self._t[coarse] + self._fine_t, self._rows[coarse] + self._fine, self._soil[coarse] + self._fine_soil)


def _drop_later(t: float, times: list[float], *columns: list[Any]) -> None:
    """After the clock was set back rows later than `t` are dropped, so that no time occurs twice."""
    keep = bisect_left(times, t)
    if keep < len(times):
        for column in (times, *columns):
            del column[keep:]
