"""Replay recorded observations: a JSONL file of plain records or of dataset lines, or a whole dataset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import DeviceStatusV1, ObservationV1, parse_record
from tomato_host.errors import TomatoError, first_reason
from tomato_host.logs import Log

_log = Log("replay")

Malformed = Literal["fail", "skip"]


class ReplaySource:
    """Observations of `lines` (JSON records) in their order; device_status_v1 records between them are followed.

    Only those from `begin` to before `end` are given, and records of other kinds are passed over. `malformed`: "fail"
    raises TomatoError E-REPLAY-MALFORMED with the line's number, "skip" logs it and counts it in `skipped`.
    """

    lacking: frozenset[str] = frozenset()

    def __init__(
        self,
        lines: Iterator[tuple[str, bytes]],
        malformed: Malformed = "fail",
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        self._lines = lines
        self._begin, self._end = begin, end
        self._malformed = malformed
        self._status: DeviceStatusV1 | None = None
        self._last_ts: datetime | None = None
        self.skipped = 0

    @classmethod
    def from_file(
        cls, path: Path, malformed: Malformed = "fail", *, begin: datetime | None = None, end: datetime | None = None
    ) -> ReplaySource:
        """Replay a JSONL file: plain records, or the lines of a dataset."""
        if not path.is_file():
            raise TomatoError("E-REPLAY-NO-FILE", f"{path} is not there.", "Check the path.")
        return cls(_file_lines(path), malformed, begin=begin, end=end)

    def next_observation(self) -> ObservationV1 | None:
        """The next observation, or None at the end of the recording."""
        for where, line in self._lines:
            try:
                record = parse_record(line)
            except ValueError as error:
                self._refuse(where, error)
                continue
            if isinstance(record, DeviceStatusV1):
                self._status = record
            elif isinstance(record, ObservationV1) and self._in_span(record.ts):
                self._last_ts = record.ts
                return record
        return None

    def device_status(self) -> DeviceStatusV1:
        """The last recorded status; without one: all outputs OFF, no board."""
        return self._status or unknown_status(self._last_ts or datetime.fromisoformat("1970-01-01T00:00:00+00:00"))

    def _in_span(self, ts: datetime) -> bool:
        return (self._begin is None or ts >= self._begin) and (self._end is None or ts < self._end)

    def _refuse(self, where: str, error: ValueError) -> None:
        reason = first_reason(error)[:200]
        if self._malformed == "fail":
            raise TomatoError(
                "E-REPLAY-MALFORMED",
                f"{where} is no valid record: {reason}",
                "Repair the file, or replay with --malformed skip.",
            ) from error
        self.skipped += 1
        _log.warning("line skipped", where=where, reason=reason)


def _file_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each line's place and its record; the wrapping of a dataset line is taken off."""
    from tomato_host.storage.chain import parse_line

    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.name} line {number}"
            if not line.strip():
                continue
            if line.startswith(b'{"n":'):
                try:
                    yield where, parse_line(line).payload
                    continue
                except ValueError:
                    pass
            yield where, line.rstrip(b"\n")


def unknown_status(ts: datetime) -> DeviceStatusV1:
    """A device status for recordings that have none: nothing known to be on, no board."""
    return DeviceStatusV1.model_validate(
        {
            "schema_version": "device_status_v1",
            "ts": ts,
            "mcu_connected": False,
            "board_state": "UNKNOWN",
            "outputs": {output.name: "OFF" for output in OUTPUTS},
        }
    )
