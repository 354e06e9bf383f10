"""One run of everything - firmware, line, brain, records - through a scenario, and what it left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tomato_host.app import brain_settings, loop_settings
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.commands.inbox import new_request
from tomato_host.loop.board_runtime import BoardRuntime, SerialLink
from tomato_host.loop.extensions import NoDisplay
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import Supervisor
from tomato_host.settings import Settings
from tomato_host.storage.dataset import Dataset
from tomato_host.twin.board_runtime import SIM_START, LockStepClock
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.params import TentParams
from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionV1, AnomalyV1, DeviceStatusV1, EventV1, ObservationV1, Record, StateV1

HOUR_MS = 3_600_000
BUTTON_HELD_S = 6.0


@dataclass
class Story:
    """What happened: every record in order, and the true world at the end."""

    start: datetime
    records: list[Record] = field(default_factory=list)
    world: World = field(default_factory=lambda: World(0))
    resets: int = 0
    reported: list[Record] = field(default_factory=list)
    """What the recorder handed to its listeners: what notifications are made of."""
    switched: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    """(moment in ms, relays on from then) as the relays really were."""

    def on_share(self, output: str, from_h: float, to_h: float) -> float:
        """Share of these hours in which a relay was truly on."""
        begin, end, bit = from_h * HOUR_MS, to_h * HOUR_MS, 1 << OUTPUT_BY_NAME[output].wire_id
        until = [t for t, _ in self.switched[1:]] + [round(end)]
        on_ms = sum(
            max(0.0, min(stop, end) - max(start, begin))
            for (start, outputs), stop in zip(self.switched, until, strict=True)
            if outputs & bit
        )
        return on_ms / (end - begin)

    def _between(self, kind: type, from_h: float, to_h: float) -> list[Record]:
        begin, end = self.start + timedelta(hours=from_h), self.start + timedelta(hours=to_h)
        return [r for r in self.records if isinstance(r, kind) and begin <= r.ts <= end]

    def events(self, name: str, from_h: float = 0.0, to_h: float = 1e4, level: str | None = None) -> list[EventV1]:
        return [
            e
            for e in self._between(EventV1, from_h, to_h)
            if isinstance(e, EventV1) and e.name == name and level in (None, e.level)
        ]

    def anomalies(self, kind: str, from_h: float = 0.0, to_h: float = 1e4) -> list[AnomalyV1]:
        return [a for a in self._between(AnomalyV1, from_h, to_h) if isinstance(a, AnomalyV1) and a.type.value == kind]

    def actions(self, kind: str, from_h: float = 0.0, to_h: float = 1e4) -> list[ActionV1]:
        return [a for a in self._between(ActionV1, from_h, to_h) if isinstance(a, ActionV1) and a.type.value == kind]

    def observations(self, from_h: float = 0.0, to_h: float = 1e4) -> list[ObservationV1]:
        return [o for o in self._between(ObservationV1, from_h, to_h) if isinstance(o, ObservationV1)]

    def devices(self, from_h: float = 0.0, to_h: float = 1e4) -> list[DeviceStatusV1]:
        return [d for d in self._between(DeviceStatusV1, from_h, to_h) if isinstance(d, DeviceStatusV1)]

    def states(self, from_h: float = 0.0, to_h: float = 1e4) -> list[StateV1]:
        return [s for s in self._between(StateV1, from_h, to_h) if isinstance(s, StateV1)]

    def alarms(self, from_h: float = 0.0, to_h: float = 1e4) -> list[Record]:
        """What a notification rule would act on: warnings, alarms and anomalies of HIGH or above, as told."""
        return [
            r
            for r in self._between(EventV1, from_h, to_h) + self._between(AnomalyV1, from_h, to_h)
            if r in self.reported
            and (getattr(r, "level", "") in ("WARNING", "ALARM") or getattr(r, "severity", "") in ("HIGH", "CRITICAL"))
        ]

    def mode(self, at_h: float) -> str:
        """The brain's mode at an hour, from its own events."""
        mode = "NORMAL"
        for event in self._between(EventV1, 0.0, at_h):
            if isinstance(event, EventV1) and event.kind == "mode" and event.name.startswith("mode_"):
                mode = event.name.removeprefix("mode_").upper()
        return mode

    def faults(self, from_h: float = 0.0, to_h: float = 1e4) -> set[str]:
        """Names of the faults the board held in these hours."""
        return {fault.name for status in self.devices(from_h, to_h) for fault in status.faults}


