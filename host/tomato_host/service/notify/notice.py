"""From a record to notices: cause, level, text with its numbers and what to do, and what they end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared_schemas.devices import SENSORS
from shared_schemas.records import AnomalyType, AnomalyV1, EventV1, Record
from tomato_host.service.notify.urgency import (
    CAUSE_BY_NAME,
    CAUSE_OF_ANOMALY,
    CAUSE_OF_FAULT,
    CAUSE_OF_MODE,
    FAULT_NAMES,
    LEVELS,
    PART_OF,
    MessageCause,
)

LEVEL_OF_SEVERITY = {"LOW": "INFO", "MEDIUM": "INFO", "HIGH": "WARNING", "CRITICAL": "ALARM"}
"""The brain itself reacts to HIGH, and switches to safe mode on CRITICAL. `urgency.py` may ask for more."""

ENDS = {
    "link_up": "link_down",
    "weather_back": "weather_lost",
    "sensor_back": "sensor_lost",
    "records_stored": "records_waiting",
    "raw_whole": "raw_thinned",
    "fault_cleared": "fault",
}
"""The event on the left ends the one on the right, of the same subject."""

LASTING = frozenset(ENDS.values())
"""Events that begin something which lasts; the others are moments."""

CAUSE_OF_EVENT = {"link_down": "link", "link_up": "link", "records_waiting": "records", "records_stored": "records"}


A_FAULT = "board:fault:"
"""How the keys of latched faults begin."""
STOPS_WATER = tuple(f"{A_FAULT}{FAULT_NAMES.index(name)}" for name in ("leak", "estop", "no_flow", "stuck_valve"))
"""A dose that one of these has cut short does not arrive."""
EVENT_FOLLOWS: dict[str, tuple[str, ...]] = {
    "counters": (f"{A_FAULT}{FAULT_NAMES.index('counters_lost')}",),
    "config_dropped": (f"{A_FAULT}{FAULT_NAMES.index('config_bounds')}",),
    "pulse_aborted": (f"{A_FAULT}{FAULT_NAMES.index('no_flow')}",),
}
"""Events of the board that say more of a fault that has a message of its own."""
LEVEL_OF_MODE = {"person": "INFO", "link_down": CAUSE_BY_NAME["link"].at_least}
"""Safe mode is an ALARM, but for what a person asked for, and for a link whose own row says when it becomes one."""
MODE_FOLLOWS: dict[str, tuple[str, ...]] = {
    "board_fault": (A_FAULT,),
    "critical_anomaly": ("anomaly:",),
    "state_stale": ("link:",),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One condition or event. Two with the same key are the same one again; those of one cause are one message."""

    key: str
    level: str
    kind: str
    text: str
    ends: bool = False
    """True when this is the end of what `key` names."""
    cause: str = ""
    """Name of its cause; empty: a cause of its own."""
    lasts: bool = False
    """It is a condition: it escalates and is repeated until it ends."""
    follows: tuple[str, ...] = ()
    """Beginnings of the keys it follows from: while one of them is open, that message is enough."""
    covered_by: tuple[str, ...] = ()
    """Beginnings of keys, too; but where none of them was reported before it, it is sent at once."""
    may_pass: bool = False
    """It is sent only if it lasts a minute."""
    do: str = ""
    """What the reader does about it."""
    name: str = ""
    """What it is called when it is over; empty: its text, up to the next step."""
    alarm_after_h: float | None = None
    """A condition that lasts this long is an ALARM."""
    harms_within_a_day: bool = False
    """Quiet hours do not hold it back."""

    @property
    def subject(self) -> str:
        """What all notices of the same message share."""
        return self.cause or self.key


def notices_of(record: Record) -> tuple[Notice, ...]:
    """The notices of a record; none for the many kinds that need none."""
    if isinstance(record, AnomalyV1):
        return (_of_anomaly(record),)
    # Events about notifications must not cause more of them.
    if isinstance(record, EventV1) and record.kind != "notification":
        return _of_mode(record) if record.kind == "mode" else (_of_event(record),)
    return ()


def _notice(
    key: str,
    level: str,
    kind: str,
    text: str,
    cause: str,
    part: str = "",
    follows: tuple[str, ...] = (),
    **more: bool,
) -> Notice:
    """A notice at the level its cause asks for at least. `part` tells causes of one name apart (two sensors)."""
    row: MessageCause = CAUSE_BY_NAME.get(cause, CAUSE_BY_NAME["other"])
    raised = row.at_least if LEVELS[row.at_least] > LEVELS[level] else level
    name = f"{cause}:{part}" if part else ("" if cause in ("", "other", "climate", "board") else cause)
    return Notice(
        key,
        raised,
        kind,
        text,
        cause=name,
        do=row.do,
        alarm_after_h=row.alarm_after_h,
        harms_within_a_day=row.harms_within_a_day,
        ends=bool(more.get("ends")),
        lasts=bool(more.get("lasts")),
        follows=follows,
        may_pass=bool(more.get("may_pass")),
    )


def _of_anomaly(anomaly: AnomalyV1) -> Notice:
    cause = CAUSE_OF_ANOMALY.get(anomaly.type, "climate")
    subject = anomaly.subject or ""
    level = LEVEL_OF_SEVERITY[anomaly.severity.value]
    if cause == "dry" and level == "WARNING":
        level = "ALARM"  # a pot at the wilting point has no night to wait for
    doubt = anomaly.signals.get("fault") == "DRIFT" and level == "INFO"
    blocked = anomaly.type is AnomalyType.WATER_BLOCKED and level != "ALARM"
    notice = _notice(
        f"anomaly:{anomaly.type.value}:{subject}:{anomaly.signals.get('fault', '')}",
        level,
        "anomaly",
        _anomaly_text(anomaly),
        cause,
        PART_OF.get(subject, subject) if cause == "sensor" else "",
        ends=anomaly.phase == "CLEARED",
        lasts=True,
        follows=(A_FAULT,) if cause == "board" or blocked else (),
    )
    if anomaly.type is AnomalyType.WATER_NOT_ARRIVING:
        notice = replace(notice, covered_by=STOPS_WATER)
    if anomaly.detail:  # it says what to check
        notice = replace(notice, do="", name=_anomaly_name(anomaly))
    # Two probes that drift apart are a doubt about both: nothing for the phone while the estimator weighs it itself.
    return replace(notice, alarm_after_h=None) if doubt else notice


