"""What every source of observations offers, be it a simulation, a recording or the board."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from shared_schemas.records import DeviceStatusV1, ObservationV1


@runtime_checkable
class Source(Protocol):
    """Observations one after the other, in the order of their time, and the board's state beside them."""

    def next_observation(self) -> ObservationV1 | None:
        """The next observation, or None when the stream has ended; after None it stays None."""

    def device_status(self) -> DeviceStatusV1:
        """The outputs and the board at the moment of the last observation (before the first: of the beginning)."""

    @property
    def lacking(self) -> frozenset[str]:
        """Quantities that this source never measures, named as in observation_v1; `soil` when it has no probe."""


class ChangedDevices:
    """A source's device status as one object for as long as nothing but its time changes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last: DeviceStatusV1 | None = None

    def now(self) -> DeviceStatusV1:
        """The present status; the same object as before when only `ts` differs."""
        fresh = self._source.device_status()
        last = self._last
        if last is None or (fresh is not last and fresh.model_copy(update={"ts": last.ts}) != last):
            self._last = last = fresh
        return last
