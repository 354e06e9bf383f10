"""Simulated days with the real firmware, read as a sceptical grower would: reasons, alarms and messages against truth.

`live` runs the whole product (VM, line, brain, records) through a scenario with the shipped settings, samples the true
tent every ten minutes, and plays a grower who clears what has latched. `messages` is what the documented default of
`[notify]` would have sent. `digest` prints it day by day; `grower_checks.py` compares the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.settings import Settings
from tomato_host.twin.world import World

from shared_schemas.records import ActionV1, AnomalyV1, EventV1, PlanV1, Record
from tests.integration.scenario_run import Actuator, Story, run_scenario

VISIT_MS = 600_000
COMES_AFTER_H = 2.0
"""The grower clears a latched fault this long after its cause has gone."""

FOURTEEN_DAYS = (
    "heatwave@30+10,reservoir_empty@60+9,sensor_dropout@90+3,leak@104+5,probe_drift@130+14,cold_spell@160+14,"
    "link_cut@190+1,pump_clog@202+6,dry_inflow@230+10,brownout@250,probe_disconnect@262+6,wind_spike@280+3,"
    "valve_stuck@300+0.2,board_reset@312+6"
)
"""Trouble by the hour: each fault by itself, quiet days before, between and after."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The tent as it truly was at one moment."""

    at: datetime
    air_temp_c: float
    rh_pct: float
    co2_ppm: float
    soil_c: float
    theta: tuple[float, float]
    reservoir_ml: float
    floor_ml: float
    pumped_ml: float
    outputs: int
    latched: frozenset[str]


@dataclass(slots=True)
class GrowerDays:
    """What a run left behind."""

    story: Story
    truth: list[Truth] = field(default_factory=list)

    def of(self, kind: type) -> list[Record]:
        """Records of one kind, in order."""
        return [record for record in self.story.records if isinstance(record, kind)]


def live(where: Path, scenario: str, hours: float, seed: int = 7, settings: Settings | None = None) -> GrowerDays:
    """Live through these hours; the same arguments give the same days."""
    truth: list[Truth] = []
    grower = _Grower(truth)
    story = run_scenario(
        where, scenario, hours, seed, settings=settings or Settings(), help_at=((0.0, grower.move_in),)
    )
    return GrowerDays(story, truth)


class _Grower:
    """Looks every ten minutes; clears one latched fault after COMES_AFTER_H, however long its cause lasts."""

    def __init__(self, truth: list[Truth]) -> None:
        self._truth = truth
        self._seen_h: dict[str, float] = {}

    def move_in(self, hands: Actuator) -> None:
        """Visit from now on."""
        hands.supervisor.scheduler.every("visit", VISIT_MS, lambda _run: self.visit(hands))

    def visit(self, hands: Actuator) -> None:
        world, now = hands.world, hands.supervisor.now()
        latched = hands.latched()
        self._truth.append(_truth(world, now, latched))
        hour = world.now_ms / 3_600_000.0
        self._seen_h = {name: self._seen_h.get(name, hour) for name in sorted(latched)}
        for name, since_h in self._seen_h.items():
            if hour - since_h >= COMES_AFTER_H:
                self._seen_h[name] = hour
                hands.clear(name)
                return


def _truth(world: World, now: datetime, latched: frozenset[str]) -> Truth:
    tent = world.tent.truth()
    return Truth(
        now,
        tent.air_c,
        tent.rh_pct,
        tent.co2_ppm,
        tent.soil_c,
        (tent.theta_1, tent.theta_2),
        tent.reservoir_ml,
        tent.floor_ml,
        tent.pumped_ml,
        world.outputs,
        latched,
    )


def messages(story: Story, settings: NotifySettings | None = None) -> list[tuple[datetime, Notification]]:
    """What the first rule sends, with the moments; time passes in steps of a minute."""
    settings = settings or NotifySettings()
    rule = NotificationFilter(settings.rules[0], settings.most_per_hour, "tent_1")
    out: list[tuple[datetime, Notification]] = []
    for record, now in _paced(story):
        now_s = (now - story.start).total_seconds()
        found = rule.due(now_s) if record is None else [m for n in notices_of(record) for m in rule.apply(n, now_s)]
        out += [(now, message) for message in found]
    return out


def _paced(story: Story) -> Iterator[tuple[Record | None, datetime]]:
    """Reported records in order, and None once a minute between them."""
    tick = story.records[0].ts  # in the zone of the plants
    for record in story.reported:
        if not isinstance(record, AnomalyV1 | EventV1):
            continue
        while tick + timedelta(minutes=1) <= record.ts:
            tick += timedelta(minutes=1)
            yield None, tick
        yield record, max(tick, record.ts)


def digest(days: GrowerDays) -> Iterator[str]:
    """Day by day: what was given, why, what was not done and why, what was found, what the phone got."""
    sent = messages(days.story)
    lines: list[tuple[datetime, str]] = [(at, f"PHONE {m.level}: {m.text}") for at, m in sent]
    for record in days.story.records:
        lines += [(record.ts, line) for line in _lines_of(record)]
    lines += [(t.at, _truth_line(t)) for t in days.truth[::6]]
    day = ""
    for at, line in sorted(lines, key=lambda pair: pair[0]):
        if f"{at:%d %b}" != day:
            day = f"{at:%d %b}"
            yield f"== {day}"
        yield f"{at:%H:%M:%S} {line}"


def _truth_line(t: Truth) -> str:
    soil = "/".join(f"{theta * 100.0:.0f}" for theta in t.theta)
    return (
        f"TRUTH air {t.air_temp_c:.1f} C {t.rh_pct:.0f} % co2 {t.co2_ppm:.0f} soil {soil} % {t.soil_c:.1f} C "
        f"reservoir {t.reservoir_ml:.0f} floor {t.floor_ml:.0f} pumped {t.pumped_ml:.0f} on {t.outputs:08b} "
        f"{' '.join(sorted(t.latched))}"
    )


def _lines_of(record: Record) -> Iterator[str]:
    if isinstance(record, PlanV1) and not record.shadow:
        yield f"PLAN {record.controller}: {record.explanation} | fired {record.rules_fired}"
        for line in record.not_done:
            yield f"  NOT {line}"
    elif isinstance(record, ActionV1) and record.outcome is None:
        verdict = "" if record.safety.validated else f" REFUSED {[c.text for c in record.safety.checks if c.text]}"
        yield f"  DO {record.type.value} {record.params.model_dump(exclude_none=True)}: {record.why.text}{verdict}"
    elif isinstance(record, ActionV1) and record.outcome is not None and record.outcome.status != "DONE":
        yield f"  ENDED {record.type.value} {record.outcome.status} {record.outcome.reason}"
    elif isinstance(record, AnomalyV1):
        about = f"{record.severity} {record.type} {record.subject} {record.signals} {record.detail}"
        yield f"ANOMALY {record.phase} {about}"
    elif isinstance(record, EventV1) and record.name not in ("pulse_start", "pulse_end", "model_grown"):
        yield f"EVENT {record.level} {record.kind}/{record.name}: {record.text}"
