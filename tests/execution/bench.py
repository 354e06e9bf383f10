"""An executor on a bench: what it says to line and ledger is written down, time is given, actions are short."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tomato_host.brain.execution.executor import Executor

from shared_schemas.records import ActionType, ActionV1
from shared_schemas.records.action_v1 import Outcome, Params
from tests.execution.test_executor import RecordedLine, Word

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class Ledger:
    """Grants what `most` says and writes every movement down, in s or ml."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, str | None, float, float]] = []
        self.most: Callable[[float], float] = lambda amount: amount

    def allocate(self, action: ActionV1, amount: float, now: datetime) -> float:
        granted = self.most(amount)
        self.moves.append(("allocate", action.id, amount, granted))
        return granted

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        self.moves.append(("settle", action.id, drawn, delivered))

    def refund(self, action: ActionV1, drawn: float) -> None:
        self.moves.append(("refund", action.id, drawn, 0.0))

    def release(self, action: ActionV1) -> None:
        self.moves.append(("release", action.id, 0.0, 0.0))

    def of(self, name: str) -> list[tuple[str | None, float, float]]:
        return [move[1:] for move in self.moves if move[0] == name]


class Bench:
    """An executor, what it says to the line and to the ledger, and a clock in ms."""

    def __init__(self) -> None:
        self.line, self.ledger = RecordedLine(), Ledger()
        self.executor = Executor(self.line, self.ledger)

    def start(self, action: ActionV1, now_ms: int = 0, preempts: tuple[str, ...] = ()) -> None:
        self.executor.start(action, preempts, now_ms, at(now_ms))

    def tick(self, *moments_ms: int) -> None:
        for now_ms in moments_ms:
            self.executor.tick(now_ms, at(now_ms))

    def result(self, now_ms: int, cmd: int, status: str, reason: str = "", delivered: float = 0.0) -> str | None:
        return self.executor.on_result(Word(cmd, status, reason, delivered), now_ms, at(now_ms))

    @property
    def pulses(self) -> list[tuple[int, int]]:
        """(amount, when) of every pulse asked for."""
        return [(amount, now_ms) for _, _, amount, now_ms in self.line.pulses]

    def ended(self) -> list[tuple[str | None, Outcome]]:
        found = []
        for action in self.executor.pop_finished():
            assert action.outcome is not None
            found.append((action.id, action.outcome))
        return found

    def outcome(self) -> Outcome:
        ((_, outcome),) = self.ended()
        return outcome


def at(now_ms: int) -> datetime:
    return START + timedelta(milliseconds=now_ms)


def asked(kind: str, key: str = "a", patience_s: float | None = None, at_ms: int = 0, **params: Any) -> ActionV1:
    not_after = None if patience_s is None else at(at_ms) + timedelta(seconds=patience_s)
    return ActionV1(
        schema_version="action_v1",
        ts=at(at_ms),
        type=ActionType(kind),
        params=Params(**params),
        id=key,
        not_after=not_after,
    )


def light(seconds: float = 3_600.0, key: str = "l", **more: Any) -> ActionV1:
    return asked("SET_LIGHT", key, state="ON", seconds=seconds, **more)


def water(ml: float = 100.0, key: str = "w", **more: Any) -> ActionV1:
    return asked("WATER", key, ml=ml, **more)
