"""A node in a few numbers for the fleet table. Written by the node; readers validate it, a broker is open to many."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host import __version__
from tomato_host.service.bus.message import NODE, OLD_ACTION_LABEL, Priority
from tomato_host.service.live_state import LiveState

LARGEST_BYTES = 8_000
MOST_ALARMS = 20
SEVERE = frozenset({"HIGH", "CRITICAL"})
Level = Literal["well", "watch", "bad"]


def _printable(text: str) -> str:
    """Whoever may write to the broker must not be able to send control characters to a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


Text = Annotated[str, Field(max_length=300), AfterValidator(_printable)]


def _current_labels(counts: Any) -> Any:
    """Nodes of 0.1 count dropped actions under an older label."""
    if not isinstance(counts, dict) or OLD_ACTION_LABEL not in counts:
        return counts
    old = {Priority.ACTION.label: counts[OLD_ACTION_LABEL]}
    return old | {label: count for label, count in counts.items() if label != OLD_ACTION_LABEL}


Dropped = Annotated[
    dict[Literal["alarm", "action", "telemetry"], Annotated[int, Field(ge=0)]], BeforeValidator(_current_labels)
]


class LastAction(BaseModel):
    """The newest action, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: datetime
    type: Text
    text: Text = ""


class NodeSummary(BaseModel):
    """The state of one node as it reports it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    node: Annotated[str, Field(pattern=NODE.pattern)]
    ts: datetime
    """The node's own clock."""
    level: Level
    verdict: Text
    mode: Text
    link: Text
    air_temp_c: FiniteFloat | None = None
    rh_pct: FiniteFloat | None = None
    vpd_kpa: FiniteFloat | None = None
    driest_probe: Text | None = None
    driest_pct: FiniteFloat | None = None
    last_action: LastAction | None = None
    alarms: Annotated[tuple[Text, ...], Field(max_length=MOST_ALARMS)] = ()
    dropped: Dropped = Field(default_factory=dict)
    version: Text = ""


def verdict(present: LiveState) -> tuple[Level, str]:
    """Is it safe? With the texts and the order of the dashboard's first line (web/app.js)."""
    status, mode = present.status, present.status.get("mode")
    open_now = list(present.open_anomalies.values())
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    severe = [_name(a) for a in open_now if a["severity"] in SEVERE]
    table: tuple[tuple[bool, Level, str], ...] = (
        (mode == "SAFE", "bad", f"Safe mode: {status.get('mode_reason') or 'confidence is too low'}"),
        (status.get("link") != "up", "bad", "No link to the board. The board continues on its own."),
        (bool(faults), "bad", "Board holds fault " + ", ".join(fault["name"] for fault in faults)),
        (bool(severe), "bad", severe[0] if severe else ""),
        (mode == "CAUTION", "watch", "Caution: confidence is recovering"),
        (mode == "PAUSED", "watch", "Paused by an operator"),
        (bool(open_now), "watch", f"Watching: {_name(open_now[0])}" if open_now else ""),
    )
    return next(((level, text) for true, level, text in table if true), ("well", "All is well"))


def summarize_node(present: LiveState, node: str, dropped: dict[str, int]) -> NodeSummary | None:
    """The summary of this moment; None before the deciding loop has sent a status."""
    sent_at = present.status.get("now")
    if sent_at is None:
        return None
    seen = present.newest.get("observation_v1", {})
    state = present.newest.get("state_v1")
    level, text = verdict(present)
    wet = [(probe["moisture_pct"], probe["id"]) for probe in seen.get("soil", ()) if probe["moisture_pct"] is not None]
    driest = min(wet, default=(None, None))
    return NodeSummary(
        node=node,
        ts=sent_at,
        level=level,
        verdict=text[:300],
        mode=present.status.get("mode", "UNKNOWN"),
        link=present.status.get("link", "unknown"),
        air_temp_c=seen.get("air_temp_c"),
        rh_pct=seen.get("rh_pct"),
        vpd_kpa=state["env"]["vpd_kpa"] if state else None,
        driest_pct=driest[0],
        driest_probe=driest[1],
        last_action=_last_action(present),
        alarms=_alarms(present)[:MOST_ALARMS],
        dropped=dropped,
        version=__version__,
    )


def parse_summary(text: bytes | str) -> NodeSummary | None:
    """Validate what the broker gave; None when it is not a node summary."""
    if len(text) > LARGEST_BYTES:
        return None
    try:
        return NodeSummary.model_validate_json(text)
    except ValidationError:
        return None


def _name(anomaly: dict[str, Any]) -> str:
    return f"{anomaly['type'].replace('_', ' ').lower()} {anomaly.get('subject') or ''}".strip()


def _alarms(present: LiveState) -> tuple[str, ...]:
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    return (*(f"fault {fault['name']}" for fault in faults), *map(_name, present.open_anomalies.values()))


def _last_action(present: LiveState) -> LastAction | None:
    """The last action that was begun or done; refusals and decisions not to act do not count."""
    for action in reversed(present.recent["action_v1"]):
        if action["type"] == "NO_ACTION" or not action["safety"]["validated"]:
            continue
        params, outcome = action["params"], action.get("outcome") or {}
        ml = outcome.get("delivered_ml") or params.get("ml")
        text = f"{ml:g} ml" if ml else params.get("state") or ""
        return LastAction(ts=outcome.get("finished_ts") or action["ts"], type=action["type"], text=text)
    return None