@dataclass
class Actuator:
    """A person beside the tent: sees the world, reaches the button, and asks the running host for things."""

    world: World
    session: BoardSession
    supervisor: Supervisor
    story: Story

    def latched(self) -> frozenset[str]:
        """Names of the faults by the newest device status."""
        newest = next((r for r in reversed(self.story.records) if isinstance(r, DeviceStatusV1)), None)
        return frozenset(fault.name for fault in newest.faults) if newest is not None else frozenset()

    def clear(self, fault: str) -> None:
        """Hold the button for some seconds, then clear the fault by its name and acknowledge."""
        self.world.button = True
        self.supervisor.scheduler.once("let go", round(BUTTON_HELD_S * 1_000), lambda _run: self._let_go(fault))

    def _let_go(self, fault: str) -> None:
        self.world.button = False
        self.supervisor.scheduler.once("clear", 3_000, lambda _run: self._ask(fault))

    def _ask(self, fault: str) -> None:
        self.session.clear_fault(fault)
        self.supervisor.scheduler.once("acknowledge", 90_000, lambda _run: self._acknowledge())

    def _acknowledge(self) -> None:
        self.supervisor.submit(new_request("acknowledge", "cause removed"))


BRISK = Settings(control=ControlSettings(cycle_s=1_800, water_pause_s=1_800, event_pause_s=600))
"""Decisions every half hour, so that a test need not live through the two hours of the usual cycle."""

Help = tuple[float, Callable[[Actuator], None]]
"""At which hour a person does what."""


def _watch_relays(world: World, story: Story) -> None:
    switch = world.set_output

    def watched(wire_id: int, on: bool, t_ms: int) -> None:
        switch(wire_id, on, t_ms)
        if world.outputs != story.switched[-1][1]:
            story.switched.append((t_ms, world.outputs))

    world.set_output = watched  # type: ignore[method-assign]  # one instance, watched by its test


def run_scenario(
    where: Path,
    scenario: str,
    hours: float,
    seed: int = 7,
    params: TentParams | None = None,
    settings: Settings | None = None,
    prepare: Callable[[World], None] | None = None,
    help_at: tuple[Help, ...] = (),
    start: datetime = SIM_START,
) -> Story:
    """Live through `hours` of the scenario with the real firmware in lock step."""
    settings = settings or BRISK
    twin = LockStep(seed, scenario, start, params=params, flash=where / "board")
    story = Story(twin.start, world=twin.world)
    _watch_relays(twin.world, story)
    if prepare:
        prepare(twin.world)
    link = SerialLink(twin.port_path, twin.open_port)
    runtime = BoardRuntime(LockStepClock(twin, link, 0.0), link, "virtual board in lock step", real_time=False)
    dataset = Dataset.from_settings(where / "data", settings.storage, about={"board": "sim"})
    try:
        status = Status(started_at=runtime.clock.now(), now=runtime.clock.now(), port=link.url)
        session = BoardSession(link.open, 1)
        session.open_now()
        recorder = Recorder(dataset, status)
        recorder.listeners += [story.records.append, story.reported.append]
        supervisor = Supervisor(
            loop_settings(settings), runtime, session, Brain(brain_settings(settings)), recorder, status, NoDisplay()
        )
        hands = Actuator(twin.world, session, supervisor, story)
        for number, (hour, action) in enumerate(help_at):
            after_ms = round(hour * HOUR_MS)
            supervisor.scheduler.once(f"person {number}", after_ms, lambda _run, action=action: action(hands))
        supervisor.run(round(hours * HOUR_MS))
        story.resets = len(twin.board.resets)
    finally:
        dataset.close()
        twin.close()
    return story
