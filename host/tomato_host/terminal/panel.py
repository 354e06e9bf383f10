"""The live status in the terminal: is it safe, how is the plant, what did it do and why, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared_schemas.devices import OUTPUTS
from tomato_host.loop.live_values import LiveValues, live_values
from tomato_host.loop.status import Status
from tomato_host.terminal.quantities import present_values, rows_of
from tomato_host.terminal.quantity_table import quantity_table
from tomato_host.terminal.status_lines import action_line, pulse_line

REFRESH_S = 0.5
DAY_EVERY_S = 60.0
"""The columns of a day cost some milliseconds of the deciding loop's time; its points are minutes apart."""
ROWS = 6
_LINK_STYLE = {"up": "bold green", "down": "bold red", "connecting": "yellow"}
_MODE_STYLE = {"NORMAL": "bold green", "CAUTION": "bold yellow", "SAFE": "bold red", "PAUSED": "bold yellow"}
_STATUS_STYLE = {"DONE": "green", "REFUSED": "yellow", "ABORTED": "yellow", "REJECTED_BY_BOARD": "red"}


class Day(Protocol):
    """Where the targets and the last 24 hours come from (`service/history.py`)."""

    def columns(self, span: str) -> dict[str, Any]: ...


class LiveDisplay:
    """A full-screen-free live panel, redrawn twice a second at most."""

    def __init__(self, status: Status, zone: tzinfo, day: Day | None = None, console: Console | None = None) -> None:
        self._status = status
        self._zone = zone
        self._day = day
        self._columns: dict[str, Any] | None = None
        self._columns_s = -DAY_EVERY_S
        self._live = Live(console=console or Console(), auto_refresh=False, transient=False)
        self._last_s = -REFRESH_S

    def start(self) -> None:
        """Begin drawing."""
        self._live.start()

    def refresh(self, monotonic_s: float) -> None:
        """Redraw when half a second has passed."""
        if monotonic_s - self._last_s >= REFRESH_S:
            self._last_s = monotonic_s
            if self._day is not None and monotonic_s - self._columns_s >= DAY_EVERY_S:
                self._columns_s, self._columns = monotonic_s, self._day.columns("24h")
            self._draw()

    def stop(self) -> None:
        """Draw the last state, give the terminal back, and say below it how the run ended."""
        self._draw()
        self._live.stop()
        if self._status.events:
            self._live.console.print(self._status.events[-1].text, highlight=False, markup=False)

    def _draw(self) -> None:
        self._live.update(render(self._status, self._zone, self._columns), refresh=True)


def render(
    status: Status, zone: tzinfo, day: Mapping[str, Any] | None = None, live: LiveValues | None = None
) -> RenderableType:
    """The whole panel. `day`: the columns of the last 24 hours; `live`: the present, where another process knows it."""
    now = live_values(status) if live is None else live
    subtitle = (
        "Ctrl-C ends safely" if live is None else "Ctrl-C ends the view alone",
        status.dashboard,
        status.dashboard_detail,
    )
    return Panel(
        Group(
            _safety_line(status, zone),
            _plant_table(status, now, day),
            _outputs_line(status, zone),
            _actions_table(status, zone),
            _next_line(status, zone, now),
        ),
        title="tomato",
        subtitle=" - ".join(filter(None, subtitle)),
        border_style=_MODE_STYLE.get(status.mode, "white"),
    )


def _safety_line(status: Status, zone: tzinfo) -> Text:
    text = Text(f"{status.now.astimezone(zone):%a %H:%M:%S}  ")
    text.append(f"mode {status.mode}", style=_MODE_STYLE.get(status.mode, "white"))
    text.append(f" {status.mode_reason}  " if status.mode_reason else "  ")
    text.append(f"link {status.link}", style=_LINK_STYLE.get(status.link, "white"))
    board = status.devices
    if board is not None:
        text.append(f"  board {board.board_state}")
        for fault in board.faults:
            text.append(f"  FAULT {fault.name}", style="bold red")
        for name in board.weakened:
            text.append(f"  without {name}", style="yellow")
    if status.records_wait:
        text.append("  the disk accepts no records", style="bold red")
    if status.link_detail:
        text.append(f"  {status.link_detail}", style="dim")
    return text


def _plant_table(status: Status, live: LiveValues, day: Mapping[str, Any] | None) -> RenderableType:
    present = present_values(status, live)
    if not present:
        return Text("waiting for the first telemetry ...", style="dim")
    return quantity_table(rows_of(present, day))


def _outputs_line(status: Status, zone: tzinfo) -> Text:
    text = Text("outputs  ")
    outputs = status.devices.outputs if status.devices else None
    for row in OUTPUTS:
        on = outputs is not None and getattr(outputs, row.name) == "ON"
        end = status.jobs.get(row.name)
        until = f" until {end.astimezone(zone):%H:%M}" if on and end else ""
        text.append(f"{row.label}{until}  ", style="bold green" if on else "dim")
    if status.pulses:
        last = status.pulses[-1]
        text.append(f"\nboard    {last.ts.astimezone(zone):%H:%M:%S} {pulse_line(last)}", style="cyan")
    return text


def _actions_table(status: Status, zone: tzinfo) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for action in list(status.actions)[-ROWS:]:
        style = _STATUS_STYLE.get(action.outcome.status if action.outcome else "", "")
        table.add_row(f"{action.ts.astimezone(zone):%H:%M:%S}", Text(action_line(action), style=style))
    for anomaly in list(status.open_anomalies.values())[-3:]:
        text = f"{anomaly.severity.value} {anomaly.type.value} {anomaly.subject or ''} {anomaly.detail or ''}"
        table.add_row(f"{anomaly.ts.astimezone(zone):%H:%M:%S}", Text(text, style="red"))
    return table


def _next_line(status: Status, zone: tzinfo, live: LiveValues) -> Text:
    tally = status.tally
    text = Text(style="dim")
    if status.next_decision_at is not None:
        text.append(f"next decision {status.next_decision_at.astimezone(zone):%H:%M}  ")
    if live["confidence"] is not None:
        text.append(f"confidence {live['confidence']:.2f}  ")
    if live["water_ml_used_today"] is not None:
        text.append(f"water {live['water_ml_used_today']:.0f} / {live['water_ml_budget_today']:.0f} ml today  ")
    text.append(
        f"{tally.observations} readings, {tally.episodes} decisions, {tally.actions} actions, "
        f"{tally.refused} refused, {tally.anomalies} anomalies"
    )
    return text
