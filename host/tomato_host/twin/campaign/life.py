"""The brain on the twin without firmware: one observation in, the actions it leads to out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tomato_host.brain.brain import Brain, BrainSettings, RuntimeContext, StepResult
from tomato_host.brain.execution.executor import Executor
from tomato_host.twin.direct import DirectTwin

RENEW_MS = 10_000
LINK_DOWN_S = 20.0
"""A silence longer than this counts as a lost link, as in the session with the real board."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The twin's word on a command, in board units (ms or ml)."""

    cmd_id: int
    status: str
    reason: str
    delivered: float


class _DirectLine:
    """The executor's line onto the twin. Answers are collected; they belong to the next moment, as on a real line."""

    def __init__(self, twin: DirectTwin) -> None:
        self._twin = twin
        self._next_id = 0
        self._running: dict[str, tuple[int, int]] = {}
        """Output to its newest command and the moment that command began."""
        self._answers: list[_Answer] = []

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        """Ask for a pulse in ms, or ml for the pump."""
        self._next_id += 1
        command, milli = self._next_id, 1.0 if output == "water_pump" else 1_000.0
        applied = self._twin.apply(output, amount / milli)
        if applied.granted <= 0.0:
            self._answers.append(_Answer(command, "REJECTED", applied.reason, 0.0))
            return command
        earlier = self._running.get(output)
        if earlier is not None:  # renewed: the earlier command has delivered until now
            begun, since_ms = earlier
            self._answers.append(_Answer(begun, "DONE", "", float(now_ms - since_ms)))
        self._running[output] = (command, now_ms)
        self._answers.append(_Answer(command, "ACCEPTED", "", 0.0))
        return command

    def stop(self, output: str, now_ms: int) -> int:
        """End a pulse."""
        self._next_id += 1
        self._twin.stop(output)
        return self._next_id

    def take(self) -> list[_Answer]:
        """Answers since the last call, the ends of pulses included."""
        for ended in self._twin.ended:
            running = self._running.pop(ended.output, None)
            if running is not None:
                command, since_ms = running
                pumped = ended.output == "water_pump"
                delivered = ended.delivered if pumped else float(ended.at_ms - since_ms)
                status = "ABORTED" if ended.reason else "DONE"
                self._answers.append(_Answer(command, status, ended.reason, delivered))
        self._twin.ended.clear()
        answers, self._answers = self._answers, []
        return answers


class Life:
    """One installation without a line: `step` observes once and acts on it."""

    def __init__(self, twin: DirectTwin, settings: BrainSettings) -> None:
        self.twin = twin
        self.brain = Brain(settings)
        self.refused = 0
        self.anomalies = 0
        self._line = _DirectLine(twin)
        self._executor = Executor(self._line, self.brain.guardrails)
        self._last: datetime | None = None
        self._seen_ms = twin.now_ms

    def step(self) -> StepResult | None:
        """Advance by one observation; None when the twin has none any more."""
        self._renew_until(self.twin.now_ms + self.twin.period_ms - RENEW_MS)
        observation = self.twin.next_observation(self.twin.period_ms - (self.twin.now_ms - self._seen_ms))
        if observation is None:
            return None
        self._seen_ms = self.twin.now_ms
        now, now_ms = observation.ts, self.twin.now_ms
        silent_s = (now - self._last).total_seconds() if self._last else 0.0
        self._last = now
        if silent_s > LINK_DOWN_S + self.twin.period_ms / 1_000.0:
            self._executor.on_link_lost(now_ms, now)
        self._settle(now_ms, now)
        here = RuntimeContext(now, operator_acknowledges=self.twin.take_acknowledgement())
        taken = self.brain.step(observation, self.twin.device_status(), here)
        self.anomalies += len(taken.estimate.anomalies)
        if taken.safe_mode is not None and taken.safe_mode.entered:
            self._executor.switch_off(taken.safe_mode.switch_off, "safe mode", now_ms, now)
        if taken.decision is not None:
            for verdict in taken.decision.verdicts:
                if verdict.allowed:
                    self._executor.start(verdict.action, verdict.preempts, now_ms, now)
                else:
                    self.refused += 1
        self._executor.tick(now_ms, now)
        self._settle(now_ms, now)
        return taken

    def _renew_until(self, until_ms: int) -> None:
        """Between two observations the executor renews what runs out, as the deciding loop does with every lease."""
        while self.twin.now_ms < until_ms:
            self.twin.advance(RENEW_MS / 1_000.0)
            now_ms, now = self.twin.now_ms, self.twin.now
            self._settle(now_ms, now)
            self._executor.tick(now_ms, now)

    def _settle(self, now_ms: int, now: datetime) -> None:
        for answer in self._line.take():
            self._executor.on_result(answer, now_ms, now)
        for action in self._executor.pop_finished():
            self.brain.add_outcome(action)
