"""The live status in the terminal: is it safe, how is the plant, what did it do and why, what comes next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import ActionV1, EventV1
from tomato_host.runtime.status import Pulse, Status

_Item = TypeVar("_Item")

REFRESH_S = 0.5
ROWS = 6
_LINK_STYLE = {"up": "bold green", "down": "bold red", "connecting": "yellow"}
_MODE_STYLE = {"NORMAL": "bold green", "CAUTION": "bold yellow", "SAFE": "bold red", "PAUSED": "bold yellow"}
_STATUS_STYLE = {"DONE": "green", "REFUSED": "yellow", "ABORTED": "yellow", "REJECTED_BY_BOARD": "red"}


class Display(Protocol):
    """Something that shows the status; `refresh` is called by the deciding loop and must be quick."""

    def start(self) -> None: ...
    def refresh(self, monotonic_s: float) -> None: ...
    def stop(self) -> None: ...


class NoDisplay:
    """Shows nothing: `--json`, tests, simulations."""

    def start(self) -> None:
        """Nothing to set up."""

    def refresh(self, monotonic_s: float) -> None:
        """Nothing to draw."""

    def stop(self) -> None:
        """Nothing to take down."""


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


class LineDisplay:
    """For pipes and journals: one line for each deed and event, one summary line a minute."""

    def __init__(self, status: Status, zone: ZoneInfo, write: Callable[[str], object] | None = None) -> None:
        self._status = status
        self._zone = zone
        self._write = write or _print_line
        self._seen = 0
        self._last_summary_s = -60.0
        self._last_action: ActionV1 | None = None
        self._last_event: EventV1 | None = None
        self._last_pulse: Pulse | None = None

    def start(self) -> None:
        """Nothing to set up."""

    def refresh(self, monotonic_s: float) -> None:
        """Print what is new."""
        if self._status.revision != self._seen:
            self._seen = self._status.revision
            self._print_new()
        if monotonic_s - self._last_summary_s >= 60.0 and self._status.observation is not None:
            self._last_summary_s = monotonic_s
            self._write(f"{self._clock(self._status.now)} {one_line(self._status)}")

    def stop(self) -> None:
        """Print what is left."""
        self._print_new()

    def _print_new(self) -> None:
        for event in _newer(self._status.events, self._last_event):
            self._write(f"{self._clock(event.ts)} {event.level.lower()}: {event.text}")
            self._last_event = event
        for action in _newer(self._status.actions, self._last_action):
            self._write(f"{self._clock(action.ts)} {action_line(action)}")
            self._last_action = action
        for pulse in _newer(self._status.pulses, self._last_pulse):
            self._write(f"{self._clock(pulse.ts)} board: {pulse_line(pulse)}")
            self._last_pulse = pulse

    def _clock(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%H:%M:%S}"


def _print_line(line: str) -> None:
    print(line, file=sys.stdout, flush=True)


def _newer(items: Iterable[_Item], last: _Item | None) -> list[_Item]:
    """What came after `last` (all of it, when `last` has left the history)."""
    found = list(items)
    index = next((i for i, item in enumerate(found) if item is last), -1)
    return found[index + 1 :]


def one_line(status: Status) -> str:
    """The whole state in one line."""
    values = _values(status)
    return f"[{status.mode}, link {status.link}] " + "  ".join(f"{name} {text}" for name, text in values)


def pulse_line(pulse: Pulse) -> str:
    """What the board confirmed, in one line."""
    why = f" ({pulse.reason})" if pulse.reason not in ("", "none") else ""
    return f"pulse {pulse.output} {pulse.status}, {pulse.amount:.0f} {pulse.unit}{why}"


def action_line(action: ActionV1) -> str:
    """An action, what became of it, and why, in one line."""
    params = action.params
    amount = ""
    if params.ml is not None:
        amount = f" {params.ml:.0f} ml"
    elif params.state == "OFF":
        amount = " off"
    elif params.seconds is not None:
        amount = f" {params.seconds:.0f} s"
    status = action.outcome.status if action.outcome else ("ACCEPTED" if action.safety.validated else "REFUSED")
    return f"{action.type.value}{amount}: {status}{_outcome_detail(action)}{_because(action)}"


def _outcome_detail(action: ActionV1) -> str:
    if action.safety.refused_by:
        return f" by {action.safety.refused_by}"
    outcome = action.outcome
    if outcome is None:
        return ""
    if outcome.delivered_ml is not None:
        return f" ({outcome.delivered_ml:.0f} ml delivered)"
    return f" ({outcome.reason})" if outcome.reason else ""


def _because(action: ActionV1) -> str:
    reason = action.why.text or ", ".join(action.why.rules_fired)
    return f" - {reason}" if reason else ""


def _number(value: float | None, digits: int, unit: str) -> str:
    return "-" if value is None else f"{value:.{digits}f} {unit}"


def _values(status: Status) -> list[tuple[str, str]]:
    seen, state = status.observation, status.state
    if seen is None:
        return []
    rows = [
        ("air", _number(seen.air_temp_c, 1, "degC")),
        ("RH", _number(seen.rh_pct, 0, "%")),
        ("VPD", _number(state.env.vpd_kpa if state else None, 2, "kPa")),
        ("CO2", _number(seen.co2_ppm, 0, "ppm")),
        ("leaf-air", _number(state.plant.leaf_air_delta_c if state else None, 1, "K")),
    ]
    rows += [(probe.id, _number(probe.moisture_pct, 1, "%")) for probe in seen.soil]
    return [*rows, ("light", _number(seen.light_lux, 0, "lx"))]


def render(status: Status, zone: ZoneInfo) -> RenderableType:
    """The whole panel."""
    return Panel(
        Group(_safety_line(status, zone), _plant_table(status), _outputs_line(status, zone), _deeds(status, zone),
              _next_line(status, zone)),
        title="tomato", subtitle="Ctrl-C ends safely", border_style=_MODE_STYLE.get(status.mode, "white"),
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
    if status.link_detail:
        text.append(f"  {status.link_detail}", style="dim")
    return text


def _plant_table(status: Status) -> RenderableType:
    values = _values(status)
    if not values:
        return Text("waiting for the first telemetry ...", style="dim")
    table = Table(box=None, pad_edge=False)
    for name, _ in values:
        table.add_column(name, justify="right")
    if status.state is not None:
        table.add_column("confidence", justify="right")
        values = [*values, ("confidence", f"{status.state.confidence:.2f}")]
    table.add_row(*[text for _, text in values])
    return table


def _outputs_line(status: Status, zone: ZoneInfo) -> Text:
    text = Text("outputs  ")
    outputs = status.devices.outputs if status.devices else None
    for row in OUTPUTS:
        on = outputs is not None and getattr(outputs, row.name) == "ON"
        end = status.jobs.get(row.name)
        until = f" until {end.astimezone(zone):%H:%M}" if on and end else ""
        text.append(f"{row.name}{until}  ", style="bold green" if on else "dim")
    if status.pulses:
        last = status.pulses[-1]
        text.append(f"\nboard    {last.ts.astimezone(zone):%H:%M:%S} {pulse_line(last)}", style="cyan")
    return text


def _deeds(status: Status, zone: ZoneInfo) -> RenderableType:
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
    if status.state is not None:
        budgets = status.state.budgets
        text.append(f"water {budgets.water_ml_used_today:.0f} / {budgets.water_ml_budget_today:.0f} ml today  ")
    text.append(f"{tally.observations} readings, {tally.episodes} decisions, {tally.actions} actions, "
                f"{tally.refused} refused, {tally.anomalies} anomalies")
    return text
