"""Packets, views and reports for tests of policy and bus."""

from __future__ import annotations

from itertools import count

from tomato_host.learn.messages import encode_state
from tomato_host.learn.policy.view import EpochView, view_of
from tomato_host.learn.signing import MessageSigner, MessageVerifier

from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.report_pb2 import (
    EpochOutcome,
    FieldReport,
    ReportedChoice,
    ReportedState,
    ReportOutcome,
)
from shared_schemas.learn.state_pb2 import SlotState, StateMetric
from tests.learn.loops import KEYS, now_ms

M = StateMetric
_NONCES = count(1 << 40)


def signer() -> MessageSigner:
    return MessageSigner(KEYS, now_ms, lambda: next(_NONCES))


def verifier() -> MessageVerifier:
    return MessageVerifier(KEYS, now_ms)


def slot(name: str, stage: SlotStage, **more: float) -> SlotState:
    return SlotState(slot=name, stage=f"SLOT_STAGE_{stage.name}", **more)  # type: ignore[arg-type]


def packets(epoch: int, *slots: SlotState, run_id: int = 7, **metrics: float) -> list[bytes]:
    """Signed packets; metrics by the end of their name: held_out_error=1.02."""
    wanted = {int(M.Value(f"STATE_METRIC_{name.upper()}")): value for name, value in metrics.items()}
    return encode_state(signer(), run_id, epoch, {int(M.STATE_METRIC_SCHEDULE_FREE): 2.0, **wanted}, slots)


def view(epoch: int, *slots: SlotState, **metrics: float) -> EpochView:
    return view_of(packets(epoch, *slots, run_id=7, **metrics), verifier())


def report(number: int, reward: float = 0.1, **more: object) -> FieldReport:
    """An unsigned report with everything set."""
    found = FieldReport(
        schema=1, report_id=number, run_id=7, command_id=number, policy_version=2,
        state=ReportedState(feature_version="f1", features=[0.1] * 20, allowed_actions=[0, 1, 2, 3]),
        choice=ReportedChoice(action=2, log_probability=-1.25, value=0.5),
        next_state=ReportedState(feature_version="f1", features=[0.2] * 20, allowed_actions=[0]),
        epochs=[EpochOutcome(epoch=number + n, metrics={1: 0.9}, reward=reward) for n in range(3)],
        outcome=ReportOutcome.REPORT_OUTCOME_IMPROVED, slot="vpd_kpa.0", blueprint=1,
    )  # fmt: skip
    for name, value in more.items():
        setattr(found, name, value)
    return found


def signed(one: FieldReport) -> bytes:
    own = signer()
    own.stamp(one)
    return own.encode(one)
