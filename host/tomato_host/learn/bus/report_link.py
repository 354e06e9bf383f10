"""Field reports over the bus: sent until a receipt holds, received once, acknowledged after they are stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from shared_schemas.learn.budgets import REPORT_ACK_S, REPORT_KEEP_H
from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome, ReportReceipt
from tomato_host.learn.bus.connect import groups_of
from tomato_host.learn.bus.consumer import LearnConsumer
from tomato_host.learn.bus.publisher import LearnPublisher, PublishResult
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.report_store import ReportStore, StoredReport, content_checksum
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.learn.signing import MessageRefused, MessageSigner, MessageVerifier
from tomato_host.logs import Log

QUEUED_FRESHNESS_MS = int(REPORT_KEEP_H * 3_600_000)
"""A report may wait in the queue as long as it is kept at its sender."""
SENDS = 2
"""Once, and one retry; then it waits for the next round."""

_log = Log("learn.reports")


class ReportSender:
    """Publishes stored reports and waits for their receipts."""

    def __init__(
        self,
        client: Any,
        settings: LearnBusSettings,
        store: ReportStore,
        signer: MessageSigner,
        verifier: MessageVerifier,
        ack_s: float = REPORT_ACK_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self._signer, self._verifier = store, signer, verifier
        self._stream, self._ack_s, self._monotonic = settings.report_stream, ack_s, monotonic
        self.publisher = LearnPublisher(client, settings, groups_of(settings))
        handlers = {settings.receipt_stream: self._receive}
        self.consumer = LearnConsumer(client, settings.policy_group, "reports", handlers, settings.claim_s)

    def send(self) -> int:
        """Send everything that is not acknowledged; returns how many still are not. Raises TomatoError E-LEARN-BUS."""
        for _ in range(SENDS):
            waiting = self.store.unsent()
            published = [self._publish(one) for one in waiting]
            if PublishResult.SENT not in published:
                break
            end = self._monotonic() + self._ack_s
            while self.store.unsent() and (left := end - self._monotonic()) > 0.0:
                self.consumer.poll(min(left, 0.25))
        return len(self.store.unsent())

    def _publish(self, stored: StoredReport) -> PublishResult:
        report = FieldReport.FromString(stored.raw)
        report.ClearField("tag")
        self._signer.stamp(report)
        return self.publisher.publish(self._stream, self._signer.encode(report), held=True)

    def _receive(self, raw: bytes) -> None:
        try:
            receipt = self._verifier.parse(raw, ReportReceipt)
        except MessageRefused as refusal:
            _log.warning("receipt_refused", why=refusal.why)
            return
        if not self.store.acknowledge(receipt.report_id, receipt.checksum):
            _log.warning("receipt_does_not_fit", report=receipt.report_id)


class ReportReceiver:
    """Reads reports, gives each once to `keep`, and sends a receipt after `keep` has returned."""

    def __init__(
        self,
        client: Any,
        settings: LearnBusSettings,
        keep: Callable[[FieldReport], None],
        keys: SigningKeys,
        signer: MessageSigner,
        now_ms: Callable[[], int],
        name: str = "offline",
    ) -> None:
        self._keep, self._signer = keep, signer
        self._verifier = MessageVerifier(keys, now_ms, QUEUED_FRESHNESS_MS)
        self._receipts = settings.receipt_stream
        self.publisher = LearnPublisher(client, settings, groups_of(settings))
        handlers = {settings.report_stream: self._receive}
        self.consumer = LearnConsumer(client, settings.offline_group, name, handlers, settings.claim_s)
        self.refused = 0

    def poll(self, patience_s: float) -> int:
        """Handle what came. Raises TomatoError E-LEARN-BUS."""
        return self.consumer.poll(patience_s)

    def _receive(self, raw: bytes) -> None:
        try:
            report = self._verifier.parse(raw, FieldReport)
        except (MessageRefused, DecodeError) as refusal:
            self.refused += 1
            _log.warning("report_refused", why=getattr(refusal, "why", "malformed"))
            return
        try:
            self._keep(with_known_outcome(report))
            receipt = ReportReceipt(report_id=report.report_id, checksum=content_checksum(raw))
            self._signer.stamp(receipt)
            self.publisher.publish(self._receipts, self._signer.encode(receipt), held=False)
        except Exception:
            self._verifier.forget(report)  # it will be delivered again
            raise


def with_known_outcome(report: FieldReport) -> FieldReport:
    """The report, an outcome that this program does not know counted as UNKNOWN instead of refusing the report."""
    if report.outcome not in ReportOutcome.values():
        report.outcome = ReportOutcome.REPORT_OUTCOME_UNKNOWN
    return report
