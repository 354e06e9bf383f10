"""A node in a few numbers: what the fleet table shows of it. Written by the node, read with suspicion by others."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host import __version__
from tomato_host.service.bus.message import NODE
from tomato_host.service.present import Present

LARGEST_BYTES = 8_000
MOST_ALARMS = 20
GRAVE = frozenset({"HIGH", "CRITICAL"})
Level = Literal["well", "watch", "bad"]


def _printable(text: str) -> str:
    """Whoever may write to the broker must not be able to write to a terminal's controls."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


Text = Annotated[str, Field(max_length=300), AfterValidator(_printable)]


class LastAction(BaseModel):
    """What was done last, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: datetime
    type: Text
    text: Text = ""


class Card(BaseModel):
    """The state of one node as it tells it."""

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
    dropped: dict[Literal["alarm", "deed", "telemetry"], Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    version: Text = ""


def verdict(present: Present) -> tuple[Level, str]:
    """Is it safe? In the words and the order of the dashboard's first line (web/app.js)."""
    status, mode = present.status, present.status.get("mode")
    open_now = list(present.open_anomalies.values())
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    grave = [_name(a) for a in open_now if a["severity"] in GRAVE]
    table: tuple[tuple[bool, Level, str], ...] = (
        (mode == "SAFE", "bad", f"Safe mode: {status.get('mode_reason') or 'trust is lost'}"),
        (status.get("link") != "up", "bad", "No line to the board. It looks after the plant by itself."),
        (bool(faults), "bad", "Board holds fault " + ", ".join(fault["name"] for fault in faults)),
        (bool(grave), "bad", grave[0] if grave else ""),
        (mode == "CAUTION", "watch", "Caution: trust is returning"),
        (mode == "PAUSED", "watch", "Paused by a person"),
        (bool(open_now), "watch", f"Watching: {_name(open_now[0])}" if open_now else ""),
    )
    return next(((level, text) for true, level, text in table if true), ("well", "All is well"))


def card_of(present: Present, node: str, dropped: dict[str, int]) -> Card | None:
    """The card of this moment; None before the deciding loop has said anything."""
    told_at = present.status.get("now")
    if told_at is None:
        return None
    seen = present.newest.get("observation_v1", {})
    state = present.newest.get("state_v1")
    level, text = verdict(present)
    wet = [(probe["moisture_pct"], probe["id"]) for probe in seen.get("soil", ()) if probe["moisture_pct"] is not None]
    driest = min(wet, default=(None, None))
    return Card(
        node=node,
        ts=told_at,
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


def read_card(text: bytes | str) -> Card | None:
    """A card as the broker gave it; None when it is none (a broker is open to many)."""
    if len(text) > LARGEST_BYTES:
        return None
    try:
        return Card.model_validate_json(text)
    except ValidationError:
        return None


def _name(anomaly: dict[str, Any]) -> str:
    return f"{anomaly['type'].replace('_', ' ').lower()} {anomaly.get('subject') or ''}".strip()


def _alarms(present: Present) -> tuple[str, ...]:
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    return (*(f"fault {fault['name']}" for fault in faults), *map(_name, present.open_anomalies.values()))


def _last_action(present: Present) -> LastAction | None:
    """The last thing that was really begun or done; refusals and decisions not to act are no actions."""
    for action in reversed(present.lately["action_v1"]):
        if action["type"] == "NO_ACTION" or not action["safety"]["validated"]:
            continue
        params, outcome = action["params"], action.get("outcome") or {}
        ml = outcome.get("delivered_ml") or params.get("ml")
        text = f"{ml:g} ml" if ml else params.get("state") or ""
        return LastAction(ts=outcome.get("finished_ts") or action["ts"], type=action["type"], text=text)
    return None
