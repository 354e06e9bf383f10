"""Size and allocations of the epoch boundary's messages, for none to many changed slots; unknown values survive."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.messages import MOST_NAME_BYTES, encode_command, encode_state
from tomato_host.learn.signing import MessageSigner, MessageVerifier

from shared_schemas.learn.budgets import MESSAGE_ALLOCATIONS, MESSAGE_BYTES
from shared_schemas.learn.command_pb2 import (
    AdaptationCommand,
    OptimizerCommand,
    ReasonCode,
    RiskLevel,
    RollbackCommand,
    SlotAction,
    SlotCommand,
)
from shared_schemas.learn.lifecycle_pb2 import SlotStage as WireStage
from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome
from shared_schemas.learn.state_pb2 import SlotState, StateMetric, SystemStatePacket

KEYS = SigningKeys((b"k" * 32,))
NOW = 1_780_000_000_000
METRICS = {number: 0.123 * number for number in StateMetric.values() if 0 < number <= 6}
LONGEST = "leaf_vpd_kpa.0"
UNKNOWN: Any = 999
GERMINATE, CANCEL = SlotAction.SLOT_ACTION_GERMINATE, SlotAction.SLOT_ACTION_CANCEL


def signer() -> MessageSigner:
    numbers = count(1 << 63)
    return MessageSigner(KEYS, lambda: NOW, lambda: next(numbers))


def slot(number: int = 0, name: str = LONGEST) -> SlotState:
    """A slot with every field set to something that is not the default."""
    return SlotState(
        slot=name,
        stage=WireStage.SLOT_STAGE_PROBATIONARY,
        blueprint=35 + number,
        share=0.25,
        ramp=0.7,
        loss=0.91,
        gradient_norm=0.33,
        held_out_error=0.98,
        age_epochs=129,
        violations=2,
    )


def parsed(packets: list[bytes]) -> list[SystemStatePacket]:
    verifier = MessageVerifier(KEYS, lambda: NOW)
    return [verifier.parse(raw, SystemStatePacket) for raw in packets]


@pytest.mark.parametrize("changed", range(4))
def test_a_state_packet_with_up_to_three_changed_slots_keeps_its_budget(changed: int) -> None:
    packets = encode_state(signer(), 1 << 63, 100_000, METRICS, [slot(n) for n in range(changed)])
    assert all(len(raw) <= MESSAGE_BYTES for raw in packets)
    got = parsed(packets)
    assert [one.blueprint for packet in got for one in packet.slots] == [35 + n for n in range(changed)]
    assert dict(got[0].metrics) == pytest.approx(METRICS)
    assert [(p.part, p.parts) for p in got] == [(n, len(got)) for n in range(len(got))]
    print(f"{changed} slots: {[len(raw) for raw in packets]} bytes")


@settings(max_examples=60)
@given(st.lists(st.text("abcdefghij_.", min_size=1, max_size=MOST_NAME_BYTES), max_size=20), st.integers(0, 10))
def test_many_slots_are_split_and_none_is_lost_or_doubled(names: list[str], metrics: int) -> None:
    given_metrics = {number: float(number) for number in range(1, metrics + 1)}
    packets = encode_state(signer(), 5, 6, given_metrics, [slot(n, name) for n, name in enumerate(names)])
    assert all(len(raw) <= MESSAGE_BYTES for raw in packets)
    got = parsed(packets)
    assert [one.slot for packet in got for one in packet.slots] == names
    assert [dict(packet.metrics) for packet in got] == [given_metrics] + [{}] * (len(got) - 1)
    assert len({packet.nonce for packet in got}) == len(got)


def test_what_can_never_fit_is_refused_and_not_sent() -> None:
    with pytest.raises(ValueError, match="280 are allowed"):
        encode_state(signer(), 1, 1, {}, [slot(name="x" * 250)])
    with pytest.raises(ValueError, match="280 are allowed"):
        encode_state(signer(), 1, 1, dict.fromkeys(range(1, 40), 1.0), [])
    many = SlotCommand(action=GERMINATE, slot="a.0", parameters={f"parameter_{n}": 1.0 for n in range(20)})
    with pytest.raises(ValueError, match="280 are allowed"):
        encode_command(signer(), AdaptationCommand(command_id=1, slot=many))


def full_command() -> AdaptationCommand:
    return AdaptationCommand(
        command_id=1 << 63,
        issuer="operator",
        deadline_ms=60_000,
        epoch=100_000,
        policy_version=300,
        risk=RiskLevel.RISK_LEVEL_CRITICAL,
        reason=ReasonCode.REASON_CODE_BLUEPRINT_QUARANTINE,
        slot=SlotCommand(action=CANCEL, slot=LONGEST, blueprint=50, parameters={"width": 16.0, "rate": 0.01}),
    )


def test_a_command_keeps_its_budget() -> None:
    raw = encode_command(signer(), full_command())
    assert len(raw) <= MESSAGE_BYTES
    for payload in ({"rollback": RollbackCommand(full=True)}, {"optimizer": OptimizerCommand(warm_up_epochs=1)}, {}):
        assert len(encode_command(signer(), AdaptationCommand(command_id=1, **payload))) < len(raw)


def test_an_unknown_enum_value_is_kept_and_does_not_stop_a_reader() -> None:
    sender, verifier = signer(), MessageVerifier(KEYS, lambda: NOW)
    raw = encode_command(sender, AdaptationCommand(command_id=1, reason=UNKNOWN, slot=SlotCommand(action=UNKNOWN)))
    got = verifier.parse(raw, AdaptationCommand)
    assert got.reason == 999 and got.slot.action == 999
    report = FieldReport(schema=1, outcome=UNKNOWN)
    sender.stamp(report)
    assert verifier.parse(sender.encode(report), FieldReport).outcome == 999
    assert 999 not in ReportOutcome.values()


@pytest.mark.parametrize("kind", ["state_0", "state_1", "state_2", "state_3", "command"])
def test_an_encode_allocates_at_most_four_blocks(kind: str) -> None:
    """Blocks that live afterwards are counted; what lived in between is bounded by the peak of traced memory."""
    sender = signer()
    if kind == "command":
        message: SystemStatePacket | AdaptationCommand = full_command()
    else:
        message = SystemStatePacket(schema=1, run_id=1 << 63, epoch=100_000, metrics=METRICS, parts=1)
        message.slots.extend(slot(n) for n in range(int(kind[-1])))
    sender.stamp(message)
    sender.encode(message)
    rounds = 200
    kept: list[bytes | None] = [None] * rounds
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for i in range(rounds):
            kept[i] = sender.encode(message)
        live = (sys.getallocatedblocks() - before) / rounds
        tracemalloc.start()
        base = tracemalloc.get_traced_memory()[0]
        sender.encode(message)
        peak = tracemalloc.get_traced_memory()[1] - base
    finally:
        tracemalloc.stop()
        gc.enable()
    size = len(kept[0] or b"")
    assert live <= MESSAGE_ALLOCATIONS
    assert peak <= MESSAGE_ALLOCATIONS * (MESSAGE_BYTES + sys.getsizeof(b"")), f"{peak} bytes at once for {size}"
