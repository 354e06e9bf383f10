"""A tent on the firmware's core whose host has a wall clock that a test sets, and a process that a test kills."""

from __future__ import annotations

from datetime import datetime, timedelta

from tomato_host.brain.guardrails import Verdict
from tomato_host.brain.step_data import BrainSettings, RuntimeContext
from tomato_host.loop.actuator import ExecutorActuator
from tomato_host.loop.episode import Episode
from tomato_host.recovery.crash_recovery import InterruptedAction, InterruptedActions
from tomato_host.sources.board import BoardSource
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.devices import LAMP, OUTPUT_BY_NAME
from shared_schemas.records import ActionV1, Record

HOUR_MS = 3_600_000


class ClockedTent(SimulatedTent):
    """The same tent; only what the host's wall clock shows differs."""

    ahead = timedelta(0)

    @property
    def now(self) -> datetime:
        return super().now + self.ahead


class ClockedRun(TentRun):
    """One process of the host: brain, executor and episode, with every action in the record."""

    def __init__(self, tent: ClockedTent, settings: BrainSettings, recorded: list[ActionV1]) -> None:
        super().__init__(tent, settings)
        self.clocked = tent
        self.settings = settings
        self.recorded = recorded
        self._why: list[str] = []
        actuator = ExecutorActuator(self._executor, lambda: tent.now_ms, lambda: tent.now, self._finish)
        self._actuator = actuator
        self._episode = Episode(self.brain, self, actuator, health_with_states=False)

    def record(self, record: Record) -> None:
        if isinstance(record, ActionV1):
            self.recorded.append(record)

    def _finish(self, action: ActionV1) -> None:
        self._episode.finish(action)

    def set_clock(self, ahead: timedelta) -> None:
        """As the supervisor does it when `ClockWatch` sees a step."""
        moved, self.clocked.ahead = ahead - self.clocked.ahead, ahead
        self._last = self._last and self._last + moved
        self.brain.clock_was_set(moved)
        self.clocked._source.clock_was_set(self.clocked.now)

    def restart(self) -> ClockedRun:
        """As kill -9 and a new process: its memory is the record, whatever clock has stamped it."""
        tent, now = self.clocked, self.clocked.now
        ended = {a.id: a for a in self.recorded if a.outcome is not None and a.type.value in _DRIVING}
        judged = tuple(a for a in self.recorded if a.outcome is None and a.type.value in _DRIVING)
        accepted = {a.id: a for a in judged if a.safety.validated and a.params.state != "OFF" and a.id not in ended}
        left = InterruptedActions(tuple(ended.values()), judged, [InterruptedAction(a) for a in accepted.values()])
        for row in OUTPUT_BY_NAME.values():
            tent.stop(row.name)  # as the board does it when the lease lapses
        tent._source = BoardSource("UTC", core_in_process=True)
        tent._greeted, tent._news = 0, (0, 0)
        tent._meet_boot()
        tent.take_results()
        again = ClockedRun(tent, self.settings, self.recorded)
        again.brain.resume(left.finished, left.judged, now)
        for action in left.pop_closed(tent.now_ms, now, again.brain.guardrails, at_once=True):
            again._finish(action)
        return again

    def dose(self, ml: float, number: int = 0) -> bool:
        """A person waters by the same way as from the command line; whether it was accepted."""
        now = self.clocked.now
        proposal = ActionV1.model_validate(
            {
                "schema_version": "action_v1",
                "ts": now,
                "type": "WATER",
                "params": {"ml": ml},
                "id": f"by-hand-{number}",
                "origin": "person",
            }
        )
        return self.propose(proposal).allowed

    def propose(self, proposal: ActionV1) -> Verdict:
        """As the request handler does it."""
        verdict = self.brain.judge(proposal, RuntimeContext(self.clocked.now))
        if not verdict.repeated:
            self.record(verdict.action)
            if verdict.allowed:
                self._actuator.act(verdict)
        return verdict

    @property
    def lamp_is_on(self) -> bool:
        return bool(self.tent.world.outputs >> LAMP.wire_id & 1)

    def reasons(self) -> list[str]:
        """Why it has decided since it was last asked."""
        why, self._why = self._why, []
        return why

    def live(self, hours: float) -> None:
        """Step through these hours."""
        end_ms = self.tent.now_ms + round(hours * HOUR_MS)
        while self.tent.now_ms < end_ms:
            result = self.step()
            assert result is not None
            if result.why is not None:
                self._why.append(result.why)


class Meter:
    """What the plants truly get from now on, by the relays and the pump themselves."""

    def __init__(self, tent: ClockedTent) -> None:
        self._world = tent.world
        self._on_ms: dict[str, int] = {}
        self._since = tent.now_ms
        self._before_ml = tent.world.tent.truth().pumped_ml
        self._switch = tent.world.set_output
        tent.world.set_output = self._watched  # type: ignore[method-assign]  # one instance, watched by its test

    def read(self) -> dict[str, float]:
        """Seconds of each relay, and ml of water."""
        self._count(self._world.now_ms)
        water_ml = self._world.tent.truth().pumped_ml - self._before_ml
        return {**{name: on_ms / 1_000.0 for name, on_ms in self._on_ms.items()}, "water_ml": water_ml}

    def _watched(self, wire_id: int, on: bool, t_ms: int) -> None:
        self._count(t_ms)
        self._switch(wire_id, on, t_ms)

    def _count(self, t_ms: int) -> None:
        for row in OUTPUT_BY_NAME.values():
            if self._world.outputs >> row.wire_id & 1:
                self._on_ms[row.name] = self._on_ms.get(row.name, 0) + t_ms - self._since
        self._since = t_ms


_DRIVING = frozenset(row.action for row in OUTPUT_BY_NAME.values())
