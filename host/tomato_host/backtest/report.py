"""Figures of a backtest: errors by model and horizon, coverage of the intervals, and the curve of their reliability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tomato_host.backtest.rolling import OURS, ScoredSeries
from tomato_host.brain.world_model.arrays import Array

NOMINAL = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_HALF_WIDTH = {0.5: 0.67449, 0.6: 0.84162, 0.7: 1.03643, 0.8: 1.28155, 0.9: 1.64485, 0.95: 1.95996}


@dataclass(frozen=True)
class BacktestReport:
    """One quantity over all its places."""

    quantity: str
    horizons: tuple[int, ...]
    origins: int
    mae: dict[str, list[float]]
    rmse: dict[str, list[float]]
    coverage: list[float]
    width: list[float]
    reliability: list[tuple[float, float]]
    """Nominal and observed share of hours inside, all horizons together."""

    def as_json(self) -> dict[str, object]:
        """Plain figures."""
        return {
            "quantity": self.quantity,
            "horizons_h": list(self.horizons),
            "origins": self.origins,
            "mae": self.mae,
            "rmse": self.rmse,
            "coverage_80": self.coverage,
            "width_80": self.width,
            "reliability": [{"nominal": n, "observed": o} for n, o in self.reliability],
        }


def summarise(scored: Iterable[ScoredSeries], horizons: tuple[int, ...]) -> list[BacktestReport]:
    """One report per kind of quantity: all soil probes of all places together, each other quantity by its name."""
    groups: dict[str, list[ScoredSeries]] = {}
    for one in scored:
        groups.setdefault("soil_pct" if one.quantity.startswith("soil.") else one.quantity, []).append(one)
    return [_report(name, found, horizons) for name, found in groups.items()]


def _report(name: str, found: list[ScoredSeries], horizons: tuple[int, ...]) -> BacktestReport:
    mae: dict[str, list[float]] = {}
    rmse: dict[str, list[float]] = {}
    for model in found[0].means:
        errors = [
            _pooled(found, lambda one, j, m=model: one.means[m][:, j] - one.truth[:, j], j)
            for j in range(len(horizons))
        ]
        mae[model] = [_rounded(np.abs(e).mean()) for e in errors]
        rmse[model] = [_rounded(np.sqrt((e**2).mean())) for e in errors]
    inside = [_pooled(found, _is_inside, j) for j in range(len(horizons))]
    width = [_pooled(found, lambda one, j: one.high[:, j] - one.low[:, j], j) for j in range(len(horizons))]
    return BacktestReport(
        name,
        horizons,
        sum(int(one.counts[:, 0].sum()) for one in found),
        mae,
        rmse,
        [_rounded(i.mean()) for i in inside],
        [_rounded(w.mean()) for w in width],
        _reliability(found),
    )


def _pooled(found: list[ScoredSeries], value: object, j: int) -> Array:
    """Values at the origins that count, of all places in one row."""
    assert callable(value)
    return np.concatenate([np.asarray(value(one, j))[one.counts[:, j]] for one in found])


def _is_inside(one: ScoredSeries, j: int) -> Array:
    return np.asarray((one.truth[:, j] >= one.low[:, j]) & (one.truth[:, j] <= one.high[:, j]), dtype=np.float64)


def _reliability(found: list[ScoredSeries]) -> list[tuple[float, float]]:
    """Intervals stretched to other nominal levels as a normal distribution would, and what they covered."""
    out = []
    for level in NOMINAL:
        stretch = _HALF_WIDTH[level] / _HALF_WIDTH[0.8]
        hits, count = 0.0, 0
        for one in found:
            mean = one.means[OURS]
            low, high = mean - stretch * (mean - one.low), mean + stretch * (one.high - mean)
            inside = (one.truth >= low) & (one.truth <= high)
            hits += float(inside[one.counts].sum())
            count += int(one.counts.sum())
        out.append((level, _rounded(hits / max(count, 1))))
    return out


def _rounded(value: float) -> float:
    return round(float(value), 4)


def reliability_svg(reports: list[BacktestReport]) -> str:
    """Observed over nominal coverage, one line per quantity; the diagonal is the nominal one."""
    size, edge = 420, 52
    span = size - 2 * edge

    def at(share: float) -> float:
        return (share - 0.4) / 0.6 * span

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="12">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<path d="M{edge} {size - edge}L{size - edge} {edge}" stroke="#999" stroke-dasharray="4 4"/>',
    ]
    for share in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        x, y = edge + at(share), size - edge - at(share)
        lines.append(f'<text x="{x:.0f}" y="{size - edge + 18}" text-anchor="middle">{share:.0%}</text>')
        lines.append(f'<text x="{edge - 8}" y="{y + 4:.0f}" text-anchor="end">{share:.0%}</text>')
        lines.append(f'<path d="M{edge} {y:.1f}H{size - edge}" stroke="#eee"/>')
    for i, report in enumerate(reports):
        colour = _COLOURS[i % len(_COLOURS)]
        points = " ".join(f"{edge + at(n):.1f},{size - edge - at(o):.1f}" for n, o in report.reliability)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{edge + 10}" y="{edge + 16 * i + 8}" fill="{colour}">{report.quantity}</text>')
    middle = size / 2
    lines.append(f'<text x="{middle}" y="{size - 12}" text-anchor="middle">nominal share inside the interval</text>')
    lines.append(f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">observed</text>')
    return "\n".join([*lines, "</svg>", ""])


_COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b7950b", "#7d3c98")