def _anomaly_text(anomaly: AnomalyV1) -> str:
    """`Soil dry (soil.P1): soil probe 11.8 %, limit 12 %`."""
    facts = [anomaly.detail.rstrip(".")] if anomaly.detail else []
    is_over = anomaly.phase == "CLEARED"
    limit = anomaly.signals.get("threshold")
    for name, value in anomaly.signals.items():
        if name == "threshold" or value is None or value == "":
            continue
        words, unit = _words(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            if is_over or anomaly.detail:
                continue  # the name of a fault that has gone, or that the sentence says better
            facts.append(f"{words} {value}".replace("_", " "))
        elif unit:
            facts.append(f"{words} {value:g} {unit}" + (f", limit {limit:g} {unit}" if limit is not None else ""))
    return _anomaly_name(anomaly) + (f": {'; '.join(facts)}" if facts else "")


def _anomaly_name(anomaly: AnomalyV1) -> str:
    about = f" ({anomaly.subject})" if anomaly.subject else ""
    return f"{anomaly.type.value.replace('_', ' ').capitalize()}{about}"


UNITS = {"pct": "%", "c": "°C", "kpa": "kPa", "ppm": "ppm", "s": "s", "k": "K", "ml": "ml", "mps": "m/s"}


def _words(signal: str) -> tuple[str, str]:
    """Name and unit of a signal whose name ends in its unit."""
    stem, _, unit = signal.rpartition("_")
    return (stem.replace("_", " "), UNITS[unit]) if unit in UNITS and stem else (signal.replace("_", " "), "")


def _of_event(event: EventV1) -> Notice:
    if event.kind == "board":
        return _of_board(event)
    name = ENDS.get(event.name, event.name)
    return _notice(
        f"{event.kind}:{name}",
        event.level,
        event.kind,
        event.text,
        CAUSE_OF_EVENT.get(event.name, "other"),
        ends=event.name in ENDS,
        lasts=name in LASTING,
        may_pass=bool(event.data.get("reset")),
    )


def _of_board(event: EventV1) -> Notice:
    """The board's own events; `a` is the fault, the sensor, or the state left."""
    a = event.data.get("a")
    number = a if isinstance(a, int) and not isinstance(a, bool) else -1
    if event.name in ("fault", "fault_cleared"):
        name = FAULT_NAMES[number] if 0 <= number < len(FAULT_NAMES) else str(a)
        cause = CAUSE_OF_FAULT.get(name, "board")
        return _notice(
            f"board:fault:{a}", event.level, "board", event.text, cause, ends=event.name != "fault", lasts=True
        )
    if event.name in ("sensor_lost", "sensor_back"):
        sensor = SENSORS[number].name if 0 <= number < len(SENSORS) else str(a)
        part, ends = PART_OF.get(sensor, sensor), event.name == "sensor_back"
        key = f"board:sensor_lost:{a}"
        return _notice(key, event.level, "board", event.text, "sensor", part, ends=ends, lasts=True)
    follows: tuple[str, ...]
    if event.name == "estop":
        return _notice("board:estop", event.level, "board", event.text, "estop", ends=not a, lasts=True)
    if event.name == "forced":
        follows = (A_FAULT, "anomaly:AIR_TEMP_HIGH", "anomaly:CO2_HIGH")  # it is what is done about them
        notice = _notice("board:forced", event.level, "board", event.text, "", follows=follows, ends=not a, lasts=True)
        return replace(notice, harms_within_a_day=True)
    if event.name == "state":
        follows = (A_FAULT,) if "FAULT" in event.text else ("link:link_down",)
        return _notice("board:state", event.level, "board", event.text, "board", follows=follows)
    follows = EVENT_FOLLOWS.get(event.name, ())
    notice = _notice(f"board:{event.name}", event.level, "board", event.text, "other", follows=follows)
    return replace(notice, do=CAUSE_BY_NAME["no_water"].do) if event.name == "pulse_aborted" else notice


def _of_mode(event: EventV1) -> tuple[Notice, ...]:
    """Safe mode: a notice for each cause that is new, and an end for each that no longer holds."""
    entered, holding = _listed(event.data.get("entered")), _listed(event.data.get("causes"))
    out = []
    for name in entered:
        level = LEVEL_OF_MODE.get(name, event.level)
        follows = MODE_FOLLOWS.get(name, ())
        cause = CAUSE_OF_MODE.get(name, "board")
        notice = _notice(f"mode:{name}", level, "mode", event.text, cause, lasts=True, follows=follows)
        out.append(replace(notice, do="") if "Next: " in event.text else notice)
    for name in (*CAUSE_OF_MODE, "board_fault", "critical_anomaly"):
        if name not in holding and name not in entered:
            cause = CAUSE_OF_MODE.get(name, "board")
            out.append(_notice(f"mode:{name}", "INFO", "mode", "", cause, ends=True, lasts=True))
    return tuple(out)


def _listed(value: object) -> tuple[str, ...]:
    return tuple(part for part in str(value or "").split(", ") if part)
