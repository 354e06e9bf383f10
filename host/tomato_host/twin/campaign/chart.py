"""Draws the course of a day as a plain SVG: no plotting library, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 900, 120, 60, 20, 30, 26
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#8e44ad", "#b9770e")


def _ticks(low: float, high: float) -> list[float]:
    step = (high - low) / 4.0
    return [low + k * step for k in range(5)]


def _panel(name: str, top: float, series: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> list[str]:
    """One panel: hours 0..24 across, the values of all series on one scale."""
    values = [value for _, points in series for _, value in points]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        high = low + 1.0
    inner = WIDTH - LEFT - RIGHT

    def place(hour: float, value: float) -> tuple[float, float]:
        return LEFT + inner * hour / 24.0, top + PANEL * (1.0 - (value - low) / (high - low))

    lines = [
        f'<text x="{LEFT}" y="{top - 6:.0f}" class="t">{name}</text>',
        f'<rect x="{LEFT}" y="{top:.0f}" width="{inner}" height="{PANEL}" class="f"/>',
    ]
    for tick in _ticks(low, high):
        _, y = place(0.0, tick)
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="l">{tick:.3g}</text>')
    for k, (_, points) in enumerate(series):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(h, v) for h, v in sorted(points)))
        lines.append(f'<polyline points="{path}" stroke="{COLOURS[k % len(COLOURS)]}"/>')
    return lines


def day_chart(title: str, panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[tuple[float, float]]]]]]) -> str:
    """An SVG of panels below one another; each is a name and series of (hour, value) by label.

    Raises ValueError when there is nothing to draw.
    """
    if not panels or not all(points for _, series in panels for _, points in series):
        raise ValueError("a chart needs at least one point in each series")
    height = TOP + len(panels) * (PANEL + GAP) + 30
    labels = [label for label, _ in panels[0][1]]
    body = [f'<text x="{LEFT}" y="16" class="h">{title}</text>']
    for k, label in enumerate(labels):
        colour = COLOURS[k % len(COLOURS)]
        body.append(f'<text x="{WIDTH - RIGHT - 90 * (len(labels) - k)}" y="16" fill="{colour}">{label}</text>')
    for row, (name, series) in enumerate(panels):
        body += _panel(name, TOP + 14 + row * (PANEL + GAP), series)
    for hour in range(0, 25, 3):
        x = LEFT + (WIDTH - LEFT - RIGHT) * hour / 24.0
        body.append(f'<text x="{x:.0f}" y="{height - 12}" class="m">{hour:02d}:00</text>')
    style = (
        "text{font:12px sans-serif}.h{font-weight:bold}.l{text-anchor:end;fill:#666}.m{text-anchor:middle}"
        ".f{fill:none;stroke:#ccc}polyline{fill:none;stroke-width:1.4}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}"><style>{style}</style><rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )
