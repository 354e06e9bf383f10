"""Field reports on the disk: a write-ahead log that a report leaves only after its receipt's checksum held, and 24 h.

A record is `R` + milliseconds + the signed report, or `A` + report id + checksum for a receipt.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from shared_schemas.learn.budgets import REPORT_KEEP_H
from shared_schemas.learn.report_pb2 import FieldReport
from tomato_host.learn.wal import WriteAheadLog, committed, compact

MOST_REPORTS = 10_000
"""Reports held while nobody acknowledges any; beyond that the oldest goes, and is counted."""

_REPORT, _RECEIPT = b"R", b"A"
_TIME = struct.Struct("<Q")
_ACK = struct.Struct("<QI")


@dataclass
class StoredReport:
    """One report as it was signed."""

    report_id: int
    stored_ms: int
    raw: bytes
    acknowledged: bool = False

    @property
    def checksum(self) -> int:
        """CRC-32 of the report without the fields that each sending sets anew."""
        return content_checksum(self.raw)


def content_checksum(raw: bytes) -> int:
    """CRC-32 of what a report says: time, nonce and tag left out, which every sending has anew.

    Raises google.protobuf's DecodeError for bytes that are no report.
    """
    report = FieldReport.FromString(raw)
    report.sent_ms = report.nonce = 0
    report.tag = b""
    return zlib.crc32(report.SerializeToString(deterministic=True))


class ReportStore:
    """The log `learn/reports/wal.bin`. Raises OSError from everything that writes; then nothing has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reports: dict[int, StoredReport] = {}
        self.lost = 0
        """Reports that had to go unacknowledged."""
        for transaction in committed(path):
            for payload in transaction:
                self._replay(payload)

    def append(self, report_id: int, raw: bytes, now_ms: int) -> None:
        """Store a report durably."""
        self._write(_REPORT + _TIME.pack(now_ms) + raw)
        self.reports[report_id] = StoredReport(report_id, now_ms, raw)

    def acknowledge(self, report_id: int, checksum: int) -> bool:
        """A receipt: True when its checksum is that of the report, which then counts as delivered."""
        stored = self.reports.get(report_id)
        if stored is None or stored.checksum != checksum:
            return False
        if not stored.acknowledged:
            self._write(_RECEIPT + _ACK.pack(report_id, checksum))
            stored.acknowledged = True
        return True

    def unsent(self) -> list[StoredReport]:
        """Reports that nobody has acknowledged, oldest first."""
        return sorted((one for one in self.reports.values() if not one.acknowledged), key=lambda one: one.stored_ms)

    def retain(self, now_ms: int) -> int:
        """Delete acknowledged reports older than REPORT_KEEP_H; returns how many went.

        A clock that was set back deletes nothing; one that was set forward deletes only what is acknowledged.
        """
        limit = now_ms - int(REPORT_KEEP_H * 3_600_000)
        keep = {key: one for key, one in self.reports.items() if not (one.acknowledged and one.stored_ms < limit)}
        excess = sorted(keep.values(), key=lambda one: one.stored_ms)[: max(len(keep) - MOST_REPORTS, 0)]
        for one in excess:
            del keep[one.report_id]
        gone = len(self.reports) - len(keep)
        if gone:
            compact(self.path, [payloads for one in keep.values() for payloads in _transactions(one)])
            self.reports = keep
            self.lost += sum(not one.acknowledged for one in excess)
        return gone

    def _write(self, payload: bytes) -> None:
        with WriteAheadLog(self.path) as log:
            log.transaction([payload])

    def _replay(self, payload: bytes) -> None:
        kind, body = payload[:1], payload[1:]
        if kind == _REPORT:
            (stored_ms,) = _TIME.unpack_from(body)
            raw = body[_TIME.size :]
            report_id = int(FieldReport.FromString(raw).report_id)
            self.reports[report_id] = StoredReport(report_id, stored_ms, raw)
        elif kind == _RECEIPT:
            report_id, checksum = _ACK.unpack(body)
            if report_id in self.reports and self.reports[report_id].checksum == checksum:
                self.reports[report_id].acknowledged = True


def _transactions(one: StoredReport) -> list[list[bytes]]:
    found = [[_REPORT + _TIME.pack(one.stored_ms) + one.raw]]
    return [*found, [_RECEIPT + _ACK.pack(one.report_id, one.checksum)]] if one.acknowledged else found
