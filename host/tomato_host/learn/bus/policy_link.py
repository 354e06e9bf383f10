"""The policy over the bus: packets to it, its command back. The trainer's side is an ordinary policy for PolicyCall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from shared_schemas.learn.budgets import POLICY_WAIT_S
from shared_schemas.learn.command_pb2 import AdaptationCommand, ReasonCode
from shared_schemas.learn.state_pb2 import SystemStatePacket
from tomato_host.learn.boundary import Policy
from tomato_host.learn.bus.connect import groups_of
from tomato_host.learn.bus.consumer import LearnConsumer
from tomato_host.learn.bus.publisher import LearnPublisher
from tomato_host.learn.messages import encode_command
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.learn.signing import MessageSigner

_MOST_EPOCHS = 8
"""Incomplete epochs that a worker holds."""


class BusPolicy:
    """Publishes the packets of an epoch and waits for the command that answers them."""

    def __init__(
        self,
        client: Any,
        settings: LearnBusSettings,
        wait_s: float = POLICY_WAIT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.publisher = LearnPublisher(client, settings, groups_of(settings))
        self.consumer = LearnConsumer(
            client, settings.trainer_group, "trainer", {settings.command_stream: self._receive}, settings.claim_s
        )
        self._stream, self._wait_s, self._monotonic = settings.state_stream, wait_s, monotonic
        self._answers: list[bytes] = []

    def __call__(self, packets: list[bytes]) -> bytes | None:
        """The command of this epoch. Raises TimeoutError when none came, TomatoError E-LEARN-BUS."""
        epoch = SystemStatePacket.FromString(packets[0]).epoch
        for raw in packets:
            self.publisher.publish(self._stream, raw, held=True)
        end = self._monotonic() + self._wait_s
        while (left := end - self._monotonic()) > 0.0:
            self.consumer.poll(min(left, 0.5))
            for raw in self._answers:
                # Only a look at the number: PolicyCall verifies the bytes before anything is done with them.
                if AdaptationCommand.FromString(raw).epoch == epoch:
                    self._answers.clear()
                    return raw
            self._answers.clear()
        raise TimeoutError(f"no command for epoch {epoch} within {self._wait_s:g} s")

    def _receive(self, raw: bytes) -> None:
        try:
            AdaptationCommand.FromString(raw)
        except Exception:  # not a command: acknowledged and forgotten, the wait goes on
            return
        self._answers.append(raw)


class PolicyWorker:
    """Answers packets from the bus with a policy's command; always answers, so that nobody waits for nothing."""

    def __init__(self, client: Any, settings: LearnBusSettings, policy: Policy, signer: MessageSigner) -> None:
        self.publisher = LearnPublisher(client, settings, groups_of(settings))
        self.consumer = LearnConsumer(
            client, settings.policy_group, "policy", {settings.state_stream: self._receive}, settings.claim_s
        )
        self._settings, self._policy, self._signer = settings, policy, signer
        self._parts: dict[tuple[int, int], dict[int, bytes]] = {}
        self._answered: dict[tuple[int, int], None] = {}

    def poll(self, patience_s: float) -> int:
        """Handle what came. Raises TomatoError E-LEARN-BUS."""
        return self.consumer.poll(patience_s)

    def _receive(self, raw: bytes) -> None:
        try:
            packet = SystemStatePacket.FromString(raw)
        except Exception:  # not a packet
            return
        key = (packet.run_id, packet.epoch)
        if key in self._answered:
            return  # delivered twice
        parts = self._parts.setdefault(key, {})
        parts[packet.part] = raw
        if len(parts) == max(packet.parts, 1):
            self._answer(key, packet.epoch, [parts[number] for number in sorted(parts)])
        while len(self._parts) > _MOST_EPOCHS:
            del self._parts[next(iter(self._parts))]

    def _answer(self, key: tuple[int, int], epoch: int, packets: list[bytes]) -> None:
        raw = self._policy(packets)
        if raw is None:
            nothing = AdaptationCommand(epoch=epoch, issuer="policy", reason=ReasonCode.REASON_CODE_NOTHING_TO_DO)
            raw = encode_command(self._signer, nothing)
        self.publisher.publish(self._settings.command_stream, raw, held=True)
        del self._parts[key]
        self._answered[key] = None
        while len(self._answered) > _MOST_EPOCHS:
            del self._answered[next(iter(self._answered))]
