"""The policy while there is no other: germinates the first empty slot, and does nothing else. Deterministic."""

from __future__ import annotations

from shared_schemas.learn.budgets import POLICY_WAIT_S
from shared_schemas.learn.command_pb2 import AdaptationCommand, ReasonCode, RiskLevel, SlotAction, SlotCommand
from shared_schemas.learn.lifecycle_pb2 import SlotStage as WireStage
from shared_schemas.learn.state_pb2 import SystemStatePacket
from tomato_host.learn.messages import encode_command
from tomato_host.learn.signing import MessageSigner, MessageVerifier

FIRST_BLUEPRINT = 1


class GerminateFirst:
    """From the packets of an epoch to a signed command, or None."""

    def __init__(self, signer: MessageSigner, verifier: MessageVerifier) -> None:
        self._signer, self._verifier = signer, verifier

    def __call__(self, packets: list[bytes]) -> bytes | None:
        """Germinate the first slot that is DORMANT. Raises MessageRefused for packets that must not be trusted."""
        parsed = [self._verifier.parse(raw, SystemStatePacket) for raw in packets]
        empty = [slot for one in parsed for slot in one.slots if slot.stage == WireStage.SLOT_STAGE_DORMANT]
        if not empty:
            return None
        command = AdaptationCommand(
            command_id=parsed[0].nonce,
            issuer="heuristic",
            deadline_ms=int(POLICY_WAIT_S * 1_000),
            epoch=parsed[0].epoch,
            risk=RiskLevel.RISK_LEVEL_GREEN,
            reason=ReasonCode.REASON_CODE_RESIDUAL_PERSISTS,
            slot=SlotCommand(action=SlotAction.SLOT_ACTION_GERMINATE, slot=empty[0].slot, blueprint=FIRST_BLUEPRINT),
        )
        return encode_command(self._signer, command)
