"""The executor as an episode's actuator, and the executor's commands over the link session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared_schemas.records import ActionV1
from tomato_host.board.session import BoardSession
from tomato_host.brain.execution.executor import Executor
from tomato_host.brain.guardrails.guardrails import Verdict


class ExecutorActuator:
    """Starts and stops actions on the executor at the present moment; finished ones go to `on_finished`, in order."""

    def __init__(
        self,
        executor: Executor,
        now_ms: Callable[[], int],
        now: Callable[[], datetime],
        on_finished: Callable[[ActionV1], None],
    ) -> None:
        self._executor = executor
        self._now_ms = now_ms
        self._now = now
        self._on_finished = on_finished

    def act(self, verdict: Verdict) -> None:
        """Carry out one allowed action."""
        self._executor.start(verdict.action, verdict.preempts, self._now_ms(), self._now())
        self.collect()

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now."""
        self._executor.switch_off(outputs, reason, self._now_ms(), self._now())
        self.collect()

    @property
    def running(self) -> frozenset[str]:
        """Outputs with an action under way."""
        return frozenset(self._executor.jobs)

    def action_of(self, cmd_id: int) -> str | None:
        """Id of the action under way that a command of the board belongs to."""
        return next((job.action.id for job in self._executor.jobs.values() if cmd_id in job.open_cmds), None)

    def collect(self) -> None:
        """Pass on the actions that have ended since the last call."""
        for action in self._executor.pop_finished():
            self._on_finished(action)


class SessionCommands:
    """The commands of an executor as messages of the link session."""

    def __init__(self, session: BoardSession) -> None:
        self._session = session

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        """Request one pulse in ms, or ml for the pump; returns the command's id."""
        return self._session.pulse(output, amount)

    def stop(self, output: str, now_ms: int) -> int:
        """End the pulse of one output; returns the command's id."""
        return self._session.stop(output)

    def stop_all(self, now_ms: int) -> int:
        """End the pulses of all outputs; returns the command's id."""
        return self._session.stop_all(now_ms)
