"""The policy as the trainer calls it: packets in, one signed command out, a report for every decision."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared_schemas.learn.budgets import POLICY_WAIT_S
from shared_schemas.learn.command_pb2 import (
    AdaptationCommand,
    EmergencyCommand,
    PauseCommand,
    ReasonCode,
    RiskLevel,
    RollbackCommand,
    SlotAction,
    SlotCommand,
)
from shared_schemas.learn.report_pb2 import FieldReport
from tomato_host.learn.blueprints import Blueprint, catalogue_of_blueprints
from tomato_host.learn.messages import encode_command
from tomato_host.learn.policy.breaker import PolicyBreaker
from tomato_host.learn.policy.field_reports import Choice, ObservationWindows
from tomato_host.learn.policy.heuristic import Core, heuristic
from tomato_host.learn.policy.risk import RiskAssessment, RiskEngine
from tomato_host.learn.policy.selection import BlueprintSelection
from tomato_host.learn.policy.view import (
    GERMINATES,
    EpochView,
    PolicyAction,
    allowed_actions,
    features_of,
    view_of,
)
from tomato_host.learn.settings import LearnPolicySettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier

ROLLBACK_PAUSE = 7
"""Epochs between two rollbacks that the risk engine asks for."""

_L, _R = RiskLevel, ReasonCode


class PolicyService:
    """Called once an epoch. `core` decides; the heuristic steps in where risk, breaker or a failure say so."""

    def __init__(
        self,
        signer: MessageSigner,
        verifier: MessageVerifier,
        settings: LearnPolicySettings | None = None,
        selection: BlueprintSelection | None = None,
        keep: Callable[[FieldReport], None] | None = None,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = settings or LearnPolicySettings()
        self._signer, self._verifier, self._keep, self._clock_s = signer, verifier, keep, clock_s
        self.selection = selection or BlueprintSelection(self.settings)
        catalogue_of_blueprints()  # read now, not in the first epoch boundary
        self.core: Core = heuristic
        self.version = 0
        self.conservative = False
        """As the trainer's mode; tightens thresholds and pools."""
        self.risk = RiskEngine(self.settings)
        self.breaker = PolicyBreaker()
        self.windows = ObservationWindows()
        self.assessment: RiskAssessment | None = None
        self._rolled_back = -ROLLBACK_PAUSE

    def use(self, core: Core, version: int) -> None:
        """Decide with this core from now on."""
        self.core, self.version = core, version
        self.windows.policy_version = version
        self.breaker = PolicyBreaker()

    def __call__(self, packets: list[bytes]) -> bytes | None:
        """A signed command, or None for a decision to do nothing. Raises MessageRefused, ValueError."""
        view = view_of(packets, self._verifier)
        for report in self.windows.observe(view):
            self._report(report)
        assessed = self.assessment = self.risk.assess(view, self.conservative)
        choice = self._choose(view, assessed)
        command = self._command(view, choice, assessed)
        self.windows.open(
            view, choice, view.nonce, assessed.level, command.slot.slot if command.HasField("slot") else "",
            command.slot.blueprint if command.HasField("slot") else 0,
        )  # fmt: skip
        return encode_command(self._signer, command) if command.WhichOneof("command") else None

    def finish(self, rolled_back: bool = False) -> None:
        """Report what is still watched: the run ends, or was rolled back."""
        for report in self.windows.cut(rolled_back):
            self._report(report)

    def _report(self, report: FieldReport) -> None:
        if self._keep is not None:
            self._keep(report)

    def _choose(self, view: EpochView, assessed: RiskAssessment) -> Choice:
        features, allowed = features_of(view), allowed_actions(view)
        fall_back = assessed.level >= _L.RISK_LEVEL_ORANGE or not self.breaker.allows(view.epoch)
        choice = None if fall_back or self.core is heuristic else self._ask_core(view, features, allowed)
        choice = choice or heuristic(features, allowed)
        if assessed.level >= _L.RISK_LEVEL_RED:  # the command will not be the policy's: neither is the choice
            return Choice(PolicyAction.NOTHING)
        if assessed.level == _L.RISK_LEVEL_YELLOW and choice.action in GERMINATES:  # mitigated: the smallest block
            return Choice(PolicyAction.GERMINATE_SMALL)
        if assessed.level == _L.RISK_LEVEL_ORANGE and choice.action in GERMINATES:
            return Choice(PolicyAction.NOTHING)
        return choice

    def _ask_core(self, view: EpochView, features: tuple[float, ...], allowed: tuple[int, ...]) -> Choice | None:
        started = self._clock_s()
        try:
            choice = self.core(features, allowed)
            failed = choice.action not in allowed
        except Exception:  # whatever a learned policy does, the heuristic decides instead
            failed = True
        self.breaker.record(view.epoch, (self._clock_s() - started) * 1_000.0, failed)
        return None if failed else choice

    def _command(self, view: EpochView, choice: Choice, assessed: RiskAssessment) -> AdaptationCommand:
        command = AdaptationCommand(
            command_id=view.nonce, issuer="policy" if not choice.deterministic else "heuristic", epoch=view.epoch,
            deadline_ms=int(POLICY_WAIT_S * 1_000), policy_version=self.version, risk=assessed.level,
            reason=assessed.reason or _R.REASON_CODE_NOTHING_TO_DO,
        )  # fmt: skip
        if assessed.level >= _L.RISK_LEVEL_CRITICAL:
            command.issuer = "risk"
            command.emergency.CopyFrom(EmergencyCommand(conservative=True))
        elif assessed.level >= _L.RISK_LEVEL_RED:
            self._block(command, view, assessed)
        else:
            self._act(command, view, choice, assessed)
        return command

    def _block(self, command: AdaptationCommand, view: EpochView, assessed: RiskAssessment) -> None:
        """RED: nothing of the policy's; a rollback when the forecast drifted, else a pause."""
        command.issuer = "risk"
        drifted = assessed.reason == _R.REASON_CODE_SKILL_LOST
        if drifted and view.epoch - self._rolled_back >= ROLLBACK_PAUSE:
            self._rolled_back = view.epoch
            command.rollback.CopyFrom(RollbackCommand(full=False, to_epoch=max(view.epoch - 1, 0)))
        else:
            command.pause.CopyFrom(PauseCommand(epochs=1))

    def _act(self, command: AdaptationCommand, view: EpochView, choice: Choice, assessed: RiskAssessment) -> None:
        if choice.action in GERMINATES and view.dormant:
            careful = self.conservative or assessed.level >= _L.RISK_LEVEL_YELLOW
            self._germinate(command, view, self.selection.choose(choice.action, careful))
        elif choice.action == PolicyAction.CULL_WORST and view.worst is not None:
            command.reason = _R.REASON_CODE_SKILL_LOST
            command.slot.CopyFrom(SlotCommand(action=SlotAction.SLOT_ACTION_CULL, slot=view.worst.slot))
        elif choice.action == PolicyAction.PAUSE:
            command.reason = assessed.reason or _R.REASON_CODE_NOTHING_TO_DO
            command.pause.CopyFrom(PauseCommand(epochs=1))

    def _germinate(self, command: AdaptationCommand, view: EpochView, found: Blueprint | None) -> None:
        if found is None:
            command.reason = _R.REASON_CODE_BLUEPRINT_QUARANTINE
            return
        command.reason = _R.REASON_CODE_RESIDUAL_PERSISTS
        slot = view.dormant[0].slot
        command.slot.CopyFrom(SlotCommand(action=SlotAction.SLOT_ACTION_GERMINATE, slot=slot, blueprint=found.id))
