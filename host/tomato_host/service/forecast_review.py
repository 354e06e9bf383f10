"""What was forecast about a day ago against what was measured: as curves and in three figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

Json = dict[str, Any]
Truth = Callable[[str, float], float | None]
"""Measured mean of a quantity over the hour that ends at an epoch time; None when nothing is known."""

QUANTITIES = ("vpd_kpa", "air_temp_c", "soil_avg_pct")
APART_S = 3_600.0
"""Forecasts made closer together than this hardly differ."""
KEPT = 40
DAY_S = 86_400.0
YOUNGEST_S = 2 * 3_600.0
"""In the first day there is no older one; one of two hours can be judged at least a little."""
BOUNDS = ("mean", "p10", "p90")


class ForecastReview:
    """Forecasts of the last days, reduced to three quantities."""

    def __init__(self) -> None:
        self._made: deque[tuple[float, Json]] = deque(maxlen=KEPT)

    def add(self, prediction: Json) -> None:
        """Add a prediction_36h_v1, unless there is one of the same hour already."""
        made = datetime.fromisoformat(prediction["ts"]).timestamp()
        if not self._made or made >= self._made[-1][0] + APART_S:
            self._made.append((made, _slim(prediction)))

    def review(self, now: float, truth: Truth) -> Json:
        """The newest forecast that is a day old at `now` (else the oldest of some hours), with what was measured."""
        chosen = self._chosen(now)
        if chosen is None:
            return {"made_at": None, "t": [], "quantities": {}}
        reviewed = {name: _reviewed(chosen["t"], chosen[name], name, truth) for name in QUANTITIES}
        return {"made_at": chosen["made_at"], "t": chosen["t"], "quantities": reviewed}

    def _chosen(self, now: float) -> Json | None:
        old = [slim for made, slim in self._made if made <= now - DAY_S]
        if old:
            return old[-1]
        return next((slim for made, slim in self._made if made <= now - YOUNGEST_S), None)


def _slim(prediction: Json) -> Json:
    hours = prediction["hours"]
    out: Json = {"made_at": prediction["ts"], "t": [datetime.fromisoformat(h["ts"]).timestamp() for h in hours]}
    for name in QUANTITIES:
        bands = [h["soil_pct"].get("avg") if name == "soil_avg_pct" else h.get(name) for h in hours]
        out[name] = {bound: [band[bound] if band else None for band in bands] for bound in BOUNDS}
    return out


def _reviewed(times: list[float], band: Json, name: str, truth: Truth) -> Json:
    """The band, what was measured, how many hours fell within it, and the mean absolute error."""
    measured = [truth(name, t) for t in times]
    rows = [
        (c, *bounds)
        for c, *bounds in zip(measured, *(band[bound] for bound in BOUNDS), strict=True)
        if c is not None and None not in bounds
    ]
    error = sum(abs(c - mean) for c, mean, _, _ in rows) / len(rows) if rows else None
    return {
        **band,
        "came": measured,
        "judged": len(rows),
        "error": error,
        "inside": sum(low <= c <= high for c, _, low, high in rows),
    }
