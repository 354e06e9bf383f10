"""The next 36 hours drawn: block characters for a terminal, SVG for everything else."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.records.prediction_36h_v1 import Band, Prediction36hV1

ROWS = 6
_INSIDE, _MEAN, _EMPTY = "░", "█", " "
_COLOURS = {"soil": "#8e6b3d", "vpd_kpa": "#c0392b", "air_temp_c": "#d68910", "rh_pct": "#2471a3", "risk": "#7d3c98"}


@dataclass(frozen=True)
class ChartPanel:
    """One quantity over the hours: low, mean, high; None where nothing is known."""

    title: str
    colour: str
    hours: list[tuple[float, float, float] | None]
    scale: tuple[float, float] | None = None
    """Fixed edges, where the numbers alone would mislead."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value drawn, never nothing."""
        if self.scale is not None:
            return self.scale
        low = min((h[0] for h in self.hours if h), default=0.0)
        high = max((h[2] for h in self.hours if h), default=1.0)
        return (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)


def panels(prediction: Prediction36hV1) -> list[ChartPanel]:
    """The quantities to draw, soil first."""
    found = []
    probes = list(prediction.hours[0].soil_pct)
    for probe in probes:
        title = f"soil {probe}, % of volume"
        found.append(ChartPanel(title, _COLOURS["soil"], [_edge(h.soil_pct.get(probe)) for h in prediction.hours]))
    for name, title in (("air_temp_c", "air, degC"), ("rh_pct", "humidity, %"), ("vpd_kpa", "VPD, kPa")):
        found.append(ChartPanel(title, _COLOURS[name], [_edge(getattr(h, name)) for h in prediction.hours]))
    risk = [(h.stress_risk, h.stress_risk, h.stress_risk) for h in prediction.hours]
    found.append(ChartPanel("stress risk, 0 to 1", _COLOURS["risk"], [*risk], (0.0, 1.0)))
    return [panel for panel in found if any(panel.hours)]


def _edge(band: Band | None) -> tuple[float, float, float] | None:
    return None if band is None else (band.p10, band.mean, band.p90)


def in_terminal(prediction: Prediction36hV1) -> str:
    """A drawing of ROWS lines a quantity: full blocks for the mean, light ones for the 80 % interval."""
    out = [f"{prediction.ts:%Y-%m-%d %H:%M}  {prediction.explanation}", ""]
    for panel in panels(prediction):
        out += [panel.title, *_drawn(panel)]
    labels = [f"{h.ts:%H}" if i % 3 == 2 else "  " for i, h in enumerate(prediction.hours)]
    out.append(" " * 8 + "".join(labels) + "  o'clock")
    out += [
        f"{w.kind}: {w.start:%a %H:%M} to {w.end:%H:%M}, risk {w.risk:.0%}, {w.text}" for w in prediction.risk_windows
    ]
    if prediction.water_ml_recommended is not None:
        out.append(f"Water for the next 24 h: {prediction.water_ml_recommended:.0f} ml")
    return "\n".join(out)


def _drawn(panel: ChartPanel) -> list[str]:
    low, high = panel.range
    step = (high - low) / ROWS
    rows = []
    for row in reversed(range(ROWS)):
        floor, ceiling = low + row * step, low + (row + 1) * step
        cells = [_cell(hour, floor, ceiling, row == ROWS - 1) for hour in panel.hours]
        label = f"{high:7.2f}" if row == ROWS - 1 else f"{low:7.2f}" if row == 0 else " " * 7
        rows.append(f"{label} " + "".join(cell * 2 for cell in cells))
    return rows


def _cell(hour: tuple[float, float, float] | None, floor: float, ceiling: float, top: bool) -> str:
    if hour is None:
        return _EMPTY
    low, mean, high = hour
    if floor <= mean < ceiling or (top and mean >= ceiling):
        return _MEAN
    return _INSIDE if low < ceiling and high > floor else _EMPTY


def as_svg(prediction: Prediction36hV1) -> str:
    """The same as SVG, one panel a quantity."""
    drawn = panels(prediction)
    width, height, left = 760, 110, 60
    total = height * len(drawn) + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{total}" fill="white"/>',
        f'<text x="{left}" y="18">{_escaped(prediction.explanation)}</text>',
    ]
    for i, panel in enumerate(drawn):
        lines += _svg_panel(panel, left, 34 + i * height, width - left - 20, height - 30)
    hours = prediction.hours
    for i in range(2, len(hours), 3):
        x = left + (width - left - 20) * i / max(len(hours) - 1, 1)
        lines.append(f'<text x="{x:.0f}" y="{total - 12}" text-anchor="middle">{hours[i].ts:%H:%M}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _svg_panel(panel: ChartPanel, left: int, top: int, width: int, height: int) -> list[str]:
    low, high = panel.range
    count = max(len(panel.hours) - 1, 1)
    known = [(left + width * i / count, h) for i, h in enumerate(panel.hours) if h is not None]

    def y(value: float) -> float:
        return top + height * (1.0 - (value - low) / (high - low))

    upper = [f"{x:.1f},{y(h[2]):.1f}" for x, h in known]
    lower = [f"{x:.1f},{y(h[0]):.1f}" for x, h in reversed(known)]
    mean = " ".join(f"{x:.1f},{y(h[1]):.1f}" for x, h in known)
    return [
        f'<text x="{left}" y="{top - 4}" fill="{panel.colour}">{_escaped(panel.title)}</text>',
        f'<text x="{left - 6}" y="{top + 9}" text-anchor="end">{high:.2f}</text>',
        f'<text x="{left - 6}" y="{top + height}" text-anchor="end">{low:.2f}</text>',
        f'<polygon points="{" ".join(upper + lower)}" fill="{panel.colour}" fill-opacity="0.2"/>',
        f'<polyline points="{mean}" fill="none" stroke="{panel.colour}" stroke-width="1.8"/>',
    ]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
