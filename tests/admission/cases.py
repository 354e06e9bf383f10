"""Agents, cases and a pipeline whose validator and log are lists, for the tests of admission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.idempotency import IdempotencyTable
from tomato_host.brain.admission.pipeline import Admission, Judgement
from tomato_host.brain.admission.refusals import Refusal

from shared_schemas.records import AgentV1

TS = "2026-06-01T08:00:00+02:00"


def agent(name: str = "a", **fields: Any) -> AgentV1:
    """An active agent with a policy and no quotas."""
    base = {"schema_version": "agent_v1", "ts": TS, "name": name, "tent": "main", "origin": "api", "policy": "p"}
    return AgentV1.model_validate({**base, **fields})


def case(record: AgentV1, intent_id: str, at_s: float = 0.0, **fields: Any) -> AdmissionCase:
    """An intent `act` that arrives at `at_s`."""
    values: dict[str, Any] = {
        "agent": record,
        "id": intent_id,
        "kind": "act",
        "fingerprint": "f",
        "body": None,
        "arrived_s": at_s,
        "sim_time_s": at_s,
        "exempt": record.role == "owner" or record.origin == "safe_mode",
    }
    return AdmissionCase(**{**values, **fields})


class Bench:
    """A pipeline that records what it commits; `refuse` makes the validator refuse, `broken` the log."""

    def __init__(self, *records: AgentV1, refuse: Callable[[AdmissionCase], Refusal | None] = lambda _: None) -> None:
        self.answers = IdempotencyTable[Answer]()
        self.committed: list[tuple[str, str]] = []
        """(agent, id) of every effect, in order."""
        self.refusals: list[tuple[str, str]] = []
        self.judged: list[str] = []
        self.broken = False
        self.refuse = refuse
        self.admission = Admission(self.answers, self._judge, self._commit)
        for record in records:
            self.admission.set_agent(record)

    def _judge(self, one: AdmissionCase) -> Judgement:
        self.judged.append(one.id)
        return Judgement(self.refuse(one), effect=f"e-{one.id}", body=one.id)

    def _commit(self, one: AdmissionCase, answer: Answer, judgement: Judgement) -> Refusal | None:
        if self.broken:
            return Refusal("UNAVAILABLE", "the disk is full")
        (self.refusals if answer.code else self.committed).append((one.source, one.id))
        return None

    def submit(self, one: AdmissionCase, now_s: float = 0.0) -> Answer | None:
        """Step one."""
        return self.admission.submit(one, now_s)

    def turn(self, now_s: float = 0.0, most: int = 32) -> list[Answer]:
        """Step two, without a limit of time."""
        return list(self.admission.turn(now_s, lambda: 0.0, most))
