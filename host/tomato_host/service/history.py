"""The past for charts: columns of states and doses, read once from the dataset, then extended by new records."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from shared_schemas.devices import LAMP
from tomato_host.brain.psychrometrics import vpd_kpa
from tomato_host.service.forecast_review import ForecastReview

Json = dict[str, Any]
HistoryRow = tuple[float | None, ...]
Soil = dict[str, float | None]

SPANS_S: dict[str, float] = {"24h": 86_400.0, "7d": 7 * 86_400.0, "season": 200 * 86_400.0}
MOST_POINTS = 1_500
"""No chart draws more; longer spans are thinned evenly."""
FINE_PERIOD_S = 60.0
FINE_KEPT = 2_000
"""Observations at a minute's pace for the last day, on top of the states."""
TAILS_BYTES = {"sensors_raw": 6_000_000, "predictions": 2_000_000, "plans": 1_000_000}
"""Of these streams only the end is read at the start; of the others all."""
SKIPS_KEPT = 200
COLUMNS = ("air_temp_c", "rh_pct", "vpd_kpa", "co2_ppm", "leaf_air_delta_c", "light_on", "confidence")


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

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._t: list[float] = []
        self._rows: list[HistoryRow] = []
        self._soil: list[Soil] = []
        self._fine_t: list[float] = []
        self._fine: list[HistoryRow] = []
        self._fine_soil: list[Soil] = []
        self._doses: list[tuple[float, float]] = []
        self._forecasts = ForecastReview()
        self._skips: deque[Json] = deque(maxlen=SKIPS_KEPT)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the dataset."""
        for stream in ("states", "actions", "sensors_raw", "predictions", "plans"):
            for record in lines_of(self._data_dir, stream, TAILS_BYTES.get(stream)):
                self.add(record)

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
            elif kind == "prediction_36h_v1":
                self._forecasts.add(record)
            elif kind == "plan_v1":
                self._skips.extend({"ts": record["ts"], "text": text} for text in record.get("not_done", ()))

    def _add_dose(self, action: Json) -> None:
        outcome = action.get("outcome")
        if outcome and outcome.get("delivered_ml"):
            self._doses.append((epoch(outcome.get("finished_ts") or action["ts"]), outcome["delivered_ml"]))

    def _add_state(self, state: Json) -> None:
        t = epoch(state["ts"])
        if self._t and t == self._t[-1]:
            return
        _drop_later(t, self._t, self._rows, self._soil)
        env = state["env"]
        self._t.append(t)
        self._rows.append(
            (
                env["air_temp_c"],
                env["rh_pct"],
                env["vpd_kpa"],
                env["co2_ppm"],
                state["plant"]["leaf_air_delta_c"],
                1.0 if state["devices"][LAMP.name] == "ON" else 0.0,
                state["confidence"],
            )
        )
        self._soil.append({probe["id"]: probe["moisture_pct"] for probe in state["soil"]["probes"]})

    def _add_fine(self, seen: Json) -> None:
        t = epoch(seen["ts"])
        if (seen.get("board") or {}).get("backlog"):
            return
        _drop_later(t, self._fine_t, self._fine, self._fine_soil)
        if self._fine_t and t < self._fine_t[-1] + FINE_PERIOD_S:
            return
        air, leaf = seen["air_temp_c"], seen["leaf_temp_c"]
        delta = None if air is None or leaf is None else round(leaf - air, 2)
        light = seen["light_lux"]
        self._fine_t.append(t)
        self._fine.append(
            (
                air,
                seen["rh_pct"],
                _vpd(air, seen["rh_pct"]),
                seen["co2_ppm"],
                delta,
                None if light is None else float(light > 200.0),
                None,
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

    def columns(self, span: str) -> Json:
        """The columns of one span (a key of SPANS_S): `t` in epoch seconds, null where nothing is known."""
        with self._lock:
            return self._columns(span)

    def _columns(self, span: str) -> Json:
        times, rows, soil = self._last_day() if span == "24h" else (self._t, self._rows, self._soil)
        newest = max(times[-1] if times else 0.0, self._t[-1] if self._t else 0.0)
        first = bisect_left(times, newest - SPANS_S[span])
        step = max(1, -(-(len(times) - first) // MOST_POINTS))
        picked = range(first, len(times), step)
        out: Json = {"span": span, "t": [times[i] for i in picked]}
        for at, name in enumerate(COLUMNS):
            out[name] = [rows[i][at] for i in picked]
        probes = sorted({probe for i in picked for probe in soil[i]})
        out["soil"] = {probe: [soil[i].get(probe) for i in picked] for probe in probes}
        out["doses"] = [{"t": t, "ml": ml} for t, ml in self._doses if t >= newest - SPANS_S[span]]
        return out

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


def _vpd(air_temp_c: float | None, rh_pct: float | None) -> float | None:
    """Vapour pressure deficit of a raw reading, kPa; the estimator's own formula."""
    if air_temp_c is None or rh_pct is None:
        return None
    return round(vpd_kpa(air_temp_c, rh_pct), 3)
