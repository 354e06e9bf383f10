"""Ways to provoke what the runbook lists: the real firmware in a simulated tent, its core on a bench, the host.

Each way ends in the records that the host reports, with their moments in s; `phone` is what the documented default of
`[notify]` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato.core.board import Core
from tomato_host.board.event_text import describe
from tomato_host.board.events import BoardEvent
from tomato_host.commands.inbox import new_request
from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.notice import notices_of
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.settings import Settings
from tomato_host.twin.board_runtime import SIM_START
from tomato_host.twin.params import TentParams
from tomato_host.twin.world import World

from shared_schemas.records import ActionV1, EventV1, Record
from shared_schemas.records.action_v1 import ActionType, Params, Why
from shared_schemas.wire import EVENTS
from tests.integration.scenario_run import Actuator, Help, run_scenario

Reported = list[tuple[float, Record]]
"""Records as listeners get them, with their moments in s since the start."""
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class LivedDrill:
    """The whole product on the virtual board for some simulated hours."""

    scenario: str = ""
    hours: float = 0.3
    people: tuple[Help, ...] = ()
    prepare: Callable[[World], None] | None = None
    params: TentParams | None = None
    start: datetime = SIM_START

    def __call__(self, where: Path) -> Reported:
        story = run_scenario(
            where, self.scenario, self.hours, 7, self.params, Settings(), self.prepare, self.people, self.start
        )
        return [((record.ts - story.start).total_seconds(), record) for record in story.reported]


@dataclass(frozen=True, slots=True)
class CoreDrill:
    """The firmware's core on CPython; what it has sent, as the host records it."""

    provoke: Callable[[], Core]
    only: str = ""
    """The events of one name; empty: all."""

    def __call__(self, where: Path) -> Reported:
        events, out = self.provoke().events, Reported()
        for index in range(events.count):
            seq, t_ms, kind, a, b = events.at(index)[:5]
            event = BoardEvent(1, seq, t_ms, float(t_ms), EVENTS[kind][0], a, b)
            level, text = describe(event)
            at_s, data = t_ms / 1_000.0, {"a": a, "b": b, "seq": seq}
            if self.only in ("", event.name):
                out.append((at_s, event_record(event.name, level, "board", text, at_s, **data)))
        return out


def event_record(name: str, level: str, kind: str, text: str, at_s: float = 0.0, **data: float | str) -> EventV1:
    """An event_v1 of a moment after NOON."""
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": NOON + timedelta(seconds=at_s),
            "level": level,
            "kind": kind,
            "name": name,
            "text": text,
            "data": data,
        }
    )


def phone(reported: Reported, tail_s: float = 120.0) -> list[Notification]:
    """What the first rule of the default sends; time passes in steps of 5 s, as in the host."""
    settings = NotifySettings()
    rule = NotificationFilter(settings.rules[0], settings.most_per_hour, "tent_1")
    out: list[Notification] = []
    now_s, end_s = 0.0, max((at_s for at_s, _ in reported), default=0.0) + tail_s
    for at_s, record in [*reported, (end_s, None)]:
        while now_s + 5.0 <= at_s:
            now_s += 5.0
            out += rule.due(now_s)
        if record is not None:
            out += [message for notice in notices_of(record) for message in rule.apply(notice, max(at_s, now_s))]
    return out


# -- what a person does --------------------------------------------------------------------------------------------


def hold(**truth: float) -> Callable[[Actuator], None]:
    """Keep the tent's true state there from now on, second by second."""

    def begin(hands: Actuator) -> None:
        def set_truth(_run: object) -> None:
            state = hands.world.tent.truth()
            for name, value in truth.items():
                setattr(state, name, value)

        hands.supervisor.scheduler.every(f"hold {' '.join(truth)}", SECOND_MS, set_truth)

    return begin


def change(**world: bool) -> Callable[[Actuator], None]:
    """Set switches of the world: door_open, estop, button."""

    def act(hands: Actuator) -> None:
        for name, value in world.items():
            setattr(hands.world, name, value)

    return act


def water(ml: float) -> Callable[[Actuator], None]:
    """`tomato-host water`."""

    def ask(hands: Actuator) -> None:
        action = ActionV1(
            schema_version="action_v1",
            ts=hands.supervisor.now(),
            type=ActionType.WATER,
            params=Params(ml=ml),
            why=Why(text="drill"),
            id=f"h-{hands.world.now_ms}",
            origin="person",
            not_after=hands.supervisor.now() + timedelta(seconds=120),
        )
        hands.supervisor.submit(new_request("action", "drill", action=action))

    return ask


def clear(fault: str) -> Callable[[Actuator], None]:
    """Button, `tomato-host clear-fault`, `tomato-host mode acknowledge`."""
    return lambda hands: hands.clear(fault)


def sensors(**faults: object) -> Callable[[World], None]:
    """Something broken from the start, by a field of the twin's SensorFaults."""

    def prepare(world: World) -> None:
        for name, value in faults.items():
            setattr(world.sensors.faults, name, value)

    return prepare


def dead(output_bit: int) -> Callable[[Actuator], None]:
    """An output that is switched and does nothing."""

    def pull(hands: Actuator) -> None:
        hands.world.tent.dead_outputs = output_bit

    return pull


def dry(world: World, theta: float = 0.22) -> None:
    """A soil at which the controller waters at once."""
    truth = world.tent.truth()
    truth.theta_1 = truth.theta_2 = theta
