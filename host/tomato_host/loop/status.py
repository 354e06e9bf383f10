"""The current status in one place: written by the supervisor, read by the terminal, the API and the metrics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared_schemas.records import (
    ActionV1,
    AnomalyV1,
    DeviceStatusV1,
    EventV1,
    Forecast36hV1,
    ObservationV1,
    PlanV1,
    Prediction36hV1,
    SensorHealthV1,
    StateV1,
    TargetsV1,
)

if TYPE_CHECKING:
    from tomato_host.brain.estimator.estimate import Estimate

HISTORY = 50
"""Actions, events and anomalies held in memory; everything older is in the dataset."""


@dataclass(slots=True)
class Tally:
    """Counts since the start of this run."""

    observations: int = 0
    states: int = 0
    episodes: int = 0
    actions: int = 0
    refused: int = 0
    anomalies: int = 0
    water_ml: float = 0.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse as the board has confirmed it; `amount` in s, or ml for the pump."""

    ts: datetime
    output: str
    status: str
    amount: float
    unit: str
    reason: str


@dataclass(slots=True)
class Status:
    """The current values. Only the deciding loop writes; readers need no lock (each field is replaced as a whole)."""

    started_at: datetime
    now: datetime
    site: str = ""
    link: str = "connecting"
    link_detail: str = ""
    port: str = ""
    dashboard: str = ""
    """Address of the dashboard, shown at the start; empty while there is none."""
    dashboard_detail: str = ""
    """Why there is none."""
    firmware: str = ""
    mode: str = "NORMAL"
    mode_reason: str = ""
    observation: ObservationV1 | None = None
    devices: DeviceStatusV1 | None = None
    state: StateV1 | None = None
    """The newest recorded state (every half hour, and at each decision)."""
    estimate: Estimate | None = None
    """The newest estimate, of the last observation: what every display shows as the present."""
    health: SensorHealthV1 | None = None
    plan: PlanV1 | None = None
    prediction: Prediction36hV1 | None = None
    weather: Forecast36hV1 | None = None
    targets: TargetsV1 | None = None
    next_decision_at: datetime | None = None
    world: dict[str, Any] = field(default_factory=dict)
    """Counts and times of the agents' proposals (`world/telemetry.py`)."""
    jobs: dict[str, datetime | None] = field(default_factory=dict)
    """Outputs with an action under way and when it ends (None: a dose)."""
    actions: deque[ActionV1] = field(default_factory=lambda: deque(maxlen=HISTORY))
    pulses: deque[Pulse] = field(default_factory=lambda: deque(maxlen=HISTORY))
    """Final results of the board: DONE, ABORTED or REJECTED."""
    events: deque[EventV1] = field(default_factory=lambda: deque(maxlen=HISTORY))
    anomalies: deque[AnomalyV1] = field(default_factory=lambda: deque(maxlen=HISTORY))
    open_anomalies: dict[str, AnomalyV1] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Publishers (dashboard, mqtt, bus): what each had to drop, what is queued, the state of its broker."""
    records_wait: bool = False
    """The disk accepts no records: they are queued in memory."""
    disk: dict[str, int] = field(default_factory=dict)
    """Disk usage and the disk budget (disk_watch.py)."""
    revision: int = 0
    """Rises with every change; readers may wait for it."""
