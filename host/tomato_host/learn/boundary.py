"""The epoch boundary: assemble the state, ask the policy, check and apply its command, each against its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as PolicyTimeout
from dataclasses import dataclass, field

from shared_schemas.learn.budgets import POLICY_WAIT_S
from shared_schemas.learn.command_pb2 import AdaptationCommand, ReasonCode
from tomato_host.learn.signing import MessageRefused, MessageVerifier

Policy = Callable[[list[bytes]], bytes | None]
"""From the signed state packets of an epoch to a signed command, or None for a decision to do nothing."""


@dataclass(frozen=True)
class PolicyAnswer:
    """What the policy said, and what became of it."""

    command: AdaptationCommand
    """A command without a payload when there was none, or none that may be acted on."""
    refused: str = ""
    """Why an answer was not acted on: tag, stale, replayed, malformed, timeout, error, late."""
    policy_ms: float = 0.0


@dataclass
class BoundaryTimer:
    """Milliseconds by phase of one boundary; `now` is monotonic, in seconds."""

    now: Callable[[], float] = time.perf_counter
    phases: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    def start(self) -> None:
        """The boundary begins."""
        self.phases = {}
        self._since = self.now()

    def phase(self, name: str) -> None:
        """The phase that ends now."""
        moment = self.now()
        self.phases[f"{name}_ms"] = (moment - self._since) * 1_000.0
        self._since = moment

    @property
    def total_ms(self) -> float:
        """All phases together."""
        return sum(self.phases.values())


class PolicyCall:
    """Asks a policy in a thread of its own, waits at most POLICY_WAIT_S, and goes on with nothing to do."""

    def __init__(self, policy: Policy, verifier: MessageVerifier, wait_s: float = POLICY_WAIT_S) -> None:
        self._policy, self._verifier, self._wait_s = policy, verifier, wait_s
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self._busy = False

    def ask(self, packets: Sequence[bytes]) -> PolicyAnswer:
        """The verified answer. While a call that timed out still runs, nobody is asked again."""
        if self._busy:
            return _nothing("timeout", ReasonCode.REASON_CODE_TIMEOUT_INFERENCE)
        started = time.perf_counter()
        future = self._pool.submit(self._policy, list(packets))
        try:
            raw = future.result(timeout=self._wait_s)
        except PolicyTimeout:
            self._busy = True
            future.add_done_callback(self._idle)
            return _nothing("timeout", ReasonCode.REASON_CODE_TIMEOUT_INFERENCE)
        except Exception as error:  # whatever a policy does, the night goes on
            return _nothing(f"error: {type(error).__name__}", ReasonCode.REASON_CODE_UNSPECIFIED)
        spent = (time.perf_counter() - started) * 1_000.0
        if raw is None:
            return PolicyAnswer(AdaptationCommand(reason=ReasonCode.REASON_CODE_NOTHING_TO_DO), "", spent)
        return self._verified(raw, spent)

    def _verified(self, raw: bytes, spent: float) -> PolicyAnswer:
        try:
            command = self._verifier.parse(raw, AdaptationCommand)
        except MessageRefused as refusal:
            return _nothing(refusal.why, ReasonCode.REASON_CODE_UNSPECIFIED)
        if command.deadline_ms and spent > command.deadline_ms:
            return _nothing("late", ReasonCode.REASON_CODE_TIMEOUT_INFERENCE)
        return PolicyAnswer(command, "", spent)

    def _idle(self, future: object) -> None:
        self._busy = False


def _nothing(why: str, reason: ReasonCode) -> PolicyAnswer:
    return PolicyAnswer(AdaptationCommand(reason=reason), why)
