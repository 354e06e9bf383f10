"""The live status in the terminal: is it safe, how is the plant, what did it do and why, what comes next."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared_schemas.devices import OUTPUTS
from tomato_host.loop.live_values import live_values
from tomato_host.loop.status import Status
from tomato_host.terminal.status_lines import action_line, pulse_line, values
from tomato_host.terminal.word_table import WordTable

REFRESH_S = 0.5
ROWS = 6
_LINK_STYLE = {"up": "bold green", "down": "bold red", "connecting": "yellow"}
_MODE_STYLE = {"NORMAL": "bold green", "CAUTION": "bold yellow", "SAFE": "bold red", "PAUSED": "bold yellow"}
_STATUS_STYLE = {"DONE": "green", "REFUSED": "yellow", "ABORTED": "yellow", "REJECTED_BY_BOARD": "red"}


class LiveDisplay:
    """A full-screen-free live panel, redrawn twice a second at most."""

    def __init__(self, status: Status, zone: ZoneInfo, console: Console | None = None) -> None:
        self._status = status
        self._zone = zone
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._last_s = -REFRESH_S

    def start(self) -> None:
        """Begin drawing."""
        self._live.start()

    def refresh(self, monotonic_s: float) -> None:
        """Redraw when half a second has passed."""
        if monotonic_s - self._last_s >= REFRESH_S:
            self._last_s = monotonic_s
            self._live.update(render(self._status, self._zone), refresh=True)

    def stop(self) -> None:
        """Draw the last state and give the terminal back."""
        self._live.update(render(self._status, self._zone), refresh=True)
        self._live.stop()


def render(status: Status, zone: ZoneInfo) -> RenderableType:
    """The whole panel."""
    subtitle = ("Ctrl-C ends safely", status.dashboard)
    return Panel(
        Group(
            _safety_line(status, zone),
            _plant_table(status),
            _outputs_line(status, zone),
            _actions_table(status, zone),
            _next_line(status, zone),
        ),
        title="tomato",
        subtitle=" - ".join(filter(None, subtitle)),
        border_style=_MODE_STYLE.get(status.mode, "white"),
    )


def _safety_line(status: Status, zone: ZoneInfo) -> Text:
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
    if status.link_detail:
        text.append(f"  {status.link_detail}", style="dim")
    return text


def _plant_table(status: Status) -> RenderableType:
    found = values(status)
    if not found:
        return Text("waiting for the first telemetry ...", style="dim")
    confidence = live_values(status)["confidence"]
    if confidence is not None:
        found = [*found, ("confidence", f"{confidence:.2f}")]
    names = [name for name, _ in found]
    table = WordTable(names, first=0, right=frozenset(names))
    table.add_row(*[text for _, text in found])
    return table


def _outputs_line(status: Status, zone: ZoneInfo) -> Text:
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


def _actions_table(status: Status, zone: ZoneInfo) -> RenderableType:
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


def _next_line(status: Status, zone: ZoneInfo) -> Text:
    tally = status.tally
    text = Text(style="dim")
    if status.next_decision_at is not None:
        text.append(f"next decision {status.next_decision_at.astimezone(zone):%H:%M}  ")
    live = live_values(status)
    if live["water_ml_used_today"] is not None:
        text.append(f"water {live['water_ml_used_today']:.0f} / {live['water_ml_budget_today']:.0f} ml today  ")
    text.append(
        f"{tally.observations} readings, {tally.episodes} decisions, {tally.actions} actions, "
        f"{tally.refused} refused, {tally.anomalies} anomalies"
    )
    return text
