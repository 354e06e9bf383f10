"""A node in a few numbers for the fleet table. Written by the node; readers validate it, a broker is open to many."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host import __version__
from tomato_host.service.bus.message import NODE, OLD_ACTION_LABEL, Priority
from tomato_host.service.live_state import Level, LiveState, anomaly_text, verdict

LARGEST_BYTES = 8_000
MOST_ALARMS = 20


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


def summarize_node(present: LiveState, node: str, dropped: dict[str, int]) -> NodeSummary | None:
    """The summary of this moment; None before the deciding loop has sent a status."""
    sent_at = present.status.get("now")
    if sent_at is None:
        return None
    seen = present.fresh("observation_v1") or {}
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
        vpd_kpa=present.live.get("vpd_kpa"),
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


def _alarms(present: LiveState) -> tuple[str, ...]:
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    return (*(f"fault {fault['name']}" for fault in faults), *map(anomaly_text, present.open_anomalies.values()))


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
