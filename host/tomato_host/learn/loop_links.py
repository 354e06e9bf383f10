"""What connects the trainer with the rest: over the bus when it is on, within this process when it is off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.learn.boundary import Policy
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.report_store import ReportStore
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.telemetry import Telemetry
from tomato_host.logs import Log

_log = Log("learn.links")


@dataclass
class LoopLinks:
    """Policy, telemetry and report sender as the trainer sees them."""

    policy: Policy
    telemetry: Telemetry
    sender: Any = None
    receiver: Callable[[Path], Any] | None = None
    """The receiver of announced policies for a folder; the same one every time."""
    _settings: LearnBusSettings = field(default_factory=LearnBusSettings)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        settings: LearnBusSettings,
        policy: PolicyService,
        reports: ReportStore,
        signer: MessageSigner,
        keys: SigningKeys,
        now_ms: Callable[[], int],
        run_id: int,
    ) -> LoopLinks:
        """Connect as the settings say. Raises TomatoError E-EXTRA-REDIS; a Redis that is away raises nothing."""
        if not settings.enabled:
            return cls(policy, Telemetry(signer, run_id))
        from tomato_host.learn.bus.connect import groups_of, open_bus
        from tomato_host.learn.bus.policy_link import BusPolicy, PolicyWorker
        from tomato_host.learn.bus.publisher import LearnPublisher
        from tomato_host.learn.bus.report_link import ReportSender
        from tomato_host.learn.offline.publish import UpdateReceiver

        publisher = LearnPublisher(open_bus(settings), settings, groups_of(settings))
        telemetry = Telemetry(signer, run_id, publisher, settings.telemetry_stream)
        sender = ReportSender(open_bus(settings), settings, reports, signer, MessageVerifier(keys, now_ms))
        held: dict[Path, UpdateReceiver] = {}

        def receiver(root: Path) -> UpdateReceiver:
            if root not in held:
                held[root] = UpdateReceiver(open_bus(settings), settings, root, keys, now_ms)
            return held[root]

        links = cls(policy, telemetry, sender, receiver, settings)
        if settings.policy:
            links.policy = BusPolicy(open_bus(settings), settings)
            links._serve(PolicyWorker(open_bus(settings), settings, policy, signer))
        return links

    def depth(self) -> float:
        """Messages that wait on the telemetry's stream; 0 without a bus, or while it is away."""
        publisher = self.telemetry.publisher
        if publisher is None:
            return 0.0
        try:
            return float(publisher.pressure(self._settings.telemetry_stream).depth)
        except TomatoError:
            return 0.0

    def send_reports(self) -> int:
        """Send what is not acknowledged; returns how many wait. They stay on the disk while the bus is away."""
        if self.sender is None:
            return 0
        try:
            return int(self.sender.send())
        except TomatoError as error:
            _log.warning("reports_wait", code=error.code, waiting=len(self.sender.store.unsent()))
            return len(self.sender.store.unsent())

    def receive_policies(self, root: Path) -> list[int]:
        """Policies that were announced on the bus and could be promoted; the reload is the caller's."""
        if self.receiver is None:
            return []
        try:
            while self.receiver(root).poll(0.0):
                pass
            return list(self.receiver(root).promoted)
        except TomatoError as error:
            _log.warning("policies_wait", code=error.code)
            return []

    def close(self) -> None:
        """End the worker's thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _serve(self, worker: Any) -> None:
        def answer() -> None:
            while not self._stop.is_set():
                try:
                    worker.poll(0.5)
                except TomatoError as error:
                    _log.warning("policy_waits", code=error.code)
                    self._stop.wait(1.0)

        self._thread = threading.Thread(target=answer, name="policy-worker", daemon=True)
        self._thread.start()
